/**
 * Replicate: a prediction is a job that is submitted, asked about, and whose output is fetched from where it lies.
 *
 * Each of these requests is retried by itself, under the transport's policy: questions as it says, the submission, which
 * is paid for, only where it provably cost nothing (`resend`). The job as a whole never is. Whoever gives up or is interrupted cancels it. Addresses that the service names are
 * called at its own origin only, but for the files of the output, which may lie at `hosts`; the key never goes there.
 *
 * ```ts
 * import { Redacted } from "effect"
 * import { Replicate, SegFormerHttp } from "effect-segformer/http"
 * import { Palette } from "effect-segformer/mask"
 *
 * const protocol = Replicate.make({ version: "5c7d5dc6", palette: Palette.ade20k })
 * const service = SegFormerHttp.layer({ baseUrl: Replicate.url, apiKey: Redacted.make("r8_…"), protocol })
 * protocol.name // => "replicate"
 * ```
 */
import { Clock, Duration, Effect, Schema } from "effect"
import type { HttpBody } from "effect/http"
import type { ImageError } from "../../image/ImageError.ts"
import type { Image } from "../../image/ImageSource.ts"
import type { JobRef, JobSnapshot, JobStatus } from "../../jobs/Job.ts"
import type * as JobClient from "../../jobs/JobClient.ts"
import * as RetryAfter from "../../policy/RetryAfter.ts"
import type { Prediction } from "../../Prediction.ts"
import type { SegmentationError } from "../../SegmentationError.ts"
import { type Hide, nothing } from "../../service/Hiding.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer, Exchange } from "../../service/Exchange.ts"
import type { Hosts } from "../../service/Hosts.ts"
import * as ClassesIn from "../ClassesIn.ts"
import * as JobProtocol from "../JobProtocol.ts"
import { classesOf } from "../MaskDecoding.ts"
import * as Side from "../Side.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as Errors from "./Errors.ts"
import type { Protocol } from "./Protocol.ts"
import * as ErrorKind from "../../ErrorKind.ts"

/** Where Replicate is. */
export const url = "https://api.replicate.com"

/** Where it keeps the files of outputs. */
const deliveryHosts: Hosts = ["replicate.delivery", "*.replicate.delivery"]

export interface ReplicateOptions extends JobProtocol.OutputOptions {
  /** The id of the model's version. */
  readonly version: string
  /** `owner/name`, to describe the model by, and to ask whether it is there. */
  readonly model?: string | undefined
  /** The input that takes the image. `image` by default. */
  readonly input?: string | undefined
  /** The model's other inputs. */
  readonly inputs?: Readonly<Record<string, unknown>> | undefined
  /** `"address"` passes on where the image was taken from (`ImageSource.url`). `"data-url"` by default. */
  readonly sendAs?: "data-url" | "address" | undefined
  /** Hold the answer to the submission until the job is over, at most this long and at most 60 s. Off by default. */
  readonly wait?: Duration.Input | undefined
  /** The pace of questions, the deadline of the whole (10 minutes), and policies of each kind of request. */
  readonly job?: JobProtocol.JobOptions | undefined
}

const PredictionJson = Schema.Struct({
  id: Schema.String,
  status: Schema.String,
  output: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(Schema.Unknown),
  logs: Schema.optionalKey(Schema.Unknown),
  metrics: Schema.optionalKey(Schema.Unknown),
  urls: Schema.optionalKey(Schema.Unknown)
})
const decode = Decode.schema(PredictionJson)

/** The part of an address that is below the service's base URL: another is never called with our key. */
const below = (exchange: Exchange, address: string | undefined): string | undefined => {
  const url = address !== undefined && URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined) return undefined
  const place = url.origin + url.pathname
  return place.startsWith(`${exchange.service}/`)
    ? place.slice(exchange.service.length) + url.search
    : undefined
}

/** The last percentage of a progress bar in the logs, from 0 to 1. */
const progressIn = (logs: unknown): number | undefined => {
  const last = [...(typeof logs === "string" ? logs : "").slice(-2000).matchAll(/(\d{1,3})%\|/g)].at(-1)?.[1]
  return last === undefined ? undefined : Math.min(1, Number(last) / 100)
}

/** The status of a prediction as JSON, in the words that Replicate and Cog share. */
export const statusOf = <A>(
  json: { readonly status: string; readonly error?: unknown; readonly logs?: unknown },
  output: A,
  hide: Hide = nothing
): JobStatus<A> => {
  const detail = hide(Errors.messageIn(json.error) ?? "")
  switch (json.status) {
    case "starting":
      return { _tag: "Queued" }
    case "processing":
      return { _tag: "Running", progress: progressIn(json.logs) }
    case "succeeded":
      return { _tag: "Succeeded", output }
    case "failed":
      return { _tag: "Failed", detail }
    case "canceled":
    case "aborted":
      return { _tag: "Cancelled", detail }
    default:
      return { _tag: "Unknown", status: hide(json.status) }
  }
}

