/** All pictures in one table: how many regions each has, and what share each class takes. */
import * as Csv from "./Csv.ts"
import { byId, h } from "./Dom.ts"
import type { Picture } from "./Gallery.ts"
import type { Packed } from "./Result.ts"
import { walk } from "./Rows.ts"
import { count, percent } from "./Text.ts"

/** Classes that have a column; the rest are in the file. */
const columns = 6

const latest = ({ model, results }: Picture): Packed | undefined => results.get(model)

/** Names by their share over all pictures. */
const namesOf = (found: ReadonlyArray<Packed>): ReadonlyArray<string> => {
  const shares = new Map<string, number>()
  for (const { classes } of found) {
    for (const { name, share } of classes) shares.set(name, (shares.get(name) ?? 0) + share)
  }
  return [...shares].toSorted(([, a], [, b]) => b - a).map(([name]) => name)
}

const shareIn = ({ classes }: Packed, name: string): number =>
  classes.find((one) => one.name === name)?.share ?? 0

let start: (() => void) | undefined

export const show = (pictures: ReadonlyArray<Picture>, onPick: (picture: Picture) => void): void => {
  const section = byId("summary", HTMLElement)
  section.hidden = pictures.length < 2
  if (section.hidden) return
  const found = pictures.flatMap((picture) => latest(picture) ?? [])
  const names = namesOf(found).slice(0, columns)
  const table = byId("summary-table", HTMLTableElement)
  start ??= walk(table)
  table.replaceChildren(
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Picture"),
        ...["Regions", ...names].map((name) => h("th", { scope: "col", class: "number", title: name }, name))
      )
    ),
    h(
      "tbody",
      {},
      ...pictures.map((picture) => {
        const result = latest(picture)
        const button = h(
          "button",
          { type: "button", class: "pick" },
          h("span", { class: "name", title: picture.file.name }, picture.file.name)
        )
        button.addEventListener("click", () => onPick(picture))
        const cells =
          result === undefined
            ? [h("td", { colspan: String(names.length + 1) }, picture.problem ?? picture.state)]
            : [count(result.regionsTotal), ...names.map((name) => percent(shareIn(result, name)))].map(
                (text) => h("td", { class: "number" }, text)
              )
        return h("tr", {}, h("th", { scope: "row" }, button), ...cells)
      })
    )
  )
  start()
}

/** The same as CSV, with a column for every class. */
export const csv = (pictures: ReadonlyArray<Picture>): Blob => {
  const found = pictures.flatMap((picture) => {
    const result = latest(picture)
    return result === undefined ? [] : [{ name: picture.file.name, result }]
  })
  const names = namesOf(found.map(({ result }) => result))
  const lines = [
    ["picture", "model", "width", "height", "regions", ...names.map((name) => `share of ${name}`)],
    ...found.map(({ name, result }) => [
      name,
      result.model,
      result.width,
      result.height,
      result.regionsTotal,
      ...names.map((one) => shareIn(result, one))
    ])
  ]
  return new Blob([lines.map(Csv.line).join("")], { type: "text/csv" })
}
