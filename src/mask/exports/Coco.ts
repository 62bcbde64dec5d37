import { Result } from "effect"
import * as ClassTable from "../ClassTable.ts"
import * as Coco from "../Coco.ts"
import * as ExportFormat from "./ExportFormat.ts"

export const format = ExportFormat.make({
  title: "COCO",
  description: "Regions as COCO annotations",
  mediaType: "application/vnd.coco+json",
  ending: "coco.json",
  uses: ["classes", "exclude", "minArea", "tolerance", "categoryOf"],
  per: "run",
  open: ({ categoryOf, classes, exclude, minArea, tolerance }) => {
    const ids = new Set(classes.map(({ id }) => id))
    const table = () =>
      ClassTable.make(Array.from(ids, (id) => ({ id, name: ClassTable.nameOf(classes, id) })))
    const writer = Coco.writer(() => Coco.categories(table(), { exclude, categoryOf }))
    let images = 0
    let next = 1
    return {
      start: "",
      *add({ image, map }) {
        const id = ++images
        const categoryId = (classId: number) => {
          ids.add(classId)
          return categoryOf?.(classId) ?? classId
        }
        const options = { exclude, minArea, tolerance, imageId: id, firstId: next, categoryOf: categoryId }
        const found = yield* Coco.steps(map, options)
        next += found.length
        return Result.succeed(
          yield* writer.steps({ id, width: map.width, height: map.height, file_name: image }, found)
        )
      },
      end: writer.end
    }
  }
})
