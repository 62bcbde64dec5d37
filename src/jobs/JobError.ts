/** How work that outlives a request ends other than well. */
import { Schema } from "effect"
import { ofService, said } from "../ErrorKind.ts"

const job = {
  /** The service that runs it. */
  service: Schema.String,
  jobId: Schema.String,
  requestId: Schema.optional(Schema.String)
}

/** The job was cancelled on the service's side: by its operator, by its limits, or by another caller. Never retried by itself: whoever cancelled it had a reason, and a new job may be paid again. */
export class JobCancelled extends ofService<JobCancelled>()("JobCancelled", {
  ...job,
  detail: Schema.String
}) {
  override get message(): string {
    return `Job ${this.jobId} was cancelled at ${this.service}${said(this.detail)}`
  }
}

/** The job ran and failed: its service says so. Never retried by itself: it would be a new job, paid again, which fails the same way. */
export class JobFailed extends ofService<JobFailed>()("JobFailed", {
  ...job,
  /** The service's own code, such as `DOWNLOAD_FAILED`. */
  code: Schema.optional(Schema.String),
  /** What the service said of it, at most 200 characters. */
  detail: Schema.String
}) {
  override get message(): string {
    const code = this.code === undefined ? "" : ` (${this.code})`
    return `Job ${this.jobId} failed at ${this.service}${code}${said(this.detail)}`
  }
}

/** The job has a status that this version does not know: whether it is over cannot be told. */
export class UnknownJobStatus extends ofService<UnknownJobStatus>()("UnknownJobStatus", {
  ...job,
  jobStatus: Schema.String
}) {
  override get message(): string {
    return `Job ${this.jobId} at ${this.service} has the status "${this.jobStatus}", which is none known here. Is the service newer than this library?`
  }
}

export const JobError = Schema.Union([JobFailed, JobCancelled, UnknownJobStatus])
/** Every way in which a job itself ends other than well. */
export type JobError = JobFailed | JobCancelled | UnknownJobStatus
