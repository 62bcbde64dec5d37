/**
 * Multipart bodies (RFC 7578) of images: in one piece where the bytes are in memory, streamed with a stated length
 * where they are not, so that a file is never held in memory as a whole.
 */
import { Stream } from "effect"
import { HttpBody } from "effect/http"
import { randomHex } from "../randomHex.ts"

/** One part of a form: a field, or a file. */
export interface Part {
  readonly name: string
  readonly content:
    | string
    | {
        readonly fileName: string
        readonly mediaType: string
        /** In bytes. */
        readonly size: number
        readonly data: Uint8Array | Stream.Stream<Uint8Array, unknown>
      }
}

const encoder = new TextEncoder()

/** Quotes and line breaks as the HTML standard writes them, so that a name cannot end its header. */
const escape = (text: string): string =>
  text.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A")

/** The body of a form. */
export const encode = (parts: ReadonlyArray<Part>): HttpBody.HttpBody => {
  // Unguessable, so that no image can be made to contain it.
  const boundary = `effect-segformer-${randomHex(12)}`
  const contentType = `multipart/form-data; boundary=${boundary}`
  const pieces: Array<Uint8Array | Stream.Stream<Uint8Array, unknown>> = []
  let length = 0
  let streams = false
  const text = (value: string) => {
    const bytes = encoder.encode(value)
    pieces.push(bytes)
    length += bytes.length
  }
  for (const { name, content } of parts) {
    if (typeof content === "string") {
      text(`--${boundary}\r\ncontent-disposition: form-data; name="${escape(name)}"\r\n\r\n${content}\r\n`)
    } else {
      text(
        `--${boundary}\r\ncontent-disposition: form-data; name="${escape(name)}"; filename="${escape(content.fileName)}"\r\n` +
          `content-type: ${content.mediaType}\r\n\r\n`
      )
      pieces.push(content.data)
      length += content.size
      streams ||= !(content.data instanceof Uint8Array)
      text("\r\n")
    }
  }
  text(`--${boundary}--\r\n`)
  if (streams) {
    const stream = Stream.flatten(
      Stream.fromIterable(
        pieces.map((piece) => (piece instanceof Uint8Array ? Stream.succeed(piece) : piece))
      )
    )
    return HttpBody.stream(stream, contentType, length)
  }
  const body = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) {
      body.set(piece, at)
      at += piece.length
    }
  }
  return HttpBody.uint8Array(body, contentType)
}
