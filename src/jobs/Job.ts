/** A job as its service tells of it: where to find it again, and how far it is. Plain data, to be kept and sent. */
import type { Duration } from "effect"

/** Where a job is found again, by this process or another: its id is enough. */
export interface JobRef {
  readonly jobId: string
  /** Addresses that the service gave for it, such as those to ask and to cancel at. */
  readonly links?: Readonly<Record<string, string>> | undefined
}

/** How far a job is. The first two go on, the others are its end. */
export type JobStatus<Output> =
  | { readonly _tag: "Queued"; readonly detail?: string | undefined }
  | {
      readonly _tag: "Running"
      /** From 0 to 1, where the service says so. */
      readonly progress?: number | undefined
      readonly detail?: string | undefined
    }
  | { readonly _tag: "Succeeded"; readonly output: Output }
  | { readonly _tag: "Failed"; readonly code?: string | undefined; readonly detail: string }
  | { readonly _tag: "Cancelled"; readonly detail: string }
  /** A word that is none of the protocol's. */
  | { readonly _tag: "Unknown"; readonly status: string }

/** One answer about a job. */
export interface JobSnapshot<Output> {
  readonly job: JobRef
  readonly status: JobStatus<Output>
  /** When the service wants to be asked again, at the earliest. */
  readonly retryAfter?: Duration.Duration | undefined
  /** The id of the request that was answered. */
  readonly requestId?: string | undefined
}

/** Whether a job is over. */
export const isOver = (status: JobStatus<unknown>): boolean =>
  status._tag !== "Queued" && status._tag !== "Running"
