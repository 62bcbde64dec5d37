/**
 * Where two label maps of one image differ, and who says what: a model and the truth, two models, two days.
 *
 * Four colours tell what both found, what only the first or only the second found, and where both found something,
 * but not the same. Background that both agree on shows the image, in grey.
 *
 * ```ts
 * import { LabelMap, Palette } from "effect-segformer/mask"
 * import { Difference } from "effect-segformer/render"
 *
 * const map = (...ids: Array<number>) => LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.from(ids) })
 * const found = Difference.compare(map(0, 2, 2, 5), map(0, 2, 0, 2), { palette: Palette.surface })
 * found.counts // => { neither: 1, both: 1, first: 1, second: 0, other: 1 }
 * found.disagreements // => [{ first: 2, second: 0, pixels: 1 }, { first: 5, second: 2, pixels: 1 }]
 * ```
 */
import { Effect } from "effect"
import type { Raster } from "../image/ImageCodec.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as PixelPairs from "../mask/PixelPairs.ts"
import * as Background from "./Background.ts"
import * as Legend from "./Legend.ts"
import * as Paint from "./Paint.ts"
import * as Steps from "../mask/Steps.ts"

/** What two maps say of a pixel; ids of {@link Compared.kinds}. */
export const NEITHER = 0
export const BOTH = 1
export const FIRST = 2
export const SECOND = 3
export const OTHER = 4
/** Ignored by either. */
export const IGNORED = 255

/** Colours of the kinds, of Okabe and Ito's. */
export const palette: ClassTable.ClassTable = [
  { id: NEITHER, name: "neither", color: [238, 238, 238] },
  { id: BOTH, name: "both", color: [0, 158, 115] },
  { id: FIRST, name: "only the first", color: [230, 159, 0] },
  { id: SECOND, name: "only the second", color: [86, 180, 233] },
  { id: OTHER, name: "another class", color: [204, 121, 167] },
  { id: IGNORED, name: "not counted", color: [140, 140, 140] }
]

export interface CompareOptions {
  /** Says which classes are background. */
  readonly palette: ClassTable.ClassTable
  /** Ids that count as background instead. */
  readonly hidden?: Iterable<number> | undefined
}

/** Pixels of each kind, and which ids stand against which, the most frequent first. */
export interface Compared {
  /** `[height, width]` kinds. */
  readonly kinds: LabelMap.LabelMap
  readonly counts: {
    readonly neither: number
    readonly both: number
    readonly first: number
    readonly second: number
    readonly other: number
  }
  readonly disagreements: ReadonlyArray<{
    readonly first: number
    readonly second: number
    readonly pixels: number
  }>
}

/** Compares two maps; where sizes differ the second is resized, by nearest neighbour. */
export const compare = Steps.sync(compareSteps)

function* compareSteps(
  first: LabelMap.LabelMap,
  other: LabelMap.LabelMap,
  options: CompareOptions
): Steps.Steps<Compared> {
  const { height, width } = first
  const second = LabelMap.resize(other, width, height)
  const hidden = new Set(options.hidden ?? Background.idsOf(options.palette))
  const data = new Uint8Array(width * height)
  const pixels = new Uint32Array(256)
  const pairs = PixelPairs.make()
  const rows = Steps.rowsPerStep(width)
  let lastA = -1
  let lastB = -1
  let kind = 0
  let run = 0
  const settle = () => {
    pixels[kind]! += run
    if (run > 0 && kind !== IGNORED && lastA !== lastB && kind !== NEITHER)
      PixelPairs.put(pairs, lastA, lastB, run)
    run = 0
  }
  for (let from = 0; from < height; from += rows) {
    const end = Math.min(height, from + rows) * width
    for (let i = from * width; i < end; i++) {
      const a = first.data[i]!
      const b = second.data[i]!
      if (a !== lastA || b !== lastB) {
        settle()
        lastA = a
        lastB = b
        const noA = hidden.has(a)
        const noB = hidden.has(b)
        if (a === first.ignoreIndex || b === second.ignoreIndex) kind = IGNORED
        else if (noA && noB) kind = NEITHER
        else if (a === b) kind = BOTH
        else kind = noB ? FIRST : noA ? SECOND : OTHER
      }
      data[i] = kind
      run++
    }
    yield
  }
  settle()
  return {
    kinds: { width, height, data, ignoreIndex: IGNORED },
    counts: {
      neither: pixels[NEITHER]!,
      both: pixels[BOTH]!,
      first: pixels[FIRST]!,
      second: pixels[SECOND]!,
      other: pixels[OTHER]!
    },
    disagreements: Array.from(PixelPairs.entries(pairs), ([first, second, pixels]) => ({
      first,
      second,
      pixels
    })).sort((a, b) => b.pixels - a.pixels)
  }
}

