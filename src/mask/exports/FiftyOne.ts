import { Result } from "effect"
import { Base64 } from "effect/encoding"
import { zlibSync } from "fflate"
import * as ClassTable from "../ClassTable.ts"
import { histogram, type LabelMap, remap } from "../LabelMap.ts"
import * as Npy from "../Npy.ts"
import * as Steps from "../Steps.ts"
import * as ExportFormat from "./ExportFormat.ts"

/** The fields of a sample, as FiftyOne declares them. */
const fields = {
  model: "fiftyone.core.fields.StringField",
  score: "fiftyone.core.fields.FloatField",
  predictions: "fiftyone.core.fields.EmbeddedDocumentField(fiftyone.core.labels.Segmentation)"
}

export const format = ExportFormat.make({
  title: "FiftyOne",
  description: "Samples of FiftyOne with segmentation masks, a data set in one file",
  mediaType: "application/vnd.fiftyone+json",
  ending: "samples.json",
  isAttributed: true,
  isNumbered: true,
  uses: ["classes", "exclude", "categoryOf", "imagesAt"],
  per: "run",
  open: ({ categoryOf, classes, exclude, imagesAt = "" }) => {
    // FiftyOne shows nothing where a mask is 0: that is for what is no object.
    const first = exclude.has(0) ? 0 : 1
    const targetOf = categoryOf ?? ((id: number) => id + first)
    const names = new Map(
      classes.filter(({ id }) => !exclude.has(id)).map(({ id, name }) => [targetOf(id), name])
    )
    let count = 0
    return {
      start: `{"name":"segformer","media_type":"image","sample_fields":${JSON.stringify(fields)},"samples":[`,
      *add({ image, map, model, score }) {
        const targets = new Map<number, number>()
        for (const id of histogram(map).keys()) {
          targets.set(id, exclude.has(id) ? 0 : targetOf(id))
          if (!exclude.has(id)) names.set(targetOf(id), ClassTable.nameOf(classes, id))
        }
        const text = yield* Steps.once(() => Base64.encode(zlibSync(Npy.fromLabelMap(masked(map, targets)))))
        const sample = {
          filepath: imagesAt + image,
          tags: [],
          metadata: null,
          ...(model === undefined ? {} : { model }),
          ...(score === undefined ? {} : { score }),
          predictions: { _cls: "Segmentation", tags: [], mask: { $binary: { base64: text, subType: "00" } } }
        }
        return Result.succeed(`${count++ === 0 ? "\n" : ",\n"}${JSON.stringify(sample)}`)
      },
      end: () => {
        const all = [...names].sort((a, b) => a[0] - b[0])
        return `\n],"default_mask_targets":${JSON.stringify(Object.fromEntries(all))}}\n`
      }
    }
  }
})

/** The map with the ids of a mask: 0 where it has none, and where it is ignored. */
const masked = ({ data, height, ignoreIndex, width }: LabelMap, targets: Map<number, number>): LabelMap => {
  if (ignoreIndex !== undefined) targets.set(ignoreIndex, 0)
  return remap({ data, height, width }, targets)
}
