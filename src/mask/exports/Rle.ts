import { Result } from "effect"
import * as ClassTable from "../ClassTable.ts"
import * as Rle from "../Rle.ts"
import * as ExportFormat from "./ExportFormat.ts"

export const format = ExportFormat.make({
  title: "RLE",
  description: "COCO run lengths of each class, a JSON object a line",
  mediaType: "application/x-ndjson",
  ending: "rle.jsonl",
  isNamedEach: true,
  uses: ["classes"],
  per: "run",
  open: (all) => ({
    start: "",
    *add({ image, map, own = all }) {
      const found = Array.from(yield* Rle.steps(map), ([id, rle]) => ({
        id,
        name: ClassTable.nameOf(own.classes, id),
        area: Rle.area(rle),
        segmentation: Rle.toCoco(rle)
      }))
      return Result.succeed(
        `${JSON.stringify({ image, width: map.width, height: map.height, classes: found })}\n`
      )
    },
    end: () => ""
  })
})
