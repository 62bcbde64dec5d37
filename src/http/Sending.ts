/**
 * Images on their way to a service. A file that breaks while it is sent reaches the HTTP client as a broken request:
 * what broke is remembered here, and is the failure.
 */
import { Effect, Stream } from "effect"
import type { ImageError } from "../image/ImageError.ts"
import type { Image } from "../image/ImageSource.ts"

/** Runs a request with images that are watched; fails with the image's error where one of them broke. */
export const watched = <A, E, R>(
  images: ReadonlyArray<Image>,
  use: (images: ReadonlyArray<Image>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | ImageError, R> =>
  Effect.suspend(() => {
    let broken: ImageError | undefined
    const remember = (error: ImageError) => {
      broken ??= error
      return error
    }
    return use(
      images.map((image) =>
        image.inMemory ? image : { ...image, stream: Stream.mapError(image.stream, remember) }
      )
    ).pipe(Effect.mapError((error) => broken ?? error))
  })