/** Where the prediction is asked about: by its id, where it does not say. */
const linksIn = (urls: unknown): { readonly get?: string; readonly cancel?: string } => {
  const { cancel, get } = Errors.isRecord(urls) ? urls : {}
  return {
    ...(typeof get === "string" ? { get } : {}),
    ...(typeof cancel === "string" ? { cancel } : {})
  }
}

const snapshotOf = (answer: Answer): Effect.Effect<JobSnapshot<JobProtocol.Output>, ServiceError> =>
  Effect.gen(function* () {
    const json = yield* decode(yield* Errors.ok(answer))
    const metrics = Errors.isRecord(json.metrics) ? json.metrics : {}
    const took = yield* Side.seconds(answer, "metrics.predict_time", metrics["predict_time"])
    const { cancel, get } = linksIn(json.urls)
    return {
      job: {
        jobId: json.id,
        links: { ...(get === undefined ? {} : { get }), ...(cancel === undefined ? {} : { cancel }) }
      },
      status: statusOf(json, { answer, value: json.output, took }, answer.hide),
      retryAfter: RetryAfter.fromHeaders(answer.headers, yield* Clock.currentTimeMillis),
      requestId: answer.requestId
    }
  })

const pathOf = ({ jobId }: JobRef) => `/v1/predictions/${encodeURIComponent(jobId)}`

type Contract = JobClient.JobContract<HttpBody.HttpBody, JobProtocol.Output, JobProtocol.Result, ServiceError>

const contractOf = (exchange: Exchange, options: ReplicateOptions): Contract => ({
  service: exchange.service,
  key: exchange.origin,
  submit: (body, attempt) => {
    const held = options.wait === undefined ? undefined : Duration.fromInputUnsafe(options.wait)
    const headers: Record<string, string> =
      held === undefined ? {} : { prefer: `wait=${Math.min(60, Math.ceil(Duration.toSeconds(held)))}` }
    return Effect.flatMap(
      exchange.send({ method: "POST", path: "/v1/predictions", headers, body }, attempt),
      snapshotOf
    )
  },
  status: (job, attempt) => {
    const path = below(exchange, job.links?.["get"]) ?? pathOf(job)
    return Effect.flatMap(exchange.send({ method: "GET", path }, attempt), snapshotOf)
  },
  result: (_, output, attempt) => JobProtocol.fetchFiles(exchange, output, options, attempt),
  cancel: (job, attempt) => {
    const path = below(exchange, job.links?.["cancel"]) ?? `${pathOf(job)}/cancel`
    return Effect.flatMap(exchange.send({ method: "POST", path }, attempt), (answer) => Errors.ok(answer))
  }
})

const encode = (
  image: Image,
  { input = "image", inputs, sendAs, version }: ReplicateOptions
): Effect.Effect<HttpBody.HttpBody, ImageError> =>
  Effect.map(sendAs === "address" ? ProtocolBody.address(image) : ProtocolBody.dataUrl(image), (value) =>
    ProtocolBody.json({ version, input: { ...inputs, [input]: value } })
  )

/** Replicate's protocol, for one version of a model. */
export const make = (given: ReplicateOptions): Protocol => {
  ErrorKind.oneOf("replicate", "sendAs", given.sendAs, ["data-url", "address"])
  ClassesIn.check("replicate", given)
  const options = { hosts: deliveryHosts, ...given }
  const { model, version, wait } = options
  const clientOf = JobProtocol.clientsOf(
    (exchange) => contractOf(exchange, options),
    ({ attemptTimeout }) =>
      wait === undefined || attemptTimeout === undefined
        ? (options.job ?? {})
        : {
            ...options.job,
            // An answer that is held is under way for longer than others.
            submit: {
              attemptTimeout: Duration.sum(attemptTimeout, Duration.fromInputUnsafe(wait)),
              ...options.job?.submit
            }
          }
  )
  const once = JobProtocol.makeOnce<Prediction, SegmentationError>()
  return {
    name: "replicate",
    isJob: true,
    // Each job is paid for, and keys are not honoured.
    policy: { resend: "unless-sent" },
    predict: (exchange, image, attempt, policy) =>
      once(attempt, (started) =>
        Effect.gen(function* () {
          const body = yield* encode(image, options)
          const client = yield* clientOf(exchange, policy)
          const onStatus = () => started
          const done = yield* client.submitAndAwait(body, { within: attempt, onStatus })
          attempt.phase = "decoding"
          return yield* JobProtocol.readOutput(done, image, options)
        })
      ),
    readError: Errors.read,
    entry: { method: "POST", path: "/v1/predictions", body: ProtocolBody.json({}) },
    health: Errors.healthByStatus(model === undefined ? "/v1/account" : `/v1/models/${model}`),
    describe: { name: model ?? version, classes: classesOf(options) }
  }
}
