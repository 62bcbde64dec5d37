/**
 * Bands written to one file as they come: a tiled TIFF or a PNG in which each pixel is its class id. The file is
 * there once it is whole; what fails or is interrupted leaves nothing behind.
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
import { extname } from "node:path"
import { Effect, type FileSystem, Stream } from "effect"
import * as LabelPngWriter from "../files/LabelPngWriter.ts"
import * as LabelTiffWriter from "../files/LabelTiffWriter.ts"
import type { Layout } from "../files/LabelWriter.ts"
import { NotWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import type { ClassTable } from "../mask/ClassTable.ts"
import type { LabelData } from "../mask/LabelMap.ts"
import type { Band } from "./Band.ts"
import { LabelsNotWritten } from "./TilingError.ts"
import { own, span } from "../TelemetryNames.ts"
import * as ErrorKind from "../ErrorKind.ts"

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
  /** What ids are called: noted in a PNG, as `LabelPng.encode` does. Those of the last band by default, which knows all of them. */
  readonly classes?: ClassTable | undefined
}

/** Writes the bands of a picture of this size. */
export const write = <E, R>(
  path: string,
  size: { readonly width: number; readonly height: number },
  bands: Stream.Stream<Band, E, R>,
  options: LabelFileOptions = {}
): Effect.Effect<void, E | LabelsNotWritten, R | FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const failed = (detail: string) => new LabelsNotWritten({ path, detail })
    const attempt = <A>(work: () => Promise<A>) =>
      Effect.tryPromise({ try: work, catch: (cause) => failed(String(cause)) })

    ErrorKind.oneOf("LabelFile", "format", options.format, ["tiff", "png"])
    const format = options.format ?? formats.get(extname(path).toLowerCase())
    if (format === undefined)
      return yield* failed("its name must end in .tif, .tiff or .png, or `format` say so")
    const { depth = 8, palette } = options
    if (palette !== undefined && depth === 16) return yield* failed("a palette has 8 bits, not 16")
    const { height, width } = size
    const layout: Layout = { width, height, depth, palette }
    const writer = format === "png" ? LabelPngWriter.make(layout) : LabelTiffWriter.make(layout)
    yield* Effect.addFinalizer(() => Effect.sync(writer.close))

    const fill = Effect.fnUntraced(function* (write: WholeFile.Write, patch: WholeFile.Patch) {
      const put = (pieces: ReadonlyArray<Uint8Array>) => Effect.forEach(pieces, write, { discard: true })
      yield* put(writer.start)
      const pending = depth === 8 ? new Uint8Array(width * writer.rows) : new Uint16Array(width * writer.rows)
      let filled = 0
      let row = 0
      let classes: ClassTable = []
      yield* Stream.runForEach(bands, (band) =>
        Effect.gen(function* () {
          if (band.y !== row || band.width !== width || row + band.height > height) {
            const found = `rows ${band.y} to ${band.y + band.height} of ${band.width} pixels`
            return yield* failed(`row ${row} of ${width} x ${height} pixels is due, but ${found} came`)
          }
          const { data } = band
          const most = data.BYTES_PER_ELEMENT * 8 > depth ? largest(data) : 0
          if (most >= 2 ** depth) return yield* failed(`the class id ${most} does not fit ${depth} bits`)
          row += band.height
          classes = band.classes
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
      if (row < height) return yield* failed(`only ${row} of ${height} rows came`)
      if (filled > 0) yield* put(yield* attempt(() => writer.write(pending.subarray(0, filled))))
      const { patch: late, pieces } = yield* attempt(() => writer.end(options.classes ?? classes))
      yield* put(pieces)
      if (late !== undefined) yield* patch(late.at, late.bytes)
    })
    yield* WholeFile.compose(path, fill).pipe(
      Effect.catchIf(
        // Bands may fail to be written elsewhere: that is theirs to say.
        (error): error is NotWritten => error instanceof NotWritten && error.path === path,
        ({ reason }) => Effect.fail(failed(reason))
      )
    )
  }).pipe(Effect.scoped, span("LabelFile.write", { [own.path]: path }))

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
