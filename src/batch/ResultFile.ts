/**
 * Whether what lies under a result's name is that result, and all of it: a copy that broke off, a full disk or another program leave
 * what is none. A few bytes of a file tell, since there may be millions.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs"

/** In pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

const space = Buffer.alloc(36)

/** Looks at the first 24 bytes of a regular file, and the last 12. */
const look = (path: string, isWhole: (size: number, first: Buffer, last: Buffer) => boolean): boolean => {
  let file: number | undefined
  try {
    // A pipe that nobody writes to is not waited for.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const info = fstatSync(file)
    if (!info.isFile() || info.size === 0) return false
    const first = space.subarray(0, readSync(file, space, 0, 24, 0))
    const last = space.subarray(24, 24 + readSync(file, space, 24, 12, Math.max(0, info.size - 12)))
    return isWhole(info.size, first, last)
  } catch {
    return false
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

const pngStart = Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1")
const pngEnd = Buffer.from("\0\0\0\0IEND\xae\x42\x60\x82", "latin1")

/** Whether it is a PNG of this size, to its last chunk. */
export const isPng = (path: string, { height, width }: Size): boolean =>
  look(
    path,
    (_, first, last) =>
      first.length === 24 &&
      first.subarray(0, 16).equals(pngStart) &&
      first.readUInt32BE(16) === width &&
      first.readUInt32BE(20) === height &&
      last.equals(pngEnd)
  )

/** Whether it is a JPEG, to its last marker. */
export const isJpeg = (path: string): boolean =>
  look(
    path,
    (size, first, last) =>
      size > 4 && first.readUInt16BE(0) === 0xffd8 && last.readUInt16BE(last.length - 2) === 0xffd9
  )

/** Whether it has so many bytes, or any where that is not known. */
export const isOfBytes = (path: string, bytes: number | undefined): boolean =>
  look(path, (size) => bytes === undefined || size === bytes)
