/** Requests that carry an image: as they are, as a form, or in JSON. */
import { Effect } from "effect"
import { HttpBody } from "effect/http"
import { type ImageError, UnsupportedImage } from "../../image/ImageError.ts"
import type { Image } from "../../image/ImageSource.ts"
import * as Base64 from "../../service/Base64.ts"
import * as Multipart from "../../service/Multipart.ts"
import { part, within } from "./ImagePart.ts"

export { part, uploadName } from "./ImagePart.ts"

/** The file itself: from memory, or streamed with its length stated. */
export const raw = (image: Image): Effect.Effect<Multipart.Form | HttpBody.HttpBody, ImageError> =>
  image.inMemory
    ? Effect.map(image.bytes, (bytes) => HttpBody.uint8Array(bytes, image.mediaType))
    : Effect.succeed(HttpBody.stream(image.stream, image.mediaType, image.size))

/** A form with the file and further fields. */
export const form = (
  name: string,
  image: Image,
  fields: Readonly<Record<string, string>> = {}
): Effect.Effect<HttpBody.HttpBody | Multipart.Form, ImageError> =>
  Effect.map(part(name, image), (file) =>
    Multipart.form([...Object.entries(fields).map(([name, content]) => ({ name, content })), file])
  )

/** Base64 of a larger file would be no string that a JavaScript runtime can hold. */
const maxBase64 = 256 * 1024 * 1024

/** A file that may be written as base64. */
export const forBase64 = (image: Image): Effect.Effect<Uint8Array, ImageError> => within(image, maxBase64)

/** The file as base64: it is in memory for as long as the request takes. */
export const base64 = (image: Image): Effect.Effect<string, ImageError> =>
  Effect.map(forBase64(image), Base64.encode)

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
