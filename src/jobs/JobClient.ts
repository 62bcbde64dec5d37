/**
 * Work that outlives a request: submitted, asked about, fetched, and cancelled when nobody waits for it any more.
 *
 * A contract says how one service does these; the client adds what all need. Each kind of request has a policy of its
 * own, so that a lost answer costs a question and not a job; every submission of one call carries one idempotency key;
 * questions keep a pace and a deadline; who is interrupted, or gives up, cancels the job on the service's side.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { JobClient } from "effect-segformer"
 *
 * const job = { jobId: "42" }
 * const program = Effect.gen(function* () {
 *   const squares = yield* JobClient.make<number, number, number, never>({
 *     service: "squares",
 *     submit: (side) => Effect.succeed({ job, status: { _tag: "Succeeded", output: side * side } }),
 *     status: () => Effect.succeed({ job, status: { _tag: "Running", progress: 0.5 } }),
 *     result: (_, area) => Effect.succeed(area)
 *   })
 *   return yield* squares.submitAndAwait(12)
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => 144
 * ```
 */
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Result, type Scope, Stream } from "effect"
import type { Attempt } from "../policy/Attempt.ts"
import { nestedIn } from "../policy/NestedAttempt.ts"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Policy from "../policy/Policy.ts"
import type { PolicyError } from "../policy/PolicyError.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import { randomHex } from "../randomHex.ts"
import { isOver, type JobRef, type JobSnapshot, type JobStatus } from "./Job.ts"
import { endOf, type JobEnd, unknown } from "./JobEnd.ts"
import type { JobError, UnknownJobStatus } from "./JobError.ts"
import * as Pace from "./Pace.ts"
import * as Poller from "./Poller.ts"
import type { AwaitAllOptions } from "./Poller.ts"
import * as ErrorKind from "../ErrorKind.ts"

/** How one service does jobs. Each function makes one request and classifies its failure; it never retries. */
export interface JobContract<in Input, Output, out Value, out E> {
  /** What errors and metrics call the service. */
  readonly service: string
  /** What its circuit is keyed by: the origin. The name by default. */
  readonly key?: string | undefined
  /** Starts a job, or finds the one that `attempt.idempotencyKey` has started already. */
  readonly submit: (input: Input, attempt: Attempt) => Effect.Effect<JobSnapshot<Output>, E>
  readonly status: (job: JobRef, attempt: Attempt) => Effect.Effect<JobSnapshot<Output>, E>
  /** What a job that succeeded gives, from its output: decoded, or downloaded. */
  readonly result: (job: JobRef, output: Output, attempt: Attempt) => Effect.Effect<Value, E>
  readonly cancel?: ((job: JobRef, attempt: Attempt) => Effect.Effect<unknown, E>) | undefined
  /** Where the caller names the job: the one that is submitted with this idempotency key. */
  readonly jobOf?: ((idempotencyKey: string) => JobRef) | undefined
  /**
   * Whether a repeated submission runs once, by its idempotency key. It does by default; where not, one is sent again
   * only if it provably never left.
   */
  readonly isRepeatable?: boolean | undefined
}

export interface JobClientOptions extends Pace.PaceOptions {
  /** Changes to `Policy.standard` for each kind of request. */
  readonly submit?: Policy.PolicyOptions | undefined
  readonly status?: Policy.PolicyOptions | undefined
  readonly result?: Policy.PolicyOptions | undefined
  /** For how long a caller that gives up is held back to cancel the job. 5 seconds by default. */
  readonly cancelWithin?: Duration.Input | undefined
}

export interface SubmitOptions {
  /** The same for what must run once. By default each call has its own, which all its attempts share. */
  readonly idempotencyKey?: string | undefined
  /** The attempt of another policy that this job is part of: its ids are used, and its phase is kept. */
  readonly within?: Attempt | undefined
}

export type { AwaitAllOptions, JobEnd }

