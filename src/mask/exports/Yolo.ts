import { Result } from "effect"
import * as ClassTable from "../ClassTable.ts"
import { histogram } from "../LabelMap.ts"
import * as Yolo from "../Yolo.ts"
import * as ExportFormat from "./ExportFormat.ts"

const encoder = new TextEncoder()

/** JSON strings are YAML strings, but for what YAML takes for a line's end, or for no text at all. */
const quoted = (text: string): string =>
  JSON.stringify(text).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (sign) => `\\u${(0x10000 + sign.charCodeAt(0)).toString(16).slice(1)}`
  )

export const format = ExportFormat.make({
  title: "YOLO",
  description: "Regions as YOLO segments, a line each",
  mediaType: "text/x-yolo",
  ending: "txt",
  isNumbered: true,
  isPaired: true,
  uses: ["classes", "exclude", "minArea", "tolerance"],
  per: "image",
  open: ({ classes, exclude, minArea, tolerance }) => {
    // YOLO counts classes from 0 without gaps; without a table of classes ids stay as they are.
    const wanted = classes.filter(({ id }) => !exclude.has(id))
    const order = new Map(wanted.map(({ id }, index) => [id, index]))
    const classOf = (id: number) => order.get(id) ?? id
    const found = new Set<number>()
    let highest = -1
    return {
      *encode({ map }) {
        const ids = [...histogram(map).keys()]
        const stranger =
          classes.length === 0 ? undefined : ids.find((id) => !order.has(id) && !exclude.has(id))
        if (stranger !== undefined) {
          return Result.fail(
            `it has id ${stranger}, which is none of the classes. Say with --classes which there are`
          )
        }
        const text = yield* Yolo.steps(map, { exclude, minArea, tolerance, classOf })
        for (const id of ids) {
          found.add(id)
          if (id > highest) highest = id
        }
        return Result.succeed(encoder.encode(text))
      },
      // The names that its training reads.
      beside: () => {
        // Its readers want a name for each number from 0 to the highest, as far as anybody trains so many.
        const ids =
          classes.length > 0
            ? [...order.keys()]
            : highest < 0x10000
              ? Array.from({ length: highest + 1 }, (_, id) => id)
              : [...found].sort((a, b) => a - b)
        const lines = ids.map((id) => `  ${classOf(id)}: ${quoted(ClassTable.nameOf(classes, id))}\n`)
        return { name: "data.yaml", bytes: encoder.encode(`names:\n${lines.join("")}`) }
      }
    }
  }
})
