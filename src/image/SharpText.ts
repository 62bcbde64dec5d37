/**
 * Words by sharp, whose Pango shapes every script that the system has a font for. The fonts asked for are Noto Sans and Noto
 * Sans CJK (Debian's `fonts-noto-core` and `fonts-noto-cjk`), then whatever the system takes for sans-serif. A letter of which
 * no font is installed is a box with its number in it.
 */
import { Effect } from "effect"
import type { SharpModule } from "./SharpModule.ts"
import type { TextRenderer, Word } from "./TextRenderer.ts"

const font = "Noto Sans, Noto Sans CJK SC, sans-serif"

/** Of Noto Sans, a capital's height over the size of the font. */
const capital = 0.714

/** Characters of one line; more are no name. */
const longest = 200

/** The renderer. A failure of the package (without Pango, or without any font) is a word that cannot be drawn. */
export const make = (loaded: Effect.Effect<SharpModule, unknown>): TextRenderer => ({
  line: (text, size) =>
    Effect.flatMap(loaded, (sharp) => Effect.tryPromise(() => draw(sharp, text, size))).pipe(
      Effect.orElseSucceed(() => undefined)
    )
})

const draw = async (sharp: SharpModule, text: string, size: number): Promise<Word | undefined> => {
  const clean = text.replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029]+/gu, " ").slice(0, longest)
  const points = Math.max(1, Math.round(size / capital))
  // Pictures of text end where its ink does. A capital before it tells where the base line is, and that a line begins at
  // the left, whichever way its words run.
  const [before, both] = await Promise.all([ink(sharp, "H", points), ink(sharp, `H ${clean}`, points)])
  let from = before.width
  while (from < both.width && !isInked(both, [from, from + 1], [0, both.height])) from++
  if (from === both.width) return undefined
  let baseline = both.height
  while (baseline > 0 && !isInked(both, [0, before.width], [baseline - 1, baseline])) baseline--
  const width = both.width - from
  const coverage = new Uint8Array(width * both.height)
  for (let y = 0; y < both.height; y++) {
    for (let x = 0; x < width; x++)
      coverage[y * width + x] = both.data[(y * both.width + from + x) * both.channels]!
  }
  return { width, height: both.height, baseline, coverage }
}

interface Drawn {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

type Span = readonly [from: number, to: number]

/** White on black. */
const ink = async (sharp: SharpModule, text: string, points: number): Promise<Drawn> => {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
  const drawn = sharp({ text: { text: escaped, font: `${font} ${points}`, dpi: 72, wrap: "none" } })
  const { data, info } = await drawn.raw().toBuffer({ resolveWithObject: true })
  return { width: info.width, height: info.height, channels: info.channels, data }
}

/** Whether there is ink in these columns of these rows. */
const isInked = ({ channels, data, width }: Drawn, [left, right]: Span, [top, bottom]: Span): boolean => {
  for (let y = top; y < bottom; y++)
    for (let x = left; x < right; x++) if (data[(y * width + x) * channels]! > 0) return true
  return false
}
