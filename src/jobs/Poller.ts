/**
 * Waits for many jobs at once: one timer for all of them, a bounded number of requests under way, and each job asked at
 * its own pace and never before its service wants to be.
 */
import { Clock, Duration, Effect, Exit, Fiber, Queue, Stream } from "effect"
import { TimedOut } from "../policy/PolicyError.ts"
import { isOver, type JobRef, type JobSnapshot, type JobStatus } from "./Job.ts"
import { endOf, type JobEnd } from "./JobEnd.ts"
import type { JobError } from "./JobError.ts"
import type { PaceOptions, Tempo } from "./Pace.ts"
import * as ErrorKind from "../ErrorKind.ts"

/** What waiting for many jobs may be told. */
export interface AwaitAllOptions<Output> {
  /** Questions and results under way at once, over all of the jobs. 4 by default. */
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
    Clock.clockWith((clock) => {
      const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
      const started = now()
      const waiting = new Set(
        Array.from(options.jobs, (job): Waited => ({ job, interval: tempo.interval, due: started }))
      )

      const end = (waited: Waited, exit: Exit.Exit<Value, E | JobError | TimedOut>) => {
        waiting.delete(waited)
        return Effect.asVoid(Queue.offer(queue, { job: waited.job, exit }))
      }

      /** Those nobody asks about any more and that may still run, until their service is told. */
      const left = new Set<Waited>()
      const telling: Array<Fiber.Fiber<void>> = []
      /** The others need not wait for that. */
      const leave = (waited: Waited) => {
        left.add(waited)
        const told = Effect.andThen(
          release([waited]),
          Effect.sync(() => void left.delete(waited))
        )
        return Effect.map(Effect.forkScoped(told), (fiber) => void telling.push(fiber))
      }

      /** One question, and what follows from its answer. */
      const ask = (waited: Waited) => {
        let isDone = false
        return Effect.gen(function* () {
          const snapshot = yield* options.status(waited.job)
          const { status } = snapshot
          waited.job = snapshot.job
          // What has a status that nobody knows may still run.
          isDone = isOver(status) && status._tag !== "Unknown"
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
              return Effect.andThen(
                end(waited, Exit.failCause(exit.cause)),
                isDone ? Effect.void : leave(waited)
              )
            }
            return exit.value === undefined ? Effect.void : end(waited, exit.value)
          })
        )
      }

      /** Cancels what nobody waits for any more, for as long as a caller may be held back by it. */
      const release = (left: Iterable<Waited>): Effect.Effect<void> =>
        abandoned === "leave"
          ? Effect.void
          : Effect.forEach(left, ({ job }) => Effect.ignore(options.cancel(job)), {
              concurrency,
              discard: true
            }).pipe(
              Effect.interruptible,
              Effect.timeout(options.cancelWithin),
              Effect.catch(() =>
                Effect.annotateLogs(
                  Effect.logWarning(
                    "Jobs that nobody waits for could not all be cancelled, and may still run"
                  ),
                  { service }
                )
              )
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
                Effect.suspend(() => {
                  const unfinished = [...waiting]
                  return Effect.andThen(
                    Effect.forEach(unfinished, late, { discard: true }),
                    release(unfinished)
                  )
                })
            })
      return bounded.pipe(
        Effect.andThen(Effect.suspend(() => Fiber.awaitAll(telling))),
        Effect.onInterrupt(() => release([...waiting, ...left])),
        Effect.andThen(Queue.end(queue))
      )
    })
  )
}
