/**
 * Services in trouble, and crowds that call them, on a clock that is given: the tests of the policy and the benchmark
 * `storms` try the same ones.
 */
import { Clock, Duration, Effect, Fiber } from "effect"
import { ConnectionFailed, RateLimited, ServiceUnavailable } from "effect-segformer"
import type { Attempt, PolicyError, PolicyRunner } from "effect-segformer/policy"

/** How a service answers one request. */
export interface Answer {
  /** 0 where nobody listens. */
  readonly status: number
  /** Milliseconds. */
  readonly takes: number
  /** Seconds. */
  readonly retryAfter?: number | undefined
}

/** A service: what it answers a request at this time, in milliseconds. */
export type Service = (now: number) => Answer

const well: Answer = { status: 200, takes: 20 }
const nobody: Answer = { status: 0, takes: 1 }

/** Away from one time to another, and well before and after. */
export const away =
  (from: number, to: number, answer: Answer = nobody): Service =>
  (now) =>
    now >= from && now < to ? answer : well

/** How a service counts what it grants. */
export type Counting = "window" | "sliding" | "bucket" | "spaced"

/** Grants so many requests a second, and refuses all above. */
export const limited = (
  perSecond: number,
  refusal: { readonly status: 429 | 503; readonly retryAfter?: number | undefined },
  counting: Counting = "sliding"
): Service => {
  let granted: Array<number> = []
  let tokens = perSecond
  let filled = 0
  let last = Number.NEGATIVE_INFINITY
  const isGranted = (now: number): boolean => {
    switch (counting) {
      case "window":
        granted = granted.filter((at) => Math.floor(at / 1000) === Math.floor(now / 1000))
        break
      case "sliding":
        granted = granted.filter((at) => at > now - 1000)
        break
      case "bucket":
        tokens = Math.min(perSecond, tokens + ((now - filled) / 1000) * perSecond)
        filled = now
        return tokens >= 1 - 1e-9 && tokens-- > 0
      case "spaced":
        if (now - last < 1000 / perSecond - 1e-6) return false
        last = now
        return true
    }
    if (granted.length >= perSecond) return false
    granted.push(now)
    return true
  }
  return (now) => (isGranted(now) ? well : { ...refusal, takes: 2 })
}

/** Fails at random. */
export const flaky =
  (share: number, random: () => number): Service =>
  () =>
    random() < share ? { status: 503, takes: 2 } : well

export const slow =
  (takes: number): Service =>
  () => ({ status: 200, takes })

/** A source of numbers in [0, 1) that is the same each time (mulberry32). */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export const name = "http://storm"

export type Refusal = ConnectionFailed | RateLimited | ServiceUnavailable

/** What a transport would make of an answer. */
export const failureOf = ({ retryAfter, status }: Answer): Refusal | undefined => {
  const answer = {
    service: name,
    status,
    detail: "",
    retryAfter: retryAfter === undefined ? undefined : Duration.seconds(retryAfter)
  }
  if (status === 200) return undefined
  if (status === 0) {
    return new ConnectionFailed({
      service: name,
      code: "ECONNREFUSED",
      phase: "sending",
      sent: "no",
      detail: ""
    })
  }
  return status === 429 ? new RateLimited(answer) : new ServiceUnavailable(answer)
}

/** A service that keeps a list of when it was asked. */
export const asked = (service: Service) => {
  const requests: Array<number> = []
  const attempt = (current: Attempt): Effect.Effect<void, Refusal> =>
    Clock.clockWith((clock) => {
      const now = clock.currentTimeMillisUnsafe()
      requests.push(now)
      current.phase = "waiting"
      const answer = service(now)
      const failure = failureOf(answer)
      return Effect.delay(failure === undefined ? Effect.void : Effect.fail(failure), answer.takes)
    })
  return { requests, attempt }
}

/** How one call went. */
export interface Seen {
  readonly began: number
  readonly ended: number
  readonly attempts: number
  readonly tag: string
  readonly error: Refusal | PolicyError | undefined
}

/** One call at each of these times, in milliseconds from now; all of them settle. */
export const crowd = (
  runner: PolicyRunner.PolicyRunner,
  attempt: (current: Attempt) => Effect.Effect<void, Refusal>,
  arrivals: ReadonlyArray<number>
): Effect.Effect<ReadonlyArray<Seen>> =>
  Effect.gen(function* () {
    const start = yield* Clock.currentTimeMillis
    const fibers: Array<Fiber.Fiber<Seen>> = []
    const one = Effect.gen(function* () {
      const began = yield* Clock.currentTimeMillis
      let attempts = 0
      const counted = (current: Attempt) => {
        attempts++
        return attempt(current)
      }
      const error = yield* Effect.match(runner.run(counted), {
        onSuccess: () => undefined,
        onFailure: (error) => error
      })
      const ended = yield* Clock.currentTimeMillis
      return { began, ended, attempts, tag: error?._tag ?? "success", error }
    })
    for (const at of [...arrivals].sort((a, b) => a - b)) {
      const now = yield* Clock.currentTimeMillis
      if (start + at > now) yield* Effect.sleep(start + at - now)
      fibers.push(yield* Effect.forkChild(one, { startImmediately: true }))
    }
    return yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
  })

/** The most requests in any time of this length, in milliseconds, that begins at one of them from `from` on. */
export const densest = (requests: ReadonlyArray<number>, within: number, from = 0): number => {
  const times = requests.filter((at) => at >= from).sort((a, b) => a - b)
  let most = 0
  for (let first = 0, last = 0; last < times.length; last++) {
    while (times[last]! - times[first]! >= within) first++
    most = Math.max(most, last - first + 1)
  }
  return most
}

/** So many a second, for so many seconds, evenly. */
export const steady = (perSecond: number, seconds: number): ReadonlyArray<number> =>
  Array.from({ length: perSecond * seconds }, (_, index) => (index * 1000) / perSecond)
