/**
 * Whether the colours of an indexed picture say other ids than its indices: programs that save such a picture (ImageMagick, for one) put
 * its palette in an order of their own, and the ids are then in the colours alone.
 */
import type { ClassTable, Rgb } from "../mask/ClassTable.ts"
import * as Palette from "../mask/Palette.ts"
import type * as PngFile from "../mask/PngFile.ts"

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

const vocVoid = { id: 255, name: "void", color: Palette.vocColor(255) }

const grey: IdsOf = ([red, green, blue]) => (red === green && green === blue ? [red] : [])

/** What a palette says. */
interface Table {
  /** Of the indices that were used. */
  readonly said: ReadonlyArray<Said>
  /** The ids of each of its colours. */
  readonly ids: ReadonlyArray<ReadonlyArray<number>>
}

/**
 * Of Pascal VOC's colours: some tables begin with the second of them, and have it, or their last, at the last index. So does what is left where a
 * program took out the colours that are not used: a table is one that has another, at its place.
 */
const isShifted = ({ ids, said }: Table): boolean => {
  const at = (index: number) => (index % 255) + 1
  return (
    said.every(([index, id]) => id === at(index) || index === 255) &&
    ids.some((own, index) => own.includes(at(index)) && !said.some(([used]) => used === index))
  )
}

/** The least that two greys for the eye differ by. */
const leastStep = 2

/**
 * Of greys: a table of equal steps to white, from black or down to it, is for the eye, whichever of them were used. Others are ids of which some
 * were taken out. Of black and white alone nobody knows whether white comes first for its id, or because it was seen first.
 */
const isRamp = ({ ids, said }: Table): boolean => {
  const greys = ids.map(([value = 0]) => value)
  // Up to white, what is black behind it fills the table up.
  const lastUsed = said.at(-1)?.[0] ?? -1
  const rising = greys.slice(
    0,
    Math.max(
      lastUsed,
      greys.findLastIndex((value) => value > 0)
    ) + 1
  )
  return Array.from({ length: Math.floor(255 / leastStep) }, (_, i) => i + 1).some((steps) =>
    [255 / steps, Math.floor(255 / steps), 256 / steps].some((each) => {
      const at = (index: number) => Math.min(255, index * each)
      const rises = rising.every((value, index) => Math.abs(value - at(index)) < 1)
      const falls = greys.length > 2 && greys.every((value, index) => Math.abs(255 - value - at(index)) < 1)
      return (falls && steps > 1) || (rises && rising.some((value) => value > 126))
    })
  )
}

/** The colours that were used, by index; none where an index is beyond the palette. */
const usedOf = ({ data, palette = [] }: PngFile.Picture): ReadonlyArray<number> => {
  const isUsed = new Uint8Array(1 << 8)
  for (let i = 0; i < data.length; i++) isUsed[data[i]!] = 1
  const used = Array.from(isUsed.keys()).filter((index) => isUsed[index] === 1)
  return used.every((index) => index < palette.length) ? used : []
}

/** Whether a palette has a colour, used or not, that is none of a table's: it is somebody's own then. Black or white behind the others fills it up. */
const isForeign = (palette: ReadonlyArray<Rgb>, idsOf: IdsOf): boolean => {
  const last = palette.findLastIndex((color) => ![0, 0xffffff].includes(keyOf(color)))
  return palette.slice(0, last + 1).some((color) => idsOf(color).length === 0)
}

/**
 * Whether a picture has the colours of the classes at other indices than their ids. Where no classes are told, those of Pascal VOC's table and
 * greys count, which are what such pictures mostly have; a palette with any other colour beside them, used or not, is somebody's own table.
 */
export const isOther = (picture: PngFile.Picture, classes: ClassTable | undefined): boolean => {
  const { palette } = picture
  if (palette === undefined) return false
  const used = usedOf(picture)
  const differs = (idsOf: IdsOf, isMeant: (table: Table) => boolean): boolean => {
    const ids = palette.map(idsOf)
    const said: Array<Said> = []
    for (const index of used) {
      const [first] = ids[index]!
      if (first === undefined) return false
      said.push([index, ids[index]!.includes(index) ? index : first])
    }
    // Who puts colours in another order has none of them twice: where one has its own place as well, its second one is of no class.
    // The 255 is of no class, whatever its colour is.
    const isElsewhere = ([index, id]: Said) =>
      index < 255 && !(palette[id] && keyOf(palette[id]) === keyOf(palette[index]!))
    return said.some(isElsewhere) && !isMeant({ said, ids })
  }
  if (classes === undefined) {
    return (
      (!isForeign(palette, voc) && differs(voc, isShifted)) ||
      (!isForeign(palette, grey) && differs(grey, isRamp))
    )
  }
  return differs(isVoc(classes) ? voc : byColor(classes), () => false)
}

const isVoc = (classes: ClassTable): boolean => {
  const colours = classes.flatMap(({ color, id }) => (color === undefined ? [] : [{ color, id }]))
  return colours.length > 0 && colours.every(({ color, id }) => voc(color).includes(id))
}

/** VOC's pictures have the colour of its 255 around things, which is no class. */
export const withVoid = (classes: ClassTable): ClassTable =>
  isVoc(classes) && classes.every(({ id }) => id !== vocVoid.id) ? [...classes, vocVoid] : classes
