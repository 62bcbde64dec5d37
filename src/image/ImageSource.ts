/**
 * What can be segmented: bytes, a file, a URL or a stream.
 *
 * A source is only a name for an image, with what it needs to be read in its type: a file needs a `FileSystem`, a
 * URL an `HttpClient`, bytes nothing. Opening it reads the header and checks the limits, before anything is decoded
 * or sent.
 *
 * ```ts
 * import { ImageSource } from "effect-segformer/image"
 *
 * ImageSource.file("panels/left.png").name // => "left.png"
 * ```
 */
import { Effect, FileSystem, PlatformError, Stream } from "effect"
import type { HttpClient } from "effect/http"
import type { PolicyError } from "../policy/PolicyError.ts"
import { concat } from "../service/Body.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import * as WebFile from "../service/WebFile.ts"
import { unreadable } from "../SystemError.ts"
import { defaultLimits, type Image, type ImageLimits, within } from "./Image.ts"
import { ImageCodec } from "./ImageCodec.ts"
import {
  type ImageError,
  ImageNotFound,
  ImageNotReadable,
  ImageTooLarge,
  NotAnImage,
  UnsupportedImage
} from "./ImageError.ts"
import * as ImageFormat from "./ImageFormat.ts"
import * as ImageHeader from "./ImageHeader.ts"
import type { OtherFormat } from "./OtherFormat.ts"
import type { Raster } from "./Raster.ts"
import * as RasterImage from "./RasterImage.ts"
import type { Stretch } from "./Stretch.ts"
import { span, standard } from "../TelemetryNames.ts"

export { defaultLimits, type Image, type ImageLimits }

/** A name for an image. `R` is what reading it needs. */
export interface ImageSource<out R = never> {
  readonly name: string
  /** Reads the header and checks the limits. */
  readonly open: (limits?: Partial<ImageLimits>) => Effect.Effect<Image, SourceError, R>
  /** What {@link view} makes of it, where its name or an earlier view says something of that already. */
  readonly view?: ((view: View) => ImageSource<R | ImageCodec>) | undefined
}

/** Why a source cannot be opened. */
export type SourceError = ImageError | ServiceError | PolicyError

/** A source, opened under these limits, or an image that was opened already, under limits of its own. @internal */
export const opened = <R>(
  source: ImageSource<R> | Image,
  limits?: Partial<ImageLimits>
): Effect.Effect<Image, SourceError, R> => ("open" in source ? source.open(limits) : Effect.succeed(source))

/** First read: holds the size of nearly every image there is. */
const headBytes = 64 * 1024

/** An image in memory. Its name, if given, appears in errors and is sent to services. */
export const bytes = (data: Uint8Array, options?: { readonly name?: string | undefined }): ImageSource => {
  const name = options?.name ?? "image"
  return named(name, (limits) => fromMemory(name, name, data, limits))
}

/**
 * Pixels in memory: a frame of a camera, a part of something larger. What takes pixels takes them as they are, and what
 * takes files has them as a PNG. Do not change them before the segmentation is done.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageSource } from "effect-segformer/image"
 * import { SharpCodec } from "effect-segformer/sharp"
 *
 * const frame = { width: 64, height: 48, channels: 3, data: new Uint8Array(64 * 48 * 3) } as const
 * const opened = ImageSource.raster(frame, { name: "camera" }).open()
 * const image = await Effect.runPromise(Effect.provide(opened, SharpCodec.layer))
 * image.name // => "camera.png"
 * ```
 */
export const raster = (
  pixels: Raster,
  options?: { readonly name?: string | undefined }
): ImageSource<ImageCodec> => {
  const name = options?.name ?? "image"
  return named(name, (limits) =>
    Effect.flatMap(ImageCodec, (codec) => RasterImage.fromRaster(codec, name, pixels, limits))
  )
}

/** A file. It is read where and when it is needed, and streamed to services where the HTTP client states the length of a stream (`NodeHttp`). */
export const file = (path: string): ImageSource<FileSystem.FileSystem> => {
  const name = path.split(/[\\/]/).findLast((part) => part !== "") ?? path
  return named(name, (limits) =>
    Effect.flatMap(FileSystem.FileSystem, (fs) => fromFile(fs, path, name, limits))
  )
}

