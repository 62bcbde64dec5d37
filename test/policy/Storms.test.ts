/**
 * What the policy promises to many callers of a service in trouble, with its defaults: each row once as it is stated, and
 * again over patterns at random. Over sockets: `StormsOverSockets.slow.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, type Scope } from "effect"
import { CircuitOpen, Policy, PolicyRunner } from "effect-segformer/policy"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as Storms from "../support/Storms.ts"

const play = (
  service: Storms.Service,
  arrivals: ReadonlyArray<number>,
  policy: Policy.PolicyOptions = {}
): Effect.Effect<
  { calls: ReadonlyArray<Storms.Seen>; requests: ReadonlyArray<number> },
  never,
  Scope.Scope
> =>
  Effect.gen(function* () {
    const runner = yield* PolicyRunner.make({ service: Storms.name, policy: Policy.make(policy) })
    const { attempt, requests } = Storms.asked(service)
    const fiber = yield* Effect.forkChild(Storms.crowd(runner, attempt, arrivals))
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 minute")
    return { calls: yield* Fiber.join(fiber), requests }
  }).pipe(Effect.provide(Logger.layer([])))

const atOnce = (callers: number) => Array.from({ length: callers }, () => 0)
const tags = (calls: ReadonlyArray<Storms.Seen>) => [...new Set(calls.map(({ tag }) => tag))].toSorted()
const successes = (calls: ReadonlyArray<Storms.Seen>) => calls.filter(({ tag }) => tag === "success").length

/** Runs one pattern on a test clock of its own; a failed assertion rejects, and fast-check shrinks the pattern. */
const check = <T>(
  pattern: fc.Arbitrary<T>,
  holds: (pattern: T) => Effect.Effect<void, never, Scope.Scope>,
  numRuns = 40
) =>
  fc.assert(
    fc.asyncProperty(pattern, (pattern) =>
      Effect.runPromise(holds(pattern).pipe(Effect.scoped, Effect.provide(TestClock.layer())))
    ),
    { numRuns }
  )

/** Nobody listens, or somebody refuses. */
const absences = [
  { status: 0, takes: 1 },
  { status: 503, takes: 5 },
  { status: 503, takes: 5, retryAfter: 1 },
  { status: 500, takes: 100 }
] as const
const absence = fc.constantFrom(...absences)

describe("a service that is away for a moment", () => {
  const pauses = [1500, 5000].flatMap((pause) =>
    [1, 2, 4, 10, 50, 500].map((callers) => [pause, callers] as const)
  )
  it.effect.each(pauses)("%d ms, %d calls at once: all succeed, within 4 attempts", ([pause, callers]) =>
    Effect.gen(function* () {
      const { calls } = yield* play(Storms.away(0, pause), atOnce(callers))
      assert.deepStrictEqual(tags(calls), ["success"])
      assert.isAtMost(Math.max(...calls.map(({ attempts }) => attempts)), 4)
    })
  )

  it("for less than the waits of a call take, at any time, however many come and however: all succeed", () =>
    check(
      fc.record({
        from: fc.integer({ min: 0, max: 5000 }),
        lasts: fc.integer({ min: 1, max: 6500 }),
        answer: absence,
        arrivals: fc.array(fc.integer({ min: 0, max: 15_000 }), {
          minLength: 1,
          maxLength: 200,
          size: "max"
        }),
        concurrency: fc.constantFrom(1, 4, 10, 100)
      }),
      ({ answer, arrivals, concurrency, from, lasts }) =>
        Effect.gen(function* () {
          const { calls } = yield* play(Storms.away(from, from + lasts, answer), arrivals, { concurrency })
          assert.deepStrictEqual(tags(calls), ["success"])
          assert.isAtMost(Math.max(...calls.map(({ attempts }) => attempts)), 4)
        })
    ))

  it("a call by itself is tried at 0, 1, 3 and 7 s, however many others there are", () =>
    check(fc.integer({ min: 1, max: 60 }), (callers) =>
      Effect.gen(function* () {
        const { requests } = yield* play(Storms.away(0, 6000), atOnce(callers), { concurrency: 100 })
        // What an attempt takes comes on top: a millisecond each.
        assert.deepStrictEqual([...new Set(requests)], [0, 1001, 3002, 7003])
        assert.strictEqual(requests.length, callers * 4)
      })
    ))
})

