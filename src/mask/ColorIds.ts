/** The class ids of a coloured picture, by the colours of a palette. */
import { Result } from "effect"
import type { ClassTable, Rgb } from "./ClassTable.ts"
import { allocate, type LabelData } from "./LabelMap.ts"

/** Samples of a picture, row-major, channels side by side; of 16-bit samples the high byte counts. */
export interface ColorPicture {
  readonly width: number
  readonly height: number
  /** From 3 on; those after the third are not looked at. 1 where `palette` is given. */
  readonly channels: number
  readonly depth: number
  readonly data: ArrayLike<number>
  /** Colours of an indexed picture. */
  readonly palette?: ReadonlyArray<Rgb> | undefined
}

/**
 * The id of every pixel, or what is wrong: a colour that is not in `classes`, unless `unknownColor` says which id
 * such pixels get. Of two classes of one colour the lower id is taken.
 */
export const colorIds = (
  picture: ColorPicture,
  classes: ClassTable,
  unknownColor?: number
): Result.Result<LabelData, string> => {
  const { channels, data, depth, palette } = picture
  const ids = new Map<number, number>()
  let maxId = unknownColor ?? 0
  for (const { color, id } of classes) {
    if (color === undefined) continue
    const key = (color[0] << 16) | (color[1] << 8) | color[2]
    if (!ids.has(key)) ids.set(key, id)
    if (id > maxId) maxId = id
  }
  const size = picture.width * picture.height
  const out = allocate(maxId, size)
  const shift = depth === 16 ? 8 : 0
  const plane = palette?.map(([r, g, b]) => (r << 16) | (g << 8) | b)
  let lastKey = -1
  let lastId = 0
  for (let i = 0; i < size; i++) {
    const at = i * channels
    const key =
      plane === undefined
        ? ((data[at]! >> shift) << 16) | ((data[at + 1]! >> shift) << 8) | (data[at + 2]! >> shift)
        : (plane[data[i]!] ?? -1)
    if (key !== lastKey) {
      const id = ids.get(key) ?? unknownColor
      if (id === undefined) {
        const color = key < 0 ? `index ${data[i]}` : `colour #${key.toString(16).padStart(6, "0")}`
        const where = `(${i % picture.width}, ${Math.floor(i / picture.width)})`
        return Result.fail(`pixel ${where} has ${color}, which is no class of the palette`)
      }
      lastKey = key
      lastId = id
    }
    out[i] = lastId
  }
  return Result.succeed(out)
}
