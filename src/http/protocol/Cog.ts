/**
 * Cog: the HTTP server of models that are packaged with it, answering when the prediction is over.
 *
 * `PUT /predictions/{id}` with an id of ours finds the prediction that runs already, so that a lost answer starts no
 * second one. A model that is busy says 409: the call waits for its turn at the pace of a job, up to its deadline of
 * 10 minutes. Whoever gives up or is interrupted closes the connection and cancels the prediction.
 *
 * ```ts
 * import { Cog } from "effect-segformer/http"
 *
 * Cog.make({ inputs: { threshold: 0.5 }, job: { deadline: "2 minutes" } }).name // => "cog"
 * ```
 */
import { Clock, Effect, Schema } from "effect"
import type { HttpBody } from "effect/http"
import type { JobSnapshot } from "../../jobs/Job.ts"
import type * as JobClient from "../../jobs/JobClient.ts"
import type { Attempt } from "../../policy/Attempt.ts"
import * as RetryAfter from "../../policy/RetryAfter.ts"
import type { Prediction } from "../../Prediction.ts"
import type { SegmentationError } from "../../SegmentationError.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer, Exchange } from "../../service/Exchange.ts"
import * as ClassesIn from "../ClassesIn.ts"
import * as JobProtocol from "../JobProtocol.ts"
import { classesOf } from "../MaskDecoding.ts"
import * as Side from "../Side.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as Errors from "./Errors.ts"
import type { Protocol } from "./Protocol.ts"
import { statusOf } from "./Replicate.ts"
import * as ErrorKind from "../../ErrorKind.ts"

export interface CogOptions extends JobProtocol.OutputOptions {
  /** The input that takes the image. `image` by default. */
  readonly input?: string | undefined
  /** The model's other inputs. */
  readonly inputs?: Readonly<Record<string, unknown>> | undefined
  /** `"POST"` for servers too old to have the other, where a lost request is not sent again. `"PUT"` by default. */
  readonly method?: "PUT" | "POST" | undefined
  /** How often a busy model is asked, the deadline of the whole (10 minutes), and policies of each kind of request. */
  readonly job?: JobProtocol.JobOptions | undefined
  /** For `describe`: the server does not say. */
  readonly model?: string | undefined
}

const PredictionJson = Schema.Struct({
  status: Schema.String,
  output: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.Unknown),
  metrics: Schema.optionalKey(Schema.Unknown)
})
const decode = Decode.schema(PredictionJson)

const decodeHealth = Decode.schema(
  Schema.Struct({
    status: Schema.String,
    setup: Schema.optionalKey(
      Schema.NullOr(Schema.Struct({ logs: Schema.optionalKey(Schema.NullOr(Schema.String)) }))
    ),
    user_healthcheck_error: Schema.optionalKey(Schema.NullOr(Schema.String))
  })
)

const states: Readonly<Record<string, { readonly healthy: boolean; readonly detail: string }>> = {
  READY: { healthy: true, detail: "ready" },
  BUSY: { healthy: true, detail: "ready, and busy with another prediction" },
  STARTING: { healthy: false, detail: "its model is still being set up" },
  SETUP_FAILED: { healthy: false, detail: "setting its model up has failed" },
  DEFUNCT: { healthy: false, detail: "it has broken down and must be started again" },
  UNHEALTHY: { healthy: false, detail: "its own check of its health fails" }
}

/** A request that is on its way as a job, and what asking for it again takes: there is no other way to ask. */
interface Asking {
  readonly id: string
  readonly body: HttpBody.HttpBody
}

