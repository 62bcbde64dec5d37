/**
 * Colours for classes, and label maps in nothing but those colours.
 *
 * ```ts
 * import { ClassTable } from "effect-segformer/mask"
 * import { Colors } from "effect-segformer/render"
 *
 * const palette = Colors.paletteOf(ClassTable.fromNames(["background", "pit"]))
 * const map = { width: 2, height: 1, data: Uint8Array.of(0, 1) }
 * Colors.paint(map, palette).data.length // => 6
 * ```
 */
import type { Raster } from "../image/ImageCodec.ts"
import type { ClassTable, Rgb } from "../mask/ClassTable.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Palette from "../mask/Palette.ts"
import * as Background from "./Background.ts"
import * as Steps from "../mask/Steps.ts"

const known: ReadonlyArray<Palette.Palette> = [
  Palette.surface,
  Palette.ade20k,
  Palette.cityscapes,
  Palette.pascalVoc,
  Palette.atr,
  Palette.lip,
  Palette.cocoStuff
]

/** White: of pixels whose class the palette lacks, and of those that belong to none. */
const otherwise: Rgb = [255, 255, 255]

const key = (color: Rgb): number => (color[0] << 16) | (color[1] << 8) | color[2]

/**
 * A colour for each class, no two the same, so that a picture in these colours tells the classes: those the classes
 * have, else those of the data set with the same names, else {@link Palette.distinct} ones and black for background.
 */
export const paletteOf = (classes: ClassTable): Palette.Palette => {
  const table = known.find((palette) =>
    classes.every(({ id, name }) => palette[id]?.name.toLowerCase() === name.toLowerCase())
  )
  const wanted = classes.map((info) => info.color ?? table?.[info.id]?.color)
  const taken = new Set([key(otherwise)])
  const spare = Palette.distinct(classes.length * 2 + 1)[Symbol.iterator]()
  const colors = wanted.map((color) => {
    if (color === undefined || taken.has(key(color))) return undefined
    taken.add(key(color))
    return color
  })
  return classes.map((info, index) => {
    let color = colors[index]
    if (color === undefined && Background.isName(info.name) && !taken.has(0)) color = [0, 0, 0]
    while (color === undefined) {
      const next = spare.next()
      if (next.done === true) color = otherwise
      else if (!taken.has(key(next.value))) color = next.value
    }
    taken.add(key(color))
    return { ...info, color }
  })
}

/** `[height, width, 3]`: each pixel in the colour of its class, white where the palette has none. */
export const paint = Steps.sync(steps)

/** The same, with pauses for others on the event loop. */
export const draw = Steps.paused(steps)

/** The same, step by step. */
export function* steps(map: LabelMap, palette: ClassTable): Steps.Steps<Raster> {
  const { height, ignoreIndex, width } = map
  const ids = map.data
  const colors = new Map(palette.map((info) => [info.id, info.color ?? otherwise]))
  if (ignoreIndex !== undefined) colors.delete(ignoreIndex)
  const data = new Uint8Array(ids.length * 3)
  const rows = Steps.rowsPerStep(width)
  let lastId = -1
  let [red, green, blue] = otherwise
  for (let from = 0; from < height; from += rows) {
    const end = Math.min(height, from + rows) * width
    for (let i = from * width; i < end; i++) {
      if (ids[i] !== lastId) {
        lastId = ids[i]!
        ;[red, green, blue] = colors.get(lastId) ?? otherwise
      }
      data[i * 3] = red
      data[i * 3 + 1] = green
      data[i * 3 + 2] = blue
    }
    yield
  }
  return { width, height, channels: 3, data }
}
