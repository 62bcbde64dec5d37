/**
 * What the ids of a label map are called, within its PNG: a text chunk `id2label`, which holds what models call so in their
 * configuration, `{"0":"background","1":"particle"}`. Readers of pictures pass it over; `Image.open(path).text["id2label"]` of Pillow has it.
 */
import { Bytes, Predicate } from "effect"
import * as ClassTable from "./ClassTable.ts"
import { crc32 } from "./PngRows.ts"

const keyword = "id2label"
/** The signature and the header, behind which the chunk is written. */
const headerLength = 33
/** Where a chunk of names may begin: before it are a palette, a profile of colours and the like. */
const maxStart = 1 << 20
/** Longer texts are not looked at: 20,000 names are not as long. */
const maxLength = 1 << 20

/** The text of the chunk: JSON whose characters are those that it may have. */
export const textOf = (classes: ClassTable.ClassTable): string =>
  JSON.stringify(Object.fromEntries(classes.map(({ id, name }) => [id, name]))).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

const chunks = new WeakMap<ClassTable.ClassTable, Uint8Array>()

/** The chunk of these names; empty where there are none, or they are longer than would be read. */
export const chunkOf = (classes: ClassTable.ClassTable): Uint8Array => {
  const known = chunks.get(classes)
  if (known !== undefined) return known
  const text = classes.length === 0 ? "" : textOf(classes)
  const made = text === "" || text.length > maxLength ? new Uint8Array() : chunk(text)
  chunks.set(classes, made)
  return made
}

const chunk = (text: string): Uint8Array => {
  const content = new TextEncoder().encode(`tEXt${keyword}\0${text}`)
  const bytes = new Uint8Array(content.length + 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, content.length - 4)
  bytes.set(content, 4)
  view.setUint32(content.length + 4, crc32(content))
  return bytes
}

/** A PNG with these names in it. */
export const insert = (png: Uint8Array, classes: ClassTable.ClassTable): Uint8Array =>
  Bytes.concat([png.subarray(0, headerLength), chunkOf(classes), png.subarray(headerLength)])

/** Names that stand in a PNG, as they stand there. */
export interface Found {
  /** The same text is the same table. */
  readonly text: string
  readonly classes: ClassTable.ClassTable
}

/**
 * The names within a PNG, or within its beginning: where that ends too early, how many bytes are needed. They are before the pixels,
 * where this package writes them.
 */
export const find = (bytes: Uint8Array): Found | { readonly needs: number } | undefined => {
  if (bytes.length < headerLength || bytes[0] !== 0x89 || bytes[1] !== 0x50) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 8
  while (at + 8 <= bytes.length) {
    const length = view.getUint32(at)
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    const end = at + 12 + length
    if (type === "IDAT" || type === "IEND" || length > maxLength) return undefined
    if (type === "tEXt") {
      if (end > bytes.length) return { needs: end + 8 }
      const content = bytes.subarray(at + 4, end - 4)
      const found = view.getUint32(end - 4) === crc32(content) ? named(content.subarray(4)) : undefined
      if (found !== undefined) return found
    }
    at = end
  }
  // The next one begins behind what is here.
  return at > maxStart ? undefined : { needs: at + 8 }
}

const named = (content: Uint8Array): Found | undefined => {
  const start = `${keyword}\0`
  const all = new TextDecoder("latin1").decode(content)
  if (!all.startsWith(start)) return undefined
  const text = all.slice(start.length)
  const entries = entriesOf(text)
  const classes = ClassTable.fromId2Label(entries)
  return classes.length === 0 ? undefined : { text, classes }
}

const entriesOf = (text: string): Readonly<Record<string, string>> => {
  try {
    const json: unknown = JSON.parse(text)
    return Predicate.isReadonlyObject(json)
      ? Object.fromEntries(
          Object.entries(json).filter((entry): entry is [string, string] => typeof entry[1] === "string")
        )
      : {}
  } catch {
    return {}
  }
}
