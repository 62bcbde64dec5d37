/**
 * Whether what lies under a result's name is that result, and all of it: a copy that broke off, a full disk or another program leave
 * what is none. Its size and time tell where they are those that it was written with, and else a few of its bytes, since there may be
 * millions.
 */
import { Effect, FileSystem, Option } from "effect"

/** In pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** Whether a file is the result that it should be. */
export type IsWhole = Effect.Effect<boolean, never, FileSystem.FileSystem>

/** What a file has from when it was written on, and another one hardly: its bytes and its time in milliseconds. Empty where the disk knows no times. */
const stamped = ({ mtime, size }: FileSystem.File.Info): string =>
  Option.match(mtime, { onNone: () => "", onSome: (time) => `${size}@${time.getTime()}` })

/** The stamp of a file that was written just now. */
export const stamp = (path: string): Effect.Effect<string, never, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.orElseSucceed(Effect.map(fs.stat(path), stamped), () => "")
  )

/** Files of so many bytes are read in one go, which costs less than to read their ends. */
const small = 16n * 1024n

/** Looks at the first 24 bytes of a regular file, and the last 12, unless it has its stamp still. What cannot be read is none. */
const look = (
  path: string,
  stamp: string,
  isWhole: (size: bigint, first: Buffer, last: Buffer) => boolean
): IsWhole =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    // A pipe that nobody writes to would be waited for.
    const info = yield* fs.stat(path)
    const { size, type } = info
    if (type !== "File" || size === 0n) return false
    if (stamp !== "" && stamp === stamped(info)) return true
    const file = yield* fs.open(path, { flag: "r" })
    const read = Effect.fnUntraced(function* (from: bigint, length: number) {
      const space = Buffer.allocUnsafe(length)
      return space.subarray(0, yield* file.read(space, { position: from }))
    })
    const start = yield* read(0n, size <= small ? Number(size) : 24)
    const end = size <= small ? start : yield* read(size - 12n, 12)
    return isWhole(size, start.subarray(0, 24), end.subarray(-12))
  }).pipe(
    Effect.scoped,
    Effect.orElseSucceed(() => false)
  )

const jpegStart = Buffer.from([0xff, 0xd8])
const jpegEnd = Buffer.from([0xff, 0xd9])
const pngStart = Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1")
const pngEnd = Buffer.from("\0\0\0\0IEND\xae\x42\x60\x82", "latin1")

/** Whether it is a PNG of this size, to its last chunk. An empty `stamp` is none. */
export const isPng = (path: string, { height, width }: Size, stamp: string): IsWhole =>
  look(
    path,
    stamp,
    (_, first, last) =>
      first.length === 24 &&
      first.subarray(0, 16).equals(pngStart) &&
      first.readUInt32BE(16) === width &&
      first.readUInt32BE(20) === height &&
      last.equals(pngEnd)
  )

/** Whether it is a JPEG, to its last marker. */
export const isJpeg = (path: string, _: Size, stamp: string): IsWhole =>
  look(
    path,
    stamp,
    (size, first, last) =>
      size > 4n && first.subarray(0, 2).equals(jpegStart) && last.subarray(-2).equals(jpegEnd)
  )

/** Whether it has so many bytes, or any where that is not known. */
export const isOfBytes = (path: string, bytes: number | undefined): IsWhole =>
  look(path, "", (size) => bytes === undefined || size === BigInt(bytes))
