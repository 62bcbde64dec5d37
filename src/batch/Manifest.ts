/**
 * Lists of images in a file: CSV (RFC 4180) with a heading, JSON lines, or plain lines. They are read piece by piece,
 * however long they are. A line that says nothing is an image that cannot be read: it is listed with the others. Where a
 * quote of a CSV is out of place or never closed, nobody can say what the rest means, and reading ends; so it does at a
 * line, or a row, of more than 64 Ki characters.
 *
 * | kind | the image | its key |
 * |---|---|---|
 * | `.csv` | column `image`, `path`, `file`, `file_name`, `filename` or `url` | column `id` or `key`, else the image |
 * | `.jsonl`, `.ndjson` | a string, or an object with one of these fields | field `id` or `key`, else the image |
 * | anything else | the line; empty ones and those that begin with `#` are left out | the image |
 *
 * Paths are relative to the file's folder. An image that is there twice is done once; an id that is there for two images is
 * an image that cannot be read, since nobody can say whose result it names.
 */
import { basename, dirname, isAbsolute, join } from "node:path"
import { Array as Arr, Effect, FileSystem, Predicate, Schema, Stream } from "effect"
import { Csv } from "effect/encoding"
import * as SystemError from "../SystemError.ts"
import { ImageNotReadable } from "../image/ImageError.ts"
import { unguarded } from "../mask/Csv.ts"
import { SourceNotReadable } from "./BatchError.ts"
import * as HashIndex from "./HashIndex.ts"
import * as Item from "./Item.ts"

const imageNames = ["image", "path", "file", "file_name", "filename", "url"]
const keyNames = ["id", "key"]

/** Whether a file is a list of images by its name. */
export const isManifest = (path: string): boolean => /\.(csv|jsonl|ndjson|txt|lst)$/i.test(path)

/** The images that a file lists. */
export const items = (
  path: string
): Stream.Stream<Item.Item<Item.Access>, SourceNotReadable, FileSystem.FileSystem> => {
  const text = decoded(Stream.unwrap(Effect.map(FileSystem.FileSystem, (fs) => fs.stream(path)))).pipe(
    Stream.mapError((error) => new SourceNotReadable({ source: path, detail: SystemError.unreadable(error) }))
  )
  return Stream.suspend(() => {
    const taken = ids()
    return (/\.csv$/i.test(path) ? csvItems(path, text, taken) : lineItems(path, text, taken)).pipe(
      Stream.filter(Predicate.isNotUndefined)
    )
  })
}

/** Whether an id is that of another image already. */
type IsTaken = (id: string | undefined, image: string) => boolean

/** Remembers ids by 52 bits, and of which image each is by 20 more: however many there are, memory has room for them. */
const ids = (): IsTaken => {
  const index = HashIndex.make()
  const low = 1 << 20
  return (given, image) => {
    // A list without ids needs no memory.
    if (given === undefined && index.size() === 0) return false
    const id = given ?? image
    const place = (fnv(id) % low) * low + (fnv(image) % low)
    const before = index.set(id, place, (at) => Math.floor(at / low) === Math.floor(place / low))
    if (before >= 0 && before !== place) index.set(id, before, (at) => at === place)
    return before >= 0 && before !== place
  }
}

/** FNV-1a over UTF-16 units. */
const fnv = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** UTF-8, or UTF-16 as PowerShell and spreadsheets write it, which its first bytes tell. */
const decoded = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<string, E, R> =>
  Stream.suspend(() => {
    let decoder: InstanceType<typeof TextDecoder> | undefined
    return Stream.concat(
      Stream.map(bytes, (piece) =>
        (decoder ??= new TextDecoder(encodingOf(piece))).decode(piece, { stream: true })
      ),
      Stream.suspend(() => Stream.succeed(decoder?.decode() ?? ""))
    ).pipe(Stream.filter((text) => text !== ""))
  })

const encodingOf = ([first, second]: Uint8Array): string =>
  (first === 0xfe && second === 0xff) || (first === 0 && second !== 0 && second !== undefined)
    ? "utf-16be"
    : (first === 0xff && second === 0xfe) || (second === 0 && first !== 0)
      ? "utf-16le"
      : "utf-8"

/** Characters of a line, or of a row: what is longer is no list of images. */
const longest = 64 * 1024

type Text = Stream.Stream<string, SourceNotReadable, FileSystem.FileSystem>
/** What each line stands for, which may be nothing. */
type Lines = Stream.Stream<Item.Item<Item.Access> | undefined, SourceNotReadable, FileSystem.FileSystem>

/** A line's place, what it says, and which ids stand above it. */
interface Named {
  readonly line: number
  readonly image: string
  readonly id: string | undefined
  readonly isTaken: IsTaken
}

const found = (path: string, { id, image, isTaken, line }: Named): Item.Item<Item.Access> => {
  if (isTaken(id, image))
    return unreadable(path, line, `the id "${id ?? image}" is that of another image above. Give each its own`)
  const isWhole = /^https?:\/\//i.test(image) || isAbsolute(image)
  return Item.at(isWhole ? image : join(dirname(path), image), id ?? image)
}

