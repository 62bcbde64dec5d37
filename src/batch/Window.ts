/**
 * A file read here and there, where what is asked for next mostly lies near what was asked for last: a block around it is
 * kept in memory. Reads are synchronous, which for a block in the system's cache takes some ten microseconds.
 */
import { readSync } from "node:fs"

export interface Window {
  /** The bytes from a place on, fewer where the file ends. They hold until the next call. */
  readonly read: (at: number, length: number) => Buffer
}

const block = 128 * 1024
/** Part of a block that lies before the place: callers go forward, but not strictly. */
const before = 32 * 1024

export const make = (fd: number): Window => {
  let buffer = Buffer.alloc(block)
  let start = 0
  let filled = 0
  return {
    read: (at, length) => {
      if (at < start || at + length > start + filled) {
        if (length + before > buffer.length) buffer = Buffer.alloc(length + before)
        start = Math.max(0, at - before)
        filled = readSync(fd, buffer, 0, buffer.length, start)
      }
      return buffer.subarray(Math.max(0, at - start), Math.max(0, Math.min(filled, at - start + length)))
    }
  }
}
