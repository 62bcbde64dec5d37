/**
 * Label Studio's brush run lengths: the bit format of `@thi.ng/rle-pack` over the four channels of a picture, red, green, blue and
 * alpha of each pixel, row by row from the top left. Readers look at alpha; inside the mask all four are 255, outside 0.
 *
 * Bits count from the most significant one. 32 bits hold the number of values (`width * height * 4`), 5 the size of a
 * value less 1 (7: bytes), and four times 4 bits the sizes that lengths come in, less 1 (3, 4, 8 and 16 bits). Then come
 * blocks: 1 bit that says whether one value follows for all of the block or one for each, 2 bits for the size of the
 * length, the length less 1, and the values. Zero bits fill the last byte.
 *
 * ```ts
 * import { Result } from "effect"
 * import { BrushRle } from "effect-segformer/annotation"
 * import { BinaryMask } from "effect-segformer/mask"
 *
 * const mask = BinaryMask.fromRows([".##.", ".##."])
 * const rle = BrushRle.encode(mask)
 * Array.from(rle.subarray(0, 7)) // => [0, 0, 0, 32, 57, 27, 252]
 * BinaryMask.toRows(Result.getOrThrow(BrushRle.decode(rle, { width: 4, height: 2 }))) // => [".##.", ".##."]
 * ```
 */
import { Result } from "effect"
import type { BinaryMask } from "./BinaryMask.ts"
import { fail, type MaskNotDecodable, pixels } from "./MaskError.ts"
import * as Spans from "./Spans.ts"
import * as Steps from "./Steps.ts"

/** The sizes that lengths are written in, as Label Studio's own writer has them. */
const sizes = [3, 4, 8, 16] as const
/** The longest run that one block holds. */
const longest = 1 << 16
const channels = 4

/** The run lengths of a mask, as the `rle` of a brush has them: a JSON array of these bytes. */
export const encode = (mask: BinaryMask): Uint8Array => Steps.runSync(steps(mask))

/** The same with pauses. @internal */
export function* steps(mask: BinaryMask): Steps.Steps<Uint8Array> {
  return yield* ofSpans(yield* Spans.ofMask(mask))
}

/** Blocks between two pauses. */
const perStep = 1 << 15

/** The run lengths of spans. @internal */
export function* ofSpans({ ends, height, starts, width }: Spans.Spans): Steps.Steps<Uint8Array> {
  const bits = new BitWriter()
  const values = width * height * channels
  bits.write(Math.floor(values / 65536), 16)
  bits.write(values % 65536, 16)
  bits.write(7, 5)
  for (const size of sizes) bits.write(size - 1, 4)
  let at = 0
  for (let i = 0; i < starts.length;) {
    if (i % perStep === perStep - 1) yield
    const start = starts[i]!
    let end = ends[i++]!
    // What goes on in the next row is one run.
    while (i < starts.length && starts[i] === end) end = ends[i++]!
    bits.run((start - at) * channels, 0)
    bits.run((end - start) * channels, 255)
    at = end
  }
  bits.run((width * height - at) * channels, 0)
  return bits.end()
}

class BitWriter {
  #bytes = new Uint8Array(1024)
  #size = 0
  /** Bits that do not fill a byte yet. */
  #rest = 0
  #count = 0

  /** At most 16 bits. */
  write(value: number, size: number): void {
    this.#rest = (this.#rest << size) | value
    this.#count += size
    while (this.#count >= 8) {
      this.#count -= 8
      if (this.#size === this.#bytes.length)
        this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(this.#size * 2))
      this.#bytes[this.#size++] = this.#rest >>> this.#count
    }
    this.#rest &= (1 << this.#count) - 1
  }

  /** So many of one value. */
  run(length: number, value: number): void {
    for (let left = length; left > 0; left -= longest) {
      const part = Math.min(left, longest)
      const index = sizes.findIndex((size) => part <= 1 << size)
      this.write(4 | index, 3)
      this.write(part - 1, sizes[index]!)
      this.write(value, 8)
    }
  }

  end(): Uint8Array {
    if (this.#count > 0) this.write(0, 8 - this.#count)
    return this.#bytes.slice(0, this.#size)
  }
}

/**
 * The mask of run lengths for an image of that size. A pixel whose alpha is not 0 is inside; `threshold` is the least alpha of those
 * that are, for brushes with soft edges. Fails where they are of another size, cut off, or not of bytes.
 */
export const decode = (
  rle: ArrayLike<number>,
  size: { readonly width: number; readonly height: number },
  options: { readonly threshold?: number | undefined; readonly name?: string | undefined } = {}
): Result.Result<BinaryMask, MaskNotDecodable> => {
  const { height, width } = size
  const { name = "rle", threshold = 1 } = options
  const room = pixels(name, width, height)
  if (Result.isFailure(room)) return Result.fail(room.failure)
  for (let i = 0; i < rle.length; i++) {
    const byte = rle[i]!
    if (!(Number.isInteger(byte) && byte >= 0 && byte <= 255))
      return fail(name, `its item ${i} is ${byte}, and no byte`)
  }
  const bits = new BitReader(rle)
  const values = bits.read(16) * 65536 + bits.read(16)
  const wordSize = bits.read(5) + 1
  const lengths = [0, 0, 0, 0].map(() => bits.read(4) + 1)
  if (bits.isPast) return fail(name, `it ends after ${rle.length} bytes, within its header`)
  const wanted = room.success * channels
  if (values !== wanted)
    return fail(
      name,
      `it holds ${values} values, and ${width} x ${height} pixels of ${channels} channels are ${wanted}`
    )
  if (wordSize !== 8) return fail(name, `its values have ${wordSize} bits, and those of a brush have 8`)
  const data = new Uint8Array(room.success)
  let at = 0
  while (at < values) {
    const isRun = bits.read(1) === 1
    const length = bits.read(lengths[bits.read(2)]!) + 1
    if (at + length > values) return fail(name, `its runs are longer than its ${values} values`)
    if (isRun) {
      // Alpha is the last value of a pixel.
      if (bits.read(8) >= threshold) data.fill(1, at >> 2, (at + length) >> 2)
      at += length
    } else {
      for (const end = at + length; at < end; at++) {
        const value = bits.read(8)
        if ((at & 3) === 3 && value >= threshold) data[at >> 2] = 1
      }
    }
    if (bits.isPast) return fail(name, `it ends after ${rle.length} bytes, before its ${values} values do`)
  }
  return Result.succeed({ width, height, data })
}

class BitReader {
  readonly #bytes: ArrayLike<number>
  #at = 0
  #rest = 0
  #count = 0
  /** Whether more was read than there is. */
  isPast = false

  constructor(bytes: ArrayLike<number>) {
    this.#bytes = bytes
  }

  /** At most 16 bits. */
  read(size: number): number {
    while (this.#count < size) {
      if (this.#at >= this.#bytes.length) {
        this.isPast = true
        return 0
      }
      this.#rest = (this.#rest << 8) | this.#bytes[this.#at++]!
      this.#count += 8
    }
    this.#count -= size
    const value = this.#rest >>> this.#count
    this.#rest &= (1 << this.#count) - 1
    return value
  }
}