const snapshotOf = (
  answer: Answer,
  jobId: string
): Effect.Effect<JobSnapshot<JobProtocol.Output>, ServiceError> =>
  Effect.gen(function* () {
    const retryAfter = RetryAfter.fromHeaders(answer.headers, yield* Clock.currentTimeMillis)
    const common = { job: { jobId }, requestId: answer.requestId, retryAfter }
    if (answer.status === 409) return { ...common, status: { _tag: "Queued", detail: "the model is busy" } }
    const json = yield* decode(yield* Errors.ok(answer))
    const metrics = Errors.isRecord(json.metrics) ? json.metrics : {}
    const took = yield* Side.seconds(answer, "metrics.predict_time", metrics["predict_time"])
    return { ...common, status: statusOf(json, { answer, value: json.output, took }, answer.hide) }
  })

/** Cog's protocol. */
export const make = (options: CogOptions = {}): Protocol => {
  const { input = "image", inputs, method = "PUT", model = "unknown" } = options
  ErrorKind.oneOf("cog", "method", method, ["PUT", "POST"])
  ClassesIn.check("cog", options)
  const isPut = method === "PUT"
  const bodies = new Map<string, HttpBody.HttpBody>()
  const pathOf = (id: string) => (isPut ? `/predictions/${id}` : "/predictions")

  const contractOf = (
    exchange: Exchange
  ): JobClient.JobContract<Asking, JobProtocol.Output, JobProtocol.Result, ServiceError> => {
    const ask = ({ body, id }: Asking, attempt: Attempt) =>
      Effect.flatMap(exchange.send({ method, path: pathOf(id), body }, attempt), (answer) =>
        snapshotOf(answer, id)
      )
    return {
      service: exchange.service,
      key: exchange.origin,
      isRepeatable: isPut,
      jobOf: isPut ? (jobId) => ({ jobId }) : undefined,
      submit: ask,
      status: ({ jobId: id }, attempt) =>
        ask({ id, body: bodies.get(id) ?? ProtocolBody.json({ input: {} }) }, attempt),
      result: (_, output, attempt) => JobProtocol.fetchFiles(exchange, output, options, attempt),
      // Without an id of ours, closing the connection is all there is.
      cancel: isPut
        ? ({ jobId }, attempt) =>
            Effect.flatMap(
              exchange.send({ method: "POST", path: `${pathOf(jobId)}/cancel` }, attempt),
              // What is not found is over: closing the connection has ended it.
              (answer) => (answer.status === 404 ? Effect.succeed(answer) : Errors.ok(answer))
            )
        : undefined
    }
  }

  const clientOf = JobProtocol.clientsOf(contractOf, () => ({
    ...options.job,
    // Where there is no id, asking again would be another prediction.
    status: isPut ? options.job?.status : { ...options.job?.status, retry: false }
  }))
  const once = JobProtocol.makeOnce<Prediction, SegmentationError>()

  return {
    name: "cog",
    isJob: true,
    // The answer comes when the prediction is over.
    policy: { attemptTimeout: "10 minutes" },
    predict: (exchange, image, attempt, policy) =>
      once(attempt, (started) =>
        Effect.gen(function* () {
          const id = attempt.idempotencyKey
          const body = ProtocolBody.json({
            input: { ...inputs, [input]: yield* ProtocolBody.dataUrl(image) }
          })
          const client = yield* clientOf(exchange, policy)
          bodies.set(id, body)
          const done = yield* Effect.ensuring(
            client.submitAndAwait({ id, body }, { within: attempt, onStatus: () => started }),
            Effect.sync(() => bodies.delete(id))
          )
          attempt.phase = "decoding"
          return yield* JobProtocol.readOutput(done, image, options)
        })
      ),
    readError: Errors.read,
    health: {
      call: { method: "GET", path: "/health-check" },
      // The route answers 200 whatever the state: the field counts.
      read: (answer) =>
        Effect.map(Effect.flatMap(Errors.ok(answer), decodeHealth), (json) => {
          const state = states[json.status] ?? { healthy: false, detail: `its status is "${json.status}"` }
          const why = json.user_healthcheck_error
          return why === undefined || why === null ? state : { ...state, detail: `${state.detail}: ${why}` }
        })
    },
    describe: { name: model, classes: classesOf(options) }
  }
}