/**
 * An image on the web, fetched under the standard policy without any key of ours. Redirects are followed. Do not pass addresses that strangers choose: they may name hosts that only this machine can reach.
 */
export const url = (address: string | URL): ImageSource<HttpClient.HttpClient> => {
  const href = String(address)
  const path = href.split(/[?#]/, 1)[0]!
  const name = path.split("/").findLast((part) => part !== "" && !part.endsWith(":")) ?? "image"
  return named(name, (limits) => fromUrl(href, path, name, limits))
}

/** A stream of the bytes of one image, collected in memory up to the limit each time the source is opened. */
export const stream = <E, R>(name: string, data: Stream.Stream<Uint8Array, E, R>): ImageSource<R> =>
  named(name, (limits) =>
    Effect.suspend(() => {
      const chunks: Array<Uint8Array> = []
      let seen = 0
      return Stream.runForEach(
        Stream.mapError(data, (error) => new ImageNotReadable({ source: name, detail: String(error) })),
        (chunk) => {
          chunks.push(chunk)
          seen += chunk.length
          return within(name, "bytes", seen, limits.maxBytes)
        }
      ).pipe(Effect.andThen(Effect.suspend(() => fromMemory(name, name, concat(chunks), limits))))
    })
  )

export interface View {
  /** Of a TIFF with several, or a frame of a GIF or WebP: from 1, which it is by default. */
  readonly page?: number | undefined
  /** Which numbers are black and white, of images whose samples are not of 8 bits; others are left as they are. */
  readonly stretch?: Stretch | undefined
}

/** A decoder numbers the pages of these. */
const paged: ReadonlySet<ImageFormat.ImageFormat> = new Set(["tiff", "gif", "webp"])
/** Images of these may have more than 8 bits a sample. */
const deep: ReadonlySet<ImageFormat.ImageFormat> = new Set(["tiff", "png"])

/**
 * Another page of an image, or its numbers stretched: pixels, so that who takes files gets a PNG of them. Where there is
 * nothing to do, the image is as it was. Of a view, what it leaves open is asked for: a page that was chosen stays.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageSource } from "effect-segformer/image"
 *
 * const heights = ImageSource.view(ImageSource.file("heights.tif"), {
 *   page: 2,
 *   stretch: { black: 0, white: 4000, unit: "number" }
 * })
 * heights.name // => "heights.tif"
 * ```
 */
export const view = <R>(source: ImageSource<R>, wanted: View): ImageSource<R | ImageCodec> => {
  const { page = 1, stretch } = wanted
  if (!(Number.isInteger(page) && page >= 1))
    throw new RangeError(`ImageSource.view: \`page\` must be a whole number of at least 1, but is ${page}`)
  if (source.view !== undefined) return source.view(wanted)
  if (wanted.page === undefined && stretch === undefined) return source
  return {
    name: source.name,
    view: (more) => view(source, { page: wanted.page ?? more.page, stretch: stretch ?? more.stretch }),
    open: (limits) =>
      Effect.gen(function* () {
        const image = yield* source.open(limits)
        const isStretched = stretch !== undefined && deep.has(image.format) && image.pixels === undefined
        // Who asks for the first page by its number knows that there are others.
        const { hasMore, ...alone } = image
        const first = wanted.page === undefined ? image : alone
        if (page === 1 && !isStretched) return first
        const codec = yield* ImageCodec
        const paging = page === 1 ? first : yield* pageOf(image, page, { ...defaultLimits, ...limits })
        const lacking = ({ message }: { readonly message: string }) =>
          Effect.fail(new ImageNotReadable({ source: image.source, detail: message }))
        const pixels = Effect.catchTag(codec.decode(paging, { stretch }), "DependencyMissing", lacking)
        const png = Effect.flatMap(pixels, (raster) =>
          Effect.catchTag(codec.encode(raster, "png"), "DependencyMissing", lacking)
        )
        const { height, name, source: from, width } = paging
        const whole = yield* RasterImage.fromPixels({ source: from, name, width, height, pixels, png })
        return hasMore === true && wanted.page === undefined ? { ...whole, hasMore: true } : whole
      })
  }
}

/** The image of another page, as its own directory says. */
const pageOf = Effect.fnUntraced(function* (
  image: Image,
  page: number,
  limits: ImageLimits
): Effect.fn.Return<Image, ImageError> {
  const { format, source } = image
  if (image.pixels !== undefined || !paged.has(format)) {
    return yield* new UnsupportedImage({
      source,
      format,
      detail: `it has one page, and page ${page} was asked for`
    })
  }
  if (format !== "tiff") return { ...image, page }
  const bytes = yield* image.bytes
  const header = yield* accept(source, ImageHeader.parse(bytes, page), bytes.subarray(0, startBytes), limits)
  return {
    ...describe(source, image.name, header, bytes.length, {
      bytes: Effect.succeed(bytes),
      stream: Stream.succeed(bytes),
      inMemory: true
    }),
    page
  }
})

/** What the limits do not say is as by default. */
const named = <R>(
  name: string,
  open: (limits: ImageLimits) => Effect.Effect<Image, SourceError, R>
): ImageSource<R> => ({ name, open: (limits) => open({ ...defaultLimits, ...limits }) })

/** What is neither empty nor beyond its limit. */
const sized = (source: string, size: number, limits: ImageLimits): Effect.Effect<void, ImageError> =>
  size === 0
    ? Effect.fail(new NotAnImage({ source, detail: "it is empty" }))
    : within(source, "bytes", size, limits.maxBytes)

const cutOff = (source: string): NotAnImage =>
  new NotAnImage({ source, detail: "it is a PNG that is cut off" })

const fromMemory = (
  source: string,
  name: string,
  data: Uint8Array,
  limits: ImageLimits
): Effect.Effect<Image, ImageError> =>
  Effect.gen(function* () {
    yield* sized(source, data.length, limits)
    const header = yield* accept(source, ImageHeader.parse(data), data.subarray(0, startBytes), limits)
    if (header.format === "png" && !ImageHeader.isWholePng(data)) return yield* cutOff(source)
    return describe(source, name, header, data.length, {
      bytes: Effect.succeed(data),
      stream: Stream.succeed(data),
      inMemory: true
    })
  })

const fromFile = Effect.fnUntraced(function* (
  fs: FileSystem.FileSystem,
  path: string,
  name: string,
  limits: ImageLimits
): Effect.fn.Return<Image, ImageError> {
  const asImageError = fileError(path)
  const info = yield* Effect.mapError(fs.stat(path), asImageError)
  if (info.type !== "File") {
    const what = info.type === "Directory" ? "it is a folder" : `it is no regular file (${info.type})`
    return yield* new ImageNotReadable({ source: path, detail: what })
  }
  const size = Number(info.size)
  yield* sized(path, size, limits)
  const range = (offset: number, length: number) =>
    fs
      .stream(path, { offset, bytesToRead: length })
      .pipe(Stream.mapError(asImageError), Stream.runCollect, Effect.map(concat))
  // A request states the size beforehand, and what changed since is another image than the one that was checked.
  const changed = (read: number) =>
    new ImageNotReadable({ source: path, detail: `it was ${size} bytes long, and is ${read} now` })
  const whole = Effect.flatMap(Effect.mapError(fs.readFile(path), asImageError), (data) =>
    data.length === size ? Effect.succeed(data) : Effect.fail(changed(data.length))
  )

  let head = yield* range(0, headBytes)
  let parsed = ImageHeader.parse(head)
  // The size of a JPEG lies behind its metadata, that of a TIFF wherever its writer put it.
  while (parsed._tag === "NeedMore" && head.length < size) {
    const wanted = Math.min(size, Math.max(parsed.bytes, head.length * 2))
    head = yield* range(0, wanted)
    if (head.length < wanted) return yield* changed(head.length)
    parsed = ImageHeader.parse(head)
  }
  const header = yield* accept(path, parsed, head.subarray(0, startBytes), limits)
  if (header.format === "png") {
    const tail = yield* range(size - 12, 12)
    const ends = tail.length === 12 && new DataView(tail.buffer, tail.byteOffset).getUint32(4) === 0x49454e44
    // Something may follow the image, so a tail that is no IEND only means to look closer.
    if (!ends && !ImageHeader.isWholePng(yield* whole)) return yield* cutOff(path)
  }
  return describe(path, name, header, size, {
    bytes: whole,
    stream: exactly(Stream.mapError(fs.stream(path, { chunkSize: 256 * 1024 }), asImageError), size, changed),
    inMemory: false
  })
})

/** Fails unless so many bytes come. */
const exactly = <E>(
  self: Stream.Stream<Uint8Array, E>,
  size: number,
  otherwise: (seen: number) => E
): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    let seen = 0
    const check = (isEnd: boolean) =>
      seen > size || (isEnd && seen < size) ? Effect.fail(otherwise(seen)) : Effect.void
    return Stream.tap(self, (chunk) => {
      seen += chunk.length
      return check(false)
    }).pipe(Stream.concat(Stream.drain(Stream.fromEffect(Effect.suspend(() => check(true))))))
  })

