/**
 * Whether the colours of an indexed picture say other ids than its indices: programs that save such a picture (ImageMagick, for one) put
 * its palette in an order of their own, and the ids are then in the colours alone.
 */
import { Result } from "effect"
import type { ClassTable, Rgb } from "../mask/ClassTable.ts"
import * as Palette from "../mask/Palette.ts"
import * as PngFile from "../mask/PngFile.ts"

/** The ids that a colour may stand for; none where it is no class's. */
type IdsOf = (color: Rgb) => ReadonlyArray<number>

/** An index that was used, and the id that its colour says. */
type Said = readonly [index: number, id: number]

const keyOf = ([red, green, blue]: Rgb): number => (red << 16) | (green << 8) | blue

const byColor = (classes: ClassTable): IdsOf => {
  const ids = new Map<number, Array<number>>()
  for (const { color, id } of classes) {
    if (color === undefined) continue
    const own = ids.get(keyOf(color))
    if (own === undefined) ids.set(keyOf(color), [id])
    else own.push(id)
  }
  return (color) => ids.get(keyOf(color)) ?? []
}

const voc = byColor(Array.from({ length: 256 }, (_, id) => ({ id, name: "", color: Palette.vocColor(id) })))

const grey: IdsOf = ([red, green, blue]) => (red === green && green === blue ? [red] : [])

/** Of Pascal VOC's colours: some tables begin with the second of them. */
const isShifted = (said: ReadonlyArray<Said>): boolean =>
  said.every(([index, id]) => id - index === said[0]![1] - said[0]![0])

/** Of greys: a ramp, up or down, is for the eye, unless its greys are the indices again. */
const isRamp = (said: ReadonlyArray<Said>): boolean => {
  const rises = said.slice(1).map(([, id], i) => id > said[i]![1])
  const indices = new Set(said.map(([index]) => index))
  return new Set(rises).size < 2 && !said.every(([, id]) => indices.has(id))
}

/**
 * Whether a PNG has the colours of the classes at other indices than their ids. Where no classes are told, those of Pascal VOC's table and
 * greys count, which are what such pictures mostly have.
 */
export const isOther = (bytes: Uint8Array, classes: ClassTable | undefined): boolean => {
  // The kind that has a palette.
  if (bytes[25] !== 3 || bytes[0] !== 0x89) return false
  const picture = Result.getOrUndefined(PngFile.read(bytes, "label PNG"))
  if (picture?.palette === undefined) return false
  const { data, palette } = picture
  const isUsed = new Uint8Array(256)
  for (let i = 0; i < data.length; i++) isUsed[data[i]!] = 1
  const used = palette.flatMap((color, index) => (isUsed[index] === 1 ? [{ index, color }] : []))
  if (used.length < isUsed.reduce((sum, one) => sum + one, 0)) return false
  const differs = (idsOf: IdsOf, isMeant: (said: ReadonlyArray<Said>) => boolean): boolean => {
    const said: Array<Said> = []
    for (const { color, index } of used) {
      const ids = idsOf(color)
      if (ids.length === 0) return false
      said.push([index, ids.includes(index) ? index : ids[0]!])
    }
    return said.some(([index, id]) => index !== id) && !isMeant(said)
  }
  return classes === undefined
    ? differs(voc, isShifted) || differs(grey, isRamp)
    : differs(byColor(classes), () => false)
}
