/**
 * Replicate's HTTP API, served: predictions as jobs that are submitted (`POST /v1/predictions`), asked about and
 * cancelled. `Prefer: wait` holds the answer to a submission until the prediction is over, for up to 60 seconds.
 *
 * `version` is the model's name, and so is what `POST /v1/models/{owner}/{name}/predictions` and that of deployments name. A
 * webhook is refused, as nothing is called here. The output is a data URL of a grey PNG whose pixels are class ids; `image` is a data
 * URL too, or the address of a file that was sent to `POST /v1/files`: this server fetches nothing on behalf of callers. Predictions go on when their connection ends; the last
 * ones that are over can be asked about until newer ones take their place.
 */
import { Clock, Deferred, Duration, Effect, Exit, Schema, Scope } from "effect"
import type { HttpServerRequest } from "effect/http"
import { randomHex } from "../../../randomHex.ts"
import * as Bodies from "../../Bodies.ts"
import { largest } from "../../Caller.ts"
import { type Dialect, type DialectRoute, get, post, type Served } from "../../Dialect.ts"
import * as JsonPieces from "../../JsonPieces.ts"
import * as LargeJson from "../../LargeJson.ts"
import * as ModelName from "../../ModelName.ts"
import * as Outside from "../../Outside.ts"
import * as Predictions from "../Predictions.ts"
import * as Refusals from "../../Refusal.ts"
import * as ReplicateFiles from "./ReplicateFiles.ts"
import * as ReplicateModels from "./ReplicateModels.ts"
import { currentSubject } from "../../Security.ts"

const refuse = (refusal: Refusals.Refusal) => {
  const { detail, reason } = refusal
  const status = reason === "busy" ? 429 : refusal.status === 400 ? 422 : refusal.status
  const title = status < 500 ? "Request not taken" : "Service not available"
  return Refusals.answer(refusal, { title, detail, status }, status)
}

const decodeBody = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(
    Schema.Struct({
      version: Schema.optionalKey(Schema.NullOr(Schema.String)),
      ...Predictions.fields
    })
  ),
  'The body must be JSON such as {"version": "segformer", "input": {"image": "data:image/png;base64,…"}}'
)

/** A prediction, from its submission on. */
interface Job {
  readonly id: string
  /** Whose it is: nobody else's to see or to end. */
  readonly owner: string | undefined
  readonly version: string
  readonly started: number
  readonly cancelled: Deferred.Deferred<void>
  readonly over: Deferred.Deferred<void>
  completed?: number
  outcome?: Predictions.Outcome
}

/** Predictions that are over and can still be asked about. */
const maxKept = 100

/** The longest that an answer is held, in seconds. */
const maxWait = 60

const told = (request: HttpServerRequest.HttpServerRequest, job: Job): Predictions.Told => {
  const get = `${Outside.addressOf(request)}/v1/predictions/${job.id}`
  const { completed, id, outcome, started, version } = job
  const more = {
    model: ModelName.alias,
    version,
    created_at: new Date(started).toISOString(),
    urls: { get, cancel: `${get}/cancel` }
  }
  return { id, started, completed, outcome, more }
}

const tell = (request: HttpServerRequest.HttpServerRequest, job: Job, status = 200) =>
  Predictions.tell(told(request, job), status)

/** `wait` is as long as may be, `wait=5` seconds. */
const waitOf = (request: HttpServerRequest.HttpServerRequest): number => {
  const [found, seconds] = /(?:^|[,\s])wait(?:=(\d{1,4}))?/.exec(request.headers["prefer"] ?? "") ?? []
  return found === undefined ? 0 : Math.min(maxWait, Number(seconds ?? maxWait))
}

