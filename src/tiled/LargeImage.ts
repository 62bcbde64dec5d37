/**
 * A picture that is read window by window, so that it may be larger than memory.
 *
 * `file` copies a picture once into a tiled TIFF in a temporary folder, uncompressed, from which libvips (sharp) reads
 * any window in a millisecond; the folder goes with the scope. `make` is for pictures from elsewhere: a tile server.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { LargeImage } from "effect-segformer/tiled"
 * import { SharpCodec } from "effect-segformer/sharp"
 *
 * const grey = LargeImage.make({
 *   source: "grey",
 *   width: 100_000,
 *   height: 100_000,
 *   read: ({ height, width }) =>
 *     Effect.succeed({ width, height, channels: 1, data: new Uint8Array(width * height).fill(128) })
 * })
 * const window = Effect.flatMap(grey, (picture) => picture.window({ x: 90_000, y: 40_000, width: 64, height: 48 }))
 * const image = await Effect.runPromise(Effect.provide(window, SharpCodec.layer))
 * image.name // => "window-90000-40000.png"
 * ```
 */
import { join } from "node:path"
import { Effect, FileSystem, type PlatformError, type Scope, Stream } from "effect"
import * as NotWritten from "../files/NotWritten.ts"
import * as TemporaryFolder from "../files/TemporaryFolder.ts"
import { ImageCodec, type Raster } from "../image/ImageCodec.ts"
import {
  type DependencyMissing,
  type ImageError,
  ImageNotFound,
  ImageNotReadable,
  ImageTooLarge,
  UnsupportedImage
} from "../image/ImageError.ts"
import * as Bmp from "../image/Bmp.ts"
import * as HeaderParsing from "../image/HeaderParsing.ts"
import * as ImageFormat from "../image/ImageFormat.ts"
import * as ImageHeader from "../image/ImageHeader.ts"
import * as ImageOpening from "../image/ImageOpening.ts"
import * as OtherFormat from "../image/OtherFormat.ts"
import type { Image, ImageLimits } from "../image/ImageSource.ts"
import * as RasterImage from "../image/RasterImage.ts"
import * as SharpInput from "../image/SharpInput.ts"
import { floats, load, plain } from "../image/SharpModule.ts"
import * as Stretch from "../image/Stretch.ts"
import type { Box } from "../mask/Region.ts"
import * as Range from "../policy/Range.ts"
import { concat } from "../service/Body.ts"
import type { CodeNotLoaded } from "../service/CodeNotLoaded.ts"
import type { SpanName } from "../TelemetryNames.ts"
import * as ErrorKind from "../ErrorKind.ts"
import { firstLineOf } from "../SystemError.ts"

/** What is asked of a decoder besides the page. */
type OptionsOfPage = Parameters<typeof SharpInput.optionsOf> extends [number, ...infer Rest] ? Rest : never

export interface LargeImage {
  /** For errors: a path, or its name. */
  readonly source: string
  /** In pixels, as a person sees it: after EXIF orientation. */
  readonly width: number
  /** In pixels, as a person sees it. */
  readonly height: number
  /** Its file has pages behind this one. */
  readonly hasMore?: boolean | undefined
  /** The part inside `box`, which must lie inside the picture: pixels, or a PNG for what takes files. */
  readonly window: (box: Box) => Effect.Effect<Image, ImageError>
}

export interface MakeOptions {
  readonly source: string
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  /** The pixels of a window. Windows are read several at a time. */
  readonly read: (box: Box) => Effect.Effect<Raster, ImageError>
}

/** A picture whose windows are read by a function. */
export const make = (options: MakeOptions): Effect.Effect<LargeImage, never, ImageCodec> =>
  Effect.map(ImageCodec, (codec) => ({
    source: options.source,
    width: options.width,
    height: options.height,
    window: (box) =>
      Effect.flatMap(options.read(box), (raster) => {
        const image = RasterImage.fromRaster(codec, nameOf(box), raster, unlimitedImage)
        return Effect.map(image, (whole) => ({ ...whole, source: sourceOf(options.source, box) }))
      })
  }))

/** A window is as large as was asked for. */
const unlimitedImage = { maxBytes: Infinity, maxPixels: Infinity }

/** What a large picture may be, unless told otherwise: 64 GiB and 10,000 megapixels. */
export const defaultLimits: ImageLimits = { maxBytes: 64 * 2 ** 30, maxPixels: 10_000_000_000 }

