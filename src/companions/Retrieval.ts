/**
 * The retrieval service: papers by their DOI, found by jobs that take a while, over a VPN. It is healthy only with its
 * VPN up. Where no address is configured the layer is there all the same: each call fails with `ServiceNotConfigured`,
 * and it says that it is not healthy, and why.
 *
 * ```ts
 * import { Effect, FileSystem, Layer } from "effect"
 * import { Retrieval } from "effect-segformer/companions"
 *
 * const format = Effect.gen(function* () {
 *   const retrieval = yield* Retrieval
 *   const paper = yield* retrieval.retrieve({ doi: "10.1000/182" })
 *   return paper.file_format
 * })
 * const fake = Retrieval.fake({
 *   retrieval: {
 *     retrieve: ({ payload: { doi } }) =>
 *       Effect.succeed({ job_id: "1", doi, status: "completed", file_format: "pdf" })
 *   }
 * }).pipe(Layer.provide(FileSystem.layerNoop({})))
 * await Effect.runPromise(Effect.provide(format, fake)) // => "pdf"
 * ```
 */
import { Context, Duration, Effect, Exit, type FileSystem, Layer, Schema, type Scope, Stream } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { HttpApi, HttpApiClient, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import * as Download from "../jobs/Download.ts"
import type { JobRef, JobSnapshot, JobStatus } from "../jobs/Job.ts"
import * as JobApi from "../jobs/JobApi.ts"
import type { AwaitOptions, JobClient } from "../jobs/JobClient.ts"
import type { JobError } from "../jobs/JobError.ts"
import { type PolicyError, TimedOut } from "../policy/PolicyError.ts"
import type { InvalidConfig } from "../policy/Variable.ts"
import * as ServiceClient from "../service/ServiceClient.ts"
import type { InvalidUrl } from "../service/ServiceError.ts"
import type { Check, Report } from "../service/ServiceHealth.ts"
import { type ServiceNotConfigured, ServiceRegistry } from "../service/ServiceRegistry.ts"
import { type CompanionError, errorsOf } from "./CompanionError.ts"

/** A paper that is wanted. */
export const RetrievalRequest = Schema.Struct({
  doi: Schema.NonEmptyString,
  title: Schema.optionalKey(Schema.String),
  authors: Schema.optionalKey(Schema.Array(Schema.String)),
  /** For how long the service may look. 120 by default. */
  timeout_seconds: Schema.optionalKey(Schema.Finite)
})
export type RetrievalRequest = typeof RetrievalRequest.Type

/** What the service answers of a job. */
export const RetrievalJob = Schema.Struct({
  job_id: Schema.String,
  /** `pending`, `searching`, `downloading`, `completed` or `failed`. */
  status: Schema.String,
  doi: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** A path of the service's own machine: of no use here. */
  file_path: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** In bytes. */
  file_size: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
  /** Such as `pdf`. */
  file_format: Schema.optionalKey(Schema.NullOr(Schema.String)),
  error: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** `NOT_FOUND`, `DOWNLOAD_FAILED`, `VPN_ERROR` or `TIMEOUT`. */
  error_code: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export type RetrievalJob = typeof RetrievalJob.Type

const Health = Schema.Struct({
  status: Schema.String,
  vpn_connected: Schema.Boolean,
  vpn_ip: Schema.optionalKey(Schema.NullOr(Schema.String))
})

const { guarded, invalid, notFound } = errorsOf("retrieval")
const error = [...guarded, notFound, invalid] as const
const params = { id: Schema.String }

/** The contract of the service. */
export class RetrievalApi extends HttpApi.make("retrieval").add(
  HttpApiGroup.make("retrieval", { topLevel: true }).add(
    HttpApiEndpoint.post("retrieve", "/retrieve", {
      payload: RetrievalRequest,
      success: [RetrievalJob, RetrievalJob.pipe(HttpApiSchema.status(202))],
      error
    }),
    HttpApiEndpoint.get("status", "/jobs/:id", { params, success: RetrievalJob, error }),
    HttpApiEndpoint.get("file", "/jobs/:id/file", {
      params,
      success: HttpApiSchema.StreamUint8Array(),
      error
    }),
    HttpApiEndpoint.get("health", "/health", { success: Health, error })
  )
) {}

/** How retrieving fails. */
export type RetrievalError =
  | ServiceNotConfigured
  | CompanionError
  | ServiceClient.CallError
  | PolicyError
  | JobError
  | Download.Failure

type Jobs = JobClient<RetrievalRequest, RetrievalJob, RetrievalJob, RetrievalError>
type Waiting = AwaitOptions<RetrievalJob>

/** Where a paper goes. Its name is that of its DOI unless one is given. */
export type PaperOptions = Omit<Download.FileOptions, "length">

/** Papers by their DOI. */
export class Retrieval extends Context.Service<
  Retrieval,
  {
    /** Waits until the service has the paper, for at most 2 minutes. */
    readonly retrieve: (
      request: RetrievalRequest,
      options?: Waiting
    ) => Effect.Effect<RetrievalJob, RetrievalError>
    /** The same, and then the paper itself: at its name is the whole file, or nothing. */
    readonly retrieveAndDownload: (
      request: RetrievalRequest,
      options: PaperOptions & Waiting
    ) => Effect.Effect<Download.DownloadedFile, RetrievalError>
    /** The paper of a job that this process or another has started. */
    readonly download: (
      jobId: string,
      options: PaperOptions & Waiting
    ) => Effect.Effect<Download.DownloadedFile, RetrievalError>
    /** Jobs as such: to submit, to follow, to wait for many. */
    readonly jobs: Pick<Jobs, "submit" | "status" | "awaitAll" | "progress">
    /** Never fails: not configured, not there, and without its VPN are ways of not being healthy. */
    readonly health: Effect.Effect<Report>
  }
>()("effect-segformer/companions/Retrieval") {
  /** The service that `RETRIEVAL_SERVICE_URL` names, or one that says that none is named. */
  static readonly layer: Layer.Layer<
    Retrieval,
    InvalidConfig | InvalidUrl,
    ServiceRegistry | HttpClient.HttpClient | FileSystem.FileSystem
  > = Layer.effect(
    Retrieval,
    Effect.suspend(() =>
      Effect.catchTag(make, "ServiceNotConfigured", (error) => Effect.succeed(missing(error)))
    )
  )

  /** A service of functions, in tests. */
  static readonly fake = (handlers: Handlers): Layer.Layer<Retrieval, never, FileSystem.FileSystem> =>
    Layer.effect(
      Retrieval,
      Effect.suspend(() => makeFake(handlers))
    )
}

type Handlers = ServiceClient.FakeHandlersFor<typeof RetrievalApi>
type Client = ServiceClient.For<typeof RetrievalApi>

const statusOf = (job: RetrievalJob): JobStatus<RetrievalJob> => {
  switch (job.status) {
    case "pending":
      return { _tag: "Queued" }
    case "searching":
    case "downloading":
      return { _tag: "Running", detail: job.status }
    case "completed":
      return { _tag: "Succeeded", output: job }
    case "failed":
      return { _tag: "Failed", code: job.error_code ?? undefined, detail: job.error ?? "" }
    default:
      return { _tag: "Unknown", status: job.status }
  }
}

const snapshotOf = (job: RetrievalJob): JobSnapshot<RetrievalJob> => ({
  job: { jobId: job.job_id },
  status: statusOf(job)
})

const healthOf = (client: Pick<Client, "health">) =>
  Effect.map(client.health(), ({ status, vpn_connected }): Report => ({
    healthy: vpn_connected,
    detail: vpn_connected ? status : `${status}, but its VPN is down`
  }))

const answered = (check: Check): Effect.Effect<Report> =>
  Effect.catch(check, ({ message }) => Effect.succeed({ healthy: false, detail: message }))

const definition = { service: "retrieval", health: healthOf }

/** For how long the service may look, and is waited for, in seconds. */
const standardSeconds = 120

/** The DOI as a name: `10.1000/182` and `pdf` are `10.1000_182.pdf`. */
const nameOf = ({ doi, file_format, job_id }: RetrievalJob): string =>
  `${(doi ?? job_id).replaceAll(/[/\\]/g, "_")}${file_format ? `.${file_format}` : ""}`

const makeWith = Effect.fnUntraced(function* (
  client: Client,
  downloader: Download.Downloader
): Effect.fn.Return<Retrieval["Service"], never, Scope.Scope> {
  const { baseUrl, service } = ServiceClient.about(client)
  const urls = HttpApiClient.urlBuilder(RetrievalApi, { baseUrl })
  const jobs: Jobs = yield* JobApi.make(
    {
      service,
      submit: (request: RetrievalRequest) =>
        Effect.map(
          client.retrieve({ payload: { timeout_seconds: standardSeconds, ...request } }),
          snapshotOf
        ),
      status: ({ jobId }: JobRef) => Effect.map(client.status({ params: { id: jobId } }), snapshotOf),
      // What there is to know of it came with its status; the file itself has a way of its own.
      result: (_, job: RetrievalJob): Effect.Effect<RetrievalJob, RetrievalError> => Effect.succeed(job)
    },
    // Each call has a deadline of its own: who lets the service look for longer waits for longer.
    { deadline: false }
  )

  const within = <A>(
    seconds: number,
    self: Effect.Effect<A, RetrievalError>
  ): Effect.Effect<A, RetrievalError> => {
    const after = Duration.seconds(seconds)
    return Effect.timeoutOrElse(self, {
      duration: after,
      orElse: () =>
        Effect.fail(new TimedOut({ service, kind: "deadline", phase: "inferring", after, attempt: 1 }))
    })
  }
  const retrieve: Retrieval["Service"]["retrieve"] = (request, options) =>
    within(Math.max(standardSeconds, request.timeout_seconds ?? 0), jobs.submitAndAwait(request, options))

  const save = (job: RetrievalJob, { name, ...options }: PaperOptions) =>
    downloader.file(urls.file({ params: { id: job.job_id } }), {
      ...options,
      name: name ?? nameOf(job),
      length: job.file_size ?? undefined
    })

  return Retrieval.of({
    jobs,
    retrieve,
    retrieveAndDownload: (request, options) =>
      Effect.flatMap(retrieve(request, options), (job) =>
        save({ ...job, doi: job.doi ?? request.doi }, options)
      ),
    download: (jobId, options) =>
      Effect.flatMap(within(standardSeconds, jobs.resume(jobId, options)), (job) => save(job, options)),
    health: answered(ServiceClient.health(client))
  })
})

const make = Effect.gen(function* () {
  const { apiKey, baseUrl } = yield* (yield* ServiceRegistry).get(definition.service)
  const client = yield* ServiceClient.make(RetrievalApi, definition)
  return yield* makeWith(client, yield* Download.make({ service: { baseUrl, apiKey } }))
})

/** What there is where no address is configured. */
const missing = (error: ServiceNotConfigured): Retrieval["Service"] => {
  const fail = () => Effect.fail(error)
  return Retrieval.of({
    retrieve: fail,
    retrieveAndDownload: fail,
    download: fail,
    jobs: {
      submit: fail,
      status: fail,
      progress: () => Stream.fail(error),
      awaitAll: (jobs) => Stream.map(Stream.fromIterable(jobs), (job) => ({ job, exit: Exit.fail(error) }))
    },
    health: Effect.succeed({ healthy: false, detail: error.message })
  })
}

const makeFake = Effect.fnUntraced(function* (handlers: Handlers) {
  const client = yield* ServiceClient.fake(RetrievalApi, handlers)
  // Its files come from the same handlers.
  const files = HttpClient.make((request, url) =>
    client.file({ params: { id: decodeURIComponent(url.pathname.split("/").at(-2) ?? "") } }).pipe(
      Effect.flatMap((body) => Stream.toReadableStreamEffect(body)),
      Effect.matchEffect({
        onSuccess: (body) => Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body))),
        onFailure: (cause) =>
          Effect.fail(
            new HttpClientError.HttpClientError({
              reason: new HttpClientError.TransportError({ request, cause })
            })
          )
      })
    )
  )
  const downloader = yield* Download.make({ service: ServiceClient.about(client) }).pipe(
    Effect.provideService(HttpClient.HttpClient, files),
    Effect.orDie
  )
  return Retrieval.of({ ...(yield* makeWith(client, downloader)), health: answered(healthOf(client)) })
})
