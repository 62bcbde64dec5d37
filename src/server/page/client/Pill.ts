/** What is under the pointer, beside it. */
import { byId, h, swatch } from "./Dom.ts"
import type { Reading } from "./Reading.ts"
import { confidence } from "./Text.ts"
import type { Point } from "./View.ts"

/** The reading in words, without its place. */
export const words = (reading: Reading): string =>
  reading.confidence === undefined
    ? reading.className
    : `${reading.className}, ${confidence(reading.confidence)}`

export const hide = (): void => {
  byId("pill", HTMLDivElement).hidden = true
}

/** Beside the point of the frame that it speaks of, and within the frame. */
export const show = (reading: Reading, at: Point): void => {
  const pill = byId("pill", HTMLDivElement)
  const { clientHeight, clientWidth } = byId("frame", HTMLDivElement)
  pill.hidden = false
  const name = h("span", { class: "name" }, words(reading))
  pill.replaceChildren(swatch(reading.color), name, h("small", {}, `${reading.x}, ${reading.y}`))
  const right = at.x + 16
  const fits = right + pill.offsetWidth <= clientWidth
  const above = at.y - pill.offsetHeight - 14
  const below = Math.min(clientHeight - pill.offsetHeight, at.y + 18)
  pill.style.left = `${fits ? right : Math.max(4, at.x - pill.offsetWidth - 16)}px`
  pill.style.top = `${above < 4 ? below : above}px`
}
