/** What tests of the runner share. */
import { Duration, Effect, Fiber, Logger } from "effect"
import { type Attempt, Policy, PolicyRunner } from "effect-segformer/policy"
import {
  ConnectionFailed,
  RateLimited,
  ResponseNotDecodable,
  ServiceFailed,
  ServiceUnavailable,
  Unauthorized
} from "effect-segformer"
import { TestClock } from "effect/testing"

export const service = "http://test"
export const answer = { service, status: 503, detail: "" }
export const unavailable = new ServiceUnavailable(answer)
export const failed = new ServiceFailed({ ...answer, status: 500 })
export const refused = new ConnectionFailed({
  service,
  code: "ECONNREFUSED",
  phase: "sending",
  sent: "no",
  detail: ""
})
export const limited = (retryAfter?: Duration.Duration) =>
  new RateLimited({ ...answer, status: 429, retryAfter })
export const unauthorized = new Unauthorized({ ...answer, status: 401 })
export const notDecodable = new ResponseNotDecodable({
  service,
  status: 200,
  path: "",
  detail: "",
  excerpt: ""
})

export type Failure =
  | ServiceUnavailable
  | ServiceFailed
  | ConnectionFailed
  | RateLimited
  | Unauthorized
  | ResponseNotDecodable

/** Attempts that end one after the other as listed, and when each began, in milliseconds. */
export const scripted = (outcomes: ReadonlyArray<Failure | "never" | number>) => {
  const starts: Array<number> = []
  const seen: Array<Attempt> = []
  const attempt = (current: Attempt) =>
    Effect.flatMap(
      TestClock.testClockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe())),
      (now) => {
        const outcome = outcomes[starts.length] ?? outcomes.at(-1)!
        starts.push(now)
        seen.push({ ...current })
        return typeof outcome === "number"
          ? Effect.succeed(outcome)
          : outcome === "never"
            ? Effect.never
            : Effect.fail(outcome)
      }
    )
  return { starts, seen, attempt }
}

/** Runs to the end while the test clock goes on, second by second. */
export const settle = <A, E>(effect: Effect.Effect<A, E>, seconds = 300) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    for (let second = 0; second < seconds * 4 && fiber.pollUnsafe() === undefined; second++) {
      yield* TestClock.adjust("250 millis")
    }
    return yield* Fiber.join(fiber)
  })

export const make = (options: Policy.PolicyOptions = {}) =>
  PolicyRunner.make({ service, policy: Policy.make(options) })
export const quiet = Effect.provide(Logger.layer([]))
