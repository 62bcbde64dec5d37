/** Many images at a service that grants only so many a second: all come through, and few are sent twice. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Logger, type Scope, Stream } from "effect"
import {
  ImageSource,
  RateLimited,
  segment,
  segmentAll,
  type SegmentAllOptions,
  type SegmentationError,
  Transport
} from "effect-segformer"
import { Policy } from "effect-segformer/policy"
import { Fixtures } from "effect-segformer/testing"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as ConcurrencyLimiter from "../src/batch/ConcurrencyLimiter.ts"
import * as Storms from "./support/Storms.ts"

const image = ImageSource.bytes(Fixtures.image)
const images = (count: number) => Stream.fromIterable(Array.from({ length: count }, () => image))

const transportOf = (service: Storms.Service, policy: Policy.PolicyOptions = {}) => {
  const { attempt, requests } = Storms.asked(service)
  const transport = Transport.make({
    name: Storms.name,
    policy: Policy.make(policy),
    predict: (_, current) => Effect.as(attempt(current), Fixtures.prediction)
  })
  return { requests, transport }
}

const tagOf = <A, R>(call: Effect.Effect<A, SegmentationError, R>) =>
  Effect.match(call, { onSuccess: () => "success", onFailure: ({ _tag }) => _tag })

const settle = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  })

/** How many of so many images end how, and how many requests they took. */
type Run = (
  service: Storms.Service,
  count: number,
  concurrency: number,
  policy?: Policy.PolicyOptions
) => Effect.Effect<{ tags: ReadonlyArray<string>; requests: ReadonlyArray<number> }, never, Scope.Scope>

const bySegmentAll: Run = (service, count, concurrency, policy) =>
  Effect.gen(function* () {
    const { requests, transport } = transportOf(service, policy)
    const results = yield* segmentAll(images(count), { concurrency, order: "completion" }).pipe(
      Stream.runCollect,
      Effect.provideService(Transport, yield* transport),
      settle
    )
    return {
      tags: results.map(({ result }) => (result._tag === "Success" ? "success" : result.failure._tag)),
      requests
    }
  }).pipe(Effect.provide(Logger.layer([])))

/** What a batch puts around each call. */
const byBatch: Run = (service, count, concurrency, policy) =>
  Effect.gen(function* () {
    const { requests, transport } = transportOf(service, policy)
    const tags = yield* Effect.gen(function* () {
      const limiter = yield* ConcurrencyLimiter.make({ concurrency, maxWait: Duration.minutes(10) })
      const call = tagOf(limiter.pass(segment(image)))
      return yield* Effect.all(
        Array.from({ length: count }, () => call),
        { concurrency: "unbounded" }
      )
    }).pipe(Effect.provideService(Transport, yield* transport), settle)
    return { tags, requests }
  }).pipe(Effect.provide(Logger.layer([])))

const runs: ReadonlyArray<readonly [string, Run]> = [
  ["segmentAll", bySegmentAll],
  ["batch", byBatch]
]
const limits = [1, 5, 20].flatMap((perSecond) =>
  ([429, 503] as const).flatMap((status) =>
    [undefined, 1, 5].map((retryAfter) => [perSecond, status, retryAfter] as const)
  )
)

const check = <T>(
  pattern: fc.Arbitrary<T>,
  holds: (pattern: T) => Effect.Effect<void, never, Scope.Scope>,
  numRuns = 100
) =>
  fc.assert(
    fc.asyncProperty(pattern, (pattern) =>
      Effect.runPromise(holds(pattern).pipe(Effect.scoped, Effect.provide(TestClock.layer())))
    ),
    { numRuns }
  )

