/**
 * The retrieval service: papers by their DOI, found by jobs that take a while, over a VPN. It is healthy only with its
 * VPN up. In production, where no address is configured, the layer is there all the same: each call fails with
 * `ServiceNotConfigured`, and it says that it is not healthy, and why.
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
import { Context, Duration, Effect, Exit, type FileSystem, Layer, type Scope, Stream } from "effect"
import { HttpClient, HttpClientError, HttpClientResponse } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import * as Download from "../jobs/Download.ts"
import type { JobRef, JobSnapshot, JobStatus } from "../jobs/Job.ts"
import * as JobApi from "../jobs/JobApi.ts"
import type { AwaitOptions, JobClient } from "../jobs/JobClient.ts"
import type { JobError, JobFailed } from "../jobs/JobError.ts"
import type { PaceOptions } from "../jobs/Pace.ts"
import type { PolicyOptions } from "../policy/Policy.ts"
import { type PolicyError, TimedOut } from "../policy/PolicyError.ts"
import type { InvalidConfig } from "../policy/Variable.ts"
import * as ServiceClient from "../service/ServiceClient.ts"
import type { InvalidUrl } from "../service/ServiceError.ts"
import type { Report } from "../service/ServiceHealth.ts"
import { type ServiceNotConfigured, ServiceRegistry } from "../service/ServiceRegistry.ts"
import type { CompanionError } from "./CompanionError.ts"
import { PaperNotReady, RetrievalApi, type RetrievalJob, type RetrievalRequest } from "./RetrievalApi.ts"

/** How the service is, and the VPN that it needs, as far as it says. */
export interface RetrievalHealth extends Report {
  readonly vpn_connected?: boolean | undefined
  /** Its address within the VPN. */
  readonly vpn_ip?: string | undefined
}

/** How retrieving fails. */
export type RetrievalError =
  | ServiceNotConfigured
  | CompanionError
  | ServiceClient.CallError
  | PolicyError
  | JobError
  | PaperNotReady
  | Download.Failure

type Jobs = JobClient<RetrievalRequest, RetrievalJob, RetrievalJob, RetrievalError>

/** How a job is waited for. */
export interface WaitOptions
  extends
    Omit<AwaitOptions<RetrievalJob>, "pace" | "within">,
    Pick<PaceOptions, "interval" | "growth" | "maxInterval"> {
  /** For how long. As long as the service may look (`timeout_seconds`, else 2 minutes) by default; `false` for no end. */
  readonly deadline?: Duration.Input | false | undefined
}

/** Where a paper goes. Its name is that of its DOI unless one is given. */
export type PaperOptions = Omit<Download.FileOptions, "length">

/** A paper on the disk, and what its job came to. */
export interface RetrievedPaper extends Download.DownloadedFile {
  /** With its DOI, its format and its size. */
  readonly job: RetrievalJob
}