const fromUrl = (
  href: string,
  source: string,
  name: string,
  limits: ImageLimits
): Effect.Effect<Image, SourceError, HttpClient.HttpClient> =>
  WebFile.get(href, {
    accept: "image/*",
    limits: { maxBodyBytes: limits.maxBytes, maxDecodedBytes: limits.maxBytes }
  }).pipe(
    Effect.flatMap(({ body }) => fromMemory(source, name, body, limits)),
    Effect.catchTag("NotFound", () => Effect.fail(new ImageNotFound({ source }))),
    Effect.catchTag("ResponseTooLarge", (error) =>
      Effect.fail(
        new ImageTooLarge({ source, measure: "bytes", actual: error.limit + 1, limit: error.limit })
      )
    ),
    span("ImageSource.url", { [standard.url]: source })
  )

/** Enough to tell what a file is that is no image. */
const startBytes = 1024

const accept = (
  source: string,
  parsed: ImageHeader.Parsed,
  start: Uint8Array,
  limits: ImageLimits
): Effect.Effect<ImageHeader.ImageHeader, ImageError> => {
  if (parsed._tag === "NeedMore") {
    return Effect.fail(new NotAnImage({ source, detail: "it ends before its size is told" }))
  }
  if (parsed._tag === "Refused") {
    const { detail, format, isBroken } = parsed
    return Effect.fail(
      isBroken ? new NotAnImage({ source, detail }) : new UnsupportedImage({ source, format, detail })
    )
  }
  return parsed._tag === "Unknown"
    ? Effect.flatMap(otherFormat, (OtherFormat) => Effect.fail(unknown(source, start, OtherFormat.of(start))))
    : Effect.as(within(source, "pixels", parsed.width * parsed.height, limits.maxPixels), parsed)
}

