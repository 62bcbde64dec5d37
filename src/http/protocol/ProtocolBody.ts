/** Requests that carry an image: as they are, as a form, or in JSON. */
import { Effect } from "effect"
import { HttpBody } from "effect/http"
import { type ImageError, ImageTooLarge, UnsupportedImage } from "../../image/ImageError.ts"
import type { Image } from "../../image/ImageSource.ts"
import { randomHex } from "../../randomHex.ts"
import * as Base64 from "../../service/Base64.ts"
import * as Multipart from "../../service/Multipart.ts"

/** The file itself: from memory, or streamed with its length stated. */
export const raw = (image: Image): Effect.Effect<Multipart.Form | HttpBody.HttpBody, ImageError> =>
  image.inMemory
    ? Effect.map(image.bytes, (bytes) => HttpBody.uint8Array(bytes, image.mediaType))
    : Effect.succeed(HttpBody.stream(image.stream, image.mediaType, image.size))

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

/** A form with the file and further fields. */
export const form = (
  name: string,
  image: Image,
  fields: Readonly<Record<string, string>> = {}
): Effect.Effect<HttpBody.HttpBody | Multipart.Form, ImageError> =>
  Effect.map(part(name, image), (file) =>
    Multipart.form([...Object.entries(fields).map(([name, content]) => ({ name, content })), file])
  )

/** The file's bytes, up to a limit: what a request can hold, or its service takes. */
const within = (image: Image, limit: number): Effect.Effect<Uint8Array, ImageError> =>
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

/** Base64 of a larger file would be no string that a JavaScript runtime can hold. */
const maxBase64 = 256 * 1024 * 1024

/** The file as base64: it is in memory for as long as the request takes. */
export const base64 = (image: Image): Effect.Effect<string, ImageError> =>
  Effect.map(within(image, maxBase64), Base64.encode)

/** The file as a data URL. */
export const dataUrl = (image: Image): Effect.Effect<string, ImageError> =>
  Effect.map(base64(image), (encoded) => `data:${image.mediaType};base64,${encoded}`)

/** Where the image was taken from, for services that fetch it themselves. */
export const address = (image: Image): Effect.Effect<string, ImageError> =>
  /^https?:\/\//i.test(image.source)
    ? Effect.succeed(image.source)
    : Effect.fail(
        new UnsupportedImage({
          source: image.source,
          format: image.format,
          detail:
            "this service takes addresses, and the image has none. Use `ImageSource.url`, or send it another way"
        })
      )

const encoder = new TextEncoder()

export const json = (value: unknown): HttpBody.HttpBody =>
  HttpBody.uint8Array(encoder.encode(JSON.stringify(value)), "application/json")
