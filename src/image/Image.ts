/** An opened image, and the limits under which it is opened. */
import { Effect, type Stream } from "effect"
import { type ImageError, ImageTooLarge } from "./ImageError.ts"
import * as Range from "../policy/Range.ts"
import type { ImageFormat } from "./ImageFormat.ts"
import type { Raster } from "./Raster.ts"

export interface ImageLimits {
  /** Bytes of the file. 100 MiB by default. */
  readonly maxBytes: number
  /** Width times height, as the header says. 100 megapixels by default. */
  readonly maxPixels: number
}

export const defaultLimits: ImageLimits = { maxBytes: 100 * 1024 * 1024, maxPixels: 100_000_000 }

/** Those that are not given are as by default. Throws `RangeError` for one that is no number of at least 0. */
export const limitsOf = (given: Partial<ImageLimits> | undefined): ImageLimits =>
  Range.limits("ImageLimits", given, defaultLimits)

/** Fails where there is more than the limit. */
export const within = (
  source: string,
  measure: ImageTooLarge["measure"],
  actual: number,
  limit: number
): Effect.Effect<void, ImageTooLarge> =>
  actual > limit ? Effect.fail(new ImageTooLarge({ source, measure, actual, limit })) : Effect.void

/** What is said of an image of which the first page is taken without its being asked for. `instead`: how to have another. */
export const otherPages = (source: string, instead: string): string =>
  `${source} has more pages or frames, or smaller copies of itself: the first one is taken. ${instead}`

/** An opened source: its header is read and within limits, its bytes can be had as often as needed. */
export interface Image {
  /** Where it comes from, for errors: a path, a URL without query, or its name. */
  readonly source: string
  /** Without folders; it ends as its real type does. */
  readonly name: string
  readonly format: ImageFormat
  /** Such as `image/png`. */
  readonly mediaType: string
  /** In pixels, as a person sees it: after EXIF orientation. */
  readonly width: number
  /** In pixels, as a person sees it. */
  readonly height: number
  /** EXIF orientation, 1 to 8. */
  readonly orientation: number
  /** The page that is meant, from 1, which it is by default. */
  readonly page?: number | undefined
  /** There are pages or frames behind this one, which are not looked at. */
  readonly hasMore?: boolean | undefined
  /** Bytes of the file; of one that is made when it is asked for, as many as it has at most. */
  readonly size: number
  readonly bytes: Effect.Effect<Uint8Array, ImageError>
  /** The same, piece by piece: a file is never held in memory as a whole. */
  readonly stream: Stream.Stream<Uint8Array, ImageError>
  /** Whether the bytes are in memory already, so that `bytes` costs nothing. */
  readonly inMemory: boolean
  /** Its pixels as a person sees them, where no file need be decoded for them: new ones each time, for the caller to keep. */
  readonly pixels?: Effect.Effect<Raster, ImageError> | undefined
}
