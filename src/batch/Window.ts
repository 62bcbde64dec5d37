/**
 * A file read here and there, where what is asked for next mostly lies near what was asked for last: the block around it
 * is kept in memory, and looked at without a wait.
 */
import { Effect, type FileSystem, type PlatformError } from "effect"

/** Part of a file. */
export interface Block {
  readonly start: number
  readonly bytes: Buffer
}

export interface Window {
  /** The block that was read last. */
  readonly block: () => Block
  /** Reads the block around a place: so many bytes from there on, fewer where the file ends. */
  readonly load: (at: number, length: number) => Effect.Effect<Block, PlatformError.PlatformError>
}

const usual = 128 * 1024
/** Part of a block that lies before the place: callers go forward, but not strictly. */
const before = 32 * 1024

export const make = (file: FileSystem.File): Window => {
  let last: Block = { start: 0, bytes: Buffer.alloc(0) }
  return {
    block: () => last,
    load: (at, length) =>
      Effect.suspend(() => {
        const bytes = Buffer.allocUnsafe(Math.max(usual, length + before))
        const start = Math.max(0, at - before)
        return Effect.map(file.read(bytes, { position: BigInt(start) }), (read) => {
          last = { start, bytes: bytes.subarray(0, read) }
          return last
        })
      })
  }
}
