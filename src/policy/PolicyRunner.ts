/**
 * Runs a call under a policy: the one place where retries, time-outs, admission and the circuit breaker meet.
 *
 * From outside in: deadline, retries (with Retry-After and the retry budget), admission (a bounded queue before a limit on
 * concurrency, then the rate limit), circuit breaker, attempt time-out, the attempt. The breaker stands inside the retry, and
 * opens by failures that last: a call whose waits are longer than a pause does not lose by it. The attempt time-out stands inside
 * the breaker, so that stalled attempts count against the service.
 *
 * One runner belongs to one service: all its callers share queue, budget and circuit.
 */
import { Clock, Duration, Effect, Metric, Option, Semaphore, type Scope } from "effect"
import type { Attempt } from "./Attempt.ts"
import * as Backoff from "./Backoff.ts"
import * as Breaker from "./Breaker.ts"
import * as Policy from "./Policy.ts"
import {
  CircuitOpen,
  QueueFull,
  RetryBudgetSpent,
  TimedOut,
  type Phase,
  type PolicyError
} from "./PolicyError.ts"
import { randomHex } from "../randomHex.ts"
import * as Telemetry from "../TelemetryNames.ts"
import * as PolicyStores from "./PolicyStores.ts"
import * as RateLimit from "./RateLimit.ts"
import * as RetryBudget from "./RetryBudget.ts"
import { millis } from "./MonotonicClock.ts"

/** What the policy must know of an error to handle it: every error of this library says it of itself. */
export interface Failure extends Backoff.Failure {
  readonly _tag: string
  readonly isRetryable: boolean
  /** "no" where the request provably never reached the service. */
  readonly sent?: "no" | "maybe" | undefined
  /** The service said that it turned the request away before any work. */
  readonly wasRefused?: boolean | undefined
}

/** A value, and what it took to get it. */
export interface Outcome<A> {
  readonly value: A
  readonly attempts: number
  readonly callId: string
  /** From the call to its value, waits included. */
  readonly duration: Duration.Duration
}

export interface RunOptions<A, E> {
  /** Changes to the runner's policy for this call. The rest of it is shared by all calls. */
  readonly policy?: Policy.CallPolicyOptions | undefined
  /** Replaces `error.isRetryable`. Attempts, delays and Retry-After stay bounded by the policy. */
  readonly retryWhen?: ((error: E) => boolean) | undefined
  /** Repeat an attempt that succeeded with a value like this. The last value is given when attempts are used up. */
  readonly retryResult?: ((value: A) => boolean) | undefined
  /** Waited for before each attempt: to pace those of many calls. It does not count against the attempt. */
  readonly turn?: Effect.Effect<void> | undefined
  /** Whether the call's own waits may outlast an open circuit. They may, unless said otherwise. */
  readonly waitsForCircuit?: boolean | undefined
}

export interface PolicyRunner {
  /** What errors and metrics call the other side. */
  readonly service: string
  readonly policy: Policy.Policy
  /** The circuit that its attempts run through. */
  readonly circuit: Breaker.Circuit
  readonly run: <A, E extends Failure, R>(
    attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
    options?: RunOptions<A, E>
  ) => Effect.Effect<Outcome<A>, E | PolicyError, R>
}

/** A value that `retryResult` did not want: it takes the way of a failure until attempts are used up. */
class UnwantedResult<A> {
  readonly _tag = "UnwantedResult"
  readonly isRetryable = true
  readonly value: A
  constructor(value: A) {
    this.value = value
  }
  get message(): string {
    return "the result was not wanted (retryResult)"
  }
}

const durations = Telemetry.calls.histogram("segformer.call.duration")
const attempts = Telemetry.calls.counter("segformer.attempts")
const active = Telemetry.calls.gauge("segformer.attempts.active")

/** Whether the breaker holds a failure against the service: a transport failure, a time-out, or a 5xx. */
const countsAgainstService =
  ({ serverErrors }: Policy.BreakerPolicy) =>
  (error: Failure): boolean =>
    error.isRetryable && (error.status === undefined || (serverErrors && error.status >= 500))