export interface AwaitOptions<Output> {
  /** Told of every answer about the job, the last included. */
  readonly onStatus?: ((status: JobStatus<Output>) => Effect.Effect<void>) | undefined
  /** What becomes of the job when its caller is interrupted or gives up: `"cancel"`, which is the default. */
  readonly abandoned?: "cancel" | "leave" | undefined
  /** The attempt of another policy that this job is part of. */
  readonly within?: Attempt | undefined
  /** Another pace than the client's, for this job. */
  readonly pace?: Pace.PaceOptions | undefined
}

/** A client of one service's jobs. */
export interface JobClient<in Input, out Output, out Value, out E> {
  /** Starts a job and leaves it: what comes back is enough to find it again. */
  readonly submit: (
    input: Input,
    options?: SubmitOptions
  ) => Effect.Effect<JobSnapshot<Output>, E | PolicyError>
  /** One question. */
  readonly status: (job: JobRef) => Effect.Effect<JobSnapshot<Output>, E | PolicyError>
  /** Waits for the end of a job and fetches its result. */
  readonly await: (
    job: JobRef,
    options?: AwaitOptions<Output>
  ) => Effect.Effect<Value, E | PolicyError | JobError>
  /** Waits for a job that another process has started, by its id. */
  readonly resume: (
    jobId: string,
    options?: AwaitOptions<Output>
  ) => Effect.Effect<Value, E | PolicyError | JobError>
  /** Starts a job, waits for its end, and fetches its result; all of it before the deadline. */
  readonly submitAndAwait: (
    input: Input,
    options?: SubmitOptions & AwaitOptions<Output>
  ) => Effect.Effect<Value, E | PolicyError | JobError>
  /**
   * Waits for many jobs with one timer and few requests at once, and gives each as it ends. The deadline is over all of
   * them; one that fails ends none of the others.
   */
  readonly awaitAll: (
    jobs: Iterable<JobRef>,
    options?: AwaitAllOptions<Output>
  ) => Stream.Stream<JobEnd<Value, E | PolicyError | JobError>>
  /** Every answer about a job, up to the last, at the client's pace. Who stops looking does not cancel it. */
  readonly progress: (job: JobRef) => Stream.Stream<JobStatus<Output>, E | PolicyError | UnknownJobStatus>
  /** Asks the service to end a job. One that is over already is no failure. */
  readonly cancel: (job: JobRef) => Effect.Effect<void, E | PolicyError>
}

