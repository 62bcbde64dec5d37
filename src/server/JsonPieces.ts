/**
 * JSON with pictures in it, written as a stream: pictures become base64 slice by slice, so that neither memory nor
 * the event loop ever sees a string of many megabytes.
 */
import { Effect, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Base64 from "../service/Base64.ts"

/** The bytes of a PNG file that become a JSON string with a data URL. */
export class DataUrl {
  readonly png: Uint8Array
  constructor(png: Uint8Array) {
    this.png = png
  }
}

/** Text as it stands, or bytes that become a JSON string of base64. */
export type Piece<E = never> = string | Uint8Array | DataUrl | Effect.Effect<Uint8Array, E>

/** A multiple of 3, so that slices of base64 join. */
const slice = 3 * 32 * 1024

/** Characters of a piece that took a while to write. */
const long = 4096

const encoder = new TextEncoder()

/** The base64 of a file, slice by slice. */
export function* base64(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += slice) {
    yield encoder.encode(Base64.encode(bytes.subarray(at, at + slice)))
  }
}

const quote = encoder.encode('"')
const dataUrl = encoder.encode('"data:image/png;base64,')

const bytesOf = <E>(piece: Exclude<Piece<E>, string>): Effect.Effect<Uint8Array, E> =>
  piece instanceof Uint8Array
    ? Effect.succeed(piece)
    : piece instanceof DataUrl
      ? Effect.succeed(piece.png)
      : piece

/** The body, piece by piece: others on the event loop have their turn between two of them. */
export const stream = <E>(pieces: Iterable<Piece<E>>): Stream.Stream<Uint8Array, E> =>
  Stream.flatMap(Stream.fromIterable(pieces, { chunkSize: 1 }), (piece): Stream.Stream<Uint8Array, E> => {
    if (typeof piece === "string") {
      // The next piece is made when this one is taken, which a fast reader would have it do at once.
      return piece.length < long
        ? Stream.succeed(encoder.encode(piece))
        : Stream.fromEffect(Effect.as(Effect.yieldNow, encoder.encode(piece)))
    }
    return Stream.unwrap(
      Effect.map(bytesOf(piece), (bytes) =>
        Stream.concat(
          Stream.concat(
            Stream.succeed(piece instanceof DataUrl ? dataUrl : quote),
            Stream.fromIterable(base64(bytes), { chunkSize: 1 })
          ),
          Stream.succeed(quote)
        )
      )
    )
  })

/** The answer with such a body. */
export const answer = <E>(pieces: Iterable<Piece<E>>, status = 200): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(stream(pieces), { status, contentType: "application/json" })

/** The pieces of each item, with commas between. */
export function* list<A>(items: Iterable<A>, piecesOf: (item: A) => Iterable<Piece>): Generator<Piece> {
  let isFirst = true
  for (const item of items) {
    if (!isFirst) yield ","
    isFirst = false
    yield* piecesOf(item)
  }
}

/** An answer that is short. */
export const json = (body: unknown, status = 200): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(body, { status })

/** Bytes as they stand, each made when its turn comes. */
export const bytes = (pieces: Iterable<Uint8Array>): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(pieces, { chunkSize: 1 })
