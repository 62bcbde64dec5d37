/** What a server is told about its jobs. */
import { type Duration, type Effect, Schema } from "effect"
import * as ErrorKind from "../../ErrorKind.ts"
import type { EndedJob } from "../Caller.ts"

export interface JobsOptions {
  /**
   * Where jobs are kept, so that they survive a restart. One server at a time works on a folder. By default a temporary
   * one, which goes with the server.
   */
  readonly folder?: string | undefined
  /** How long a job is kept once it is over. A day by default. */
  readonly keepFor?: Duration.Input | undefined
  /** Bytes that jobs may take on disk, as whole blocks. 4 GiB by default; what would exceed it is refused. */
  readonly maxStoredBytes?: number | undefined
  /** Jobs kept at once, those that are over included. 10,000 by default; one more is refused. */
  readonly maxJobs?: number | undefined
  /** Images of jobs worked on at once, so that those who wait are not kept waiting by them. 1 by default. */
  readonly concurrency?: number | undefined
  /** Told of each job that has ended, such as by the notification service. Nothing waits for it. */
  readonly onEnd?: ((job: EndedJob) => Effect.Effect<void>) | undefined
}

/** The folder of jobs cannot be used. */
export class CannotKeepJobs extends ErrorKind.ofCaller<CannotKeepJobs>()("CannotKeepJobs", {
  folder: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `Jobs cannot be kept in ${this.folder}: ${this.detail}`
  }
}
