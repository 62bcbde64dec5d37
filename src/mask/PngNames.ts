/**
 * What the ids of a label map are called, within its PNG: a text chunk `id2label`, which holds what models call so in their
 * configuration, `{"0":"background","1":"particle"}`. Readers of pictures pass it over; `Image.open(path).text["id2label"]` of Pillow has it.
 */
import { Bytes, Predicate } from "effect"
import { unzlibSync } from "fflate"
import * as ClassTable from "./ClassTable.ts"
import { crc32 } from "./PngRows.ts"

const keyword = "id2label"
/** The signature and the header, behind which the chunk is written. */
const headerLength = 33
/** Chunks that are looked at: pixels of half a gigabyte are as many, packed in the smallest pieces that are usual. */
const maxChunks = 1 << 16
/** Longer texts, in bytes, are not looked at: 20,000 names are not as long. */
const maxLength = 1 << 20
/** The same of packed ones. */
const maxPacked = 1 << 18

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

/** So many bytes of a file from a place on; fewer where it ends. They are valid until the next call. */
export type Read = (at: number, length: number) => Uint8Array

/** The names within a PNG, wherever in it they stand: this package writes them before the pixels, other programs behind them too. */
export const find = (read: Read): Found | undefined => {
  const start = read(0, headerLength)
  if (start.length < headerLength || start[0] !== 0x89 || start[1] !== 0x50) return undefined
  let at = headerLength
  for (let count = 0; count < maxChunks; count++) {
    const head = read(at, 8)
    if (head.length < 8) return undefined
    const length = new DataView(head.buffer, head.byteOffset, 4).getUint32(0)
    const type = latin1(head.subarray(4))
    if (type === "IEND") return undefined
    const kind = kinds[type]
    if (kind !== undefined && length <= maxLength) {
      const found = foundIn(read(at + 4, length + 8), kind)
      if (found !== undefined) return found
    }
    at += 12 + length
  }
  return undefined
}

/** The same within bytes that are all there. */
export const findIn = (bytes: Uint8Array): Found | undefined =>
  find((at, length) => bytes.subarray(at, at + length))

const latin1 = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes)

/** UTF-8, which several programs write where Latin-1 should be; text of Latin-1 is hardly ever valid as that. */
const either = (bytes: Uint8Array): string => utf8(bytes) ?? latin1(bytes)

const utf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** What was packed, unless it is longer than would be read. */
const unpacked = (bytes: Uint8Array): Uint8Array | undefined => {
  // The rest of what is too long is unpacked into nothing, which takes time all the same.
  if (bytes.length > maxPacked) return undefined
  try {
    const out = unzlibSync(bytes, { out: new Uint8Array(maxLength + 1) })
    return out.length > maxLength ? undefined : out
  } catch {
    return undefined
  }
}

const map = (bytes: Uint8Array | undefined, text: (bytes: Uint8Array) => string | undefined) =>
  bytes === undefined ? undefined : text(bytes)

/** The text of each kind of chunk, from what stands behind its keyword. */
const kinds: Readonly<Record<string, (rest: Uint8Array) => string | undefined>> = {
  tEXt: either,
  // The method of packing, of which there is one.
  zTXt: (rest) => (rest[0] === 0 ? map(unpacked(rest.subarray(1)), either) : undefined),
  // Whether it is packed, and how; then a language, and the keyword in it.
  iTXt: (rest) => {
    const text = rest.indexOf(0, rest.indexOf(0, 2) + 1) + 1
    if (rest[0]! > 1 || rest[1] !== 0 || text < 4) return undefined
    return map(rest[0] === 0 ? rest.subarray(text) : unpacked(rest.subarray(text)), utf8)
  }
}

/** The names in a chunk, given from its type to its checksum. */
const foundIn = (chunk: Uint8Array, textIn: (rest: Uint8Array) => string | undefined): Found | undefined => {
  const end = chunk.length - 4
  const from = 4 + keyword.length + 1
  if (end < from || latin1(chunk.subarray(4, from)) !== `${keyword}\0`) return undefined
  const said = new DataView(chunk.buffer, chunk.byteOffset + end, 4).getUint32(0)
  const text = said === crc32(chunk.subarray(0, end)) ? textIn(chunk.subarray(from, end)) : undefined
  const classes = text === undefined ? [] : ClassTable.fromId2Label(entriesOf(text))
  return text === undefined || classes.length === 0 ? undefined : { text, classes }
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