/** A client with the state of its policies, which ends with the scope. */
export const make = Effect.fnUntraced(function* <Input, Output, Value, E extends PolicyRunner.Failure>(
  contract: JobContract<Input, Output, Value, E>,
  options: JobClientOptions = {}
): Effect.fn.Return<JobClient<Input, Output, Value, E>, never, Scope.Scope> {
  const { service } = contract
  const runnerOf = (policy: Policy.PolicyOptions | undefined) =>
    PolicyRunner.make({ service, key: contract.key, policy: Policy.make(policy ?? {}) })
  const submits = yield* runnerOf(options.submit)
  const questions = yield* runnerOf(options.status)
  const results = yield* runnerOf(options.result)
  const cancels = yield* runnerOf(cancelPolicy)
  const cancelWithin = Duration.fromInputUnsafe(options.cancelWithin ?? "5 seconds")

  const submit = (input: Input, submitting?: SubmitOptions, waiting?: Waited<Output, E>) =>
    Effect.map(
      submits.run(
        (attempt) => {
          const sent = contract.submit(input, nestedIn(attempt, submitting?.within, keyOf(submitting)))
          if (waiting === undefined) return sent
          const answer = Deferred.makeUnsafe<JobSnapshot<Output> | undefined>()
          waiting.answer = answer
          return Effect.onExit(sent, (exit) =>
            Deferred.succeed(answer, Exit.isSuccess(exit) ? exit.value : undefined)
          )
        },
        contract.isRepeatable === false ? { retryWhen: neverSent } : undefined
      ),
      ({ value }) => value
    )

  const status = (job: JobRef, within?: Attempt) =>
    Effect.map(
      questions.run((attempt) => contract.status(job, nestedIn(attempt, within))),
      ({ value }) => value
    )

  const cancel = (job: JobRef, within?: Attempt): Effect.Effect<void, E | PolicyError> => {
    const { cancel } = contract
    return cancel === undefined
      ? Effect.void
      : Effect.asVoid(cancels.run((attempt) => cancel(job, nestedIn(attempt, within))))
  }

  /** Cancels for a caller that is leaving: it must not wait long, and has an error of its own. */
  const release = (waiting: Waited<Output, E>, within: Attempt | undefined): Effect.Effect<void> =>
    Effect.gen(function* () {
      const { answer, job, submission } = waiting
      if (submission !== undefined) {
        // Only the answer that is on its way says which job has been started; no other is asked for.
        const first = job === undefined && answer !== undefined ? yield* Deferred.await(answer) : undefined
        const exit = submission.pollUnsafe()
        yield* Fiber.interrupt(submission)
        if (job !== undefined && exit !== undefined && isRefused(exit)) return
        if (first !== undefined && !isOver(first.status)) waiting.job = first.job
      }
      if (waiting.job !== undefined) yield* cancel(waiting.job, within)
    }).pipe(
      Effect.interruptible,
      Effect.timeout(cancelWithin),
      Effect.catchCause((cause) =>
        Effect.annotateLogs(
          Effect.logWarning("A job that nobody waits for could not be cancelled, and may still run", cause),
          { service, jobId: waiting.job?.jobId }
        )
      )
    )

  /** From an answer to the value, by as many questions as it takes. */
  const settle = Effect.fnUntraced(function* (
    first: JobSnapshot<Output>,
    pace: Pace.Pace,
    waiting: Waited<Output, E>,
    awaiting: AwaitOptions<Output> | undefined
  ) {
    const within = awaiting?.within
    let snapshot = first
    while (true) {
      const { job } = snapshot
      const current = snapshot.status
      waiting.job = job
      waiting.over = current._tag === "Unknown" ? false : isOver(current)
      if (awaiting?.onStatus !== undefined) yield* awaiting.onStatus(current)
      if (current._tag === "Succeeded") {
        const fetched = results.run((attempt) =>
          contract.result(job, current.output, nestedIn(attempt, within))
        )
        return (yield* pace.within(fetched)).value
      }
      const ended = endOf(service, snapshot)
      if (ended !== undefined) return yield* ended
      if (within !== undefined) within.phase = "inferring"
      yield* pace.next(snapshot.retryAfter)
      snapshot = yield* pace.within(status(job, within))
    }
  })

  const startPace = (
    waiting: Pick<Waited<Output, E>, "job">,
    within: Attempt | undefined,
    own: Pace.PaceOptions = {}
  ) =>
    Pace.start(
      { ...options, ...omitUndefined(own) },
      {
        service,
        phase: () => within?.phase ?? "inferring",
        requestId: () => waiting.job?.jobId ?? within?.callId
      }
    )

  /** Runs what waits for a job, and cancels the job where that ends before the job does. */
  const abandoning = <A, E2>(
    self: (waiting: Waited<Output, E>) => Effect.Effect<A, E2>,
    awaiting: AwaitOptions<Output> | undefined
  ): Effect.Effect<A, E2> =>
    Effect.suspend(() => {
      ErrorKind.oneOf("JobClient", "abandoned", awaiting?.abandoned, ["cancel", "leave"])
      const waiting: Waited<Output, E> = {
        job: undefined,
        over: false,
        submission: undefined,
        answer: undefined
      }
      return Effect.onExit(self(waiting), (exit) =>
        Exit.isSuccess(exit) || waiting.over || awaiting?.abandoned === "leave"
          ? Effect.void
          : release(waiting, awaiting?.within)
      )
    })

  const awaitJob = (job: JobRef, awaiting?: AwaitOptions<Output>) =>
    abandoning((waiting) => {
      waiting.job = job
      return Effect.gen(function* () {
        const pace = yield* startPace(waiting, awaiting?.within, awaiting?.pace)
        return yield* settle(yield* pace.within(status(job, awaiting?.within)), pace, waiting, awaiting)
      })
    }, awaiting)

  const submitAndAwait = (input: Input, options?: SubmitOptions & AwaitOptions<Output>) =>
    abandoning(
      (waiting) =>
        Effect.gen(function* () {
          const idempotencyKey = keyOf(options) ?? randomHex(16)
          waiting.job = contract.jobOf?.(idempotencyKey)
          const pace = yield* startPace(waiting, options?.within, options?.pace)
          // A fiber of its own, so that a caller who is interrupted can still learn which job it has started.
          waiting.submission = yield* Effect.forkChild(submit(input, { ...options, idempotencyKey }, waiting))
          const first = yield* pace.within(Fiber.join(waiting.submission))
          waiting.submission = undefined
          return yield* settle(first, pace, waiting, options)
        }),
      options
    )

  const progress = (job: JobRef) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const pace = yield* startPace({ job }, undefined)
        const ask = Effect.fnUntraced(function* (
          last: Last<Output>
        ): Effect.fn.Return<
          readonly [JobStatus<Output>, Last<Output>] | undefined,
          E | PolicyError | UnknownJobStatus
        > {
          if (last.snapshot !== undefined) {
            if (isOver(last.snapshot.status)) return undefined
            yield* pace.next(last.snapshot.retryAfter)
          }
          const snapshot = yield* pace.within(status(last.job))
          if (snapshot.status._tag === "Unknown") return yield* unknown(service, snapshot, snapshot.status)
          return [snapshot.status, { job: snapshot.job, snapshot }]
        })
        return Stream.unfold<Last<Output>, JobStatus<Output>, E | PolicyError | UnknownJobStatus, never>(
          { job, snapshot: undefined },
          ask
        )
      })
    )

  const awaitAll = (jobs: Iterable<JobRef>, waiting: AwaitAllOptions<Output> = {}) =>
    Poller.awaitAll({
      ...waiting,
      service,
      jobs,
      tempo: Pace.tempo({ ...options, ...omitUndefined(waiting.pace ?? {}) }),
      cancelWithin,
      status: (job) => status(job),
      result: (job, output) =>
        Effect.map(
          results.run((attempt) => contract.result(job, output, attempt)),
          ({ value }) => value
        ),
      cancel: (job) => cancel(job)
    })

  return {
    submit,
    awaitAll,
    status: (job) => status(job),
    await: awaitJob,
    resume: (jobId, awaiting) => awaitJob({ jobId }, awaiting),
    submitAndAwait,
    progress,
    cancel: (job) => cancel(job)
  }
})