describe.each(runs)("%s at a service that grants so many a second", (_, run) => {
  it.effect.each(limits)(
    "%d, else %d with Retry-After %s: all 60 images come through, with at most 1.5 requests each",
    ([perSecond, status, retryAfter]) =>
      Effect.gen(function* () {
        const { requests, tags } = yield* run(Storms.limited(perSecond, { status, retryAfter }), 60, 4)
        assert.deepStrictEqual(new Set(tags), new Set(["success"]))
        assert.isAtMost(requests.length, 90)
      })
  )

  it("however it counts, and however long an answer takes", () =>
    check(
      fc.record({
        perSecond: fc.constantFrom(1, 2, 3, 5, 10, 20),
        status: fc.constantFrom<429 | 503>(429, 503),
        retryAfter: fc.constantFrom(undefined, 1, 2, 5, 30),
        counting: fc.constantFrom<Storms.Counting>("window", "sliding", "bucket", "spaced"),
        concurrency: fc.integer({ min: 1, max: 10 }),
        takes: fc.constantFrom(1, 20, 300, 1500)
      }),
      ({ concurrency, counting, perSecond, retryAfter, status, takes }) =>
        Effect.gen(function* () {
          const limited = Storms.limited(perSecond, { status, retryAfter }, counting)
          const service: Storms.Service = (now) => {
            const answer = limited(now)
            return answer.status === 200 ? { ...answer, takes } : answer
          }
          const { requests, tags } = yield* run(service, 60, concurrency)
          assert.deepStrictEqual(new Set(tags), new Set(["success"]))
          assert.isAtMost(requests.length, 90)
        })
    ))

  it.effect("is as fast as ever once the service grants more, and in no time slower than it must be", () =>
    Effect.gen(function* () {
      const one = Storms.limited(1, { status: 429 })
      const lifted: Storms.Service = (now) => (now < 60_000 ? one(now) : { status: 200, takes: 20 })
      const { requests } = yield* run(lifted, 3000, 4)
      assert.isAtMost(requests.at(-1)!, 150_000)
    })
  )

  it.effect("hardly slows down for one call in ten that fails at random", () =>
    Effect.gen(function* () {
      const { requests, tags } = yield* run(Storms.flaky(0.1, Storms.randomFrom(5)), 2000, 4)
      assert.isAtLeast(tags.filter((tag) => tag === "success").length, 1998)
      assert.isAtMost(requests.length, 2400)
      // Without any pauses but those of the calls themselves it takes 60 s.
      assert.isAtMost(requests.at(-1)!, 150_000)
    })
  )

  it.effect("that says when its next place is free: not all come back for that one", () =>
    Effect.gen(function* () {
      for (const perSecond of [1, 5]) {
        const granted: Array<number> = []
        const service: Storms.Service = (now) => {
          const recent = granted.filter((at) => at > now - 1000)
          if (recent.length >= perSecond) {
            return { status: 429, takes: 2, retryAfter: (recent[0]! + 1000 - now) / 1000 }
          }
          granted.push(now)
          return { status: 200, takes: 20 }
        }
        const { requests, tags } = yield* run(service, 60, 10)
        assert.deepStrictEqual(new Set(tags), new Set(["success"]))
        assert.isAtMost(requests.length, 90)
      }
    })
  )

  it.effect("to which another program goes as well, and takes half of it", () =>
    Effect.gen(function* () {
      for (const counting of ["window", "bucket"] as const) {
        const limited = Storms.limited(5, { status: 429 }, counting)
        let other = 0
        const service: Storms.Service = (now) => {
          // Every 400 ms the other one asks.
          for (; other <= now; other += 400) limited(other)
          return limited(now)
        }
        const { requests, tags } = yield* run(service, 60, 4)
        assert.deepStrictEqual(new Set(tags), new Set(["success"]))
        assert.isAtMost(requests.length, 90)
      }
    })
  )

  it.effect("is asked four times for the one image of a run that it never grants", () =>
    Effect.gen(function* () {
      for (const [status, policy, times] of [
        [429, {}, 4],
        [503, {}, 4],
        [503, { retry: { times: 1 } }, 2]
      ] as const) {
        const { requests } = yield* bySegmentAll(() => ({ status, takes: 1 }), 1, 4, policy)
        assert.lengthOf(requests, times)
      }
    })
  )

  it.effect("sits out a pause of the service", () =>
    Effect.gen(function* () {
      for (const answer of [
        { status: 0, takes: 1 },
        { status: 503, takes: 1 }
      ]) {
        const { tags } = yield* run(Storms.away(1000, 6000, answer), 500, 4)
        assert.deepStrictEqual(new Set(tags), new Set(["success"]))
      }
    })
  )
})

describe("segmentAll at a service that refuses", () => {
  const refuses =
    (retryAfter?: number): Storms.Service =>
    () => ({ status: 429, takes: 1, retryAfter })

  it.effect("everything: each image ends as refused, within minutes", () =>
    Effect.gen(function* () {
      const { requests, tags } = yield* bySegmentAll(refuses(), 20, 4)
      assert.deepStrictEqual(new Set(tags), new Set(["RateLimited"]))
      assert.isAtMost(requests.at(-1)!, 10 * 60_000)
    })
  )

  it.effect("for longer than one waits: each image says so at once", () =>
    Effect.gen(function* () {
      const { requests, tags } = yield* bySegmentAll(refuses(3600), 20, 4)
      assert.deepStrictEqual(new Set(tags), new Set(["RateLimited"]))
      assert.strictEqual(requests.length, 20)
      assert.isAtMost(requests.at(-1)!, 60_000)
    })
  )

  it.effect("makes no call again that may be made once, or until a deadline, or that its caller judges", () =>
    Effect.gen(function* () {
      const { requests, transport } = transportOf(Storms.limited(1, { status: 429 }))
      const service = yield* transport
      const all = (options: SegmentAllOptions) =>
        segmentAll(images(4), options).pipe(
          Stream.runCollect,
          Effect.provideService(Transport, service),
          Effect.map((results) => results.filter(({ result }) => result._tag === "Success").length),
          settle
        )
      assert.strictEqual(yield* all({ policy: { retry: false } }), 1)
      assert.strictEqual(requests.splice(0).length, 4)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* all({ retryWhen: (error) => !(error instanceof RateLimited) }), 1)
      assert.strictEqual(requests.splice(0).length, 4)
    }).pipe(Effect.provide(Logger.layer([])))
  )
})
