/** What a comparison says: how far two models agree, which names were taken for the same, and against a truth the score of each class. */
import type { Confusion, Fault, Twin } from "./Compare.ts"
import { byId, h } from "./Dom.ts"
import type { FoundClass } from "./Result.ts"
import { count, percent } from "./Text.ts"

export interface ComparePanelEvents {
  /** A class of the second is one of the first; of none where that is empty. */
  readonly onPair: (second: string, first: string) => void
  readonly onFault: (fault: Fault) => void
}

export interface Compared {
  readonly first: ReadonlyArray<FoundClass>
  readonly twins: ReadonlyArray<Twin>
  readonly confusion: Confusion
  readonly isTruth: boolean
  readonly notes: ReadonlyArray<string>
}

export const clear = (): void => {
  byId("comparison", HTMLElement).hidden = true
  byId("comparison-text", HTMLDivElement).replaceChildren()
  byId("faults", HTMLDivElement).replaceChildren()
}

/** The sentence that is said, too. */
export const sentenceOf = ({ confusion, isTruth }: Compared): string => {
  const { ignored, same, total } = confusion
  if (total === 0) return "No pixel of the truth counts"
  const left = ignored === 0 ? "" : `; ${count(ignored)} pixels do not count`
  return isTruth
    ? `${percent(same / total)} of the pixels are right${left}`
    : `They agree on ${percent(same / total)} of the pixels`
}

export const show = (compared: Compared, events: ComparePanelEvents): void => {
  const { confusion, first, isTruth, notes, twins } = compared
  const text = byId("comparison-text", HTMLDivElement)
  const alike = twins.filter(({ by }) => by === "alike").map(({ name, of }) => `${of} and ${name}`)
  const rows = confusion.classes.filter(({ first, second }) => first + second > 0)
  const mean = rows.reduce((sum, { iou }) => sum + iou, 0) / Math.max(1, rows.length)
  const loose = twins.filter(({ by }) => by !== "exact")
  text.replaceChildren(
    ...notes.map((note) => h("p", { class: "note" }, note)),
    ...(alike.length === 0 ? [] : [h("p", { class: "note" }, `Taken for the same: ${alike.join(", ")}.`)]),
    ...loose.map((twin) => pairing(twin, first, events.onPair)),
    table(rows, mean, isTruth)
  )
  byId("comparison", HTMLElement).hidden = false
}

const pairing = (
  { name, of }: Twin,
  first: ReadonlyArray<FoundClass>,
  onPair: ComparePanelEvents["onPair"]
) => {
  const select = h(
    "select",
    {},
    h("option", { value: "" }, "none of these"),
    ...first.map((one) => h("option", { value: one.name }, one.name))
  )
  select.value = of ?? ""
  select.addEventListener("change", () => onPair(name, select.value))
  return h("label", { class: "pairing" }, h("span", {}, `${name} is`), select)
}

const table = (rows: Confusion["classes"], mean: number, isTruth: boolean) =>
  h(
    "table",
    { "aria-label": isTruth ? "Score of each class" : "Agreement on each class" },
    h(
      "thead",
      {},
      h("tr", {}, h("th", { scope: "col" }, "Class"), h("th", { scope: "col", class: "number" }, "IoU"))
    ),
    h(
      "tbody",
      {},
      ...rows
        .toSorted((a, b) => a.iou - b.iou)
        .map(({ iou, name }) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, h("span", { class: "name", title: name }, name)),
            h("td", { class: "number" }, iou.toFixed(4))
          )
        ),
      h(
        "tr",
        { class: "sum" },
        h("th", { scope: "row" }, "mean"),
        h("td", { class: "number" }, mean.toFixed(4))
      )
    )
  )

/** Where they differ most, each a button that goes there. */
export const faults = (all: ReadonlyArray<Fault>, onFault: ComparePanelEvents["onFault"]): void => {
  const buttons = all.map((fault, at) => {
    const button = h(
      "button",
      { type: "button", class: "button small" },
      `${at + 1}: ${count(fault.area)} px at ${fault.x}, ${fault.y}`
    )
    button.addEventListener("click", () => onFault(fault))
    return button
  })
  byId("faults", HTMLDivElement).replaceChildren(
    ...(buttons.length === 0 ? [] : [h("p", { class: "note" }, "Where they differ most"), ...buttons])
  )
}
