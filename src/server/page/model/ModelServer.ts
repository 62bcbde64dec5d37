/**
 * `/v1` without a socket: the same models, segmented and answered by the same code as a server's, for a page whose model runs
 * in the browser.
 */
import { Effect, FileSystem, Schema, Semaphore } from "effect"
import type { HttpServerResponse } from "effect/http"
import { HttpServerResponse as Response } from "effect/http"
import { ImageCodec } from "../../../image/ImageCodec.ts"
import type { Transport } from "../../../Transport.ts"
import type { Admission } from "../../Admission.ts"
import type { Upload } from "../../Dialect.ts"
import { bad, notFound, type Refusal } from "../../Refusal.ts"
import { RequestId } from "../../RequestId.ts"
import * as ServerLimits from "../../ServerLimits.ts"
import * as Serving from "../../Serving.ts"
import * as Answer from "../../v1/Answer.ts"
import * as Conversion from "../../v1/Conversion.ts"
import * as Models from "../../v1/Models.ts"
import * as Picture from "../../v1/Picture.ts"
import { answered } from "../../v1/Refuse.ts"

/** What is asked, as HTTP has it. */
export interface Question {
  /** With its query, such as `/v1/segment?model=bundled`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON, or an image file. */
  readonly body: string | Upload | undefined
}

export type ModelServer = (question: Question) => Effect.Effect<HttpServerResponse.HttpServerResponse>

/** One picture after the other: there is one person, and one machine. */
const admission = (turns: Semaphore.Semaphore): Admission => ({
  enter: () => Effect.die("nobody sends a body here"),
  work: (self) => turns.withPermit(self),
  state: () => ({ present: 0, arriving: 0, working: 0, heldBytes: 0 })
})

/** A server of models, the first of them the default. */
export const make = Effect.fnUntraced(function* (
  transports: readonly [Transport["Service"], ...ReadonlyArray<Transport["Service"]>],
  limits: ServerLimits.ServerLimits = ServerLimits.defaults
): Effect.fn.Return<ModelServer, never, ImageCodec> {
  const codec = yield* ImageCodec
  const turns = yield* Semaphore.make(1)
  const shared: Serving.Shared = {
    admission: admission(turns),
    limits,
    codec,
    files: FileSystem.makeNoop({}),
    cache: undefined,
    counts: { segmented: 0, failed: 0 },
    started: 0n,
    active: undefined
  }
  const modelOf = Effect.fnUntraced(function* (transport: Transport["Service"], isDefault: boolean) {
    const serving = yield* Serving.make(transport, transport.name, transport.name, shared)
    return { name: Effect.succeed(transport.name), isDefault, kind: "model", served: serving(undefined) }
  })
  const [first, ...others] = transports
  const models: Models.Models = [
    yield* modelOf(first, true),
    ...(yield* Effect.forEach(others, (one) => modelOf(one, false)))
  ]
  return (question) => Effect.provideServiceEffect(answered(routed(models, question)), RequestId, RequestId)
})

const fileOf = (body: Question["body"]): Effect.Effect<Upload, Refusal> =>
  typeof body === "object" ? Effect.succeed(body) : Effect.fail(bad("Send the bytes of an image file"))

const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(Conversion.Body))

const routed = Effect.fnUntraced(function* (
  models: Models.Models,
  { body, headers, path }: Question
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusal> {
  const { pathname, searchParams } = new URL(path, "http://page")
  const [{ served }] = models
  const accept = headers["accept"]
  switch (pathname) {
    case "/v1/models":
      return Response.jsonUnsafe({
        models: yield* Effect.forEach(models, Models.info),
        formats: Answer.formats
      })
    case "/v1/segment": {
      const asked = yield* Answer.asked(accept, searchParams.get("include") ?? undefined)
      const found = yield* Models.find(models, searchParams.get("model") ?? undefined)
      const about = { model: found.name, requestId: yield* RequestId }
      return yield* found.served.segment(yield* fileOf(body), (segmented) =>
        Answer.make(segmented, asked, about)
      )
    }
    case "/v1/export": {
      const asked = yield* Answer.asked(accept, undefined)
      const map = yield* Effect.mapError(decode(body), ({ message }) => bad(message.slice(0, 300)))
      return yield* Conversion.make(served, map, asked)
    }
    case "/v1/picture":
      return yield* Picture.make(served, yield* fileOf(body))
    default:
      return yield* notFound(`There is no ${pathname} here`)
  }
})