describe("a service that grants so many a second", () => {
  const limits = [1, 5, 20].flatMap((perSecond) =>
    ([429, 503] as const).flatMap((status) =>
      [undefined, 1, 5].map((retryAfter) => [perSecond, status, retryAfter] as const)
    )
  )
  it.effect.each(limits)(
    "%d, else %d with Retry-After %s: 60 calls at once use each place that there is when they ask",
    ([perSecond, status, retryAfter]) =>
      Effect.gen(function* () {
        const { calls } = yield* play(Storms.limited(perSecond, { status, retryAfter }), atOnce(60))
        assert.strictEqual(successes(calls), Math.min(60, perSecond * 4))
        const refused = status === 429 ? "RateLimited" : "ServiceUnavailable"
        assert.deepStrictEqual(tags(calls), perSecond === 20 ? ["success"] : [refused, "success"])
      })
  )

  it("no circuit opens for it, and no budget is spent, however the calls come and the service counts", () =>
    check(
      fc.record({
        perSecond: fc.constantFrom(1, 2, 5, 20),
        status: fc.constantFrom<429 | 503>(429, 503),
        retryAfter: fc.constantFrom(undefined, 1, 3, 30),
        counting: fc.constantFrom<Storms.Counting>("window", "sliding", "bucket", "spaced"),
        arrivals: fc.array(fc.integer({ min: 0, max: 8000 }), { minLength: 1, maxLength: 120, size: "max" })
      }),
      ({ arrivals, counting, perSecond, retryAfter, status }) =>
        Effect.gen(function* () {
          const service = Storms.limited(perSecond, { status, retryAfter }, counting)
          const { calls } = yield* play(service, arrivals)
          const refused = status === 429 ? "RateLimited" : "ServiceUnavailable"
          assert.includeMembers([refused, "success"], tags(calls))
        })
    ))
})

describe("a service that is dead for 10 minutes, 20 calls a second", () => {
  const back = 600_000
  const longest = 7000 + 4 * 100

  it.effect.each([absences[0], absences[2]])("%j", (answer) =>
    Effect.gen(function* () {
      const { calls, requests } = yield* play(Storms.away(0, back, answer), Storms.steady(20, 700))
      const during = requests.filter((at) => at < back)
      assert.isAtMost(Storms.densest(during, 1000, 10_000), 1)
      const failed = calls.filter(({ tag }) => tag !== "success")
      assert.isAtMost(Math.max(...failed.map(({ began, ended }) => ended - began)), longest)
      // Later than in the first 10 s each says that it is dead, and since when.
      for (const { began, error } of failed) {
        if (began < 10_000) continue
        assert(error instanceof CircuitOpen)
        assert.strictEqual(error.since?.epochMilliseconds, 0)
        assert.include(error.message, "since 1970-01-01T00:00:00.000Z")
      }
      // It is noticed within one probe, and those who waited come back as slowly as they came.
      const returned = requests.find((at) => at >= back) ?? Number.POSITIVE_INFINITY
      assert.isAtMost(returned, back + 60_000)
      assert.isAtMost(Storms.densest(requests, 1000, back), 45)
      // 20 ms after the first that comes back.
      assert.isTrue(calls.filter(({ began }) => began > returned + 20).every(({ tag }) => tag === "success"))
    })
  )

  it("however calls come: at most one request a second after the first 10 s, and a return within one probe", () =>
    check(
      fc.record({
        answer: absence,
        lasts: fc.integer({ min: 60_000, max: 200_000 }),
        gaps: fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 50, maxLength: 50, size: "max" })
      }),
      ({ answer, gaps, lasts }) =>
        Effect.gen(function* () {
          const arrivals: Array<number> = []
          for (let at = 0, n = 0; at < lasts + 80_000; at += gaps[n++ % gaps.length]!) arrivals.push(at)
          const { calls, requests } = yield* play(Storms.away(0, lasts, answer), arrivals)
          const during = requests.filter((at) => at < lasts)
          assert.isAtMost(Storms.densest(during, 1000, 10_000), 1)
          const returned = requests.find((at) => at >= lasts) ?? Number.POSITIVE_INFINITY
          assert.isAtMost(returned, lasts + 60_000 + 200)
          const after = calls.filter(({ began }) => began > returned + 20)
          assert.isTrue(after.every(({ tag }) => tag === "success"))
        }),
      5
    ))
})

describe("a service that fails for one call in ten", () => {
  it.effect("2,000 calls: at least 99.9 % succeed, with at most 1.2 times the requests", () =>
    Effect.gen(function* () {
      for (const arrivals of [Storms.steady(20, 100), Storms.steady(400, 5), Storms.steady(1, 2000)]) {
        const { calls, requests } = yield* play(Storms.flaky(0.1, Storms.randomFrom(7)), arrivals)
        assert.isAtLeast(successes(calls), 1998)
        assert.isAtMost(requests.length, 2400)
      }
    })
  )

  it("at random: none fails but for what four attempts in a row met", () =>
    check(
      fc.record({
        seed: fc.integer(),
        share: fc.integer({ min: 1, max: 10 }),
        arrivals: fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 1, maxLength: 300, size: "max" })
      }),
      ({ arrivals, seed, share }) =>
        Effect.gen(function* () {
          const { calls } = yield* play(Storms.flaky(share / 100, Storms.randomFrom(seed)), arrivals)
          for (const { attempts, tag } of calls) {
            if (tag === "success") continue
            assert.strictEqual(tag, "ServiceUnavailable")
            assert.strictEqual(attempts, 4)
          }
        })
    ))
})

describe("a service that takes 29 s of 30 for each answer", () => {
  it("opens nothing and loses nothing", () =>
    check(
      fc.record({
        takes: fc.integer({ min: 20_000, max: 29_000 }),
        arrivals: fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 60, size: "max" })
      }),
      ({ arrivals, takes }) =>
        Effect.gen(function* () {
          const { calls, requests } = yield* play(Storms.slow(takes), arrivals)
          assert.deepStrictEqual(tags(calls), ["success"])
          assert.strictEqual(requests.length, arrivals.length)
        })
    ))
})
