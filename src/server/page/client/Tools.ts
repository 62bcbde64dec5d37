/** The tools below the picture: zoom, regions, ruler, link, the strength of the overlay and the least confidence. */
import { byId, h } from "./Dom.ts"
import * as Measure from "./Measure.ts"
import * as Notices from "./Notices.ts"
import * as Pill from "./Pill.ts"
import * as RegionMask from "./RegionMask.ts"
import type { Result } from "./Result.ts"
import type { Reading } from "./Reading.ts"
import type { Stage } from "./Stage.ts"
import type { Target } from "./Tables.ts"
import type { Point } from "./View.ts"

export interface ToolsEvents {
  readonly stage: Stage
  readonly onOpacity: () => void
  readonly onLeast: () => void
  readonly onStep: (by: 1 | -1) => void
  readonly onPick: (reading: Reading) => void
  readonly onAll: () => void
  /** The page's address is wanted as of now. */
  readonly onLink: () => void
  /** The region that is picked. */
  readonly region: () => RegionMask.RegionMask | undefined
}

const opacityInput = byId("opacity", HTMLInputElement)
const leastInput = byId("least", HTMLInputElement)
const zoomText = byId("zoom-value", HTMLOutputElement)
const ruler = byId("ruler", HTMLButtonElement)
const readText = byId("reading-text", HTMLSpanElement)
const readTool = byId("reading", HTMLDivElement)

/** Of the overlay, 0 to 1. */
export const opacity = (): number => Number(opacityInput.value) / 100

/** Of a pixel, 0 to 255; 0 where all count. */
export const least = (): number => Math.round(Number(leastInput.value) * 2.55)

let last: Reading | undefined
let target: Target | undefined
let line: readonly [Point, Point] | undefined
let region: () => RegionMask.RegionMask | undefined = () => undefined

/** What a finger read, with a button that shows it alone. */
export const read = (reading: Reading | undefined): void => {
  if (reading === undefined) return
  last = reading
  readTool.hidden = false
  readText.textContent = `${Pill.words(reading)} at ${reading.x}, ${reading.y}`
}

export const zoomed = (scale: number): void => {
  const shown = scale * devicePixelRatio * 100
  zoomText.textContent = `${shown < 10 ? shown.toFixed(1) : Math.round(shown)} %`
}

export const measured = (from: Point | undefined, to: Point | undefined): void => {
  line = from === undefined || to === undefined ? undefined : [from, to]
  measures()
}

/** What stands out now. */
export const picked = (next: Target | undefined): void => {
  target = next
  byId("all", HTMLButtonElement).hidden = next === undefined
  measures()
}

/** What was measured, of the ruler's line and of the region that is picked. */
const measures = (): void => {
  const mask = target?.region === undefined ? undefined : region()
  const lines: Array<readonly [string, string]> = []
  if (line !== undefined) {
    const [from, to] = line
    lines.push(["Ruler", Measure.length(Math.hypot(to.x - from.x, to.y - from.y))])
  }
  if (mask !== undefined) lines.push(...Measure.lines(RegionMask.measure(mask)))
  byId("measures", HTMLElement).hidden = lines.length === 0 && ruler.getAttribute("aria-pressed") !== "true"
  byId("measures-list", HTMLDListElement).replaceChildren(
    ...lines.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])
  )
}

export const show = (result: Result): void => {
  byId("least-tool", HTMLDivElement).hidden = result.confidence === undefined
  for (const id of ["region-back", "region-next"])
    byId(id, HTMLButtonElement).disabled = result.regions.length === 0
}

export const clear = (): void => {
  last = target = line = undefined
  readTool.hidden = true
  measures()
}

/** To be called once. */
export const listen = (events: ToolsEvents): void => {
  const { stage } = events
  region = events.region
  for (const [id, how] of [
    ["zoom-in", "in"],
    ["zoom-out", "out"],
    ["zoom-fit", "fit"],
    ["zoom-pixels", "pixels"]
  ] as const) {
    byId(id, HTMLButtonElement).addEventListener("click", () => stage.zoom(how))
  }
  byId("region-back", HTMLButtonElement).addEventListener("click", () => events.onStep(-1))
  byId("region-next", HTMLButtonElement).addEventListener("click", () => events.onStep(1))
  byId("all", HTMLButtonElement).addEventListener("click", events.onAll)
  byId("reading-pick", HTMLButtonElement).addEventListener("click", () => last && events.onPick(last))
  ruler.addEventListener("click", () => {
    const on = ruler.getAttribute("aria-pressed") !== "true"
    ruler.setAttribute("aria-pressed", String(on))
    stage.ruler(on)
    measures()
    if (on) Notices.say("Drag across the picture to measure")
  })
  byId("link", HTMLButtonElement).addEventListener("click", async () => {
    events.onLink()
    await navigator.clipboard.writeText(location.href).then(
      () => Notices.say("The link to this view is copied"),
      () => Notices.say("This browser does not let the page copy: the link is the page's address")
    )
  })
  opacityInput.addEventListener("input", () => {
    byId("opacity-value", HTMLOutputElement).textContent = `${opacityInput.value} %`
    events.onOpacity()
  })
  leastInput.addEventListener("input", () => {
    byId("least-value", HTMLOutputElement).textContent = `${leastInput.value} %`
    events.onLeast()
  })
  Measure.listen(measures)
}
