/**
 * Cog's HTTP API, served: `POST /predictions`, and `PUT /predictions/{id}`, which answers 202 while the prediction of this
 * id runs and, for a minute after it is over, its answer again: an id is its caller's, and stands for one image. The output is a data URL of a grey PNG whose pixels
 * are class ids.
 *
 * With `Prefer: respond-async` the answer is 202 at once, and `GET /predictions/{id}` has the result; a webhook is refused, as
 * nothing is called here. Any other prediction ends with its connection, or by `POST /predictions/{id}/cancel`. A full queue is 409, as a busy model is
 * in Cog. An image that cannot be segmented is a prediction that failed, with status 200. `image` is a data URL: this
 * server fetches nothing on behalf of callers.
 */
import { Clock, Deferred, Effect, Exit, Schema, Scope } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import { randomHex } from "../../randomHex.ts"
import * as Bodies from "../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Served } from "../Dialect.ts"
import { json } from "../JsonPieces.ts"
import * as LargeJson from "../LargeJson.ts"
import * as Predictions from "./Predictions.ts"
import * as Refusals from "../Refusal.ts"
import { currentSubject } from "../Security.ts"
import * as Hashing from "../../jobs/Hashing.ts"

const refuse = (refusal: Refusals.Refusal) =>
  Refusals.answer(
    refusal,
    { detail: refusal.detail },
    refusal.reason === "busy" ? 409 : refusal.status === 400 ? 422 : refusal.status
  )

const decodeBody = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(
    Schema.Struct({
      id: Schema.optionalKey(Schema.NullOr(Schema.String)),
      ...Predictions.fields
    })
  ),
  'The body must be JSON such as {"input": {"image": "data:image/png;base64,…"}}'
)

/** A prediction that is over. */
interface Done extends Predictions.Told {
  readonly completed: number
  /** Of its image. */
  readonly content: string
}

/** A prediction under way. */
interface Running {
  readonly content: string
  /** Done when it is cancelled. */
  readonly cancelled: Deferred.Deferred<void>
}

/** How long an answer can be had again, in milliseconds, and how many are kept at most. */
const kept = 60_000
const maxKept = 32

/** The predictions of one server, by their callers and ids. */
interface Known {
  readonly running: Map<string, Running>
  readonly done: Map<string, Done>
}

/** Of an id, which is its caller's: two that choose the same are two. */
const keyOf = (subject: string | undefined, id: string): string => JSON.stringify([subject ?? null, id])

/** While another request works on it. */
const underWay = (id: string) => json({ id, status: "processing", output: null, error: null }, 202)

/** Whether the caller does not wait: the answer is had by asking for the prediction. */
const isAsync = (request: HttpServerRequest.HttpServerRequest): boolean =>
  /(?:^|[,\s])respond-async(?:$|[,;\s])/i.test(request.headers["prefer"] ?? "")

const predict = Effect.fnUntraced(function* (
  served: Served,
  { done, running }: Known,
  server: Scope.Scope,
  request: HttpServerRequest.HttpServerRequest,
  asked: string | undefined
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusals.Refusal, Scope.Scope> {
  const goesOn = isAsync(request)
  // The place is the prediction's where it goes on without its request.
  const own = yield* Scope.make()
  const place = goesOn ? own : yield* Effect.scope
  let isLeft = false
  const handled = Effect.gen(function* () {
    const limit = LargeJson.base64Bytes(served.limits.maxBytes)
    const body = yield* Scope.provide(Bodies.takeJson(served, request, limit), place)
    const { id: named, input, webhook } = yield* decodeBody(body)
    yield* Predictions.withoutWebhook(webhook)
    const id = asked ?? named ?? randomHex(16)
    const bytes = yield* LargeJson.fileOf(input.image, "input.image")
    const content = yield* Hashing.sha256(bytes)
    const key = keyOf(yield* currentSubject, id)
    const started = yield* Clock.currentTimeMillis
    const before = asked === undefined ? undefined : done.get(key)
    if (before?.content === content && started - before.completed < kept) return Predictions.tell(before)
    const cancelled = yield* Deferred.make<void>()
    const same = running.get(key)
    if (same !== undefined) {
      return same.content === content
        ? underWay(id)
        : yield* new Refusals.Refusal({ status: 409, detail: "Another image is predicted under this id now" })
    }
    yield* Scope.provide(
      Effect.acquireRelease(
        Effect.sync(() => running.set(key, { content, cancelled })),
        () => Effect.sync(() => running.delete(key))
      ),
      place
    )
    const over = (outcome: Predictions.Outcome) =>
      Effect.map(Clock.currentTimeMillis, (completed): Done => {
        const ended: Done = { id, started, completed, outcome, content }
        if (asked !== undefined || goesOn) {
          done.delete(key)
          done.set(key, ended)
          const [oldest] = done.keys()
          if (done.size > maxKept && oldest !== undefined) done.delete(oldest)
        }
        return ended
      })
    if (!goesOn)
      return Predictions.tell(yield* Effect.flatMap(Predictions.work(served, bytes, cancelled), over))
    isLeft = true
    yield* Predictions.workAlone(served, id, bytes, cancelled).pipe(
      Effect.flatMap(over),
      Effect.ensuring(Scope.close(own, Exit.void)),
      Effect.forkIn(server)
    )
    return underWay(id)
  })
  return yield* Effect.ensuring(
    handled,
    Effect.suspend(() => (goesOn && !isLeft ? Scope.close(own, Exit.void) : Effect.void))
  )
})

const put = (served: Served, known: Known, server: Scope.Scope): DialectRoute => ({
  method: "PUT",
  path: "/predictions/:id",
  // TorchServe has the path for files.
  takes: Bodies.isJson,
  handle: (request, { id }) => predict(served, known, server, request, id)
})

/** The dialect `cog`. */
export const make = (): Dialect => ({
  name: "cog",
  refuse,
  routes: (served) =>
    Effect.map(Effect.scope, (scope) => {
      const known: Known = { running: new Map(), done: new Map() }
      return [
        post("/predictions", (request) => predict(served, known, scope, request, undefined)),
        put(served, known, scope),
        get("/predictions/:id", (_, { id = "" }) =>
          Effect.flatMap(currentSubject, (subject) => {
            const key = keyOf(subject, id)
            const over = known.done.get(key)
            if (over !== undefined) return Effect.succeed(Predictions.tell(over))
            return known.running.has(key) ? Effect.succeed(underWay(id)) : Effect.fail(Predictions.unknown)
          })
        ),
        post("/predictions/:id/cancel", (_, { id = "" }) =>
          Effect.flatMap(currentSubject, (subject) => {
            const found = known.running.get(keyOf(subject, id))
            return found === undefined
              ? Effect.fail(Refusals.notFound("There is no prediction of this id under way"))
              : Effect.as(Deferred.succeed(found.cancelled, undefined), json({}))
          })
        ),
        get("/health-check", () =>
          Effect.map(Effect.all([served.health, served.state]), ([{ healthy }, { working }]) =>
            json({
              status: !healthy ? "STARTING" : working >= served.concurrency ? "BUSY" : "READY",
              setup: { status: healthy ? "succeeded" : "starting", logs: "" }
            })
          )
        )
      ]
    })
})