/** Papers by their DOI. */
export class Retrieval extends Context.Service<
  Retrieval,
  {
    /**
     * Waits until the service has the paper: asks every 2 seconds, for as long as the service may look. What the service
     * does not repeat of the request (DOI, title, authors) stands in the result as it was asked.
     */
    readonly retrieve: (
      request: RetrievalRequest,
      options?: WaitOptions
    ) => Effect.Effect<RetrievalJob, RetrievalError>
    /** The same, where a job that failed is a value as well: `status` is `failed`, with `error` and `error_code`. */
    readonly settle: (
      request: RetrievalRequest,
      options?: WaitOptions
    ) => Effect.Effect<RetrievalJob, Exclude<RetrievalError, JobFailed>>
    /** As `retrieve`, and then the paper itself: at its name is the whole file, or nothing. */
    readonly retrieveAndDownload: (
      request: RetrievalRequest,
      options: PaperOptions & WaitOptions
    ) => Effect.Effect<RetrievedPaper, RetrievalError>
    /** The paper of a job that this process or another has started. */
    readonly download: (
      jobId: string,
      options: PaperOptions & WaitOptions
    ) => Effect.Effect<RetrievedPaper, RetrievalError>
    /** Jobs as such: to submit, to follow, to wait for many. */
    readonly jobs: Pick<Jobs, "submit" | "status" | "awaitAll" | "progress">
    /** Never fails: not configured, not there, and without its VPN are ways of not being healthy. */
    readonly health: Effect.Effect<RetrievalHealth>
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
  switch (job.status.toLowerCase()) {
    case "pending":
      return { _tag: "Queued" }
    case "searching":
    case "downloading":
      return { _tag: "Running", detail: job.status.toLowerCase() }
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

const healthOf = (client: Pick<Client, "health">): Effect.Effect<RetrievalHealth> =>
  client.health().pipe(
    Effect.map(({ status, vpn_connected, vpn_ip }): RetrievalHealth => ({
      healthy: vpn_connected,
      detail: vpn_connected ? status : `${status}, but its VPN is down`,
      vpn_connected,
      ...(typeof vpn_ip === "string" ? { vpn_ip } : {})
    })),
    ServiceClient.asking((detail): RetrievalHealth => ({ healthy: false, detail })),
    Effect.catch(({ message }) => Effect.succeed<RetrievalHealth>({ healthy: false, detail: message })),
    Effect.tap(({ detail, healthy }) =>
      healthy ? Effect.void : Effect.logDebug(`retrieval is not healthy: ${detail}`)
    )
  )

const definition = { service: "retrieval", health: healthOf }

/** For how long the service may look, and is waited for, in seconds. */
const standardSeconds = 120

/** The DOI as a name: `10.1000/182` and `pdf` are `10.1000_182.pdf`. */
const nameOf = ({ doi, file_format, job_id }: RetrievalJob): string =>
  `${(doi ?? job_id).replaceAll(/[/\\]/g, "_")}${file_format ? `.${file_format}` : ""}`

const makeWith = Effect.fnUntraced(function* (
  client: Client,
  downloader: Download.Downloader,
  policy: PolicyOptions
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
    { deadline: false, growth: 1, submit: policy, status: policy, result: policy }
  )

  /** The options of the jobs' client, and its deadline in terms of what was asked for. */
  const waiting = <A>(
    asked: { readonly doi?: string; readonly timeout_seconds?: number },
    options: WaitOptions | undefined,
    wait: (options: AwaitOptions<RetrievalJob>) => Effect.Effect<A, RetrievalError>
  ): Effect.Effect<A, RetrievalError> => {
    const { deadline = Duration.seconds(asked.timeout_seconds ?? standardSeconds), ...given } = options ?? {}
    const { growth, interval, maxInterval, ...rest } = given
    return Effect.catchIf(
      wait({ ...rest, pace: { growth, interval, maxInterval, deadline } }),
      (error): error is TimedOut =>
        // The policy of a request may have a deadline too, and says so itself.
        error instanceof TimedOut && error.kind === "deadline" && error.phase === "inferring",
      ({ after, requestId }) =>
        Effect.fail(new PaperNotReady({ service, doi: asked.doi, jobId: requestId, after }))
    )
  }

  const retrieve: Retrieval["Service"]["retrieve"] = (request, options) =>
    Effect.map(
      waiting(request, options, (options) => jobs.submitAndAwait(request, options)),
      (job) => asAsked(job, request)
    )

  const save = (job: RetrievalJob, { name, ...options }: PaperOptions) =>
    Effect.map(
      downloader.file(urls.file({ params: { id: job.job_id } }), {
        ...options,
        name: name ?? nameOf(job),
        length: job.file_size ?? undefined
      }),
      (file): RetrievedPaper => ({ ...file, job: { ...job, file_size: job.file_size ?? file.size } })
    )

  return Retrieval.of({
    jobs,
    retrieve,
    settle: (request, options) =>
      Effect.catchTag(retrieve(request, options), "JobFailed", ({ code, detail, jobId }) =>
        Effect.succeed(
          asAsked({ job_id: jobId, status: "failed", error: detail, error_code: code ?? null }, request)
        )
      ),
    retrieveAndDownload: (request, options) =>
      Effect.flatMap(retrieve(request, options), (job) => save(job, options)),
    download: (jobId, options) =>
      Effect.flatMap(
        waiting({}, options, (options) => jobs.resume(jobId, options)),
        (job) => save(job, options)
      ),
    health: healthOf(client)
  })
})

/** What a service does not repeat of a request stands in its answer as it was asked. */
const asAsked = (job: RetrievalJob, { authors, doi, title }: RetrievalRequest): RetrievalJob => ({
  ...job,
  doi: job.doi ?? doi,
  ...((job.title ?? title) === undefined ? {} : { title: job.title ?? title ?? null }),
  ...((job.authors ?? authors) === undefined ? {} : { authors: job.authors ?? authors ?? null })
})

const make = Effect.gen(function* () {
  const { apiKey, baseUrl, policy } = yield* (yield* ServiceRegistry).get(definition.service)
  const client = yield* ServiceClient.make(RetrievalApi, definition)
  const { attemptTimeout, retry } = policy
  const downloads = yield* Download.make({ service: { baseUrl, apiKey }, policy: { attemptTimeout, retry } })
  return yield* makeWith(client, downloads, policy)
})

/** What there is where no address is configured. */
const missing = (error: ServiceNotConfigured): Retrieval["Service"] => {
  const fail = () => Effect.fail(error)
  return Retrieval.of({
    retrieve: fail,
    settle: fail,
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
  return yield* makeWith(client, downloader, { retry: false })
})
