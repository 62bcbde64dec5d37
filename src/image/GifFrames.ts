/**
 * Whether the frames of a GIF have all of their pixels. Its usual decoder says nothing of those that are missing, which would be
 * black, and loses the last ones where nothing says that they have ended. Codes and their lengths are those of GIF89a, appendix F.
 */
import { Effect } from "effect"
import { concat } from "../service/Body.ts"
import { type ImageError, NotAnImage } from "./ImageError.ts"

/** Bytes of codes between two pauses: a few milliseconds of work. */
const bytesPerSlice = 128 * 1024

/** Codes have at most 12 bits. */
const MOST_CODES = 4096

/** More bits than a code has. */
const padding = Uint8Array.of(2, 0, 0)

/** How far the codes of a frame have been gone over. */
interface Walk {
  /** Where the next piece of its data is. */
  at: number
  /** Bits of a code of the picture, and of the next code. */
  readonly least: number
  size: number
  /** Pixels that each code stands for, as far as `next`; and the last code, where there was one. */
  readonly lengths: Uint32Array
  next: number
  last: number
  /** Bits that were read and are of no code yet, and how many they are. */
  held: number
  bits: number
  pixels: number
  /** What it is to have. */
  readonly wanted: number
  /** More: codes behind its last pixel, or the one that says that it ends, or one that cannot be, which its decoder refuses. */
  hasEnd: boolean
  isDone: boolean
}

const start = (gif: Uint8Array, frame: number): Walk => {
  const view = new DataView(gif.buffer, gif.byteOffset, gif.byteLength)
  const flags = gif[frame + 9]!
  const at = frame + 10 + ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1))
  const least = gif[at] ?? 0
  const isRead = least >= 1 && least < 12
  return {
    at: at + 1,
    least,
    size: least + 1,
    lengths: new Uint32Array(MOST_CODES).fill(1, 0, isRead ? 1 << least : 0),
    next: 2 ** least + 2,
    last: 0,
    held: 0,
    bits: 0,
    pixels: 0,
    wanted: isRead ? view.getUint16(frame + 5, true) * view.getUint16(frame + 7, true) : 0,
    hasEnd: !isRead,
    isDone: !isRead
  }
}

/** Goes over a slice. */
const go = (gif: Uint8Array, walk: Walk): void => {
  const { least, lengths, wanted } = walk
  const clear = 1 << least
  let { at, bits, held, last, next, pixels, size } = walk
  let hasEnd = false
  const stop = at + bytesPerSlice
  let length = gif[at] ?? 0
  for (; length > 0 && at < stop && !hasEnd; length = gif[at] ?? 0) {
    const to = Math.min(at + 1 + length, gif.length)
    for (at++; at < to && !hasEnd; at++) {
      held |= gif[at]! << bits
      for (bits += 8; bits >= size && !hasEnd;) {
        const code = held & ((1 << size) - 1)
        held >>>= size
        bits -= size
        if (code === clear) {
          next = clear + 2
          size = least + 1
          last = 0
        } else if (code === clear + 1 || pixels >= wanted) hasEnd = true
        else if (code > next || (code === next && last === 0)) {
          hasEnd = true
          pixels = wanted
        } else {
          // Each code is the last one and a pixel more.
          if (last > 0 && next < MOST_CODES) {
            lengths[next++] = last + 1
            if (next === 1 << size && size < 12) size++
          }
          last = lengths[code]!
          pixels += last
        }
      }
    }
  }
  Object.assign(walk, { at, bits, held, last, next, pixels, size, hasEnd, isDone: hasEnd || length === 0 })
}

/** The same file with all of its pixels told: `frames` are the places where its frames begin. Fails where some are missing. */
export const whole = Effect.fnUntraced(function* (
  source: string,
  gif: Uint8Array,
  frames: ReadonlyArray<number>
): Effect.fn.Return<Uint8Array, ImageError> {
  const parts: Array<Uint8Array> = []
  let from = 0
  for (const frame of frames) {
    const walk = start(gif, frame)
    while (!walk.isDone) {
      go(gif, walk)
      yield* Effect.yieldNow
    }
    const { at, hasEnd, pixels, wanted } = walk
    if (pixels < wanted) {
      const detail = `it is broken or cut off (a frame has ${pixels} of its ${wanted} pixels)`
      return yield* new NotAnImage({ source, detail })
    }
    if (!hasEnd) {
      parts.push(gif.subarray(from, at), padding)
      from = at
    }
  }
  return from === 0 ? gif : new Uint8Array(concat([...parts, gif.subarray(from)]))
})
