/** The part of a form that carries an image, under a name of its own. */
import { Effect } from "effect"
import { type ImageError, ImageTooLarge } from "../../image/ImageError.ts"
import type { Image } from "../../image/ImageSource.ts"
import { randomHex } from "../../randomHex.ts"
import type * as Multipart from "../../service/Multipart.ts"

/**
 * The name of a file on its way: of its own for each attempt, because services keep uploads and results under the name that
 * they get, and would mix two that come at once; and in ASCII, which every one of them can write. It begins as the image's
 * name does, so that people find it, and ends as services look at it.
 */
export const uploadName = (name: string): string => {
  const dot = name.lastIndexOf(".")
  const stem = (dot > 0 ? name.slice(0, dot) : name)
    .replaceAll(/[^\w-]+/g, "_")
    .replace(/^_+/, "")
    .slice(0, 40)
  const ending =
    dot > 0
      ? name
          .slice(dot)
          .toLowerCase()
          .replaceAll(/[^.a-z0-9]/g, "")
      : ""
  return `${stem}${stem === "" ? "" : "-"}${randomHex(8)}${ending}`
}

/** The part of a form that carries the file: from memory, or streamed with its length stated. */
export const part = (
  name: string,
  image: Image,
  limit = Infinity,
  fileName = uploadName(image.name)
): Effect.Effect<Multipart.Part, ImageError> => {
  const { mediaType, size } = image
  const whole = (data: Uint8Array) => ({ fileName, mediaType, size: data.length, data })
  return image.inMemory
    ? Effect.map(within(image, limit), (data) => ({ name, content: whole(data) }))
    : Effect.as(checked(image, size, limit), {
        name,
        content: { fileName, mediaType, size, data: image.stream }
      })
}

/** The file's bytes, up to a limit: what a request can hold, or its service takes. */
export const within = (image: Image, limit: number): Effect.Effect<Uint8Array, ImageError> =>
  // A file on disk is not read for nothing; of one that is made on demand only the file itself says how large it is.
  image.inMemory
    ? Effect.tap(image.bytes, ({ length }) => checked(image, length, limit))
    : Effect.andThen(checked(image, image.size, limit), image.bytes)

const checked = ({ source }: Image, actual: number, limit: number): Effect.Effect<void, ImageTooLarge> =>
  actual > limit
    ? Effect.fail(
        new ImageTooLarge({ source, measure: "bytes", actual, limit, by: "a request to this service" })
      )
    : Effect.void
