/** The contract of the retrieval service: jobs that look for papers by their DOI, the files that they find, and a VPN. */
import { Duration, Schema, SchemaTransformation } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import * as ErrorKind from "../ErrorKind.ts"
import { errorsOf } from "./CompanionError.ts"
import { maybe, open } from "./Schemas.ts"

/** A paper that is wanted. */
export const RetrievalRequest = open({
  doi: Schema.NonEmptyString,
  title: maybe(Schema.String),
  authors: maybe(Schema.Array(Schema.String)),
  /** For how long the service may look, and is waited for. 120 by default. */
  timeout_seconds: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0)))
})
export type RetrievalRequest = typeof RetrievalRequest.Type

/** Some services number their jobs. */
const JobId = Schema.Union([
  Schema.NonEmptyString,
  Schema.Int.pipe(
    Schema.decodeTo(
      Schema.NonEmptyString,
      SchemaTransformation.transform({ decode: (id) => String(id), encode: (id) => Number(id) })
    )
  )
])

/** Some write one author as a text. */
const Authors = Schema.Union([
  Schema.Array(Schema.String),
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.Array(Schema.String),
      SchemaTransformation.transform({
        decode: (author): ReadonlyArray<string> => [author],
        encode: (authors) => authors.join(", ")
      })
    )
  )
])

/** What the service answers of a job. */
export const RetrievalJob = open({
  job_id: JobId,
  /** `pending`, `searching`, `downloading`, `completed` or `failed`. */
  status: Schema.String,
  doi: maybe(Schema.String),
  title: maybe(Schema.String),
  authors: maybe(Authors),
  /** A path of the service's own machine: of no use here. */
  file_path: maybe(Schema.String),
  /** In bytes. */
  file_size: maybe(Schema.Finite),
  /** Such as `pdf`. */
  file_format: maybe(Schema.String),
  error: maybe(Schema.String),
  /** `NOT_FOUND`, `DOWNLOAD_FAILED`, `VPN_ERROR` or `TIMEOUT`. */
  error_code: maybe(Schema.String)
})
export type RetrievalJob = typeof RetrievalJob.Type

/** The time to wait for a paper is over, and its job is not. */
export class PaperNotReady extends ErrorKind.make({
  concerns: "service",
  isRetryable: false,
  isTransient: true
})<PaperNotReady>()("PaperNotReady", {
  service: Schema.String,
  doi: Schema.optional(Schema.String),
  /** Not known where the service has not even said that it took the job. */
  jobId: Schema.optional(Schema.String),
  after: Schema.DurationFromMillis
}) {
  override get message(): string {
    const paper = this.doi === undefined ? "The paper" : `The paper ${this.doi}`
    const job =
      this.jobId === undefined
        ? `${this.service} has not said that it looks for it`
        : `job ${this.jobId} at ${this.service} is not over, and may be asked for later`
    return `${paper} was not there within ${Duration.format(this.after)}: ${job}. Raise \`timeout_seconds\` or \`deadline\` if that is to be expected`
  }
}

const Health = open({
  status: Schema.String,
  vpn_connected: Schema.Boolean,
  vpn_ip: maybe(Schema.String)
})

const { guarded, invalid, notFound } = errorsOf("retrieval")
const error = [...guarded, notFound, invalid] as const
const params = { id: Schema.String }

/** The contract of the service. */
export class RetrievalApi extends HttpApi.make("retrieval").add(
  HttpApiGroup.make("retrieval", { topLevel: true }).add(
    HttpApiEndpoint.post("retrieve", "/retrieve", {
      payload: RetrievalRequest,
      success: [
        RetrievalJob,
        RetrievalJob.pipe(HttpApiSchema.status(202)),
        RetrievalJob.pipe(HttpApiSchema.status(201))
      ],
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
