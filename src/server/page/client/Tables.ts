/** Classes and regions as tables. A row stands out on the picture while it is pointed at, and stays so once picked. */
import { byId, h, swatch } from "./Dom.ts"
import type { FoundClass, Region, Result } from "./Result.ts"
import { confidence, count, percent } from "./Text.ts"

/** What a row is about: a class, or one region of it. */
export interface Target {
  readonly className: string
  readonly region?: Region | undefined
}

export interface TableEvents {
  /** Pointed at or focused; `undefined` where neither is so any more. */
  readonly onHover: (target: Target | undefined) => void
  readonly onPick: (target: Target) => void
}

export interface Tables {
  /** The second result, where two are compared, is a column of its own. */
  readonly show: (result: Result, other: Result | undefined) => void
  /** Marks what was picked. */
  readonly mark: (target: Target | undefined) => void
  readonly clear: () => void
}

/** Regions listed before one asks for the rest. */
const listed = 100

export const isSame = (a: Target | undefined, b: Target | undefined): boolean =>
  a?.className === b?.className && a?.region?.id === b?.region?.id

/** Whether the model says how sure it is: not all do. */
const isSure = (result: Result): boolean => result.classes.some((one) => one.confidence !== null)

export const make = (events: TableEvents): Tables => {
  const classes = byId("classes", HTMLTableElement)
  const regions = byId("regions", HTMLTableElement)
  const regionsCount = byId("regions-count", HTMLSpanElement)
  let rows: Array<{ readonly target: Target; readonly row: HTMLElement; readonly button: HTMLElement }> = []
  let hovered: Target | undefined
  let picked: Target | undefined

  const hover = (target: Target | undefined) => {
    if (target === hovered) return
    hovered = target
    events.onHover(target)
  }

  const row = (
    target: Target,
    color: string | undefined,
    label: string | undefined,
    ...cells: ReadonlyArray<string>
  ) => {
    const attributes = {
      class: "pick",
      type: "button",
      tabindex: "-1",
      "aria-pressed": "false",
      "aria-label": label
    }
    const button = h("button", attributes, swatch(color), target.className)
    const element = h(
      "tr",
      {},
      h("th", { scope: "row" }, button),
      ...cells.map((cell) => h("td", { class: "number" }, cell))
    )
    // A table that appears under a pointer at rest is not pointed at.
    element.addEventListener("pointermove", ({ movementX, movementY, pointerType }) => {
      if (pointerType === "mouse" && (movementX !== 0 || movementY !== 0)) hover(target)
    })
    element.addEventListener("pointerleave", () => hover(undefined))
    element.addEventListener("focusin", () => button.matches(":focus-visible") && hover(target))
    element.addEventListener("focusout", () => hover(undefined))
    element.addEventListener("click", () => events.onPick(target))
    rows.push({ target, row: element, button })
    return element
  }

  const head = (...names: ReadonlyArray<string>) =>
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ...names.map((name, at) => h("th", { scope: "col", class: at === 0 ? undefined : "number" }, name))
      )
    )

  /** One row of a table is a stop of the Tab key; arrow keys go from there. */
  const walk = (table: HTMLTableElement) => {
    const buttons = () => [...table.querySelectorAll("button")]
    const stop = (button: HTMLElement | undefined) => {
      for (const one of buttons()) one.tabIndex = one === button ? 0 : -1
    }
    table.addEventListener("focusin", ({ target }) => {
      if (target instanceof HTMLButtonElement) stop(target)
    })
    table.addEventListener("keydown", (event) => {
      const all = buttons()
      const at = all.findIndex((one) => one === document.activeElement)
      const rows: Readonly<Record<string, number>> = {
        ArrowDown: at + 1,
        ArrowUp: at - 1,
        Home: 0,
        End: all.length - 1
      }
      const next = rows[event.key]
      const button = next === undefined ? undefined : all[next]
      if (button === undefined) return
      event.preventDefault()
      button.focus()
    })
    return () => stop(buttons()[0])
  }
  const starts = [walk(classes), walk(regions)]

  const mark = (target: Target | undefined) => {
    picked = target
    for (const one of rows) {
      const on = isSame(one.target, target)
      one.row.classList.toggle("on", on)
      one.button.setAttribute("aria-pressed", String(on))
    }
  }

  const classRows = (result: Result, other: Result | undefined) => {
    const only = other?.classes.filter(({ name }) => !result.classes.some((one) => one.name === name)) ?? []
    const shareIn = (of: Result, name: string) => {
      const found = of.classes.find((one) => one.name === name)
      return found === undefined ? "–" : percent(found.share)
    }
    return [...result.classes, ...only].map(({ color, confidence: sure, name }: FoundClass) =>
      row(
        { className: name },
        color,
        undefined,
        shareIn(result, name),
        ...(other === undefined ? (isSure(result) ? [confidence(sure)] : []) : [shareIn(other, name)])
      )
    )
  }

  const regionRow = (result: Result, region: Region) => {
    const { area, box, className, id } = region
    const color = result.classes.find(({ name }) => name === className)?.color
    const label = `${className}, region ${id}`
    const place = `${Math.round(box.x)}, ${Math.round(box.y)}`
    const sure = isSure(result) ? [confidence(region.confidence)] : []
    return row({ className, region }, color, label, place, count(area), ...sure)
  }

  const regionRows = (result: Result) => {
    const body = h("tbody", {}, ...result.regions.slice(0, listed).map((region) => regionRow(result, region)))
    if (result.regions.length === 0) body.append(h("tr", {}, h("td", { colspan: "4" }, "None")))
    const rest = result.regions.slice(listed)
    if (rest.length > 0) {
      const button = h(
        "button",
        { class: "button small quiet", type: "button" },
        `Show ${count(rest.length)} more`
      )
      const last = h("tr", { class: "more" }, h("td", { colspan: "4" }, button))
      button.addEventListener("click", () => {
        const more = rest.map((region) => regionRow(result, region))
        last.replaceWith(...more)
        mark(picked)
        more[0]?.querySelector("button")?.focus()
      })
      body.append(last)
    }
    return body
  }

  return {
    show: (result, other) => {
      rows = []
      const last = isSure(result) ? ["Confidence"] : []
      const names = other === undefined ? ["Share", ...last] : [result.model, other.model]
      classes.classList.toggle("compared", other !== undefined)
      classes.replaceChildren(head("Class", ...names), h("tbody", {}, ...classRows(result, other)))
      regions.replaceChildren(head("Class", "Left, top", "Pixels", ...last), regionRows(result))
      const { length } = result.regions
      regionsCount.textContent =
        length < result.regionsTotal
          ? `${count(length)} largest of ${count(result.regionsTotal)}`
          : count(result.regionsTotal)
      for (const start of starts) start()
      mark(picked)
    },
    mark,
    clear: () => {
      rows = []
      hovered = picked = undefined
      classes.replaceChildren()
      regions.replaceChildren()
    }
  }
}
