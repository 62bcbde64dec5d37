/**
 * A strip below a picture that says which colour is what.
 *
 * ```ts
 * import { Legend } from "effect-segformer/render"
 *
 * const picture = { width: 300, height: 100, channels: 3 as const, data: new Uint8Array(90_000) }
 * const entries = [{ label: "pit 0.2 %", color: [213, 94, 0] as const }]
 * Legend.below(picture, entries).width // => 300
 * ```
 */
import { Effect } from "effect"
import type { Raster } from "../image/ImageCodec.ts"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import * as Background from "./Background.ts"
import * as Ink from "./Ink.ts"
import * as Paint from "./Paint.ts"
import * as Text from "./Text.ts"
import * as Typeface from "./Typeface.ts"

export interface LegendEntry {
  readonly label: string
  /** How the label ends, where that must not be cut: by default a number with `%` or `px`. */
  readonly amount?: string | undefined
  readonly color: ClassTable.Rgb
}

export interface LegendOptions {
  /** Height of a capital in pixels. By default it grows with the picture: 11 at 960 pixels. */
  readonly size?: number | undefined
  /** White by default. */
  readonly background?: ClassTable.Rgb | undefined
  /** Of the words. Nearly black by default. */
  readonly ink?: ClassTable.Rgb | undefined
  /** The letters. Our own by default. */
  readonly typeface?: Typeface.Typeface | undefined
}

/** The name that an entry begins with, and the amount that it ends with. */
export const partsOf = ({ amount, label }: LegendEntry): readonly [name: string, amount: string] => {
  const end = amount ?? /(?:< )?\d[\d.,]* (?:%|px)$/.exec(label)?.[0] ?? ""
  return end !== "" && label.endsWith(end)
    ? [label.slice(0, label.length - end.length).trimEnd(), end]
    : [label, ""]
}

const sizeOf = (picture: Pick<Raster, "width">, options: LegendOptions): number =>
  options.size ?? Math.max(7, Math.round(Math.sqrt(picture.width) * 0.36))

/** What is seen of 0 to 1, such as `2.2 %`. @internal */
export const percent = (share: number): string =>
  share > 0 && share < 0.0005 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`

/** An entry for each class that occurs and is not background, with its share of the pixels. */
export const entriesOf = (
  map: LabelMap.LabelMap,
  palette: ClassTable.ClassTable
): ReadonlyArray<LegendEntry> => {
  const background = Background.idsOf(palette)
  return [...LabelMap.histogram(map)]
    .filter(([id]) => !background.has(id))
    .map(([id, pixels]) => ({
      label: `${ClassTable.nameOf(palette, id)} ${percent(pixels / map.data.length)}`,
      color: Palette.colorOf(palette, id)
    }))
}

/** The same as {@link below}, with letters of every script that `TextRenderer` has. */
export const draw = Effect.fnUntraced(function* (
  picture: Raster,
  entries: ReadonlyArray<LegendEntry>,
  options: LegendOptions = {}
): Effect.fn.Return<Raster> {
  const names = entries.map((entry) => partsOf(entry)[0])
  const typeface = options.typeface ?? (yield* Typeface.prepare(names, sizeOf(picture, options)))
  return below(picture, entries, { ...options, typeface })
})

/** The picture with the strip below it: as wide, and as much higher as the entries need. */
export const below = (
  picture: Raster,
  entries: ReadonlyArray<LegendEntry>,
  options: LegendOptions = {}
): Raster => {
  const { height, width } = picture
  const size = sizeOf(picture, options)
  const { typeface = Typeface.strokes } = options
  const background = options.background ?? [255, 255, 255]
  const letters = options.ink ?? [34, 34, 38]
  const swatch = Math.round(size * 1.25)
  const margin = Math.round(size * 1.4)
  const lineHeight = Math.round(size * 2.3)

  // Entries flow from left to right, into as many lines as it takes.
  const places: Array<{
    readonly entry: LegendEntry
    readonly x: number
    readonly line: number
    readonly room: number
  }> = []
  let x = margin
  let line = 0
  const space = Text.measure(" ", size)
  for (const entry of entries) {
    const [name, amount] = partsOf(entry)
    const after = amount === "" ? 0 : space + Text.measure(amount, size)
    // A name that no line has room for is cut, and never its amount.
    const room = Math.min(
      typeface.measure(name, size),
      Math.max(size * 2, width - 2 * margin - swatch - size * 0.7 - after)
    )
    const needed = swatch + size * 0.7 + room + after
    if (x > margin && x + needed > width - margin) {
      x = margin
      line++
    }
    places.push({ entry, x, line, room })
    x += needed + size * 2.2
  }
  const strip = entries.length === 0 ? 0 : (line + 1) * lineHeight + margin
  const data = new Uint8Array(width * (height + strip) * 3)
  data.set(Paint.copy(picture))
  for (let i = width * height * 3; i < data.length; i++) data[i] = background[i % 3]!
  const ink = Ink.make(width, height + strip)
  for (const { entry, line, room, x } of places) {
    const middle = height + margin / 2 + lineHeight * (line + 0.5)
    Ink.box(ink, Math.round(x), Math.round(middle - swatch / 2), swatch, swatch, swatch / 4)
    Ink.flow(ink, data, entry.color)
    const [name, amount] = partsOf(entry)
    const left = x + swatch + size * 0.7
    const base = Math.round(middle + size / 2)
    typeface.write(ink, name, left, base, size, room + 0.01)
    if (amount !== "") Text.strokes(ink, amount, left + room + space, base, size)
    Ink.flow(ink, data, letters)
  }
  return { width, height: height + strip, channels: 3, data }
}
