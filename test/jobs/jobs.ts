/** What tests of the client of jobs share. */
import { Clock, Duration, Effect, Fiber, Logger } from "effect"
import { ConnectionFailed, JobClient, RequestRejected } from "effect-segformer"
import { TestClock } from "effect/testing"

export type Status = JobClient.JobStatus<string>

export const service = "http://test"
export const running: Status = { _tag: "Running", progress: 0.5 }
export const done: Status = { _tag: "Succeeded", output: "there" }
export const lost = new ConnectionFailed({ service, phase: "receiving", sent: "maybe", detail: "cut" })
export const refused = new RequestRejected({ service, status: 422, detail: "no" })
export type Failure = ConnectionFailed | RequestRejected
export const isFailure = (value: Status | Failure): value is Failure => value instanceof Error

export interface Script {
  /** Answers of the submission, one an attempt. */
  readonly submit?: ReadonlyArray<Status | Failure | "never">
  /** Answers to the questions; the last one is given for ever. */
  readonly statuses?: ReadonlyArray<Status | Failure>
  readonly retryAfter?: Duration.Duration
  readonly cancel?: Effect.Effect<void, Failure>
  readonly submitTakes?: Duration.Input
}

/** A service that runs one job for each idempotency key, and what it saw. */
export const scripted = (script: Script) => {
  const seen = {
    executions: new Set<string>(),
    submits: 0,
    asked: [] as Array<number>,
    cancelled: [] as Array<string>,
    results: 0
  }
  const contract: JobClient.JobContract<string, string, string, Failure> = {
    service,
    submit: (_, attempt) =>
      Effect.gen(function* () {
        const nth = seen.submits++
        const answer = script.submit?.[nth] ?? running
        seen.executions.add(attempt.idempotencyKey)
        if (script.submitTakes !== undefined) yield* Effect.sleep(script.submitTakes)
        if (answer === "never") return yield* Effect.never
        if (isFailure(answer)) return yield* answer
        return { job: { jobId: "j1" }, status: answer }
      }),
    status: (job) =>
      Effect.gen(function* () {
        seen.asked.push(yield* Clock.currentTimeMillis)
        const answers = script.statuses ?? [done]
        const answer = answers[seen.asked.length - 1] ?? answers.at(-1)!
        if (isFailure(answer)) return yield* answer
        return { job, status: answer, retryAfter: script.retryAfter }
      }),
    result: (_, output) => Effect.sync(() => (seen.results++, `${output} and back`)),
    cancel: (job) => {
      seen.cancelled.push(job.jobId)
      return script.cancel ?? Effect.void
    }
  }
  return { seen, contract }
}

export const client = (script: Script, options?: JobClient.JobClientOptions) => {
  const { seen, contract } = scripted(script)
  return Effect.map(JobClient.make(contract, options), (jobs) => ({ jobs, seen }))
}

/** Runs to the end while the test clock goes on. */
export const settle = <A, E>(effect: Effect.Effect<A, E>, seconds = 200) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    for (let step = 0; step < seconds * 4 && fiber.pollUnsafe() === undefined; step++) {
      yield* TestClock.adjust("250 millis")
    }
    return yield* Fiber.join(fiber)
  })

export const flipped = <A, E>(effect: Effect.Effect<A, E>) => Effect.flatten(settle(Effect.flip(effect)))
export const quiet = Effect.provide(Logger.layer([]))
