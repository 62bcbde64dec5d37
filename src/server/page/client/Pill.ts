/** What is under the pointer, beside it. */
import { byId, h, swatch } from "./Dom.ts"
import type { Reading } from "./Stage.ts"
import { confidence } from "./Text.ts"

/** The reading in words, without its place. */
export const words = (reading: Reading): string =>
  reading.confidence === undefined
    ? reading.className
    : `${reading.className}, ${confidence(reading.confidence)}`

export const hide = (): void => {
  byId("pill", HTMLDivElement).hidden = true
}

/** Beside the point that it speaks of, and within the picture. */
export const show = (reading: Reading, size: { readonly width: number; readonly height: number }): void => {
  const pill = byId("pill", HTMLDivElement)
  const board = byId("board", HTMLDivElement)
  pill.hidden = false
  pill.replaceChildren(swatch(reading.color), words(reading), h("small", {}, `${reading.x}, ${reading.y}`))
  const x = (reading.x / size.width) * board.clientWidth
  const y = (reading.y / size.height) * board.clientHeight
  const right = x + 16
  const fits = right + pill.offsetWidth <= board.clientWidth
  const above = y - pill.offsetHeight - 14
  const below = Math.min(board.clientHeight - pill.offsetHeight, y + 18)
  pill.style.left = `${fits ? right : Math.max(4, x - pill.offsetWidth - 16)}px`
  pill.style.top = `${above < 4 ? below : above}px`
}