export interface DifferenceOptions extends CompareOptions {
  /** Who made the maps, for the legend. "the first" and "the second" by default. */
  readonly names?: readonly [first: string, second: string] | undefined
  /** A legend beneath, with pixels and the most frequent disagreements. Off by default. */
  readonly legend?: boolean | undefined
}

/** The difference over the image, at its size. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. */
export const draw = Effect.fnUntraced(function* (
  image: Raster,
  first: LabelMap.LabelMap,
  second: LabelMap.LabelMap,
  options: DifferenceOptions
): Effect.fn.Return<Raster> {
  const { compared, picture } = yield* Steps.run(() => compareAndPaint(image, first, second, options))
  if (options.legend !== true) return picture
  const explained = yield* Legend.draw(picture, entries(compared, options.names))
  return yield* Legend.draw(explained, disagreements(compared, options), smaller(picture))
})

/** The same, step by step. */
export function* steps(
  image: Raster,
  first: LabelMap.LabelMap,
  second: LabelMap.LabelMap,
  options: DifferenceOptions
): Steps.Steps<Raster> {
  const { compared, picture } = yield* compareAndPaint(image, first, second, options)
  if (options.legend !== true) return picture
  const explained = Legend.below(picture, entries(compared, options.names))
  return Legend.below(explained, disagreements(compared, options), smaller(picture))
}

/** The size of words that say less. */
const smaller = (picture: Raster) => ({ size: Math.max(7, Math.round(Paint.sizeFor(picture) * 0.85)) })

function* compareAndPaint(
  image: Raster,
  first: LabelMap.LabelMap,
  second: LabelMap.LabelMap,
  options: DifferenceOptions
): Steps.Steps<{ readonly picture: Raster; readonly compared: Compared }> {
  const { channels, height, width } = image
  const compared = yield* compareSteps(
    LabelMap.resize(first, width, height),
    LabelMap.resize(second, width, height),
    options
  )
  const kinds = compared.kinds.data
  const data = new Uint8Array(width * height * 3)
  const rows = Steps.rowsPerStep(width)
  for (let from = 0; from < height; from += rows) {
    const end = Math.min(height, from + rows) * width
    for (let i = from * width; i < end; i++) {
      const grey = Paint.greyOf(image, i * channels)
      const kind = kinds[i]!
      if (kind === NEITHER || kind === IGNORED) {
        data.fill(grey * 0.6 + (kind === IGNORED ? 90 : 10), i * 3, i * 3 + 3)
        continue
      }
      const color = palette[kind]!.color!
      const opacity = kind === BOTH ? 0.55 : 0.9
      for (let c = 0; c < 3; c++) data[i * 3 + c] = grey + (color[c]! - grey) * opacity + 0.5
    }
    yield
  }
  return { picture: { width, height, channels: 3, data }, compared }
}

const number = new Intl.NumberFormat("en-US")

/** The kinds that occur, with their pixels. */
export const entries = (
  compared: Compared,
  [first, second]: readonly [string, string] = ["the first", "the second"]
): ReadonlyArray<Legend.LegendEntry> => {
  const { counts } = compared
  const rows: ReadonlyArray<readonly [label: string, kind: number, pixels: number]> = [
    ["both", BOTH, counts.both],
    [`only ${first}`, FIRST, counts.first],
    [`only ${second}`, SECOND, counts.second],
    ["not the same class", OTHER, counts.other]
  ]
  return rows
    .filter(([, , pixels]) => pixels > 0)
    .map(([label, kind, pixels]) => ({
      label: `${label} ${number.format(pixels)} px`,
      color: palette[kind]!.color!
    }))
}

/** The most frequent disagreements: who says what, and for how many pixels. */
const disagreements = (compared: Compared, options: DifferenceOptions): ReadonlyArray<Legend.LegendEntry> => {
  const hidden = new Set(options.hidden ?? Background.idsOf(options.palette))
  const name = (id: number) => (hidden.has(id) ? "nothing" : ClassTable.nameOf(options.palette, id))
  const [one, other] = options.names ?? ["the first", "the second"]
  return compared.disagreements.slice(0, 4).map(({ first, pixels, second }) => ({
    label: `${one}: ${name(first)}, ${other}: ${name(second)} ${number.format(pixels)} px`,
    color: palette[hidden.has(second) ? FIRST : hidden.has(first) ? SECOND : OTHER]!.color!
  }))
}
