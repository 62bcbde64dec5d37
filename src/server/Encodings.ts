/**
 * Bodies that come compressed (`Content-Encoding`), as clients of Triton and TensorFlow Serving can be told to send them. What
 * comes of one is under the same limits as what comes as it is, so a bomb is refused before it takes more than they allow.
 */
import { Effect, Stream } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { Arrival } from "./Admission.ts"
import { bad, Refusal } from "./Refusal.ts"
import * as Uploads from "./Uploads.ts"

/** Encodings within each other: each is work for every byte of what is beneath it. */
const most = 2

/** Loaded with the first body that is compressed. */
const loaded = Effect.tryPromise(() => import("../service/NodeDecompressors.ts"))

/** The encodings of a body, in the order in which they were applied. */
export const of = (request: HttpServerRequest.HttpServerRequest): ReadonlyArray<string> =>
  (request.headers["content-encoding"] ?? "")
    .toLowerCase()
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "" && each !== "identity")

/** The refusal of a body in encodings that are not taken off here; `undefined` of any other. */
export const refusal = (encodings: ReadonlyArray<string>): Refusal | undefined =>
  encodings.length <= most && encodings.every(isKnown) ? undefined : unknown(encodings, names.join(", "))

const names = ["gzip", "x-gzip", "deflate", "br", "zstd"] as const
const isKnown = (encoding: string): encoding is (typeof names)[number] =>
  names.some((name) => name === encoding)

const unknown = (encodings: ReadonlyArray<string>, acceptEncoding: string): Refusal =>
  new Refusal({
    status: 415,
    detail: `Send the body as it is or in one of these encodings: ${acceptEncoding}. It comes in "${encodings.join(", ").slice(0, 100)}"`,
    acceptEncoding
  })

/** A body without its encodings: at most `maxBytes` of it, each counted as it comes out. */
export const take = (
  body: Uint8Array,
  encodings: ReadonlyArray<string>,
  maxBytes: number,
  arrival?: Arrival
): Effect.Effect<Uint8Array, Refusal> =>
  encodings.length === 0
    ? Effect.succeed(body)
    : Effect.gen(function* () {
        const { decompressors, TooManyFrames } = yield* Effect.mapError(loaded, () =>
          unknown(encodings, "identity")
        )
        const broken = (cause: unknown) =>
          cause instanceof Refusal
            ? cause
            : cause instanceof TooManyFrames
              ? new Refusal({ status: 413, detail: `The body is larger than it may be: ${cause.message}` })
              : bad(`The body is no whole ${encodings.join(", ")} data`)
        const bounded = (self: Stream.Stream<Uint8Array, Refusal>) =>
          Stream.suspend(() => {
            let length = 0
            return Stream.mapEffect(self, (chunk) => {
              length += chunk.length
              const refused = length > maxBytes ? Uploads.tooLarge(maxBytes) : arrival?.count(chunk.length)
              return refused === undefined ? Effect.succeed(chunk) : Effect.fail(refused)
            })
          })
        const plain = encodings
          .filter(isKnown)
          .reduceRight<Stream.Stream<Uint8Array, Refusal>>(
            (self, encoding) => bounded(decompressors[encoding](self, broken)),
            Stream.succeed(body)
          )
        return Buffer.concat(yield* Stream.runCollect(plain))
      })
