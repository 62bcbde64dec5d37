/** What is really on a picture, as a mask that a person has: read, and made a result that others are compared with. */
import type { ModelClass } from "./Api.ts"
import { Failure } from "./Failure.ts"
import * as Png from "./Png.ts"
import type { FoundClass, Plane, Result } from "./Result.ts"
import { messageOf } from "./Text.ts"

export interface Truth {
  readonly result: Result
  /** The id that says nothing; `undefined` where all count. */
  readonly ignored: number | undefined
  /** What a person should know of how it was read. */
  readonly notes: ReadonlyArray<string>
}

const usual = 255
/** The id of what says nothing, of a mask that has more than 255. */
const none = 0xffff

/**
 * Reads a mask for a result. Ids are the model's. A mask of 0 and 255 alone has 255 as its one object where the model has
 * one class beside its background, else it is refused: what it means is not to be guessed.
 */
export const read = async (file: File, of: Result, classes: ReadonlyArray<ModelClass>): Promise<Truth> => {
  const png = await Png.decode(file).catch((error: unknown) => {
    const why = messageOf(error)
    throw new Failure(`${file.name} cannot be read as a mask. ${why}`, 400)
  })
  const aspect = png.width / png.height / (of.width / of.height)
  if (aspect < 0.98 || aspect > 1.02) {
    throw new Failure(
      `${file.name} is ${png.width} × ${png.height}, and the picture ${of.width} × ${of.height}: it is the mask of another`,
      400
    )
  }
  const notes: Array<string> = []
  if (png.width !== of.width) notes.push(`The mask is ${png.width} × ${png.height}, and was enlarged.`)
  const ids = idsOf(png, file.name, classes, notes)
  const counts = new Map<number, number>()
  for (const value of ids.data) counts.set(value, (counts.get(value) ?? 0) + 1)
  const data = ids.data
  let ignored = [none, usual].find((id) => counts.has(id) && !classes.some((one) => one.id === id))
  const values = [...counts.keys()]
  if (values.length > 0 && values.every((id) => id === 0 || id === usual) && ignored !== undefined) {
    const objects = classes.filter(({ id }) => id !== 0)
    const [object] = objects
    if (object === undefined || objects.length > 1) {
      throw new Failure(
        `${file.name} holds 0 and 255 alone, and 255 means "do not count" in most masks. Give it the ids of the model's classes`,
        400
      )
    }
    notes.push(`The mask holds 0 and 255 alone: 255 is taken as ${object.name}.`)
    for (let at = 0; at < data.length; at++) if (data[at] === usual) data[at] = object.id
    counts.set(object.id, counts.get(usual) ?? 0)
    counts.delete(usual)
    ignored = undefined
  }
  const pixels = data.length
  const found = Array.from(counts, ([id, count]): FoundClass => {
    const known = classes.find((one) => one.id === id)
    return {
      id,
      name: known?.name ?? `class ${id}`,
      color: known?.color,
      pixels: count,
      share: count / pixels,
      confidence: null
    }
  }).filter(({ id }) => id !== ignored)
  return {
    ignored,
    notes,
    result: {
      ...of,
      model: file.name,
      seconds: 0,
      classes: found.toSorted((a, b) => b.pixels - a.pixels),
      regions: [],
      regionsTotal: 0,
      labels: { ...ids, data },
      confidence: undefined
    }
  }
}

const colorOf = ({ color }: ModelClass): number => Number.parseInt(color.slice(1), 16)

const idsOf = (
  png: Png.Png,
  name: string,
  classes: ReadonlyArray<ModelClass>,
  notes: Array<string>
): Plane => {
  const plane = Png.plane(png)
  if (plane === undefined) return byColors(png, name, classes, notes)
  return png.palette === undefined ? plane : byPalette(plane, png.palette, name, classes, notes)
}

/**
 * A mask with a palette. Its indexes are ids, as those of common label maps are, unless its colours are the model's at
 * other places: then it goes by them. Where some are and some are not, what is meant is not to be guessed.
 */
const byPalette = (
  plane: Plane,
  palette: ReadonlyArray<number>,
  name: string,
  classes: ReadonlyArray<ModelClass>,
  notes: Array<string>
): Plane => {
  const used = [...new Set(plane.data)]
  // A grey of its own number says nothing but the number.
  const isGrey = (index: number) => palette[index] === index * 0x010101
  const named = (index: number) =>
    classes.filter((one) => colorOf(one) === palette[index]).map(({ id }) => id)
  if (used.every((index) => isGrey(index) || named(index).length === 0 || named(index).includes(index))) {
    return plane
  }
  const ids = new Uint16Array(256).fill(none)
  for (const index of used) {
    const [id, another] = named(index)
    if (id === undefined && index === usual) continue
    if (id === undefined || another !== undefined) {
      const what = id === undefined ? "no class's" : "more than one class's"
      throw new Failure(
        `${name} has colours of the model's classes at other indexes than theirs, and index ${index} has ${what} colour: ` +
          `give it the ids of the model's classes, or their colours throughout`,
        400
      )
    }
    ids[index] = id
  }
  notes.push(
    "The mask's palette has the colours of the model's classes at other indexes: it goes by its colours."
  )
  return { ...plane, data: Uint16Array.from(plane.data, (index) => ids[index]!) }
}

/** A mask in colours: those of the model's classes; the rest says nothing. Where all are greys and are not, ids. */
const byColors = (
  { data, height, width }: Png.Png,
  name: string,
  classes: ReadonlyArray<ModelClass>,
  notes: Array<string>
): Plane => {
  const ids = new Map(classes.map((one) => [colorOf(one), one.id]))
  const colors = new Set(data)
  const isKnown = [...colors].every((color) => ids.has(color))
  if (!isKnown && [...colors].every((color) => color === (color & 0xff) * 0x010101)) {
    notes.push("The mask is grey, saved in colours: it goes by its ids.")
    return { width, height, data: Uint8Array.from(data, (color) => color & 0xff) }
  }
  if (ids.size < classes.length) {
    throw new Failure(`${name} is in colours, and the model has two classes of one colour: give it ids`, 400)
  }
  const plane = new Uint16Array(width * height)
  let unknown = 0
  for (let at = 0; at < plane.length; at++) {
    const id = ids.get(data[at]!)
    if (id === undefined) unknown++
    plane[at] = id ?? none
  }
  if (unknown === plane.length) {
    throw new Failure(`${name} has none of the colours of the model's classes`, 400)
  }
  if (unknown > 0)
    notes.push(`${unknown.toLocaleString("en")} pixels have no class's colour, and do not count.`)
  return { width, height, data: plane }
}
