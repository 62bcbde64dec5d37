/**
 * Lists of images in a file: CSV with a heading, JSON lines, or plain lines. They are read piece by piece, however long
 * they are. A line that says nothing is an image that cannot be read: it is listed with the others.
 *
 * | kind | the image | its key |
 * |---|---|---|
 * | `.csv` | column `image`, `path`, `file`, `file_name`, `filename` or `url` | column `id` or `key`, else the image |
 * | `.jsonl`, `.ndjson` | a string, or an object with one of these fields | field `id` or `key`, else the image |
 * | anything else | the line; empty ones and those that begin with `#` are left out | the image |
 *
 * Paths are relative to the file's folder.
 */
import { createReadStream } from "node:fs"
import { basename, dirname, isAbsolute, join } from "node:path"
import { Effect, Schema, Stream } from "effect"
import { ImageNotReadable } from "../image/ImageError.ts"
import { SourceNotReadable } from "./BatchError.ts"
import * as Item from "./Item.ts"

const imageNames = ["image", "path", "file", "file_name", "filename", "url"]
const keyNames = ["id", "key"]

/** Whether a file is a list of images by its name. */
export const isManifest = (path: string): boolean => /\.(csv|jsonl|ndjson|txt|lst)$/i.test(path)

/** The images that a file lists. */
export const items = (path: string): Stream.Stream<Item.Item<Item.Access>, SourceNotReadable> => {
  const texts = pieces(path)
  const rows = /\.csv$/i.test(path) ? csvItems(path, texts) : lineItems(path, texts)
  return Stream.flattenArray(
    Stream.fromAsyncIterable(batched(rows), (error) =>
      error instanceof SourceNotReadable
        ? error
        : new SourceNotReadable({
            source: path,
            detail: error instanceof Error ? error.message : String(error)
          })
    )
  )
}

const pieces = (path: string): AsyncIterable<string> =>
  createReadStream(path, { encoding: "utf8", highWaterMark: 64 * 1024 })

/** Many at a time: what is done for each stream element is done for a hundred. */
export async function* batched<A>(
  all: AsyncIterable<A>,
  most: number = 128
): AsyncGenerator<readonly [A, ...ReadonlyArray<A>]> {
  let batch: [A, ...Array<A>] | undefined
  for await (const one of all) {
    if (batch === undefined) batch = [one]
    else batch.push(one)
    if (batch.length === most) {
      yield batch
      batch = undefined
    }
  }
  if (batch !== undefined) yield batch
}

const found = (path: string, image: string, key: string | undefined): Item.Item<Item.Access> => {
  const isWhole = /^https?:\/\//i.test(image) || isAbsolute(image)
  return Item.at(isWhole ? image : join(dirname(path), image), key ?? image)
}

const unreadable = (path: string, line: number, detail: string): Item.Item => {
  const key = `${basename(path)}:${line}`
  const error = new ImageNotReadable({ source: `${path}:${line}`, detail })
  return Item.make(key, { name: key, open: () => Effect.fail(error) })
}

async function* lineItems(
  path: string,
  texts: AsyncIterable<string>
): AsyncGenerator<Item.Item<Item.Access>> {
  const isJson = /\.(jsonl|ndjson)$/i.test(path)
  let number = 0
  for await (const text of lines(texts)) {
    number++
    const line = (number === 1 ? text.replace(/^\uFEFF/, "") : text).trim()
    if (line === "" || (!isJson && line.startsWith("#"))) continue
    yield isJson ? ofJson(path, number, line) : found(path, line, undefined)
  }
}

async function* lines(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = ""
  for await (const text of texts) {
    const all = (rest + text).split("\n")
    rest = all.pop() ?? ""
    yield* all
  }
  yield rest
}

const JsonLine = Schema.fromJsonString(
  Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Unknown)])
)
const decodeLine = Schema.decodeUnknownOption(JsonLine)

const ofJson = (path: string, number: number, line: string): Item.Item<Item.Access> => {
  const parsed = decodeLine(line)
  if (parsed._tag === "None")
    return unreadable(path, number, "the line is neither a JSON string nor an object")
  if (typeof parsed.value === "string") return found(path, parsed.value, undefined)
  const fields = parsed.value
  const text = (names: ReadonlyArray<string>): string | undefined => {
    const value = names.map((name) => fields[name]).find((value) => value !== undefined && value !== null)
    return typeof value === "string" || typeof value === "number" ? String(value) : undefined
  }
  const image = text(imageNames)
  return image === undefined || image === ""
    ? unreadable(path, number, `the line has none of the fields ${imageNames.join(", ")}`)
    : found(path, image, text(keyNames))
}

async function* csvItems(path: string, texts: AsyncIterable<string>): AsyncGenerator<Item.Item<Item.Access>> {
  let image: number | undefined
  let key = -1
  let number = 0
  for await (const row of csvRows(texts)) {
    number++
    if (image === undefined) {
      const names = row.map((name) =>
        name
          .replace(/^\uFEFF/, "")
          .trim()
          .toLowerCase()
      )
      const column = (wanted: ReadonlyArray<string>) =>
        wanted.map((name) => names.indexOf(name)).find((index) => index >= 0) ?? -1
      image = column(imageNames)
      key = column(keyNames)
      if (image >= 0) continue
      const detail = `its first line names no column ${imageNames.join(", ")}, but ${names.join(", ")}`
      throw new SourceNotReadable({ source: path, detail })
    }
    if (row.length === 1 && row[0] === "") continue
    const name = row[image]?.trim() ?? ""
    if (name === "") yield unreadable(path, number, "the row names no image")
    else yield found(path, name, row[key] || undefined)
  }
}

/** Rows as RFC 4180 has them: fields in quotes may hold commas, line ends and doubled quotes. */
async function* csvRows(texts: AsyncIterable<string>): AsyncGenerator<ReadonlyArray<string>> {
  let row: Array<string> = []
  let field = ""
  let quoted = false
  /** A quote within quotes: the end, unless another one follows. */
  let pending = false
  for await (const text of texts) {
    for (const sign of text) {
      if (quoted && pending) {
        pending = false
        if (sign === '"') {
          field += sign
          continue
        }
        quoted = false
      }
      if (quoted) {
        if (sign === '"') pending = true
        else field += sign
      } else if (sign === '"' && field === "") quoted = true
      else if (sign === ",") {
        row.push(field)
        field = ""
      } else if (sign === "\n") {
        row.push(field.endsWith("\r") ? field.slice(0, -1) : field)
        yield row
        row = []
        field = ""
      } else field += sign
    }
  }
  if (field !== "" || row.length > 0) yield [...row, field]
}
