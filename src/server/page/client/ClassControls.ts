/** How one class is shown: in a row below its own, opened by a button. */
import * as Appearance from "./Appearance.ts"
import { h } from "./Dom.ts"
import type { FoundClass } from "./Result.ts"

/** The cell with the button, for the class's row. */
export const make = (
  of: FoundClass,
  row: HTMLTableRowElement,
  onChange: () => void
): HTMLTableCellElement => {
  const { name } = of
  const button = h(
    "button",
    {
      type: "button",
      class: "more-of",
      tabindex: "-1",
      "aria-expanded": "false",
      "aria-label": `How ${name} is shown`
    },
    "⋯"
  )
  let open: HTMLTableRowElement | undefined

  const controls = () => {
    const own = Appearance.of(name)
    const shown = h("input", { type: "checkbox" })
    shown.checked = own.isHidden !== true
    shown.addEventListener("change", () => change({ isHidden: !shown.checked }))
    const color = h("input", { type: "color" })
    color.value = Appearance.colorOf(of) ?? "#888888"
    color.addEventListener("input", () => change({ color: color.value }))
    const opacity = h("input", { type: "range", min: "0", max: "100", step: "5" })
    opacity.value = String(Math.round((own.opacity ?? 1) * 100))
    opacity.addEventListener("input", () => change({ opacity: Number(opacity.value) / 100 }))
    const change = (next: Appearance.Own) => {
      Appearance.change(name, next)
      onChange()
    }
    return h(
      "td",
      { colspan: String(row.cells.length) },
      h(
        "div",
        { class: "look", role: "group", "aria-label": `How ${name} is shown` },
        h("label", {}, shown, "Shown"),
        h("label", {}, "Colour", color),
        h("label", {}, "Strength", opacity)
      )
    )
  }

  button.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(open === undefined))
    if (open === undefined) {
      open = h("tr", { class: "look-row" }, controls())
      row.after(open)
      open.querySelector("input")?.focus()
      open.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return
        event.stopPropagation()
        button.click()
        button.focus()
      })
    } else {
      open.remove()
      open = undefined
    }
  })
  return h("td", { class: "settings" }, button)
}
