/**
 * Waits for many jobs at once: one timer for all of them, a bounded number of requests under way, and each job asked at
 * its own pace and never before its service wants to be.
 */
import { Clock, Duration, Effect, Exit, FiberSet, Queue, Semaphore, Stream } from "effect"
import { TimedOut } from "../policy/PolicyError.ts"
import { isOver, type JobRef, type JobSnapshot, type JobStatus } from "./Job.ts"
import { endOf, type JobEnd } from "./JobEnd.ts"
import type { JobError } from "./JobError.ts"
import type { PaceOptions, Tempo } from "./Pace.ts"
import * as ErrorKind from "../ErrorKind.ts"

/** What waiting for many jobs may be told. */
export interface AwaitAllOptions<Output> {
  /** Questions and results under way at once, over all of the jobs, and as many cancellations. 4 by default. */
  readonly concurrency?: number | undefined
  /** Told of every answer, and the job that it is about. */
  readonly onStatus?: ((job: JobRef, status: JobStatus<Output>) => Effect.Effect<void>) | undefined
  /** What becomes of the jobs that are not over when their caller leaves, the deadline comes, or they cannot be asked about. `"cancel"` by default. */
  readonly abandoned?: "cancel" | "leave" | undefined
  /** Another pace than the client's. */
  readonly pace?: PaceOptions | undefined
}

export interface PollerOptions<Output, Value, E> extends AwaitAllOptions<Output> {
  readonly service: string
  readonly jobs: Iterable<JobRef>
  readonly tempo: Tempo
  readonly cancelWithin: Duration.Duration
  readonly status: (job: JobRef) => Effect.Effect<JobSnapshot<Output>, E>
  readonly result: (job: JobRef, output: Output) => Effect.Effect<Value, E>
  readonly cancel: (job: JobRef) => Effect.Effect<void, E>
}

/** One job that is waited for. */
interface Waited {
  /** As the service names it by now. */
  job: JobRef
  interval: Duration.Duration
  /** When it is asked next, in monotonic milliseconds. */
  due: number
  /** It has ended, well or not: there is nothing left to cancel. */
  isDone: boolean
}

/** Each job as it ends. */
export const awaitAll = <Output, Value, E>(
  options: PollerOptions<Output, Value, E>
): Stream.Stream<JobEnd<Value, E | JobError | TimedOut>> => {
  const { abandoned = "cancel", concurrency = 4, onStatus, service, tempo } = options
  ErrorKind.oneOf("JobClient", "abandoned", abandoned, ["cancel", "leave"])
  if (!(Number.isInteger(concurrency) && concurrency >= 1)) {
    throw new RangeError(
      `JobClient: \`concurrency\` must be a whole number of at least 1, but is ${concurrency}`
    )
  }
  return Stream.callback<JobEnd<Value, E | JobError | TimedOut>>((queue) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
      const started = now()
      const waiting = new Set(
        Array.from(options.jobs, (job): Waited => ({
          job,
          interval: tempo.interval,
          due: started,
          isDone: false
        }))
      )

      const end = (waited: Waited, exit: Exit.Exit<Value, E | JobError | TimedOut>) =>
        Effect.suspend(() => {
          waiting.delete(waited)
          return Effect.asVoid(Queue.offer(queue, { job: waited.job, exit }))
        })

      /** Those that nobody waits for any more and that may still run, until their service is told. */
      const left = new Set<Waited>()
      const cancels = yield* FiberSet.make()
      const permits = yield* Semaphore.make(concurrency)
      /** The others need not wait for that. */
      const leave = (waited: Waited): Effect.Effect<void> =>
        Effect.suspend(() => {
          if (!waiting.delete(waited) || waited.isDone || abandoned === "leave") return Effect.void
          left.add(waited)
          const cancelled = Effect.andThen(
            options.cancel(waited.job),
            Effect.sync(() => left.delete(waited))
          )
          const inTurn = permits.withPermit(Effect.timeout(cancelled, options.cancelWithin))
          return Effect.asVoid(FiberSet.run(cancels, Effect.ignore(inTurn)))
        }).pipe(Effect.uninterruptible)

      /** Until all are cancelled. A service that cancels none for so long is waited for no longer. */
      const released = Effect.gen(function* () {
        let before: number
        do {
          before = left.size
          yield* Effect.timeoutOption(FiberSet.awaitEmpty(cancels), options.cancelWithin)
        } while (left.size < before)
      })
      /** Says so of those that are not. */
      const givenUp = Effect.gen(function* () {
        yield* FiberSet.clear(cancels)
        if (left.size === 0) return
        yield* Effect.annotateLogs(
          Effect.logWarning("Jobs that nobody waits for could not all be cancelled, and may still run"),
          { service, jobs: left.size }
        )
      })

      /** One question, and what follows from its answer. */
      const ask = (waited: Waited) =>
        Effect.gen(function* () {
          const snapshot = yield* options.status(waited.job)
          const { status } = snapshot
          waited.job = snapshot.job
          // What has a status that nobody knows may still run.
          waited.isDone = isOver(status) && status._tag !== "Unknown"
          if (onStatus !== undefined) yield* onStatus(snapshot.job, status)
          if (status._tag === "Succeeded")
            return Exit.succeed(yield* options.result(snapshot.job, status.output))
          const error = endOf(service, snapshot)
          if (error !== undefined) return yield* error
          const wait = Duration.max(waited.interval, snapshot.retryAfter ?? Duration.zero)
          waited.interval = tempo.next(waited.interval)
          waited.due = now() + Duration.toMillis(wait)
          return undefined
        }).pipe(
          Effect.exit,
          Effect.flatMap((exit) => {
            if (Exit.isFailure(exit)) {
              if (Exit.hasInterrupts(exit)) return Effect.interrupt
              return Effect.uninterruptible(
                Effect.andThen(leave(waited), end(waited, Exit.failCause(exit.cause)))
              )
            }
            return exit.value === undefined ? Effect.void : end(waited, exit.value)
          })
        )

      const late = (waited: Waited) =>
        end(
          waited,
          Exit.fail(
            new TimedOut({
              service,
              kind: "deadline",
              phase: "inferring",
              after: tempo.deadline ?? Duration.zero,
              attempt: 1,
              requestId: waited.job.jobId
            })
          )
        )

      const rounds = Effect.gen(function* () {
        while (waiting.size > 0) {
          const due = [...waiting].filter((waited) => waited.due <= now())
          yield* Effect.forEach(due, ask, { concurrency, discard: true })
          const next = Math.min(...Array.from(waiting, ({ due }) => due))
          if (waiting.size > 0 && next > now()) yield* Effect.sleep(next - now())
        }
      })
      const bounded =
        tempo.deadline === undefined
          ? rounds
          : Effect.timeoutOrElse(rounds, {
              duration: tempo.deadline,
              orElse: () =>
                Effect.suspend(() =>
                  Effect.forEach([...waiting], (waited) => Effect.andThen(leave(waited), late(waited)), {
                    discard: true
                  })
                )
            })
      yield* bounded.pipe(
        Effect.andThen(released),
        // Who leaves is not held back for longer, whatever the service does.
        Effect.onInterrupt(() =>
          Effect.forEach([...waiting], leave, { discard: true }).pipe(
            Effect.andThen(Effect.timeoutOption(Effect.interruptible(released), options.cancelWithin))
          )
        ),
        Effect.ensuring(givenUp),
        Effect.andThen(Queue.end(queue))
      )
    }).pipe(Effect.scoped)
  )
}