/** For a version, or for the model or deployment that the path names. */
const submit = (
  path: `/${string}`,
  served: Served,
  files: ReplicateFiles.ReplicateFiles,
  jobs: Map<string, Job>,
  server: Scope.Scope
): DialectRoute =>
  post(
    path,
    Effect.fnUntraced(function* (request, { name, owner }) {
      // The place is the job's and not the request's.
      const place = yield* Scope.make()
      const job = yield* Effect.gen(function* () {
        const limit = LargeJson.base64Bytes(served.limits.maxBytes)
        const body = yield* Scope.provide(Bodies.takeJson(served, request, limit), place)
        const { input, version: given, webhook } = yield* decodeBody(body)
        yield* Predictions.withoutWebhook(webhook)
        const version = name ?? given
        if (typeof version !== "string") return yield* Refusals.bad('"version" is not there')
        yield* ReplicateModels.find(served, owner, version)
        const bytes = yield* fileOf(files, input.image)
        const made: Job = {
          id: randomHex(13),
          owner: yield* currentSubject,
          version,
          started: yield* Clock.currentTimeMillis,
          cancelled: yield* Deferred.make<void>(),
          over: yield* Deferred.make<void>()
        }
        jobs.set(made.id, made)
        yield* Predictions.workAlone(served, made.id, bytes, made.cancelled).pipe(
          Effect.flatMap((outcome) =>
            Effect.map(Clock.currentTimeMillis, (now) => {
              made.outcome = outcome
              made.completed = now
              makeRoom(jobs)
            })
          ),
          Effect.ensuring(Deferred.succeed(made.over, undefined)),
          Effect.ensuring(Scope.close(place, Exit.void)),
          Effect.forkIn(server)
        )
        return made
      }).pipe(Effect.onError(() => Scope.close(place, Exit.void)))
      const seconds = waitOf(request)
      if (seconds > 0) yield* Effect.timeoutOption(Deferred.await(job.over), Duration.seconds(seconds))
      return tell(request, job, 201)
    })
  )

/** The file of an input: sent ahead, or in the input itself. Nothing is fetched from elsewhere. */
const fileOf = Effect.fnUntraced(function* (
  files: ReplicateFiles.ReplicateFiles,
  image: Parameters<typeof LargeJson.fileOf>[0]
): Effect.fn.Return<Uint8Array, Refusals.Refusal> {
  if (typeof image !== "string") return yield* LargeJson.fileOf(image, "input.image")
  const sent = yield* files.find(image)
  if (sent !== undefined) return sent
  if (/^https?:/i.test(image)) {
    return yield* Refusals.bad(
      "input.image is no base64 of an image file but an address, and nothing is fetched from here: send the file"
    )
  }
  return yield* LargeJson.fileOf(image, "input.image")
})

/** Those of the caller who has most of them go first, the oldest before. */
const makeRoom = (jobs: Map<string, Job>): void => {
  const over = [...jobs.values()].filter(({ outcome }) => outcome !== undefined)
  if (over.length <= maxKept) return
  const most = largest(over.map(({ owner }) => [owner, 1] as const))
  const leaving = over.find(({ owner }) => owner === most)
  if (leaving !== undefined) jobs.delete(leaving.id)
}

const find = (jobs: Map<string, Job>, id = ""): Effect.Effect<Job, Refusals.Refusal> =>
  Effect.flatMap(currentSubject, (subject) => {
    const job = jobs.get(id)
    return job === undefined || job.owner !== subject ? Effect.fail(Predictions.unknown) : Effect.succeed(job)
  })

/** The dialect `replicate`. */
export const make = (): Dialect => ({
  name: "replicate",
  refuse,
  routes: (served) =>
    Effect.map(Effect.all([Effect.scope, Clock.currentTimeMillis]), ([scope, started]) => {
      const jobs = new Map<string, Job>()
      const files = ReplicateFiles.make(served)
      const paths = [
        "/v1/predictions",
        "/v1/models/:owner/:name/predictions",
        "/v1/deployments/:owner/:name/predictions"
      ] as const
      return [
        ...paths.map((path) => submit(path, served, files, jobs, scope)),
        ...files.routes,
        ...ReplicateModels.routes(served, started),
        get("/v1/predictions", (request) =>
          Effect.map(currentSubject, (subject) =>
            JsonPieces.answer(
              (function* () {
                yield '{"previous":null,"next":null,"results":['
                const own = [...jobs.values()].filter(({ owner }) => owner === subject).toReversed()
                yield* JsonPieces.list(own, (job) => Predictions.pieces(told(request, job)))
                yield "]}"
              })()
            )
          )
        ),
        get("/v1/predictions/:id", (request, { id }) =>
          Effect.map(find(jobs, id), (job) => tell(request, job))
        ),
        post(
          "/v1/predictions/:id/cancel",
          Effect.fnUntraced(function* (request, { id }) {
            const job = yield* find(jobs, id)
            yield* Deferred.succeed(job.cancelled, undefined)
            yield* Deferred.await(job.over)
            return tell(request, job)
          })
        )
      ]
    })
})
