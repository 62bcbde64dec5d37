/**
 * Letters for the words on a picture: our own, which are Latin, and for all others those of `TextRenderer` where there is one
 * (on Node `SharpCodec.layer` sets it). Without one a letter of another script is an empty box.
 */
import { Effect } from "effect"
import { CurrentTextRenderer, type Word } from "../image/TextRenderer.ts"
import type * as Ink from "./Ink.ts"
import { isDrawn } from "./Glyphs.ts"
import * as Text from "./Text.ts"

/** How words are measured and drawn; both in pixels. */
export interface Typeface {
  readonly measure: (text: string, size: number) => number
  /** As ink, `x` its left edge, `y` its base line; what is longer than `room` ends in an ellipsis. */
  readonly write: (ink: Ink.Ink, text: string, x: number, y: number, size: number, room?: number) => void
}

const ellipsis = "…"

/** The text, or as much of its beginning as there is room for, and an ellipsis. */
export const cut = (
  text: string,
  size: number,
  room: number,
  measure: Typeface["measure"] = Text.measure
): string => {
  if (measure(text, size) <= room) return text
  // Between what a reader takes for letters: no mark is parted from its own.
  const letters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment)
  let count = letters.length
  do count--
  while (count > 0 && measure(letters.slice(0, count).join("").trimEnd() + ellipsis, size) > room)
  return letters.slice(0, count).join("").trimEnd() + ellipsis
}

/** Our own letters. */
export const strokes: Typeface = {
  measure: Text.measure,
  write: (ink, text, x, y, size, room = Infinity) => Text.strokes(ink, cut(text, size, room), x, y, size)
}

/** Letters for these texts at a size: those that are not drawn here are asked for. */
export const prepare = Effect.fnUntraced(function* (
  texts: Iterable<string>,
  size: number
): Effect.fn.Return<Typeface> {
  const renderer = yield* CurrentTextRenderer
  if (renderer === undefined) return strokes
  const words = new Map<string, Word>()
  for (const text of new Set(texts)) {
    if (isDrawn(text)) continue
    const word = yield* renderer.line(text, size)
    if (word !== undefined) words.set(text, word)
  }
  if (words.size === 0) return strokes
  return {
    measure: (text, at) => words.get(text)?.width ?? strokes.measure(text, at),
    write: (ink, text, x, y, at, room = Infinity) => {
      const word = words.get(text)
      if (word === undefined) strokes.write(ink, text, x, y, at, room)
      else stamp(ink, word, isRightToLeft(text), x, y, at, room)
    }
  }
})

/** Whether the first letter that says so runs from the right: Hebrew, Arabic, Syriac, Thaana, N'Ko. */
const isRightToLeft = (text: string): boolean => {
  const first = /[\p{L}]/u.exec(text)?.[0]
  return first !== undefined && /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFF]/.test(first)
}

/** The word as ink; of one that is too long its beginning, which of some lies at the right. */
const stamp = (
  ink: Ink.Ink,
  { baseline, coverage, height, width }: Word,
  isFromRight: boolean,
  x: number,
  y: number,
  size: number,
  room: number
): void => {
  const dots = Text.measure(ellipsis, size)
  const fits = width <= room
  const shown = fits ? width : Math.max(0, Math.floor(room - dots - size * 0.2))
  const from = fits || !isFromRight ? 0 : width - shown
  const left = Math.round(x) + (fits || !isFromRight ? 0 : Math.ceil(dots + size * 0.2))
  const top = Math.round(y) - baseline
  for (let row = Math.max(0, -top); row < height && top + row < ink.height; row++) {
    for (let column = Math.max(0, -left); column < shown && left + column < ink.width; column++) {
      const covered = coverage[row * width + from + column]!
      const at = (top + row) * ink.width + left + column
      if (covered > ink.coverage[at]!) ink.coverage[at] = covered
    }
  }
  ink.left = Math.max(0, Math.min(ink.left, left))
  ink.top = Math.max(0, Math.min(ink.top, top))
  ink.right = Math.min(ink.width, Math.max(ink.right, left + shown))
  ink.bottom = Math.min(ink.height, Math.max(ink.bottom, top + height))
  if (!fits) Text.strokes(ink, ellipsis, isFromRight ? x : left + shown + size * 0.1, y, size)
}
