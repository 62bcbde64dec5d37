/**
 * What the ids of a label map are called, within its PNG: a text chunk `id2label`, which holds what models call so in their
 * configuration, `{"0":"background","1":"particle"}`. Readers of pictures pass it over; `Image.open(path).text["id2label"]` of Pillow has it.
 */
import { Predicate } from "effect"
import * as ClassTable from "./ClassTable.ts"
import { inflate } from "./Inflate.ts"
import { isWhole } from "./PngRows.ts"
import * as PngWriting from "./PngWriting.ts"

const keyword = "id2label"
/** Chunks that are looked at: pixels of half a gigabyte are as many, packed in the smallest pieces that are usual. */
const maxChunks = 1 << 16
/** Longer texts, in bytes, are not looked at: 20,000 names are not as long. */
const maxLength = 1 << 20
/** The same of packed ones. */
const maxPacked = 1 << 18

/** Chunks of names that are unpacked, of which the first that can be read counts: a kilobyte may become a megabyte. */
const maxTried = 16

/** The text of the chunk: JSON whose characters are those that it may have. */
export const textOf = (classes: ClassTable.ClassTable): string =>
  JSON.stringify(Object.fromEntries(classes.map(({ id, name }) => [id, name]))).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

/** The chunk of these names; empty where there are none, or they are longer than would be read. */
export const chunkOf = (classes: ClassTable.ClassTable): Uint8Array => {
  const text = textOf(classes)
  if (classes.length === 0 || text.length > maxLength) return new Uint8Array()
  return PngWriting.chunk("tEXt", new TextEncoder().encode(`${keyword}\0${text}`))
}

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
  if (latin1(read(1, 3)) !== "PNG") return undefined
  for (let at = 8, count = 0, tried = 0; count < maxChunks && tried < maxTried; count++) {
    const head = read(at, 8)
    const type = latin1(head.subarray(4))
    if (head.length < 8 || type === "IEND") return undefined
    const length = new DataView(head.buffer, head.byteOffset).getUint32(0)
    if (type.endsWith("Xt") && length <= maxLength) {
      const chunk = read(at, length + 12)
      const data = chunk.subarray(4, -4)
      const head = start.exec(latin1(data))
      if (head !== null && isWhole(chunk)) {
        tried++
        const found = foundIn(data, head)
        if (found) return found
      }
    }
    at += 12 + length
  }
  return undefined
}

/** The same within bytes that are all there. */
export const findIn = (bytes: Uint8Array): Found | undefined =>
  find((at, length) => bytes.subarray(at, at + length))

const latin1 = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes)

/**
 * What stands before the text: of a packed one the method, of which there is one; of one in UTF-8 whether it is packed, the method, a
 * language, and the keyword in it.
 */
const start = /^(?:tEXtid2label|(zTXtid2label\0)|iTXtid2label\0(?:\0|([^\0]))\0[^\0]*\0[^\0]*)\0/

/** The names in the data of a chunk that begins so, if those are what it holds. */
const foundIn = (data: Uint8Array, head: RegExpExecArray): Found | undefined => {
  let bytes = data.subarray(head[0].length)
  try {
    if ((head[1] ?? head[2]) !== undefined) {
      if (bytes.length > maxPacked) return undefined
      // What is cut off is no JSON.
      const space = new Uint8Array(maxLength)
      bytes = space.subarray(0, inflate(bytes, space) ?? 0)
    }
    // Several programs write UTF-8 where Latin-1 should be, and text of Latin-1 is hardly ever valid as that.
    const utf8 = new TextDecoder().decode(bytes)
    const text = utf8.includes("\ufffd") ? latin1(bytes) : utf8
    const json: unknown = JSON.parse(text)
    const entries = Predicate.isReadonlyObject(json) ? Object.entries(json) : []
    const isName = (entry: [string, unknown]): entry is [string, string] => typeof entry[1] === "string"
    const classes = ClassTable.fromId2Label(Object.fromEntries(entries.filter(isName)))
    return classes.length === 0 ? undefined : { text, classes }
  } catch {
    return undefined
  }
}
