/** The class ids of a coloured picture, by the colours of a palette. */
import { Result } from "effect"
import * as ClassTable from "./ClassTable.ts"
import { allocate, type LabelData } from "./LabelMap.ts"
import * as Palette from "./Palette.ts"

/** Samples of a picture, row-major, channels side by side; of 16-bit samples the high byte counts. */
export interface ColorPicture {
  readonly width: number
  readonly height: number
  /** From 3 on; those after the third are not looked at. 1 where `palette` is given. */
  readonly channels: number
  readonly depth: number
  readonly data: ArrayLike<number>
  /** Colours of an indexed picture. */
  readonly palette?: ReadonlyArray<ClassTable.Rgb> | undefined
}

/** What else to do with colours than to fail. */
export interface ColorOptions {
  /** The id of colours that the palette lacks. By default they are a failure. */
  readonly unknownColor?: number | undefined
  /** A colour of two classes is the one of lower id. By default it is a failure. */
  readonly lowerOfShared?: boolean | undefined
}

/**
 * The id of every pixel, or what is wrong: a colour that is not in `classes`, or that several of them have (as two of
 * ADE20K's), of which a picture cannot say which is meant.
 */
export const colorIds = (
  picture: ColorPicture,
  classes: ClassTable.ClassTable,
  { lowerOfShared = false, unknownColor }: ColorOptions = {}
): Result.Result<LabelData, string> => {
  const { channels, data, depth, palette } = picture
  const ids = new Map<number, number>()
  const shared = new Map<number, string>()
  let maxId = unknownColor ?? 0
  for (const { color, id, name } of classes) {
    if (color === undefined) continue
    const key = (color[0] << 16) | (color[1] << 8) | color[2]
    const first = ids.get(key)
    if (first === undefined) ids.set(key, id)
    else if (!lowerOfShared)
      shared.set(key, `${shared.get(key) ?? ClassTable.nameOf(classes, first)} and ${name}`)
    if (id > maxId) maxId = id
  }
  const size = picture.width * picture.height
  const out = allocate(maxId, size)
  const shift = depth === 16 ? 8 : 0
  const plane = palette?.map(([r, g, b]) => (r << 16) | (g << 8) | b)
  // An index beyond the palette is -1.
  let lastKey = -2
  let lastId = 0
  for (let i = 0; i < size; i++) {
    const at = i * channels
    const key =
      plane === undefined
        ? ((data[at]! >> shift) << 16) | ((data[at + 1]! >> shift) << 8) | (data[at + 2]! >> shift)
        : (plane[data[i]!] ?? -1)
    if (key !== lastKey) {
      const both = shared.get(key)
      const id = ids.get(key) ?? unknownColor
      if (both !== undefined || id === undefined) {
        const color = key < 0 ? `index ${data[i]}` : `colour ${Palette.toHex(Palette.rgb(key))}`
        const where = `pixel (${i % picture.width}, ${Math.floor(i / picture.width)}) has ${color}, which`
        return Result.fail(
          both === undefined
            ? `${where} is no class of the palette`
            : `${where} ${both} share: no picture in these colours says which is meant`
        )
      }
      lastKey = key
      lastId = id
    }
    out[i] = lastId
  }
  return Result.succeed(out)
}
