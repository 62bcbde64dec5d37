/**
 * What can be segmented: bytes, a file, a URL or a stream.
 *
 * A source is only a name for an image, with what it needs to be read in its type: a file needs a `FileSystem`, a
 * URL an `HttpClient`, bytes nothing. Opening it reads the header and checks the limits, before anything is decoded
 * or sent. What reads each kind of source is loaded when one is opened: a page has no files, and few pages views.
 *
 * ```ts
 * import { ImageSource } from "effect-segformer/image"
 *
 * ImageSource.file("panels/left.png").name // => "left.png"
 * ```
 */
import { Effect, type FileSystem, type Stream } from "effect"
import type { HttpClient } from "effect/http"
import type { PolicyError } from "../policy/PolicyError.ts"
import type { ServiceError } from "../service/ServiceError.ts"
import { defaultLimits, type Image, type ImageLimits, limitsOf } from "./Image.ts"
import type { ImageCodec } from "./ImageCodec.ts"
import type { ImageError } from "./ImageError.ts"
import { fromMemory } from "./ImageOpening.ts"
import type { Raster } from "./Raster.ts"
import type { Stretch } from "./Stretch.ts"
import { lazily } from "../service/CodeNotLoaded.ts"

export { defaultLimits, type Image, type ImageLimits, limitsOf }

/** A name for an image. `R` is what reading it needs. */
export interface ImageSource<out R = never> {
  readonly name: string
  /** Reads the header and checks the limits. */
  readonly open: (limits?: Partial<ImageLimits>) => Effect.Effect<Image, SourceError, R>
  /** What {@link view} makes of it, where its name or an earlier view says something of that already. */
  readonly view?: ((view: View) => ImageSource<R | ImageCodec>) | undefined
}

/** What reading a source needs, or any of several kinds of sources. */
export type Services<S> = S extends ImageSource<infer R> ? R : never

/** Why a source cannot be opened. */
export type SourceError = ImageError | ServiceError | PolicyError

/** A source, opened under these limits, or an image that was opened already, under limits of its own. @internal */
export function opened<S extends ImageSource<unknown> | Image>(
  source: S,
  limits?: Partial<ImageLimits>
): Effect.Effect<Image, SourceError, Services<S>>
export function opened(
  source: ImageSource<unknown> | Image,
  limits?: Partial<ImageLimits>
): Effect.Effect<Image, SourceError, unknown> {
  return "open" in source ? source.open(limits) : Effect.succeed(source)
}

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
    Effect.flatMap(more, ({ RasterImage }) => RasterImage.open(name, pixels, limits))
  )
}

/** A file, by its path or a `file:` address. It is read where and when it is needed, and streamed to services where the HTTP client states the length of a stream (`NodeHttp`). */
export const file = (location: string | URL): ImageSource<FileSystem.FileSystem> => {
  const path = String(location)
  const name = path.split(/[\\/]/).findLast(Boolean) ?? path
  return named(name, (limits) =>
    Effect.flatMap(more, ({ FileSource }) => FileSource.open(path, name, limits))
  )
}

/**
 * An image on the web, fetched under the standard policy without any key of ours. Redirects are followed. Do not pass addresses that strangers choose: they may name hosts that only this machine can reach.
 */
export const url = (address: string | URL): ImageSource<HttpClient.HttpClient> => {
  const href = String(address)
  const path = href.split(/[?#]/, 1)[0]!
  const parts = path.startsWith("data:") ? [] : path.split("/")
  const name = parts.findLast((part) => /[^:]$/.test(part)) ?? "image"
  return named(name, (limits) =>
    Effect.flatMap(more, ({ UrlSource }) => UrlSource.open(href, path, name, limits))
  )
}

/** A stream of the bytes of one image, collected in memory up to the limit each time the source is opened. */
export const stream = <E, R>(name: string, data: Stream.Stream<Uint8Array, E, R>): ImageSource<R> =>
  named(name, (limits) => Effect.flatMap(more, ({ StreamSource }) => StreamSource.open(name, data, limits)))

export interface View {
  /** Of a TIFF with several, or a frame of a GIF or WebP: from 1, which it is by default. */
  readonly page?: number | undefined
  /** Which numbers are black and white, of images whose samples are not of 8 bits; others are left as they are. */
  readonly stretch?: Stretch | undefined
}

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
export function view<S extends ImageSource<unknown>>(
  source: S,
  wanted: View
): ImageSource<Services<S> | ImageCodec>
export function view(source: ImageSource<unknown>, wanted: View): ImageSource<unknown> {
  const { page = 1, stretch } = wanted
  if (!(Number.isInteger(page) && page >= 1))
    throw new RangeError(`ImageSource.view: \`page\` must be a whole number of at least 1, but is ${page}`)
  if (source.view !== undefined) return source.view(wanted)
  if (wanted.page === undefined && stretch === undefined) return source
  return {
    name: source.name,
    view: (more) => view(source, { page: wanted.page ?? more.page, stretch: stretch ?? more.stretch }),
    open: (limits) =>
      Effect.flatMap(more, ({ ViewSource }) => ViewSource.open(source.open(limits), wanted, limits))
  }
}

const more = lazily(() => import("./MoreSources.ts"))

/** What the limits do not say is as by default. */
const named = <R>(
  name: string,
  open: (limits: ImageLimits) => Effect.Effect<Image, SourceError, R>
): ImageSource<R> => ({ name, open: (limits) => open(limitsOf(limits)) })