/** What is known of a job while somebody waits for it. */
interface Waited<Output, E> {
  job: JobRef | undefined
  /** It has ended, well or not: there is nothing left to cancel. */
  over: boolean
  /** The submission that is under way. */
  submission: Fiber.Fiber<JobSnapshot<Output>, E | PolicyError> | undefined
  /** What the attempt at it that is under way comes to; `undefined` where that fails. */
  answer: Deferred.Deferred<JobSnapshot<Output> | undefined> | undefined
}

/** A request that nobody took. */
const neverSent = (error: PolicyRunner.Failure): boolean => "sent" in error && error.sent === "no"

/** The service has answered a submission, and started nothing. */
const isRefused = (exit: Exit.Exit<unknown, PolicyRunner.Failure>): boolean => {
  const error = Exit.isFailure(exit) ? Result.getOrUndefined(Cause.findError(exit.cause)) : undefined
  return error !== undefined && (error.status !== undefined || neverSent(error))
}

/** What a stream of answers goes on from. */
interface Last<Output> {
  readonly job: JobRef
  readonly snapshot: JobSnapshot<Output> | undefined
}

/** Cancelling is quick or it is given up: whoever asks for it is leaving. */
const cancelPolicy: Policy.PolicyOptions = {
  attemptTimeout: Duration.seconds(2),
  retry: { times: 2, delay: Duration.millis(200) },
  breaker: false,
  retryBudget: false
}

/** The key of a submission: one's own, or that of the call that it is part of. */
const keyOf = (submitting: SubmitOptions | undefined): string | undefined =>
  submitting?.idempotencyKey ?? submitting?.within?.idempotencyKey

export type { JobRef, JobSnapshot, JobStatus } from "./Job.ts"
export type { PaceOptions } from "./Pace.ts"
