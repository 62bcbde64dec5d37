/** Classes and regions as tables. A row stands out on the picture while it is pointed at, and stays so once picked. */
import * as Appearance from "./Appearance.ts"
import * as ClassControls from "./ClassControls.ts"
import { byId, h, swatch } from "./Dom.ts"
import type { FoundClass, Region, Result } from "./Result.ts"
import { walk } from "./Rows.ts"
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
  /** A class is to be shown in another way. */
  readonly onLook: () => void
}

export interface Tables {
  /** The second result, where two are compared, is a column of its own. */
  readonly show: (result: Result, other: Result | undefined) => void
  /** Shares of what is sure; the last is that of what is not. */
  readonly shares: (shares: ReadonlyMap<number, number> | undefined, unsure: number) => void
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
  let shown: Result | undefined
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
    const name = h("span", { class: "name", title: target.className }, target.className)
    const button = h("button", attributes, swatch(color), name)
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
    element.addEventListener("click", (event) => {
      if (event.target instanceof Element && event.target.closest(".more-of") === null) events.onPick(target)
    })
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

  // On paper nothing can be opened.
  window.addEventListener("beforeprint", () => regions.querySelector<HTMLElement>(".more .button")?.click())
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
    sharesOf.clear()
    return [...result.classes, ...only].map((one: FoundClass) => {
      const { confidence: sure, name } = one
      const made = row(
        { className: name },
        Appearance.colorOf(one),
        undefined,
        shareIn(result, name),
        ...(other === undefined ? (isSure(result) ? [confidence(sure)] : []) : [shareIn(other, name)])
      )
      const share = made.querySelector("td")
      if (share !== null && !only.includes(one)) sharesOf.set(one.id, share)
      made.classList.toggle("off", Appearance.of(name).isHidden === true)
      made.append(
        ClassControls.make(one, made, () => {
          made.classList.toggle("off", Appearance.of(name).isHidden === true)
          for (const { row, target } of rows) {
            if (target.className === name)
              row.querySelector(".swatch")?.replaceWith(swatch(Appearance.colorOf(one)))
          }
          events.onLook()
        })
      )
      return made
    })
  }
  const sharesOf = new Map<number, HTMLElement>()

  const regionRow = (result: Result, region: Region) => {
    const { area, box, className, id } = region
    const of = result.classes.find(({ name }) => name === className)
    const color = of && Appearance.colorOf(of)
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
      const top = head("Class", ...names)
      top.firstElementChild?.append(
        h("th", { scope: "col" }, h("span", { class: "hidden" }, "How it is shown"))
      )
      classes.replaceChildren(top, h("tbody", {}, ...classRows(result, other)))
      shown = result
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
    shares: (shares, unsure) => {
      for (const [id, cell] of sharesOf) {
        const whole = shown?.classes.find((one) => one.id === id)?.share ?? 0
        cell.textContent = percent(shares?.get(id) ?? (shares === undefined ? whole : 0))
      }
      classes.querySelector(".unsure")?.remove()
      if (shares === undefined) return
      const cells = [
        h(
          "th",
          { scope: "row" },
          h("span", { class: "pick" }, h("span", { class: "swatch hatched" }), "unsure")
        )
      ]
      const rest = (classes.querySelectorAll("thead th").length || 2) - 2
      classes.tBodies[0]?.append(
        h(
          "tr",
          { class: "unsure" },
          ...cells,
          h("td", { class: "number" }, percent(unsure)),
          ...Array.from({ length: rest }, () => h("td", {}))
        )
      )
    },
    clear: () => {
      rows = []
      shown = undefined
      hovered = picked = undefined
      classes.replaceChildren()
      regions.replaceChildren()
    }
  }
}