export interface FileOptions {
  /** Checked against the file's header. {@link defaultLimits} unless given. */
  readonly limits?: Partial<ImageLimits> | undefined
  /**
   * Width times height of a picture whose decoder holds it as a whole: progressive JPEG, interlaced PNG, WebP, AVIF and
   * GIF. 100 megapixels by default, for half a gigabyte of memory or so.
   */
  readonly maxWholePixels?: number | undefined
  /** Where the temporary folder is made: it takes 3 bytes a pixel, or 4 a
   * sample of what is stretched. The system's folder for such files by default. */
  readonly folder?: string | undefined
  /**
   * `"none"` by default. `"deflate"` takes about a third of the room for photographs, some ten times as long to make,
   * and four times as long to read.
   */
  readonly compression?: "none" | "deflate" | undefined
  /** Of a TIFF with several: from 1, which it is by default. */
  readonly page?: number | undefined
  /** Which numbers are black and white, of a picture whose samples are not of 8 bits. */
  readonly stretch?: Stretch.Stretch | undefined
}

/** A picture in a file: of any size where its type is read in parts (TIFF, most JPEG and PNG), else of at most `maxWholePixels`. */
export const file = Effect.fn("LargeImage.file" satisfies SpanName)(function* (
  path: string,
  options: FileOptions = {}
): Effect.fn.Return<
  LargeImage,
  ImageError | DependencyMissing | CodeNotLoaded,
  FileSystem.FileSystem | Scope.Scope
> {
  const fs = yield* FileSystem.FileSystem
  ErrorKind.oneOf("LargeImage", "compression", options.compression, ["none", "deflate"])
  const source = path
  const limits = Range.limits("LargeImage", options.limits, defaultLimits)
  const { size, type } = yield* Effect.mapError(fs.stat(path), notRead(source))
  if (type !== "File") return yield* new ImageNotReadable({ source, detail: "it is no regular file" })
  if (size > limits.maxBytes) {
    const actual = Number(size)
    return yield* new ImageTooLarge({ source, measure: "bytes", actual, limit: limits.maxBytes })
  }
  const sharp = yield* load("Reading large pictures")
  const { page = 1, stretch } = options
  const range = (offset: number, bytesToRead: number) =>
    fs
      .stream(path, { offset, bytesToRead })
      .pipe(Stream.runCollect, Effect.mapBoth({ onSuccess: concat, onFailure: notRead(source) }))
  const all = Effect.mapError(fs.readFile(path), notRead(source))
  const first = yield* range(0, headBytes)
  const known = HeaderParsing.formatOf(first)
  // Not as they lie in the file are these given to their decoder.
  const isGiven = known === "gif" || known === "avif"
  const head = isGiven ? yield* all : first
  const start = ImageHeader.parse(head, page)
  // What it is instead, it is to every command.
  const isCut = start._tag === "NeedMore" && (head.length >= size || OtherFormat.isDicom(head))
  if (start._tag === "Refused" || start._tag === "Unknown" || isCut) {
    yield* ImageOpening.fromMemory(source, source, head, defaultLimits)
  }
  const { decoder } = known === undefined ? { decoder: undefined } : ImageFormat.table[known]
  if (known !== undefined && typeof decoder === "object" && "none" in decoder)
    return yield* new UnsupportedImage({ source, format: known, detail: decoder.none })
  const given = start._tag === "Known" ? yield* SharpInput.upToPage({ page, source }, head) : head
  const content = isGiven ? given : path
  // Of a JPEG that would allow any number of scans over all of its pixels, and of other types what a large picture needs.
  const unlimited = known !== "jpeg"
  const input = (...[maxPixels, ...more]: OptionsOfPage) =>
    sharp(content, { ...SharpInput.optionsOf(page, maxPixels, ...more), unlimited, sequentialRead: true })
  const from = { source, format: known ?? "image", page, head: Effect.succeed(head), range } as const
  const found =
    start._tag === "Known" && ImageFormat.table[start.format].decoder === "ours"
      ? { ...start, metadata: undefined, isColour: true, toSrgb: undefined }
      : yield* SharpInput.look(from, () => input(false), stretch !== undefined)
  const { height, metadata, width } = found
  const format = metadata === undefined ? known : ImageFormat.ofSharp(metadata.format)
  if (format === undefined) {
    const titles = ImageFormat.bySharp.map((name) => ImageFormat.table[name].title)
    const detail = `only ${ImageFormat.list(titles, "and")} can be read in windows. Convert it to one of them`
    return yield* new UnsupportedImage({ source, format: metadata?.format ?? "image", detail })
  }
  const pixels = width * height
  if (pixels > limits.maxPixels) {
    return yield* new ImageTooLarge({ source, measure: "pixels", actual: pixels, limit: limits.maxPixels })
  }
  const { streams } = ImageFormat.table[format]
  const isProgressive = metadata?.isProgressive === true
  const isStreamed = streams === "always" || (streams === "unless interlaced" && !isProgressive)
  const limit = options.maxWholePixels ?? 100_000_000
  if (!isStreamed && pixels > limit) {
    const why = isProgressive ? "it is progressive or interlaced, so that its" : "its"
    const detail = `${why} decoder holds all of its ${pixels} pixels, and the limit is ${limit}. Convert it to TIFF, or raise \`maxWholePixels\``
    return yield* new UnsupportedImage({ source, format, detail })
  }
  const folder = yield* Effect.mapError(TemporaryFolder.make(options.folder), (error) =>
    notPlaced(source, NotWritten.reasonOf(error))
  )
  const tiled = join(folder, "pixels.tif")
  const orientation = metadata?.orientation ?? 1
  const turned = orientation >= 5
  const asStored = turned ? { width: height, height: width } : { width, height }
  // Numbers are kept as they are, and scaled window by window.
  const space = stretch === undefined || metadata?.depth === "uchar" ? undefined : metadata?.space
  const bitmap =
    metadata === undefined
      ? yield* Effect.flatMap(all, (bytes) => Bmp.decode(source, bytes, 3, SharpInput.count))
      : undefined
  if (bitmap === undefined) yield* SharpInput.count(found)
  // sharp cannot be stopped: what it still writes after an interruption goes with the folder.
  const opened = (failOn: OptionsOfPage[2]) =>
    bitmap !== undefined
      ? sharp(bitmap.data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
      : metadata === undefined || space === undefined
        ? SharpInput.coloursOf(input(pixels, found, failOn), metadata).removeAlpha()
        : SharpInput.numbersOf(input(pixels, found), { ...found, metadata })
  const stored = yield* SharpInput.decoded(
    format,
    (failOn) =>
      opened(failOn)
        .tiff({
          tile: true,
          tileWidth: tileSide(asStored.width),
          tileHeight: tileSide(asStored.height),
          bigtiff: true,
          compression: options.compression ?? "none",
          predictor: space !== undefined ? "float" : options.compression === "deflate" ? "horizontal" : "none"
        })
        .toFile(tiled),
    (cause) =>
      /write/.test(firstLineOf(cause))
        ? Effect.fail(notPlaced(source, firstLineOf(cause)))
        : SharpInput.failed(from, cause)
  )
  if (stored.width !== asStored.width || stored.height !== asStored.height) {
    const detail = `its header says ${width} x ${height} pixels, but it decodes to ${stored.width} x ${stored.height}`
    return yield* new UnsupportedImage({ source, format, detail })
  }
  const read = <A>(place: Place, as: (part: SharpInput.Pipeline) => Promise<A>) =>
    Effect.tryPromise({
      try: () => as(sharp(tiled, ownFile).extract(place)),
      catch: (cause) => new ImageNotReadable({ source, detail: firstLineOf(cause) })
    })
  const rgb = (box: Box) =>
    Effect.map(
      read(storedBox(box, stored, orientation), (part) =>
        upright(part, orientation).toColourspace("srgb").raw().toBuffer()
      ),
      (bytes) => {
        const data = plain(bytes)
        found.toSrgb?.(data, 3)
        return data
      }
    )
  // Floats are stored as floats, whose space libvips has another word for.
  const storedSpace = stored.channels === 1 ? "b-w" : "scrgb"
  const numbers = (place: Place, turn: (part: SharpInput.Pipeline) => SharpInput.Pipeline) =>
    Effect.map(
      read(place, (part) => turn(part).toColourspace(storedSpace).raw({ depth: "float" }).toBuffer()),
      (bytes) => Stretch.shifted(floats(bytes), metadata === undefined ? 0 : SharpInput.offsetOf(metadata))
    )
  const ends =
    stretch === undefined || space === undefined
      ? undefined
      : stretch.unit === "number"
        ? Stretch.limitsOf(stretch, new Float32Array())
        : Stretch.limitsOf(stretch, yield* samplesOf(stored, (place) => numbers(place, (part) => part)))
  const data = (box: Box) =>
    ends === undefined
      ? rgb(box)
      : Effect.map(
          numbers(storedBox(box, stored, orientation), (part) => upright(part, orientation)),
          (samples) => Stretch.withChannels(Stretch.apply(samples, ...ends), box.width * box.height, 3)
        )
  return {
    source,
    width,
    height,
    // The first bytes tell where all of it lies in them, and the decoder of pages that lie behind.
    hasMore: (start._tag === "Known" && start.hasMore === true) || (metadata?.pages ?? 1) > page,
    window: (box) =>
      Effect.suspend(() => {
        const { height, width } = box
        const pixels = Effect.map(data(box), (data): Raster => ({ width, height, channels: 3, data }))
        return RasterImage.fromPixels({
          source: sourceOf(source, box),
          name: nameOf(box),
          width,
          height,
          pixels,
          // Fast and lossless; the filter and level that make the smallest file take ten times as long.
          png: Effect.flatMap(pixels, ({ channels, data }) =>
            Effect.tryPromise({
              try: async () =>
                plain(
                  await sharp(data, { raw: { width, height, channels } })
                    .png({ compressionLevel: 1 })
                    .toBuffer()
                ),
              catch: (cause) => new ImageNotReadable({ source, detail: firstLineOf(cause) })
            })
          )
        })
      })
  }
})

/** First read: what says what a file is. */
const headBytes = 64 * 1024

type Place = ReturnType<typeof storedBox>

/** Some of a large picture's numbers, evenly spread over it, a few rows at a time. */
const samplesOf = Effect.fnUntraced(function* <E>(
  stored: Pick<Box, "width" | "height">,
  numbers: (place: Place) => Effect.Effect<Float32Array, E>
): Effect.fn.Return<Float32Array, E> {
  const count = Math.min(stored.height, 64)
  const each = Math.ceil(Stretch.most / count)
  const all: Array<number> = []
  for (let i = 0; i < count; i++) {
    const top = Math.floor(((i + 0.5) * stored.height) / count)
    const row = yield* numbers({ left: 0, top, width: stored.width, height: 1 })
    const step = Math.max(1, Math.floor(row.length / each))
    for (let at = 0; at < row.length; at += step) all.push(row[at]!)
  }
  return Float32Array.from(all)
})

/** Tiles are 512 pixels a side, and in a small picture no larger than it is: libvips refuses those. */
const tileSide = (size: number): number => Math.min(512, Math.ceil(size / 16) * 16)

const ownFile = { failOn: "error", limitInputPixels: false, unlimited: true } as const

const notPlaced = (source: string, reason: string) =>
  new ImageNotReadable({ source, detail: `there is no place for its tiles (${reason})` })

const notRead = (source: string) => (error: PlatformError.PlatformError) =>
  error.reason._tag === "NotFound"
    ? new ImageNotFound({ source })
    : new ImageNotReadable({ source, detail: error.reason.message })

const sourceOf = (source: string, { x, y }: Box): string => `${source} at ${x}, ${y}`

const nameOf = ({ x, y }: Box): string => `window-${x}-${y}.png`

/** Where a box of the picture as it is seen lies in the picture as it is stored. */
const storedBox = (box: Box, stored: Pick<Box, "width" | "height">, orientation: number) => {
  const turned = orientation >= 5
  const [x, y] = turned ? [box.y, box.x] : [box.x, box.y]
  const [width, height] = turned ? [box.height, box.width] : [box.width, box.height]
  return {
    left: [2, 3, 7, 8].includes(orientation) ? stored.width - x - width : x,
    top: [3, 4, 6, 7].includes(orientation) ? stored.height - y - height : y,
    width,
    height
  }
}

/** A part of the stored picture as it is seen. Turning the parts spares holding the whole for it. */
const upright = (part: SharpInput.Pipeline, orientation: number): SharpInput.Pipeline =>
  ([2, 4, 5, 7].includes(orientation) ? part.flop() : part).rotate(turns[orientation] ?? 0)

/** Degrees by EXIF orientation, after what is mirrored is mirrored back. */
const turns = [0, 0, 0, 180, 180, 270, 90, 90, 270]
