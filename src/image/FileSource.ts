/** An image in a file, which is read where and when it is needed. */
import { Effect, FileSystem, type PlatformError, Stream } from "effect"
import { concat } from "../service/Body.ts"
import { unreadable } from "../SystemError.ts"
import { isWholePng, type Parsed } from "./HeaderParsing.ts"
import type { Image, ImageLimits } from "./Image.ts"
import { type ImageError, ImageNotFound, ImageNotReadable } from "./ImageError.ts"
import { accept, cutOff, describe, parse, sized, startBytes } from "./ImageOpening.ts"
import type { CodeNotLoaded } from "../service/CodeNotLoaded.ts"

/** First read: holds the size of nearly every image there is. */
const headBytes = 64 * 1024

/** How many bytes from the start would tell what these did not; 0 where they told all. */
const lacking = (parsed: Parsed): number =>
  parsed._tag === "NeedMore" ? parsed.bytes : parsed._tag === "Known" ? (parsed.moreAt ?? 0) : 0

/** The path in an address of a file, in which a drive of Windows stands behind a slash. */
const pathOf = (address: string): string => {
  try {
    return /^file:\/{3}/i.test(address)
      ? decodeURIComponent(address.slice(7)).replace(/^\/(?=[a-z]:)/i, "")
      : address
  } catch {
    return address
  }
}

export const open = Effect.fnUntraced(function* (
  address: string,
  called: string,
  limits: ImageLimits
): Effect.fn.Return<Image, ImageError | CodeNotLoaded, FileSystem.FileSystem> {
  const path = pathOf(address)
  const name = path === address ? called : path.slice(path.lastIndexOf("/") + 1)
  const fs = yield* FileSystem.FileSystem
  const asImageError = fileError(path)
  const info = yield* Effect.mapError(fs.stat(path), asImageError)
  if (info.type !== "File") {
    const what = info.type === "Directory" ? "it is a folder" : `it is no regular file (${info.type})`
    return yield* new ImageNotReadable({ source: path, detail: what })
  }
  const size = Number(info.size)
  yield* sized(path, size, limits)
  const range = (offset: number, length: number) =>
    fs
      .stream(path, { offset, bytesToRead: length })
      .pipe(Stream.mapError(asImageError), Stream.runCollect, Effect.map(concat))
  // A request states the size beforehand, and what changed since is another image than the one that was checked.
  const changed = (read: number) =>
    new ImageNotReadable({ source: path, detail: `it was ${size} bytes long, and is ${read} now` })
  const whole = Effect.flatMap(Effect.mapError(fs.readFile(path), asImageError), (data) =>
    data.length === size ? Effect.succeed(data) : Effect.fail(changed(data.length))
  )

  let head = yield* range(0, headBytes)
  let parsed = yield* parse(head)
  // The size of a JPEG lies behind its metadata, that of a TIFF wherever its writer put it.
  for (let lacks = lacking(parsed); lacks > 0 && head.length < size; lacks = lacking(parsed)) {
    const wanted = Math.min(size, Math.max(lacks, head.length * 2))
    head = yield* range(0, wanted)
    if (head.length < wanted) return yield* changed(head.length)
    parsed = yield* parse(head)
  }
  const header = yield* accept(path, parsed, head.subarray(0, startBytes), limits)
  if (header.format === "png") {
    const tail = yield* range(size - 12, 12)
    const ends = tail.length === 12 && new DataView(tail.buffer, tail.byteOffset).getUint32(4) === 0x49454e44
    // Something may follow the image, so a tail that is no IEND only means to look closer.
    if (!ends && !isWholePng(yield* whole)) return yield* cutOff(path)
  }
  return describe(path, name, header, size, {
    bytes: whole,
    stream: exactly(Stream.mapError(fs.stream(path, { chunkSize: 256 * 1024 }), asImageError), size, changed),
    inMemory: false
  })
})

/** Fails unless so many bytes come. */
const exactly = <E>(
  self: Stream.Stream<Uint8Array, E>,
  size: number,
  otherwise: (seen: number) => E
): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    let seen = 0
    const check = (isEnd: boolean) =>
      seen > size || (isEnd && seen < size) ? Effect.fail(otherwise(seen)) : Effect.void
    return Stream.tap(self, (chunk) => {
      seen += chunk.length
      return check(false)
    }).pipe(Stream.concat(Stream.drain(Stream.fromEffect(Effect.suspend(() => check(true))))))
  })

const fileError =
  (path: string) =>
  (error: PlatformError.PlatformError): ImageError => {
    if (error.reason._tag !== "NotFound")
      return new ImageNotReadable({ source: path, detail: unreadable(error) })
    const detail = "it is an address, and no file"
    return /^(https?|data):/i.test(path)
      ? new ImageNotReadable({ source: path.slice(0, 80), detail })
      : new ImageNotFound({ source: path })
  }