/** The same of a whole call, which ends by what its attempts did. */
const callCounts = (policy: Policy.BreakerPolicy) => {
  const counts = countsAgainstService(policy)
  return (error: Failure): boolean =>
    counts(error) || error instanceof TimedOut || error instanceof RetryBudgetSpent
}

/** Whether a failed attempt provably cost nothing: it never reached the service, or the service turned it away. */
const wasFree = (error: Failure | PolicyError): boolean =>
  error instanceof TimedOut
    ? error.phase === "queued" || error.phase === "preparing"
    : ("sent" in error && error.sent === "no") || ("wasRefused" in error && error.wasRefused === true)

/** A runner with its state; it ends with the scope. */
export const make = Effect.fnUntraced(function* (options: {
  /** What errors and metrics call the other side. */
  readonly service: string
  /** What the circuit is keyed by: the origin of a service. The name by default. */
  readonly key?: string | undefined
  readonly policy: Policy.Policy
}): Effect.fn.Return<PolicyRunner, never, Scope.Scope> {
  const { service, key = service, policy: base } = options
  const permits = Semaphore.makeUnsafe(base.concurrency)
  const budget = base.retryBudget && (yield* budgetOf(key, base.retryBudget, base.retry.times))
  const breaker = base.breaker && (yield* Breaker.make(key, base.breaker, lasting(base, base.breaker)))
  const around = base.breaker?.around
  const counts = base.breaker && (around === "calls" ? callCounts : countsAgainstService)(base.breaker)
  const turn = base.rateLimit && (yield* RateLimit.make(key, base.rateLimit))
  const attributes = { [Telemetry.own.service]: service }
  const metrics = {
    attempts: Metric.withAttributes(attempts, attributes),
    active: Metric.withAttributes(active, attributes),
    duration: Metric.withAttributes(durations, attributes)
  }
  /** An attempt at a service is a request to it. */
  const kind = /^https?:/.test(key) ? "client" : "internal"
  let waiting = 0
  /** Calls that wait out an open circuit. They come back as slowly as they came, and not as a herd. */
  let outside = 0
  let nextBack = 0
  let between = 0
  const comeBack = Effect.flatMap(millis, (now) => {
    if (now >= nextBack) between = Backoff.length(base.retry) / outside
    const at = Math.max(now, nextBack)
    nextBack = at + between
    return at > now ? Effect.sleep(at - now) : Effect.void
  })

  const admit = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | QueueFull, R> =>
    Effect.suspend(() => {
      // Without a limit there is nothing to wait for.
      if (base.concurrency === Number.MAX_SAFE_INTEGER) return self
      return Effect.flatMap(
        permits.withPermitsIfAvailable(1)(self),
        (done): Effect.Effect<A, E | QueueFull, R> => {
          if (Option.isSome(done)) return Effect.succeed(done.value)
          if (waiting >= base.queue) {
            return Effect.fail(new QueueFull({ service, concurrency: base.concurrency, queue: base.queue }))
          }
          waiting++
          let left = false
          const leave = () => {
            if (!left) {
              left = true
              waiting--
            }
          }
          return permits
            .withPermit(Effect.suspend(() => (leave(), self)))
            .pipe(Effect.ensuring(Effect.sync(leave)))
        }
      )
    })

  const run = <A, E extends Failure, R>(
    attempt: (attempt: Attempt) => Effect.Effect<A, E, R>,
    runOptions?: RunOptions<A, E>
  ): Effect.Effect<Outcome<A>, E | PolicyError, R> =>
    Clock.clockWith((clock) => {
      const over = runOptions?.policy === undefined ? undefined : Policy.isOver(runOptions.policy)
      if (over !== undefined) {
        const after = Duration.zero
        return Effect.fail(
          new TimedOut({ service, kind: over, phase: "queued", after, attempt: 0, requestId: randomHex(16) })
        )
      }
      const policy = runOptions?.policy === undefined ? base : Policy.make(runOptions.policy, base)
      const { retryWhen, retryResult, waitsForCircuit = true } = runOptions ?? {}
      const waits = waitsForCircuit && policy.retry.times > 0 ? policy.retry.delay : Duration.zero
      const started = clock.monotonicTimeNanosUnsafe()
      const callId = randomHex(16)
      let number = 0
      let retries = 0
      let isOutside = false
      let phase: Phase = "queued"
      let previous: string | undefined
      /** Before the next attempt. */
      let wait = Duration.zero

      type Raised = E | PolicyError | UnwantedResult<A>

      const within = <B, F>(
        duration: Duration.Duration | undefined,
        kind: TimedOut["kind"],
        self: Effect.Effect<B, F, R>
      ): Effect.Effect<B, F | TimedOut, R> => {
        if (duration === undefined) return self
        const orElse = () => {
          const failure = kind === "deadline" ? previous : undefined
          return Effect.fail(
            new TimedOut({
              service,
              kind,
              phase,
              after: duration,
              attempt: number,
              requestId: callId,
              failure
            })
          )
        }
        return Effect.timeoutOrElse(self, { duration, orElse })
      }

      const once: Effect.Effect<A, Raised, R> = Effect.suspend(() => {
        phase = "queued"
        const timed = Effect.suspend(() => {
          number++
          const current: Attempt = {
            callId,
            idempotencyKey: callId,
            number,
            attempts: number + policy.retry.times - retries,
            timeout: policy.attemptTimeout,
            get phase() {
              return phase
            },
            set phase(next) {
              phase = next
            }
          }
          phase = "preparing"
          const work = Effect.andThen(Metric.update(metrics.attempts, 1), attempt(current))
          return within(policy.attemptTimeout, "attempt", work).pipe(
            inFlightOf(metrics.active),
            Telemetry.span("PolicyRunner.attempt", { ...attributes, [Telemetry.own.attempt]: number }, kind)
          )
        })
        const guarded: Effect.Effect<A, E | TimedOut | CircuitOpen, R> =
          breaker === undefined || counts === undefined || around === "calls"
            ? timed
            : breaker.protect(timed, counts, { previous, waits })
        const placed = admit(turn === undefined ? guarded : Effect.andThen(turn, guarded))
        const paced = runOptions?.turn === undefined ? placed : Effect.andThen(runOptions.turn, placed)
        const admitted =
          isOutside && breaker?.lastState() === "Closed" ? Effect.andThen(comeBack, paced) : paced
        return retryResult === undefined
          ? admitted
          : Effect.flatMap(admitted, (value) =>
              retryResult(value) ? Effect.fail(new UnwantedResult(value)) : Effect.succeed(value)
            )
      })

      const wantsRetry = (error: Raised): boolean => {
        if (error instanceof UnwantedResult) return true
        if (policy.resend === "unless-sent" && !wasFree(error)) return false
        // The policy's own errors are not the user's to judge.
        if (isOwn(error)) return error.isRetryable
        return retryWhen === undefined
          ? Backoff.isWanted(policy.retry, error, error.isRetryable)
          : retryWhen(error)
      }
      /** An open circuit is waited out as a delay is, where the delays that are left last longer. It costs no attempt. */
      const mayWaitFor = ({ retryAfter = Duration.zero }: CircuitOpen): boolean =>
        waitsForCircuit &&
        outside < base.queue &&
        Duration.toMillis(retryAfter) <= Backoff.length(policy.retry, retries + 1)
      const setOutside = (to: boolean): void => {
        if (to !== isOutside) outside += to ? 1 : -1
        isOutside = to
      }

      const mayRetry = (error: Raised): Effect.Effect<boolean, RetryBudgetSpent> => {
        setOutside(false)
        if (retries >= policy.retry.times) return Effect.succeed(false)
        // That of another service, which this one asks, is its failure like any other.
        if (error instanceof CircuitOpen && error.service === key) {
          if (!mayWaitFor(error)) return Effect.succeed(false)
          setOutside(true)
          retries++
          phase = "backing off"
          return Effect.succeed(true)
        }
        previous = error.message
        if (!wantsRetry(error)) return Effect.succeed(false)
        if (Backoff.asksTooMuch(policy.retry, error)) return Effect.succeed(false)
        phase = "backing off"
        const attemptsLeft = policy.retry.times - retries
        const attempts = number + attemptsLeft
        const again = Effect.logWarning(
          `Retrying in ${Backoff.inWords(wait)} (${number + 1} of ${attempts}): ${error.message}`
        ).pipe(
          Effect.annotateLogs({
            service,
            attempt: number + 1,
            attempts,
            attemptsLeft,
            waitMilliseconds: Math.round(Duration.toMillis(wait)),
            reason: error._tag,
            requestId: callId
          }),
          Effect.andThen(Effect.sync(() => ++retries > 0))
        )
        if (budget === undefined) return again
        return Effect.flatMap(budget.tryRetry, (allowed) =>
          allowed ? again : Effect.fail(new RetryBudgetSpent({ service, failure: error.message }))
        )
      }

      // Most calls succeed at once: the machinery of retries is set up by the first failure, which it starts with.
      const retryFrom = (first: Raised): Effect.Effect<A, Raised, R> => {
        let failure: Raised | undefined = first
        const schedule = Backoff.schedule(policy.retry, (next) => (wait = next))
        const next = Effect.suspend(() => {
          if (failure === undefined) return once
          const replayed = Effect.fail(failure)
          failure = undefined
          return replayed
        })
        return Effect.retry(next, { schedule, while: mayRetry }).pipe(
          Effect.catch((last) =>
            // Its last attempt was the probe of a circuit that it had waited for.
            number <= retries && breaker?.lastState() === "Open" && counts?.(last) === true
              ? breaker.open({ failure: last.message })
              : Effect.fail(last)
          ),
          Effect.ensuring(Effect.sync(() => setOutside(false)))
        )
      }
      const retried = policy.retry.times === 0 ? once : Effect.catch(once, retryFrom)

      const wanted: Effect.Effect<A, E | PolicyError, R> = Effect.catchIf(
        retried,
        (error): error is UnwantedResult<A> => error instanceof UnwantedResult,
        (unwanted) => Effect.succeed(unwanted.value)
      )

      const inTime = within(policy.deadline, "deadline", wanted)
      const guarded =
        breaker === undefined || counts === undefined || around !== "calls"
          ? inTime
          : breaker.protect(inTime, counts, { previous, waits: Duration.zero })
      const counted = budget === undefined ? guarded : budget.count(guarded)

      const elapsed = () => Duration.nanos(clock.monotonicTimeNanosUnsafe() - started)
      return counted.pipe(
        Effect.map((value): Outcome<A> => ({ value, attempts: number, callId, duration: elapsed() })),
        Effect.onExit((exit) => {
          const took = Duration.toSeconds(elapsed())
          if (exit._tag === "Success") return Metric.update(metrics.duration, took)
          const type = Telemetry.errorTypeOf(exit.cause)
          return Metric.update(
            Metric.withAttributes(metrics.duration, { [Telemetry.standard.errorType]: type }),
            took
          )
        })
      )
    })

  return { service, policy: base, circuit: breaker?.circuit ?? Breaker.closed, run }
})

/** How long failures must have lasted before the circuit opens, in milliseconds. */
const lasting = ({ retry }: Policy.Policy, breaker: Policy.BreakerPolicy): number =>
  breaker.lasting !== undefined
    ? Duration.toMillis(breaker.lasting)
    : breaker.around === "calls"
      ? 0
      : Math.min(Backoff.length(retry), Duration.toMillis(breaker.openFor))

/** The budget of a host, where transports share them, or one's own. */
const budgetOf = (key: string, policy: Policy.RetryBudgetPolicy, retries: number) => {
  const whole = { ...policy, burst: policy.burst ?? (policy.perSecond === 0 ? 0 : retries) }
  return Effect.map(
    PolicyStores.Stores,
    (shared) => shared?.budgets.of(key, whole) ?? RetryBudget.make(whole)
  )
}

const isOwn = (error: { readonly _tag: string }): error is PolicyError =>
  error instanceof TimedOut ||
  error instanceof QueueFull ||
  error instanceof CircuitOpen ||
  error instanceof RetryBudgetSpent

const inFlightOf =
  (gauge: Metric.Gauge<number>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Metric.modify(gauge, 1),
      () => self,
      () => Metric.modify(gauge, -1)
    )
