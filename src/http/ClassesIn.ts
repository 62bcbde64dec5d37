/**
 * The classes that an answer names, in the shapes that services have for it: by id (`class_map`, `id2label`), by name
 * (`label2id`), or as a list whose entries have ids, or none, and then stand in the order of their ids.
 *
 * A wrong name is worse than none: ids that cannot be read, or that only some entries have, are a failure.
 */
import { Effect } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import * as Palette from "../mask/Palette.ts"
import * as Background from "../render/Background.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import type { ResponseNotDecodable } from "../service/ServiceError.ts"
import { fail } from "./EncodedPicture.ts"
import { firstOf, join } from "./Fields.ts"
import { isRecord } from "./protocol/Errors.ts"
import * as Side from "./Side.ts"

const channelsOf = (color: unknown): ClassTable.Rgb | undefined => {
  if (typeof color === "string") return Palette.fromHex(color)
  if (!Array.isArray(color) || color.length < 3) return undefined
  const [red, green, blue] = color
  const isByte = (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255
  return isByte(red) && isByte(green) && isByte(blue) ? [red, green, blue] : undefined
}

/** An id as a number, as a text, or behind the word that Hugging Face puts before it. */
export const idOf = (value: unknown): number | undefined => {
  const digits =
    typeof value === "string" ? /^\s*(?:LABEL_|class[ _]?)?(\d{1,10})\s*$/i.exec(value)?.[1] : undefined
  return Side.toId(digits ?? value)
}

const idFields = ["id", "class_id", "category_id", "label_id", "index", "value"]
const nameFields = ["name", "label", "class_name", "class", "title"]

/** An entry of a list, if it names a class at all. */
interface Entry {
  readonly name: string
  readonly given: unknown
  readonly color: ClassTable.Rgb | undefined
}

const entryOf = (each: unknown): Entry | undefined => {
  if (typeof each === "string") return { name: each, given: undefined, color: undefined }
  const name = isRecord(each) ? firstOf(each, nameFields) : undefined
  return isRecord(each) && typeof name === "string"
    ? { name, given: firstOf(each, idFields), color: channelsOf(each["color"]) }
    : undefined
}

/** The classes in an object by id or by name; what is wrong with it as a text. */
const fromTable = (table: Readonly<Record<string, unknown>>): ClassTable.ClassTable | string => {
  const entries = Object.entries(table)
  if (
    entries.every(([key, name]) => idOf(key) !== undefined && (typeof name === "string" || isRecord(name)))
  ) {
    return unique(
      entries.flatMap(([key, value]) => {
        const entry = entryOf(value)
        return entry === undefined ? [] : [{ ...entry, id: idOf(key) ?? 0 }]
      })
    )
  }
  return entries.every(([, id]) => idOf(id) !== undefined)
    ? unique(entries.map(([name, id]) => ({ id: idOf(id) ?? 0, name, color: undefined })))
    : "it names classes neither by id nor ids by name"
}

const unique = (
  classes: ReadonlyArray<{
    readonly id: number
    readonly name: string
    readonly color: ClassTable.Rgb | undefined
  }>
): ClassTable.ClassTable | string => {
  const table = ClassTable.make(
    classes.map(({ color, id, name }) => ({ id, name, ...(color === undefined ? {} : { color }) }))
  )
  const names = new Map<number, string>()
  for (const { id, name } of classes) {
    if (names.has(id) && names.get(id) !== name)
      return `it has two names for the id ${id}, "${names.get(id)}" and "${name}"`
    names.set(id, name)
  }
  return table
}

const fromList = (listed: ReadonlyArray<unknown>): ClassTable.ClassTable | string => {
  const entries = listed.map(entryOf)
  const named = entries.flatMap((entry) => entry ?? [])
  if (named.length < entries.length) return named.length === 0 ? [] : "not all of its entries have a name"
  if (named.every(({ given }) => given === undefined))
    return unique(named.map((entry, id) => ({ ...entry, id })))
  const ids = named.map(({ given }) => idOf(given))
  const at = ids.indexOf(undefined)
  return at < 0
    ? unique(named.map((entry, index) => ({ ...entry, id: ids[index] ?? 0 })))
    : `"${named[at]?.name ?? ""}" has the id ${Decode.quoted(named[at]?.given)}, which is none`
}

/** Throws where the classes of options are no list of ids and names, as types would tell: a list of names alone, say. */
export const check = (
  owner: string,
  options: { readonly classes?: unknown; readonly palette?: unknown }
): void => {
  for (const option of ["classes", "palette"] as const) {
    const given = options[option]
    if (given === undefined) continue
    const isClass = (each: unknown) =>
      isRecord(each) &&
      typeof each["name"] === "string" &&
      typeof each["id"] === "number" &&
      Side.toId(each["id"]) !== undefined
    const wrong: unknown = Array.isArray(given) ? given.find((each: unknown) => !isClass(each)) : given
    if (wrong === undefined && Array.isArray(given)) continue
    throw new RangeError(
      `${owner}: \`${option}\` must be a list of { id, name }, as \`ClassTable.fromNames\` makes one of names, but has ${Decode.quoted(wrong)}`
    )
  }
}

/** One name alone is of what is in a map: 0 is what is not. */
const isThing = (listed: ReadonlyArray<unknown>): boolean =>
  listed.length === 1 &&
  entryOf(listed[0])?.given === undefined &&
  !Background.isGround(entryOf(listed[0])?.name ?? "")

/** Names whose ids are listed beside them, one for each; `undefined` where none are. */
const zipped = (
  names: ReadonlyArray<unknown>,
  beside: Readonly<Record<string, unknown>>
): ReadonlyArray<unknown> | undefined => {
  const ids = firstOf(beside, ["class_ids", "category_ids", "label_ids"])
  if (!Array.isArray(ids) || ids.length !== names.length || new Set(ids).size < ids.length) return undefined
  return ids.every((id) => Side.toId(id) !== undefined) && names.every((name) => typeof name === "string")
    ? names.map((name, index): unknown => ({ name, id: ids[index] }))
    : undefined
}

/** Whose names they are: those of a map, or of one that is said to hold ids of them. */
export type NamedOf = "map" | "ids"

/** A list of the names of a map, with their ids where something says so. */
const ofMapList = (listed: ReadonlyArray<unknown>, beside: Readonly<Record<string, unknown>>, of: NamedOf) =>
  zipped(listed, beside) ?? (of === "map" && isThing(listed) ? ["background", listed[0]] : listed)

const fields = ["class_map", "id2label", "label2id", "classes", "class_names", "categories"] as const

/** The classes that an object names, of a map of them or of something else; none where it names none. */
export const read = (
  answer: Answer,
  path: string,
  value: unknown,
  of?: NamedOf
): Effect.Effect<ClassTable.ClassTable, ResponseNotDecodable> =>
  Effect.suspend(() => {
    if (!isRecord(value)) return Effect.succeed([])
    for (const field of fields) {
      const given = value[field]
      const found = Array.isArray(given)
        ? fromList(of === undefined ? given : ofMapList(given, value, of))
        : isRecord(given)
          ? fromTable(given)
          : []
      if (typeof found === "string") {
        const detail = `${found}. Give the option \`classes\``
        return fail(answer, join(path, field), detail, Decode.quoted(given))
      }
      if (found.length > 0) return Effect.succeed(found)
    }
    return Effect.succeed([])
  })
