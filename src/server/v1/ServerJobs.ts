/**
 * The jobs of a `segformer serve` elsewhere, as a client: submit images, look after them, take the results, also in
 * another process and after the server was started again. It needs no Node.
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { ServerJobs } from "effect-segformer/api"
 * import { SegFormerServer } from "effect-segformer/server"
 * import { SharpCodec } from "effect-segformer/sharp"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 *
 * const segmenter = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
 * const server = SegFormerServer.layer({ port: 0 }).pipe(
 *   Layer.provide([segmenter, SharpCodec.layer, NodeFileSystem.layer])
 * )
 * const program = Effect.gen(function* () {
 *   const { url } = yield* SegFormerServer
 *   const jobs = yield* ServerJobs.make({ baseUrl: url, interval: "20 millis" })
 *   const { jobId, done } = yield* jobs.submitAndAwait([{ name: "a.png", bytes: Fixtures.image }])
 *   const { width, height } = yield* jobs.image(jobId, 0)
 *   return [done, width, height]
 * })
 * const found = Effect.scoped(Effect.provide(program, [server, FetchHttpClient.layer]))
 * await Effect.runPromise(found) // => [1, 48, 32]
 * ```
 */
import { Clock, Effect, type Scope, Stream } from "effect"
import type { HttpClient } from "effect/http"
import type { JobSnapshot, JobStatus } from "../../jobs/Job.ts"
import * as JobClient from "../../jobs/JobClient.ts"
import type { Attempt } from "../../policy/Attempt.ts"
import * as Policy from "../../policy/Policy.ts"
import type { PolicyError } from "../../policy/PolicyError.ts"
import * as PolicyRunner from "../../policy/PolicyRunner.ts"
import * as RetryAfter from "../../policy/RetryAfter.ts"
import * as Decode from "../../service/Decode.ts"
import * as Exchange from "../../service/Exchange.ts"
import * as Multipart from "../../service/Multipart.ts"
import type { InvalidUrl, ServiceError } from "../../service/ServiceError.ts"
import { ErrorBody } from "./ApiError.ts"
import { JobInfo } from "./JobsApi.ts"
import { SegmentResult } from "./SegmentApi.ts"

/** An image file, its name as the job will tell it. */
export interface JobFile {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface ServerJobsOptions extends Exchange.ExchangeOptions, JobClient.JobClientOptions {
  /** The model to ask for. The server's default by default. */
  readonly model?: string | undefined
}

/** The jobs of one server. A job of which no image could be segmented fails; of any other, `failed` tells how many. */
export interface ServerJobs extends JobClient.JobClient<
  ReadonlyArray<JobFile>,
  JobInfo,
  JobInfo,
  ServiceError
> {
  /** The result of one image, as soon as it is there. */
  readonly image: (jobId: string, index: number) => Effect.Effect<SegmentResult, ServiceError | PolicyError>
  /** The label PNG of one image: pixels are class ids. */
  readonly labels: (jobId: string, index: number) => Effect.Effect<Uint8Array, ServiceError | PolicyError>
  /** All results of a job that is over, as a zip. */
  readonly archive: (jobId: string) => Stream.Stream<Uint8Array, ServiceError | PolicyError>
}

const decodeInfo = Decode.schema(JobInfo)
const decodeResult = Decode.schema(SegmentResult)
const decodeError = Decode.schema(ErrorBody)

const ok = (answer: Exchange.Answer): Effect.Effect<Exchange.Answer, ServiceError> =>
  Exchange.isSuccess(answer)
    ? Effect.succeed(answer)
    : Effect.matchEffect(decodeError(answer), {
        onSuccess: ({ error }) => Exchange.failure(answer, { detail: error.message }),
        // An error page of a proxy, say.
        onFailure: () => Exchange.failure(answer)
      })

const statusOf = (info: JobInfo): JobStatus<JobInfo> => {
  const detail = `${info.done} of ${info.total} images are done`
  switch (info.status) {
    case "queued":
      return { _tag: "Queued" }
    case "running":
      return { _tag: "Running", progress: (info.done + info.failed) / Math.max(1, info.total), detail }
    case "succeeded":
      return { _tag: "Succeeded", output: info }
    case "failed":
      return { _tag: "Failed", code: info.error?.tag, detail: info.error?.message ?? detail }
    case "cancelled":
      return { _tag: "Cancelled", detail }
  }
}

const snapshot = (answer: Exchange.Answer): Effect.Effect<JobSnapshot<JobInfo>, ServiceError> =>
  Effect.gen(function* () {
    const info = yield* decodeInfo(yield* ok(answer))
    return {
      job: { jobId: info.jobId },
      status: statusOf(info),
      retryAfter: RetryAfter.fromHeaders(answer.headers, yield* Clock.currentTimeMillis),
      requestId: answer.requestId
    }
  })

/** A client with the state of its policies, which ends with the scope. */
export const make = Effect.fnUntraced(function* (
  options: ServerJobsOptions
): Effect.fn.Return<ServerJobs, InvalidUrl, HttpClient.HttpClient | Scope.Scope> {
  const exchange = yield* Exchange.make(options)
  const { origin: key, service } = exchange
  const query = options.model === undefined ? "" : `?model=${encodeURIComponent(options.model)}`
  const place = (jobId: string, rest = "") => `/v1/jobs/${encodeURIComponent(jobId)}${rest}`
  const ask = (method: "GET" | "DELETE", path: string, attempt: Attempt, accept?: string) =>
    exchange.send({ method, path, accept }, attempt)
  const client = yield* JobClient.make<ReadonlyArray<JobFile>, JobInfo, JobInfo, ServiceError>(
    {
      service,
      key,
      submit: (files, attempt) => {
        const body = Multipart.form(
          files.map(({ bytes, name }) => ({
            name: "image",
            content: {
              fileName: name,
              mediaType: "application/octet-stream",
              size: bytes.length,
              data: bytes
            }
          }))
        )
        return Effect.flatMap(
          exchange.send({ method: "POST", path: `/v1/jobs${query}`, body }, attempt),
          snapshot
        )
      },
      status: ({ jobId }, attempt) => Effect.flatMap(ask("GET", place(jobId), attempt), snapshot),
      result: (_, info) => Effect.succeed(info),
      cancel: ({ jobId }, attempt) => Effect.flatMap(ask("DELETE", place(jobId), attempt), ok)
    },
    options
  )
  const runner = yield* PolicyRunner.make({ service, key, policy: Policy.make(options.result ?? {}) })
  const image = (jobId: string, index: number, accept: string) =>
    Effect.map(
      runner.run((attempt) =>
        Effect.flatMap(ask("GET", place(jobId, `/images/${index}`), attempt, accept), ok)
      ),
      ({ value }) => value
    )
  return {
    ...client,
    image: (jobId, index) =>
      Effect.flatMap(image(jobId, index, "application/json"), (answer) => decodeResult(answer)),
    labels: (jobId, index) => Effect.map(image(jobId, index, "image/png"), ({ body }) => body),
    archive: (jobId) =>
      Stream.unwrap(
        Effect.map(
          runner.run((attempt) =>
            exchange.open(
              { method: "GET", path: place(jobId, "/result"), accept: "application/zip" },
              attempt,
              (answer) => Effect.flatMap(ok(answer), () => Exchange.failure(answer))
            )
          ),
          ({ value }) => value.body
        )
      )
  }
})
