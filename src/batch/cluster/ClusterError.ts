/** What keeps a run of many machines from being submitted, asked after, or told to stop. */
import { Schema } from "effect"
import * as ErrorKind from "../../ErrorKind.ts"

const database = ErrorKind.make({ concerns: "service", isRetryable: false, isTransient: true })

/** The database cannot be reached, or does not do what it is asked. */
export class DatabaseFailed extends database<DatabaseFailed>()("DatabaseFailed", {
  /** What was wanted of it, in words. */
  operation: Schema.String,
  detail: Schema.String,
  /** Host, port and name, without who asks. Known where it cannot be reached. */
  database: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const hint =
      this.database === undefined
        ? ""
        : `. Is PostgreSQL up at ${this.database}, and does the address name its user, as postgres://user:password@host:5432/name?`
    return `The database of the runs failed to ${this.operation}: ${this.detail}${hint}`
  }
}

/** There is no run of this name in the database. */
export class UnknownRun extends ErrorKind.ofCaller<UnknownRun>()("UnknownRun", {
  run: Schema.String
}) {
  override get message(): string {
    return `There is no run "${this.run}" in this database. "segformer runs" lists those there are`
  }
}

/** Another process is submitting images to this run now: their lists would get mixed up. */
export class RunIsBeingSubmitted extends ErrorKind.forNow<RunIsBeingSubmitted>()("RunIsBeingSubmitted", {
  run: Schema.String
}) {
  override get message(): string {
    return `Another process is submitting images to the run "${this.run}". Wait until it is done, or use another name`
  }
}

/** An image that only the submitting process can open. */
export class ImageNotShared extends ErrorKind.ofCaller<ImageNotShared>()("ImageNotShared", {
  run: Schema.String,
  key: Schema.String
}) {
  override get message(): string {
    return `The image "${this.key}" of the run "${this.run}" has no location that another machine could open: give it a path on a shared file system or a URL`
  }
}

/** A runner cannot listen at its address. */
export class RunnerNotListening extends ErrorKind.ofCaller<RunnerNotListening>()("RunnerNotListening", {
  address: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `This runner cannot listen at ${this.address}: ${this.detail}. Give it another port`
  }
}
