/**
 * Multipart bodies (RFC 7578) of images: in one piece where the bytes are in memory, streamed with a stated length
 * where they are not, so that a file is not held in memory as a whole by a client that states the length of a stream.
 */
import { Bytes, Context, Stream } from "effect"
import * as HttpBody from "effect/http/HttpBody"
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

/** A form in memory that is not joined yet: whoever can send it piece by piece saves a copy of the image. */
export interface Form {
  readonly _tag: "Form"
  readonly pieces: ReadonlyArray<Uint8Array>
  readonly contentType: string
  /** In bytes. */
  readonly length: number
}

/**
 * Whether the `HttpClient` takes a body in pieces, and sends a stream with its length. No client says so itself:
 * `NodeHttp.layer` sets it with its own.
 */
export const SendsPieces = Context.Reference<boolean>("effect-segformer/service/Multipart/SendsPieces", {
  defaultValue: () => false
})

const encoder = new TextEncoder()

/** Quotes and line breaks as the HTML standard writes them, so that a name cannot end its header. */
const escape = (text: string): string =>
  text.replaceAll('"', "%22").replaceAll("\r", "%0D").replaceAll("\n", "%0A")

/** A form: in pieces where all of it is in memory, else as a stream with a stated length. */
export const form = (parts: ReadonlyArray<Part>): Form | HttpBody.Stream => {
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
  return { _tag: "Form", pieces: pieces.filter((piece) => piece instanceof Uint8Array), contentType, length }
}

/** The body to send: a form joined, unless the client takes pieces. */
export const toBody = (body: Form | HttpBody.HttpBody, sendsPieces: boolean): HttpBody.HttpBody => {
  if (body._tag !== "Form") return body
  const { contentType, length, pieces } = body
  if (sendsPieces) return HttpBody.raw(pieces, { contentType, contentLength: length })
  return HttpBody.uint8Array(Bytes.concat(pieces), contentType)
}
