/**
 * Palettes as people keep them in files: JSON, CVAT's `labelmap.txt` (`name:r,g,b::`), and tables such as CamVid's
 * `class_dict.csv` (`name,r,g,b`, with an `id` where it has one). Without ids the place in the file is the id.
 *
 * ```ts
 * import { PaletteFile } from "effect-segformer/mask"
 *
 * const palette = PaletteFile.parse("# label:color_rgb:parts:actions\nbackground:0,0,0::\nscratch:230,159,0::\n")
 * palette._tag === "Success" && palette.success[1] // => { id: 1, name: "scratch", color: [230, 159, 0] }
 * ```
 */
import { Predicate, Result } from "effect"
import type { Rgb } from "./ClassTable.ts"
import * as Palette from "./Palette.ts"

interface Entry {
  readonly id: number | undefined
  readonly name: string | undefined
  readonly color: Rgb
}

/** A whole number up to a most, also as text. */
const whole = (value: unknown, most: number): number | undefined => {
  const number = typeof value === "string" && /^\s*\d{1,10}\s*$/.test(value) ? Number(value) : value
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= most
    ? number
    : undefined
}

const colorOf = (value: unknown): Rgb | undefined => {
  if (typeof value === "string") return Palette.fromHex(value)
  if (!Array.isArray(value)) return undefined
  const [red, green, blue] = value.slice(0, 3).map((each) => whole(each, 255))
  return red === undefined || green === undefined || blue === undefined ? undefined : [red, green, blue]
}

/** What stands at a place of a file. */
const entryAt = (
  place: string,
  color: Rgb | undefined,
  given: unknown,
  name: unknown
): Result.Result<Entry, string> => {
  if (color === undefined)
    return Result.fail(`${place} has no colour: write "#e69f00", or red, green and blue from 0 to 255`)
  const id = whole(given, 0xffffffff)
  return given !== undefined && id === undefined
    ? Result.fail(`${place} has an id that is none`)
    : Result.succeed({ id, name: typeof name === "string" ? name : undefined, color })
}

const fromJson = (value: unknown): Result.Result<ReadonlyArray<Entry>, string> => {
  const isNamed = Predicate.isReadonlyObject(value)
  // `{ "scratch": "#e69f00" }`, or the list within.
  const list = isNamed ? (value["classes"] ?? value["palette"] ?? value["colors"]) : value
  if (!Array.isArray(list)) {
    return isNamed
      ? Result.all(
          Object.entries(value).map(([name, color]) => entryAt(`"${name}"`, colorOf(color), undefined, name))
        )
      : Result.fail("it is no list of classes with colours")
  }
  return Result.all(
    list.map((each: unknown, place) => {
      if (!Predicate.isReadonlyObject(each))
        return entryAt(`entry ${place}`, colorOf(each), undefined, undefined)
      const { class_id: classId, color, id, label, name, rgb, trainId } = each
      return entryAt(`entry ${place}`, colorOf(color ?? rgb), id ?? classId ?? trainId, name ?? label)
    })
  )
}

const fromLines = (text: string): Result.Result<ReadonlyArray<Entry>, string> => {
  const lines = text.split(/\r?\n/).flatMap((line, index) => {
    const clean = line.trim()
    return clean === "" || clean.startsWith("#") ? [] : [{ line: clean, number: index + 1 }]
  })
  const [first] = lines
  const heading = first?.line.toLowerCase().split(/\s*[,;\t]\s*/) ?? []
  const columns = ["name", "r", "g", "b"].every((name) => heading.includes(name)) ? heading : undefined
  return Result.all(
    (columns === undefined ? lines : lines.slice(1)).map(({ line, number }) => {
      const cvat = /^([^:]+):(\d+\s*,\s*\d+\s*,\s*\d+)/.exec(line)
      const cells = cvat === null ? line.split(/\s*[,;\t]\s*/) : [cvat[1]!, ...cvat[2]!.split(",")]
      const names = columns ?? (cells.length === 5 ? ["id", "name", "r", "g", "b"] : ["name", "r", "g", "b"])
      const cell = (name: string) => cells[names.indexOf(name)]
      const color = colorOf([cell("r"), cell("g"), cell("b")])
      return entryAt(`line ${number}`, color, cell("id"), cell("name") ?? "")
    })
  )
}

/** The palette in the text of a file, or what is wrong with it, with its place. */
export const parse = (text: string): Result.Result<Palette.Palette, string> => {
  const clean = text.replace(/^\uFEFF/, "").trim()
  let json: unknown
  try {
    json = /^[[{]/.test(clean) ? JSON.parse(clean) : undefined
  } catch {
    return Result.fail("it begins as JSON and is none")
  }
  return Result.flatMap(json === undefined ? fromLines(clean) : fromJson(json), (entries) => {
    if (entries.length === 0) return Result.fail("there is no class in it")
    const palette = entries.map(({ color, id, name }, place) => ({
      id: id ?? place,
      name: name ?? `class ${id ?? place}`,
      color
    }))
    const ids = new Set<number>()
    const colors = new Map<string, number>()
    for (const { color, id } of palette) {
      if (ids.has(id)) return Result.fail(`the id ${id} is there twice`)
      ids.add(id)
      const hex = Palette.toHex(color)
      const other = colors.get(hex)
      if (other !== undefined) return Result.fail(`the classes ${other} and ${id} have one colour, ${hex}`)
      colors.set(hex, id)
    }
    return Result.succeed(palette.toSorted((one, other) => one.id - other.id))
  })
}
