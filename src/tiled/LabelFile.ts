/**
 * Bands written to one file as they come: a tiled TIFF or a PNG in which each pixel is its class id. The file is
 * written under another name beside its place, synced, and moved there when it is whole; what fails or is interrupted
 * leaves nothing behind.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LabelFile, LargeImage, Tiled } from "effect-segformer/tiled"
 *
 * export const program = Effect.gen(function* () {
 *   const picture = yield* LargeImage.file("city.tif")
 *   yield* LabelFile.write("city.labels.tif", picture, Tiled.segment(picture))
 * }).pipe(Effect.scoped)
 * ```
 */
import { dirname, extname, join } from "node:path"
import { Effect, FileSystem, Stream } from "effect"
import type { ClassTable, Rgb } from "../mask/ClassTable.ts"
import type { LabelData } from "../mask/LabelMap.ts"
import { vocColor } from "../mask/Palette.ts"
import { randomHex } from "../randomHex.ts"
import type { Band } from "./Band.ts"
import type { Layout } from "./LabelFormat.ts"
import * as LabelPngFile from "./LabelPngFile.ts"
import * as LabelTiffFile from "./LabelTiffFile.ts"
import { LabelsNotWritten } from "./TilingError.ts"

export interface LabelFileOptions {
  /** By the ending of the path, unless given: `.png`, or `.tif` and `.tiff`. */
  readonly format?: "tiff" | "png" | undefined
  /** Bits of an id. 8 by default; a larger id then is a failure. */
  readonly depth?: 8 | 16 | undefined
  /**
   * Makes an indexed picture in these colours, of 8 bits; pixels are ids all the same. Without it the picture is grey,
   * which more readers leave as it is: sharp, for one, gives the colours of an indexed picture.
   */
  readonly palette?: ClassTable | undefined
}

/** Writes the bands of a picture of this size. */
export const write = <E, R>(
  path: string,
  size: { readonly width: number; readonly height: number },
  bands: Stream.Stream<Band, E, R>,
  options: LabelFileOptions = {}
): Effect.Effect<void, E | LabelsNotWritten, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const notWritten = (detail: string) => new LabelsNotWritten({ path, detail })
    const failed = (error: { readonly message: string }) => notWritten(error.message)
    const attempt = <A>(work: () => Promise<A>) =>
      Effect.tryPromise({ try: work, catch: (cause) => notWritten(String(cause)) })

    const format = options.format ?? formats.get(extname(path).toLowerCase())
    if (format === undefined)
      return yield* notWritten("its name must end in .tif, .tiff or .png, or `format` say so")
    const depth = options.depth ?? 8
    const { palette } = options
    if (palette !== undefined && depth === 16) return yield* notWritten("a palette has 8 bits, not 16")
    const { height, width } = size
    const layout: Layout = { width, height, depth, colors: palette && colorsOf(palette) }
    const writer = format === "png" ? LabelPngFile.make(layout) : LabelTiffFile.make(layout)
    yield* Effect.addFinalizer(() => Effect.sync(writer.close))

    const part = join(dirname(path), `.segformer-${randomHex(8)}.part`)
    yield* Effect.addFinalizer(() => Effect.ignore(fs.remove(part, { force: true })))
    const fill = Effect.gen(function* () {
      const file = yield* Effect.mapError(fs.open(part, { flag: "wx" }), failed)
      const put = (pieces: ReadonlyArray<Uint8Array>) =>
        Effect.forEach(pieces, (piece) => (piece.length === 0 ? Effect.void : file.writeAll(piece)), {
          discard: true
        }).pipe(Effect.mapError(failed))
      yield* put(writer.start)
      const pending = depth === 8 ? new Uint8Array(width * writer.rows) : new Uint16Array(width * writer.rows)
      let filled = 0
      let row = 0
      yield* Stream.runForEach(bands, (band) =>
        Effect.gen(function* () {
          if (band.y !== row || band.width !== width || row + band.height > height) {
            const found = `rows ${band.y} to ${band.y + band.height} of ${band.width} pixels`
            return yield* notWritten(`row ${row} of ${width} x ${height} pixels is due, but ${found} came`)
          }
          const { data } = band
          const most = data.BYTES_PER_ELEMENT * 8 > depth ? largest(data) : 0
          if (most >= 2 ** depth) return yield* notWritten(`the class id ${most} does not fit ${depth} bits`)
          row += band.height
          for (let at = 0; at < data.length;) {
            const piece = data.subarray(at, at + pending.length - filled)
            pending.set(piece, filled)
            filled += piece.length
            at += piece.length
            if (filled < pending.length) break
            filled = 0
            yield* put(yield* attempt(() => writer.write(pending)))
          }
        })
      )
      if (row < height) return yield* notWritten(`only ${row} of ${height} rows came`)
      if (filled > 0) yield* put(yield* attempt(() => writer.write(pending.subarray(0, filled))))
      const { patch, pieces } = yield* attempt(writer.end)
      yield* put(pieces)
      if (patch !== undefined) {
        yield* Effect.mapError(file.seek(BigInt(patch.at), "start"), failed)
        yield* put([patch.bytes])
      }
      // A name must never come to stand for less than the whole file, whatever happens to the power.
      yield* Effect.mapError(file.sync, failed)
    })
    yield* Effect.scoped(fill)
    yield* Effect.mapError(fs.rename(part, path), failed)
  }).pipe(Effect.scoped, Effect.withSpan("segformer.tiled.write", { attributes: { path } }))

const formats: ReadonlyMap<string, "tiff" | "png"> = new Map([
  [".tif", "tiff"],
  [".tiff", "tiff"],
  [".png", "png"]
])

const largest = (data: LabelData): number => {
  let most = 0
  for (let i = 0; i < data.length; i++) if (data[i]! > most) most = data[i]!
  return most
}

/** Classes without a colour have that of Pascal VOC, as in `LabelPng`. */
const colorsOf = (palette: ClassTable): ReadonlyArray<Rgb> => {
  const known = new Map(palette.map(({ color, id }) => [id, color]))
  return Array.from({ length: 256 }, (_, id) => known.get(id) ?? vocColor(id))
}