const unreadable = (path: string, line: number, detail: string): Item.Item => {
  const key = `${basename(path)}:${line}`
  const error = new ImageNotReadable({ source: `${path}:${line}`, detail })
  return Item.make(key, { name: key, open: () => Effect.fail(error) })
}

const lineItems = (path: string, text: Text, isTaken: IsTaken): Lines => {
  const isJson = /\.(jsonl|ndjson)$/i.test(path)
  return Stream.suspend(() => {
    let number = 0
    return Stream.map(Stream.splitLines(bounded(path, text)), (whole) => {
      number++
      const line = whole.trim()
      if (line === "" || (!isJson && line.startsWith("#"))) return undefined
      return isJson
        ? ofJson(path, number, line, isTaken)
        : found(path, { line: number, image: line, id: undefined, isTaken })
    })
  })
}

/** Fails at a line that is too long, before the rest of it is read. */
const bounded = (path: string, text: Text): Text =>
  Stream.suspend(() => {
    let line = 1
    let length = 0
    return Stream.tap(text, (piece) => {
      for (const [part] of piece.matchAll(/[^\r\n]+|\r\n?|\n/g)) {
        if (/^[\r\n]/.test(part)) {
          line++
          length = 0
        } else if ((length += part.length) > longest) {
          const detail = `line ${line}: it has more than ${longest} characters`
          return Effect.fail(new SourceNotReadable({ source: path, detail }))
        }
      }
      return Effect.void
    })
  })

const JsonLine = Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Unknown)])
const decodeLine = Schema.decodeUnknownOption(JsonLine)

/** An id is a text: one of more digits than a number here can hold is taken as it is written. */
const asWritten = (_: string, value: unknown, { source }: { readonly source?: string } = {}): unknown =>
  typeof value === "number" && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source)
    ? source
    : value

const parsedLine = (line: string): unknown => {
  try {
    return JSON.parse(line, asWritten)
  } catch {
    return undefined
  }
}

const ofJson = (path: string, number: number, line: string, isTaken: IsTaken): Item.Item<Item.Access> => {
  const parsed = decodeLine(parsedLine(line))
  if (parsed._tag === "None")
    return unreadable(path, number, "the line is neither a JSON string nor an object")
  if (typeof parsed.value === "string")
    return found(path, { line: number, image: parsed.value, id: undefined, isTaken })
  const fields = parsed.value
  const text = (names: ReadonlyArray<string>): string | undefined => {
    const value = names.map((name) => fields[name]).find((value) => value !== undefined && value !== null)
    return typeof value === "string" || typeof value === "number" ? String(value) : undefined
  }
  const image = text(imageNames)
  return image === undefined || image === ""
    ? unreadable(path, number, `the line has none of the fields ${imageNames.join(", ")}`)
    : found(path, { line: number, image, id: text(keyNames), isTaken })
}

const csvItems = (path: string, text: Text, isTaken: IsTaken): Lines =>
  Stream.suspend(() => {
    let columns: Columns | undefined
    let number = 0
    const itemOf = (row: Csv.Row, { count, image, key }: Columns) => {
      number++
      if (number === 1 || (row.length === 1 && row[0] === "")) return undefined
      // Empty ones at the end are what a spreadsheet leaves there.
      if (row.slice(count).some((field) => field.trim() !== ""))
        return unreadable(
          path,
          number,
          `the row has ${row.length} fields, and the heading ${count}: does a comma stand in a field without quotes?`
        )
      // Names that a spreadsheet would run are guarded in lists of failures.
      const name = unguarded(row[image]?.trim() ?? "")
      if (name === "") return unreadable(path, number, "the row names no image")
      const id = unguarded(row[key] ?? "") || undefined
      return /[\r\n]/.test(name + (id ?? ""))
        ? unreadable(path, number, "the row's image or id goes over several lines: is a quote out of place?")
        : found(path, { line: number, image: name, id, isTaken })
    }
    return text.pipe(
      Stream.pipeThroughChannel(Csv.decodeString<SourceNotReadable>({ maxRecordSize: longest })),
      Stream.mapError((error) =>
        error._tag === "CsvError"
          ? new SourceNotReadable({ source: path, detail: `line ${error.line}: ${error.message}` })
          : error
      ),
      Stream.mapArrayEffect((rows) => {
        const known = (columns ??= columnsOf(rows[0]))
        if (known.image >= 0) return Effect.succeed(Arr.map(rows, (row) => itemOf(row, known)))
        const detail = `its first line names no column ${imageNames.join(", ")}, but ${rows[0].join(", ")}`
        return Effect.fail(new SourceNotReadable({ source: path, detail }))
      })
    )
  })

/** How many columns there are, and which of them say what. */
interface Columns {
  readonly count: number
  readonly image: number
  readonly key: number
}

const columnsOf = (heading: Csv.Row): Columns => {
  const names = heading.map((name) => name.trim().toLowerCase())
  const column = (wanted: ReadonlyArray<string>) =>
    wanted.map((name) => names.indexOf(name)).find((index) => index >= 0) ?? -1
  return { count: names.length, image: column(imageNames), key: column(keyNames) }
}
