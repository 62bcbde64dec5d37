/** How a job ended, and which error an answer about it is, where it is one. */
import type { Exit } from "effect"
import { excerpt } from "../service/ServiceError.ts"
import type { JobRef, JobSnapshot } from "./Job.ts"
import { JobCancelled, type JobError, JobFailed, UnknownJobStatus } from "./JobError.ts"

/** One of many jobs that is over, well or not. */
export interface JobEnd<out Value, out E> {
  readonly job: JobRef
  readonly exit: Exit.Exit<Value, E>
}

/** The error of a word that is none of the protocol's. */
export const unknown = (
  service: string,
  { job, requestId }: JobSnapshot<unknown>,
  { status }: { readonly status: string }
): UnknownJobStatus =>
  new UnknownJobStatus({ service, jobId: job.jobId, requestId, jobStatus: excerpt(status) })

/** The error of an end that is none to be glad of. */
export const endOf = (service: string, snapshot: JobSnapshot<unknown>): JobError | undefined => {
  const { requestId, status } = snapshot
  const { jobId } = snapshot.job
  switch (status._tag) {
    case "Failed":
      return new JobFailed({
        service,
        jobId,
        requestId,
        code: status.code === undefined ? undefined : excerpt(status.code),
        detail: excerpt(status.detail)
      })
    case "Cancelled":
      return new JobCancelled({ service, jobId, requestId, detail: excerpt(status.detail) })
    case "Unknown":
      return unknown(service, snapshot, status)
    default:
      return undefined
  }
}
