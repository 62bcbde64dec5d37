/** How work that outlives a request ends other than well. */
import { Schema } from "effect"

/** The job was cancelled on the service's side: by its operator, by its limits, or by another caller. */
export class JobCancelled extends Schema.TaggedError<JobCancelled>()("JobCancelled", {
  service: Schema.String,
  jobId: Schema.String,
  requestId: Schema.optional(Schema.String),
  detail: Schema.String
}) {
  /** Never by itself: whoever cancelled it had a reason, and a new job may be paid again. */
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `Job ${this.jobId} was cancelled at ${this.service}${this.detail === "" ? "" : `: ${this.detail}`}`
  }
}
