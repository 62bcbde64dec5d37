/**
 * Who calls the services of `storms`: each with a policy of three retries after 1, 2 and 4 seconds, a circuit that opens at
 * five failures for a minute, and a time-out of 30 seconds, put together as its documentation shows it. The peers run on
 * fake timers, what is Effect's on its test clock: no time passes.
 */
import FakeTimers from "@sinonjs/fake-timers"
import * as cockatiel from "cockatiel"
import { Clock, Effect, Fiber, Logger, Schedule, Stream } from "effect"
import * as CircuitBreaker from "effect/persistence/CircuitBreaker"
import { TestClock } from "effect/testing"
import Opossum from "opossum"
import pLimit from "p-limit"
import pRetry from "p-retry"
import { ImageSource, segmentAll, Transport } from "../../../src/index.ts"
import { Policy, PolicyRunner } from "../../../src/policy/index.ts"
import { Fixtures } from "../../../src/testing/index.ts"
import * as Storms from "../../support/Storms.ts"

/** Calls that come at these times, in milliseconds; or so many images, so many at once. */
export type Crowd =
  | { readonly arrivals: ReadonlyArray<number> }
  | { readonly images: number; readonly atOnce: number }

/** When the service was asked, and how each call went: times in milliseconds. */
export interface Seen {
  readonly requests: ReadonlyArray<number>
  readonly calls: ReadonlyArray<Call>
}
export interface Call {
  readonly began: number
  readonly ended: number
  readonly succeeded: boolean
}

export type Subject = (service: Storms.Service, crowd: Crowd) => Promise<Seen>

/** A peer that lives in promises: `make` gives the policy that all its calls share. */
const promised =
  (make: () => (request: () => Promise<void>) => Promise<void>): Subject =>
  async (service, crowd) => {
    const clock = FakeTimers.install({
      now: 0,
      toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"]
    })
    try {
      const requests: Array<number> = []
      const request = async () => {
        requests.push(Date.now())
        const { status, takes } = service(Date.now())
        await new Promise((resolve) => setTimeout(resolve, takes))
        if (status !== 200) throw Object.assign(new Error(String(status)), { status })
      }
      const call = make()
      const calls: Array<Call> = []
      const one = async () => {
        const began = Date.now()
        const succeeded = await call(request).then(
          () => true,
          () => false
        )
        calls.push({ began, ended: Date.now(), succeeded })
      }
      const count = "images" in crowd ? crowd.images : crowd.arrivals.length
      if ("images" in crowd) {
        const limit = pLimit(crowd.atOnce)
        for (let image = 0; image < count; image++) void limit(one)
      } else {
        for (const at of crowd.arrivals) setTimeout(one, at)
      }
      while (calls.length < count) await clock.tickAsync(10_000)
      return { requests, calls }
    } finally {
      clock.uninstall()
    }
  }

const retries = { retries: 3, minTimeout: 1000, factor: 2, randomize: false } as const

const withOpossum = promised(() => {
  const breaker = new Opossum((request: () => Promise<void>) => request(), {
    timeout: 30_000,
    resetTimeout: 60_000,
    volumeThreshold: 5
  })
  return (request) => pRetry(() => breaker.fire(request), { ...retries, shouldRetry: () => !breaker.opened })
})

const withCockatiel = promised(() => {
  const policy = cockatiel.wrap(
    cockatiel.retry(cockatiel.handleAll, {
      maxAttempts: 3,
      backoff: new cockatiel.ExponentialBackoff({
        initialDelay: 1000,
        exponent: 2,
        generator: cockatiel.noJitterGenerator
      })
    }),
    cockatiel.circuitBreaker(cockatiel.handleAll, {
      halfOpenAfter: 60_000,
      breaker: new cockatiel.ConsecutiveBreaker(5)
    }),
    cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Aggressive)
  )
  return (request) => policy.execute(request)
})

/** Runs on a test clock, which goes on until it has ended. */
const onTestClock = (program: Effect.Effect<Seen>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(program)
    while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  }).pipe(
    Effect.scoped,
    Effect.provide(TestClock.layer()),
    Effect.provide(Logger.layer([])),
    Effect.runPromise
  )

/** A call, timed. */
const timed = <E>(call: Effect.Effect<unknown, E>): Effect.Effect<Call> =>
  Effect.gen(function* () {
    const began = yield* Clock.currentTimeMillis
    const exit = yield* Effect.exit(call)
    return { began, ended: yield* Clock.currentTimeMillis, succeeded: exit._tag === "Success" }
  })

/** All the calls of a crowd. */
const all = (crowd: Crowd, call: Effect.Effect<Call>): Effect.Effect<ReadonlyArray<Call>> =>
  "images" in crowd
    ? Effect.all(
        Array.from({ length: crowd.images }, () => call),
        { concurrency: crowd.atOnce }
      )
    : Effect.forEach(crowd.arrivals, (at) => Effect.delay(call, at), { concurrency: "unbounded" })

/** As Effect's documentation has it: the retries inside the circuit, the time-out inside both. */
const bareEffect: Subject = (service, crowd) =>
  onTestClock(
    Effect.gen(function* () {
      const { attempt, requests } = Storms.asked(service)
      const breaker = yield* CircuitBreaker.make({
        tripPolicy: CircuitBreaker.consecutive(5),
        openDuration: "60 seconds"
      })
      const current = {
        callId: "",
        idempotencyKey: "",
        number: 1,
        timeout: undefined,
        phase: "waiting" as const
      }
      const call = Effect.suspend(() => attempt({ ...current })).pipe(
        Effect.timeout("30 seconds"),
        Effect.retry({ schedule: Schedule.exponential("1 second"), times: 3 }),
        breaker.execute({ key: "storm" })
      )
      return { requests, calls: yield* all(crowd, timed(call)) }
    }).pipe(Effect.scoped, Effect.provide(CircuitBreaker.layerStoreMemory()))
  )

const ours: Subject = (service, crowd) =>
  onTestClock(
    Effect.gen(function* () {
      const { attempt, requests } = Storms.asked(service)
      const policy = Policy.make({})
      if (!("images" in crowd)) {
        const runner = yield* PolicyRunner.make({ service: Storms.name, policy })
        return { requests, calls: yield* all(crowd, timed(runner.run(attempt))) }
      }
      const transport = yield* Transport.make({
        name: Storms.name,
        policy,
        predict: (_, current) => Effect.as(attempt(current), Fixtures.prediction)
      })
      const image = ImageSource.bytes(Fixtures.image)
      const calls: Array<Call> = []
      yield* segmentAll(Stream.fromIterable(Array.from({ length: crowd.images }, () => image)), {
        concurrency: crowd.atOnce
      }).pipe(
        Stream.runForEach(({ result }) =>
          Effect.map(Clock.currentTimeMillis, (ended) => {
            calls.push({ began: 0, ended, succeeded: result._tag === "Success" })
          })
        ),
        Effect.provideService(Transport, transport)
      )
      return { requests, calls }
    }).pipe(Effect.scoped)
  )

export const subjects: Readonly<Record<string, Subject>> = {
  "effect-segformer": ours,
  "p-retry + opossum": withOpossum,
  cockatiel: withCockatiel,
  "bare Effect": bareEffect
}
