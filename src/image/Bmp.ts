/**
 * Windows bitmaps, which libvips does not read and machine-vision cameras like to write: 1, 2, 4 and 8 bits with a
 * palette, 16, 24 and 32 bits with or without masks. Compressed ones (RLE, JPEG or PNG inside) are left out.
 *
 * The layout is that of Microsoft's "Bitmap Storage": rows bottom-up unless the height is negative, each padded to a
 * multiple of 4 bytes, blue before red.
 */
import { Effect, Result } from "effect"
import { type ImageError, NotAnImage, UnsupportedImage } from "./ImageError.ts"
import type { Raster } from "./Raster.ts"

/** A bitmap whose header makes sense and whose pixels are all there. */
export interface Bmp {
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  /** Writes rows `from` to `to` (exclusive) to their place in `out`, `[height, width, channels]`. */
  readonly rows: (from: number, to: number, channels: 3 | 4, out: Uint8Array) => void
}

/** `isBroken` tells a file that is no bitmap, or not all of it, from one of a kind that is not read here. */
export interface BmpProblem {
  readonly isBroken: boolean
  readonly detail: string
}

const broken = (detail: string) => Result.fail<BmpProblem>({ isBroken: true, detail })
const unread = (detail: string) => Result.fail<BmpProblem>({ isBroken: false, detail })

/** Where a channel lies in a pixel, and what brings it to 0 to 255. */
const channelOf = (mask: number) => {
  const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask)
  const largest = mask >>> shift
  return (pixel: number): number =>
    largest === 0 ? 255 : Math.round((((pixel & mask) >>> shift) * 255) / largest)
}

const methods: ReadonlyMap<number, string> = new Map([
  [1, "RLE8"],
  [2, "RLE4"],
  [4, "JPEG"],
  [5, "PNG"]
])

/** The bitmap in these bytes. */
export const parse = (bytes: Uint8Array): Result.Result<Bmp, BmpProblem> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 26 || view.getUint16(0) !== 0x424d) return broken("it has no bitmap header")
  let start = view.getUint32(10, true)
  const headerBytes = view.getUint32(14, true)
  const isOld = headerBytes === 12
  // OS/2's second header may end before it says how pixels are compressed.
  const isShort = isOld || headerBytes === 16
  if ((!isShort && headerBytes < 40) || 14 + headerBytes > bytes.length)
    return broken("its header is cut off")
  const width = isOld ? view.getUint16(18, true) : view.getInt32(18, true)
  const signedHeight = isOld ? view.getUint16(20, true) : view.getInt32(22, true)
  const height = Math.abs(signedHeight)
  const depth = view.getUint16(isOld ? 24 : 28, true)
  const compression = isShort ? 0 : view.getUint32(30, true)
  if (width < 1 || height < 1) return broken(`its header says ${width} x ${signedHeight} pixels`)
  const hasMasks = (compression === 3 || compression === 6) && (depth === 16 || depth === 32)
  if (compression !== 0 && !hasMasks) {
    const how = methods.get(compression) ?? `by method ${compression}`
    return unread(`it is a bitmap that is compressed (${how}), which is not read here. Convert it to PNG`)
  }
  if (![1, 2, 4, 8, 16, 24, 32].includes(depth)) return broken(`its header says ${depth} bits a pixel`)
  const entry = isOld ? 3 : 4
  const first = 14 + headerBytes
  const used =
    depth > 8 ? 0 : isShort || view.getUint32(46, true) === 0 ? 2 ** depth : view.getUint32(46, true)
  // Some programs say that pixels begin where the palette does.
  if (start === first && used <= 256) start += used * entry
  const stride = Math.ceil((width * depth) / 32) * 4
  // What fills up the last row may be missing.
  const needed = start + stride * (height - 1) + Math.ceil((width * depth) / 8)
  if (needed > bytes.length) {
    return broken(`it ends after ${bytes.length} bytes, where its pixels need ${needed}`)
  }
  const rowAt = (y: number) => start + (signedHeight < 0 ? y : height - 1 - y) * stride

  if (depth <= 8 || depth === 24) {
    const colours = Math.min(used, Math.floor((start - first) / entry))
    const rows: Bmp["rows"] = (from, to, channels, out) => {
      for (let y = from; y < to; y++) {
        const row = rowAt(y)
        let place = y * width * channels
        for (let x = 0; x < width; x++, place += channels) {
          let at = row + x * 3
          if (depth !== 24) {
            const bit = x * depth
            const index = (bytes[row + (bit >> 3)]! >> (8 - depth - (bit & 7))) & (2 ** depth - 1)
            // An index beyond the palette is black, as viewers have it.
            at = index < colours ? first + index * entry : -1
          }
          out[place] = at < 0 ? 0 : bytes[at + 2]!
          out[place + 1] = at < 0 ? 0 : bytes[at + 1]!
          out[place + 2] = at < 0 ? 0 : bytes[at]!
          if (channels === 4) out[place + 3] = 255
        }
      }
    }
    return Result.succeed({ width, height, rows })
  }

  // Masks stand behind the first 40 bytes of a header, or belong to a longer one: at the same place either way.
  if (hasMasks && bytes.length < 70) return broken("its masks are cut off")
  const masks = hasMasks
    ? [54, 58, 62].map((at) => view.getUint32(at, true))
    : depth === 16
      ? [0x7c00, 0x3e0, 0x1f]
      : [0xff0000, 0xff00, 0xff]
  const hasAlpha = hasMasks && (headerBytes >= 56 || compression === 6)
  const [red, green, blue] = masks.map(channelOf)
  const alpha = channelOf(hasAlpha ? view.getUint32(66, true) : 0)
  const rows: Bmp["rows"] = (from, to, channels, out) => {
    for (let y = from; y < to; y++) {
      const row = rowAt(y)
      let place = y * width * channels
      for (let x = 0; x < width; x++, place += channels) {
        const pixel = depth === 16 ? view.getUint16(row + x * 2, true) : view.getUint32(row + x * 4, true)
        out[place] = red!(pixel)
        out[place + 1] = green!(pixel)
        out[place + 2] = blue!(pixel)
        if (channels === 4) out[place + 3] = alpha(pixel)
      }
    }
  }
  return Result.succeed({ width, height, rows })
}

/** Pixels converted between two pauses: a few milliseconds of work. */
const pixelsPerSlice = 1_000_000

/** The pixels of a bitmap, once its size is accepted. */
export const decode = Effect.fnUntraced(function* (
  source: string,
  bytes: Uint8Array,
  channels: 3 | 4,
  accept: (size: Pick<Bmp, "width" | "height">) => Effect.Effect<void, ImageError>
): Effect.fn.Return<Raster, ImageError> {
  const { height, rows, width } = yield* Effect.mapError(Effect.fromResult(parse(bytes)), (problem) =>
    problem.isBroken
      ? new NotAnImage({ source, detail: problem.detail })
      : new UnsupportedImage({ source, format: "bmp", detail: problem.detail })
  )
  yield* accept({ width, height })
  const data = new Uint8Array(width * height * channels)
  const slice = Math.max(1, Math.floor(pixelsPerSlice / width))
  for (let y = 0; y < height; y += slice) {
    rows(y, Math.min(height, y + slice), channels, data)
    yield* Effect.yieldNow
  }
  return { width, height, channels, data }
})
