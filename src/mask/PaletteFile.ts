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
  readonly name: string
  readonly color: Rgb
}

const byte = (value: unknown): number | undefined => {
  const number = typeof value === "string" && /^\s*\d{1,3}\s*$/.test(value) ? Number(value) : value
  return typeof number === "number" && Number.isInteger(number) && number >= 0 && number <= 255
    ? number
    : undefined
}

const colorOf = (value: unknown): Rgb | undefined => {
  if (typeof value === "string") return Palette.fromHex(value)
  if (!Array.isArray(value) || value.length < 3) return undefined
  const [red, green, blue] = [byte(value[0]), byte(value[1]), byte(value[2])]
  return red === undefined || green === undefined || blue === undefined ? undefined : [red, green, blue]
}

const idOf = (value: unknown): number | undefined => {
  const number = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value
  return typeof number === "number" && Number.isInteger(number) && number >= 0 ? number : undefined
}

const wrong = (place: string) =>
  `${place} has no colour: write "#e69f00", or red, green and blue from 0 to 255`

const fromJson = (value: unknown): Result.Result<ReadonlyArray<Entry>, string> => {
  const entries: Array<Entry> = []
  if (Predicate.isReadonlyObject(value)) {
    // `{ "scratch": "#e69f00" }`, or the list within.
    const list = value["classes"] ?? value["palette"] ?? value["colors"]
    if (Array.isArray(list)) return fromJson(list)
    for (const [name, color] of Object.entries(value)) {
      const found = colorOf(color)
      if (found === undefined) return Result.fail(wrong(`"${name}"`))
      entries.push({ id: undefined, name, color: found })
    }
    return Result.succeed(entries)
  }
  if (!Array.isArray(value)) return Result.fail("it is no list of classes with colours")
  for (const [place, each] of value.entries()) {
    const name = Predicate.isReadonlyObject(each) ? (each["name"] ?? each["label"]) : undefined
    const color = Predicate.isReadonlyObject(each) ? colorOf(each["color"] ?? each["rgb"]) : colorOf(each)
    if (color === undefined) return Result.fail(wrong(`entry ${place}`))
    const given = Predicate.isReadonlyObject(each)
      ? (each["id"] ?? each["class_id"] ?? each["trainId"])
      : undefined
    const id = idOf(given)
    if (given !== undefined && id === undefined) return Result.fail(`entry ${place} has an id that is none`)
    entries.push({ id, name: typeof name === "string" ? name : `class ${id ?? place}`, color })
  }
  return Result.succeed(entries)
}

const fromLines = (text: string): Result.Result<ReadonlyArray<Entry>, string> => {
  const lines = text.split(/\r?\n/).flatMap((line, index) => {
    const clean = line.trim()
    return clean === "" || clean.startsWith("#") ? [] : [{ line: clean, number: index + 1 }]
  })
  const [first] = lines
  const heading = first?.line.toLowerCase().split(/\s*[,;\t]\s*/) ?? []
  const columns = ["name", "r", "g", "b"].every((name) => heading.includes(name)) ? heading : undefined
  const entries: Array<Entry> = []
  for (const { line, number } of columns === undefined ? lines : lines.slice(1)) {
    const cvat = /^([^:]+):(\d+\s*,\s*\d+\s*,\s*\d+)/.exec(line)
    const cells = cvat === null ? line.split(/\s*[,;\t]\s*/) : [cvat[1]!, ...cvat[2]!.split(",")]
    const names = columns ?? (cells.length === 5 ? ["id", "name", "r", "g", "b"] : ["name", "r", "g", "b"])
    const cell = (name: string) => cells[names.indexOf(name)]
    const color = colorOf([cell("r"), cell("g"), cell("b")])
    if (color === undefined) return Result.fail(wrong(`line ${number}`))
    const given = cell("id")
    const id = idOf(given)
    if (given !== undefined && id === undefined) return Result.fail(`line ${number} has an id that is none`)
    entries.push({ id, name: cell("name") ?? "", color })
  }
  return Result.succeed(entries)
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
    const palette = entries.map(({ color, id, name }, place) => ({ id: id ?? place, name, color }))
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