/** Told only of what is no image, so loaded only then. */
const otherFormat = Effect.promise(() => import("./OtherFormat.ts"))

/** What is said of a file that is no image read here: another kind, a text, or whatever its first bytes are. */
const unknown = (source: string, start: Uint8Array, other: OtherFormat | undefined): ImageError => {
  if (other !== undefined) {
    const { advice, format, title } = other
    const detail = `it is of a kind (${title}) that is not read here. ${advice}`
    return new UnsupportedImage({ source, format, detail })
  }
  const few = start.subarray(0, 16)
  const isText = few.every((byte) => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127))
  const hex = Array.from(start.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join(" ")
  const detail = isText
    ? `it is text, which starts "${new TextDecoder().decode(few).replaceAll(/\s+/g, " ")}"`
    : `its first bytes (${hex}) are those of no image type known here`
  return new NotAnImage({ source, detail })
}

const describe = (
  source: string,
  name: string,
  header: ImageHeader.ImageHeader,
  size: number,
  content: Pick<Image, "bytes" | "stream" | "inMemory">
): Image => {
  const { format, orientation } = header
  const turned = orientation >= 5
  const { endings, mediaType } = ImageFormat.table[format]
  const ending = name.toLowerCase().split(".").at(-1) ?? ""
  return {
    source,
    name: endings.includes(ending) ? name : `${name}.${endings[0]}`,
    format,
    mediaType,
    width: turned ? header.height : header.width,
    height: turned ? header.width : header.height,
    orientation,
    ...(header.hasMore === true ? { hasMore: true } : {}),
    size,
    ...content
  }
}

const fileError =
  (path: string) =>
  (error: PlatformError.PlatformError): ImageError =>
    error.reason._tag === "NotFound"
      ? new ImageNotFound({ source: path })
      : new ImageNotReadable({ source: path, detail: unreadable(error) })
