import { Result } from "effect"
import * as ClassTable from "../ClassTable.ts"
import * as LabelStudio from "../LabelStudio.ts"
import * as Palette from "../Palette.ts"
import * as Xml from "../Xml.ts"
import * as ExportFormat from "./ExportFormat.ts"

/** The tags of Label Studio's own templates, and what they are called there. */
const tags = {
  mask: { type: "brushlabels", tag: "BrushLabels", name: "tag" },
  polygon: { type: "polygonlabels", tag: "PolygonLabels", name: "label" },
  box: { type: "rectanglelabels", tag: "RectangleLabels", name: "label" },
  bitmask: { type: "bitmasklabels", tag: "BitmaskLabels", name: "labels" }
} as const

/** Characters of the regions of one image: what more would take, no text in this runtime can hold. */
const maxLength = 1 << 27

export const format = ExportFormat.make({
  title: "Label Studio",
  description: "Tasks of Label Studio with predictions: masks, polygons or boxes to correct",
  mediaType: "application/vnd.label-studio+json",
  ending: "tasks.json",
  isAttributed: true,
  isNamedEach: true,
  uses: ["classes", "exclude", "minArea", "tolerance", "shape", "objects", "imagesAt"],
  per: "run",
  open: ({ objects, imagesAt, minArea, shape, tolerance, ...all }) => {
    const { name, tag, type } = tags[shape]
    const labels = new Map<string, { readonly id: number; readonly background: string }>()
    const declare = (classes: ClassTable.ClassTable, id: number): string => {
      const label = ClassTable.nameOf(classes, id)
      if (!labels.has(label))
        labels.set(label, { id, background: Palette.toHex(Palette.colorOf(classes, id)) })
      return label
    }
    for (const { id } of all.classes) if (!all.exclude.has(id)) declare(all.classes, id)
    let count = 0
    return {
      start: "[",
      *add({ image, map, model, own = all, score }) {
        const { classes, exclude } = own
        const controlOf = (id: number): LabelStudio.Control => ({
          type,
          fromName: name,
          toName: "image",
          label: declare(classes, id)
        })
        const options = { controlOf, exclude, minArea, tolerance, per: objects }
        const regions: Array<string> = []
        let length = 0
        const isWhole = yield* LabelStudio.each(map, options, (region) => {
          const text = JSON.stringify(region)
          length += text.length
          regions.push(text)
          return length < maxLength
        })
        if (!isWhole) {
          return Result.fail(
            "its regions are too many to be a mask of the whole image each: leave out small ones (--min-area), or write one mask " +
              "for each class (--objects class) or polygons (--shape polygon)"
          )
        }
        const about = {
          ...(model === undefined ? {} : { model_version: model }),
          ...(score === undefined ? {} : { score })
        }
        const prediction = `{${JSON.stringify(about).slice(1, -1)}${Object.keys(about).length > 0 ? "," : ""}"result":[${regions.join(",")}]}`
        const data = JSON.stringify({ image: addressOf(image, imagesAt) })
        return Result.succeed(`${count++ === 0 ? "\n" : ",\n"}{"data":${data},"predictions":[${prediction}]}`)
      },
      end: () => "\n]\n",
      // What the project of these tasks has to know.
      beside: () => {
        const lines = [...labels]
          .sort(([, a], [, b]) => a.id - b.id)
          .map(([value, { background }]) => `    <Label${Xml.attributes({ value, background })}/>\n`)
        // Bitmasks are shifted by half a pixel where the page smooths the image.
        const image = {
          name: "image",
          value: "$image",
          ...(shape === "bitmask" ? { smoothing: "false" } : { zoom: "true" })
        }
        const config =
          `<View>\n  <Image${Xml.attributes(image)}/>\n  <${tag}${Xml.attributes({ name, toName: "image" })}>\n` +
          `${lines.join("")}  </${tag}>\n</View>\n`
        return { name: "labelling.xml", bytes: new TextEncoder().encode(config) }
      }
    }
  }
})

/** Where the page asks for files of a folder that it may show. */
const localFiles = "/data/local-files/?d="

/** The address of an image. Names are escaped, unless it is a storage's, which has them as they are. */
const addressOf = (image: string, at = localFiles): string =>
  /^(?:https?:|\/)/i.test(at) ? at + image.split("/").map(encodeURIComponent).join("/") : at + image
