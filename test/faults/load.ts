/** Rows: a service in trouble, and how much of it its callers make. */
import assert from "node:assert/strict"
import { Effect, Exit, Fiber } from "effect"
import { Transport } from "effect-segformer"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { attempts, ends, once, tags } from "./expect.ts"
import { eventually } from "../support/Eventually.ts"
import { ofDay } from "../support/TimeOfDay.ts"
import { comesUp, good, quick, type Scenario } from "./Harness.ts"

const states = Effect.flatMap(Transport, ({ runner }) => runner.circuit.state)

export const load: ReadonlyArray<Scenario> = [
  {
    fault: "503 for all callers: the retry budget",
    calls: 200,
    script: [Faulty.refuse(503)],
    http: { policy: { ...quick, breaker: false, concurrency: 50, retryBudget: { perSecond: 0 } } },
    holds: (seen) => {
      tags(seen, "RetryBudgetSpent", ...seen.tags.filter((tag) => tag === "ServiceUnavailable").slice(0, 1))
      assert.ok(seen.requests.length <= 240, `${seen.requests.length} requests for 200 calls`)
    }
  },
  {
    fault: "503 for all callers: the circuit",
    calls: 30,
    script: [Faulty.refuse(503)],
    http: { policy: { ...once, concurrency: 1 } },
    holds: (seen) => {
      assert.equal(seen.tags.filter((tag) => tag === "CircuitOpen").length, 25)
      attempts(seen, 5)
    }
  },
  {
    fault: "half of all answers are 503: the circuit, by rate",
    calls: 30,
    script: Faulty.flap(good, Faulty.refuse(503), { good: 1, bad: 1 }),
    http: {
      policy: { ...once, concurrency: 1, breaker: { rate: { threshold: 0.5, size: 10, minimumCalls: 10 } } }
    },
    holds: (seen) => attempts(seen, 10)
  },
  {
    fault: "the circuit was open: 20 calls at once, one probe",
    calls: 25,
    script: [Faulty.refuse(503)],
    http: { policy: { ...once, breaker: { openFor: "200 millis" } } },
    act: (call, server) =>
      Effect.gen(function* () {
        const failed = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.exit(call))
        yield* Effect.sleep("250 millis")
        server.behave([Faulty.delay("100 millis", Faulty.refuse(503))])
        const rest = Array.from({ length: 20 }, () => Effect.exit(call))
        return [...failed, ...(yield* Effect.all(rest, { concurrency: "unbounded" }))]
      }),
    holds: (seen) => {
      attempts(seen, 6)
      assert.equal(seen.tags.filter((tag) => tag === "CircuitOpen").length, 19)
    }
  },
  {
    fault: "the probe's caller gives up: the next call probes",
    calls: 7,
    script: [Faulty.refuse(503)],
    http: { policy: { ...once, breaker: { openFor: "200 millis" } } },
    act: (call, server) =>
      Effect.gen(function* () {
        const failed = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.exit(call))
        yield* Effect.sleep("250 millis")
        server.behave([Faulty.silence, good])
        const probe = yield* Effect.forkChild(call)
        yield* eventually(() => server.requests.length === 6)
        yield* Fiber.interrupt(probe)
        return [...failed, yield* Fiber.await(probe), yield* Effect.exit(call)]
      }),
    holds: (seen) => {
      assert.deepEqual(seen.tags.slice(5), ["interrupted", "success"])
      attempts(seen, 7)
    }
  },
  {
    fault: "the time of day jumps back an hour while the circuit is open",
    calls: 6,
    script: [Faulty.refuse(503)],
    http: { policy: { ...once, breaker: { openFor: "200 millis" } } },
    act: (call, server) =>
      Effect.gen(function* () {
        const failed = yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.exit(call))
        const open = (yield* states)._tag
        server.behave([good])
        yield* Effect.sleep("250 millis")
        const last = yield* Effect.exit(ofDay(-3_600_000)(call))
        return [...failed, open === "Open" ? last : Exit.die("it was not open")]
      }),
    holds: (seen) => assert.equal(seen.tags.at(-1), "success")
  },
  {
    fault: "flapping: one good, two bad",
    calls: 20,
    script: Faulty.flap(good, Faulty.resetBeforeHeaders, { good: 1, bad: 2 }),
    http: { policy: { ...quick, breaker: false, retryBudget: false } },
    act: (call) => Effect.forEach(Array.from({ length: 20 }), () => Effect.exit(call)),
    holds: ends("success", 58)
  },
  {
    fault: "down for 200 ms, then up",
    script: [good],
    http: { policy: { ...quick, retry: { delay: "100 millis" } } },
    act: comesUp,
    holds: ends("success", 1)
  },
  {
    fault: "ten callers, two at once, two may wait",
    calls: 10,
    script: [Faulty.delay("50 millis", good)],
    http: { policy: { ...quick, concurrency: 2, queue: 2 } },
    holds: (seen) => {
      assert.equal(seen.tags.filter((tag) => tag === "QueueFull").length, 6)
      assert.equal(seen.mostAtOnce, 2)
    }
  },
  {
    fault: "a rate limit of 20 a second",
    calls: 11,
    script: [good],
    http: { policy: { ...quick, rateLimit: { limit: 20, burst: 1 } } },
    holds: (seen) => {
      tags(seen, "success")
      assert.ok(seen.millis >= 480, `11 calls in ${seen.millis} ms`)
    }
  }
]
