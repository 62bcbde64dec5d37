import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Logger, type Scope } from "effect"
import * as Redis from "effect/persistence/Redis"
import { TestClock } from "effect/testing"
import { ServiceUnavailable } from "effect-segformer"
import { Policy, PolicyRunner, PolicyStores } from "effect-segformer/policy"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { good } from "../faults/Harness.ts"
import { uploadAnswer } from "../http/servers/InspectionServer.ts"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import * as Needs from "../support/Needs.ts"
import * as RedisServer from "../support/RedisServer.ts"
import * as TestServer from "../support/TestServer.ts"
import type { Calls } from "./redis/caller.ts"

/** Another process. It makes calls when it is told to. */
const caller = (redis: RedisServer.RedisServer) =>
  Effect.gen(function* () {
    const script = fileURLToPath(new URL("redis/caller.ts", import.meta.url))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => fork(script, [redis.path], { execArgv: ["-C", "effect-segformer-source"] })),
      (child) => Effect.sync(() => child.kill())
    )
    const told = Effect.promise(async (): Promise<unknown> => (await once(child, "message"))[0])
    assert.strictEqual(yield* told, "ready")
    return (calls: number, baseUrl: string, policy: Policy.PolicyOptions) =>
      Effect.suspend(() => {
        child.send({ calls, baseUrl, policy } satisfies Calls)
        return told
      })
  })

/** Two of them over one Redis. */
class Callers extends Context.Service<
  Callers,
  readonly [Effect.Success<ReturnType<typeof caller>>, Effect.Success<ReturnType<typeof caller>>]
>()("test/policy/Callers") {
  static readonly layer = Layer.effect(
    Callers,
    Effect.flatMap(RedisServer.make, (redis) =>
      Effect.all([caller(redis), caller(redis)], { concurrency: 2 })
    )
  )
}

const times = (n: number, tag: string) => Array.from({ length: n }, () => tag)

describe.skipIf(!Needs.redis)("two processes over one Redis", () => {
  layer(Callers.layer, { excludeTestServices: true })((it) => {
    it.effect("share one circuit: what opens it in one opens it in the other", () =>
      Effect.gen(function* () {
        const service = yield* Faulty.make([Faulty.refuse(503)])
        const [first, second] = yield* Callers
        const policy = { retry: false, breaker: { failures: 4, openFor: 3_600_000 } } as const
        assert.deepStrictEqual(yield* first(2, service.url, policy), times(2, "ServiceUnavailable"))
        assert.deepStrictEqual(yield* second(3, service.url, policy), [
          ...times(2, "ServiceUnavailable"),
          "CircuitOpen"
        ])
        assert.deepStrictEqual(yield* first(2, service.url, policy), times(2, "CircuitOpen"))
        assert.strictEqual(service.requests.length, 4)
      }).pipe(Effect.scoped)
    )

    it.effect("have one of them probe a circuit that was open long enough, and share what it finds", () =>
      Effect.gen(function* () {
        const held: Array<() => void> = []
        const service = yield* TestServer.http((_, response) => {
          if (service.requests.length <= 2) return TestServer.sendJson(response, {}, 503)
          held.push(() => TestServer.sendJson(response, uploadAnswer()))
        })
        const [first, second] = yield* Callers
        const policy = { retry: false, breaker: { failures: 2, openFor: 100 } } as const
        yield* second(2, service.url, policy)
        const asked: Array<unknown> = []
        const probe = yield* Effect.forkChild(
          Effect.repeat(
            Effect.tap(first(1, service.url, policy), (tags) => Effect.sync(() => asked.push(tags))),
            { until: () => held.length > 0 }
          )
        )
        yield* eventually(() => held.length === 1, "the probe")
        // It is under way, so the circuit is closed to everybody else.
        assert.deepStrictEqual(yield* second(2, service.url, policy), times(2, "CircuitOpen"))
        assert.strictEqual(service.requests.length, 3)
        for (const answer of held) answer()
        yield* Fiber.join(probe)
        assert.deepStrictEqual(asked.at(-1), ["success"])
        assert.deepStrictEqual(
          new Set(asked.slice(0, -1).flat()),
          new Set(asked.length > 1 ? ["CircuitOpen"] : [])
        )
        const after = yield* Effect.forkChild(second(1, service.url, policy))
        yield* eventually(() => held.length === 2, "a call through the closed circuit")
        held[1]!()
        assert.deepStrictEqual(yield* Fiber.join(after), ["success"])
      }).pipe(Effect.scoped)
    )

    it.effect("share one rate limit", () =>
      Effect.gen(function* () {
        const service = yield* Faulty.make([good])
        const [first, second] = yield* Callers
        const policy = { retry: false, rateLimit: { limit: 5, window: "1 hour" } } as const
        const tags = yield* Effect.all([first(3, service.url, policy), second(2, service.url, policy)], {
          concurrency: 2
        })
        assert.deepStrictEqual(tags.flat(), times(5, "success"))
        for (const caller of [first, second])
          assert.deepStrictEqual(yield* caller(1, service.url, { ...policy, deadline: 50 }), ["TimedOut"])
        assert.strictEqual(service.requests.length, 5)
      }).pipe(Effect.scoped)
    )
  })
})

const unavailable = new ServiceUnavailable({ service: "http://test", status: 503, detail: "" })

/** Runs with what was logged, over a Redis that the test may stop. */
const withRedis = <E>(
  options: PolicyStores.RedisOptions,
  test: (redis: RedisServer.RedisServer, logged: ReadonlyArray<string>) => Effect.Effect<void, E, Scope.Scope>
) =>
  Effect.gen(function* () {
    const redis = yield* RedisServer.make
    const logged: Array<string> = []
    const logger = Logger.make(({ message }) => void logged.push(String(message)))
    const client = NodeRedis.layer({
      disableOfflineQueue: true,
      socket: { path: redis.path, tls: false, reconnectStrategy: () => 20 }
    })
    yield* test(redis, logged).pipe(
      Effect.provide(PolicyStores.layerRedis(options).pipe(Layer.provide(client))),
      Effect.provide(Logger.layer([logger]))
    )
  }).pipe(Effect.scoped)

describe("transports of one process", () => {
  const policy: Policy.PolicyOptions = {
    retry: { times: 1, delay: "1 second" },
    breaker: { failures: 3, lasting: 0 },
    retryBudget: { ratio: 0.5, perSecond: 0 }
  }
  /** How six calls end that fail, by two runners in turn for the same host and one for another. */
  const ends = Effect.gen(function* () {
    const make = (service: string, key: string) =>
      PolicyRunner.make({ service, key, policy: Policy.make(policy) })
    const [a, b, other] = yield* Effect.all([
      make("http://host/a", "http://host"),
      make("http://host/b", "http://host"),
      make("http://other", "http://other")
    ])
    const fiber = yield* Effect.forkChild(
      Effect.forEach([a, b, a, b, a, other], (runner) =>
        Effect.map(Effect.flip(runner.run(() => Effect.fail(unavailable))), ({ _tag }) => _tag)
      )
    )
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(fiber)
  }).pipe(Effect.provide(Logger.layer([])), Effect.scoped)

  it.effect("have circuits and budgets of their own by default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ends, [
        "RetryBudgetSpent",
        "RetryBudgetSpent",
        "ServiceUnavailable",
        "ServiceUnavailable",
        "CircuitOpen",
        "RetryBudgetSpent"
      ])
    })
  )

  it.effect("share those of their host with `layerMemory`, and those of another are its own", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.provide(ends, PolicyStores.layerMemory), [
        // The second call of the host leaves room for one retry, whichever transport it came by.
        "RetryBudgetSpent",
        "ServiceUnavailable",
        "CircuitOpen",
        "CircuitOpen",
        "CircuitOpen",
        "RetryBudgetSpent"
      ])
    })
  )

  it.effect("share a rate limit, which no change of the time of day moves", () =>
    Effect.gen(function* () {
      const make = PolicyRunner.make({
        service: "http://host",
        policy: Policy.make({ rateLimit: { limit: 1, window: "1 minute" } })
      })
      const [a, b] = yield* Effect.all([make, make])
      yield* TestClock.setTime(7_200_000)
      yield* a.run(() => Effect.void)
      // The test clock's monotonic time goes on while its time of day is set back.
      yield* TestClock.setTime(3_600_000)
      const waiting = yield* Effect.forkChild(b.run(() => Effect.void))
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("61 seconds")
      yield* Fiber.join(waiting)
      // By the time of day the bucket would stay empty for an hour.
      const next = yield* Effect.forkChild(
        a.run(() => Effect.void),
        { startImmediately: true }
      )
      assert.isDefined(next.pollUnsafe())
    }).pipe(Effect.provide(PolicyStores.layerMemory), Effect.scoped)
  )
})

describe.skipIf(!Needs.redis)("Redis that goes away", () => {
  /** A machine that is busy must not be taken for a Redis that is away. */
  const timeout = "10 seconds"
  const make = (policy: Policy.PolicyOptions) =>
    PolicyRunner.make({
      service: "http://test",
      policy: Policy.make({ retry: false, ...policy })
    })
  const failing = (runner: PolicyRunner.PolicyRunner) =>
    Effect.map(Effect.flip(runner.run(() => Effect.fail(unavailable))), ({ _tag }) => _tag)
  const changesIn = (logged: ReadonlyArray<string>) => logged.filter((line) => line.startsWith("Redis "))

  it.live("fails no call: the process keeps a circuit of its own until Redis is back, and says so once", () =>
    withRedis({ timeout, askAgainAfter: "300 millis" }, (redis, logged) =>
      Effect.gen(function* () {
        const runner = yield* make({ breaker: { failures: 3, openFor: "1 minute" } })
        assert.strictEqual(yield* failing(runner), "ServiceUnavailable")
        yield* redis.stop
        for (let i = 0; i < 3; i++) assert.strictEqual(yield* failing(runner), "ServiceUnavailable")
        assert.strictEqual(yield* failing(runner), "CircuitOpen")
        assert.strictEqual((yield* runner.circuit.state)._tag, "Open")
        assert.strictEqual(changesIn(logged).length, 1)
        assert.match(
          changesIn(logged)[0] ?? "",
          /^Redis does not answer .* circuits and rate limits of its own$/
        )
        yield* redis.start
        // The new Redis knows nothing: its circuit is closed.
        yield* eventually(() => Effect.map(runner.circuit.state, ({ _tag }) => _tag === "Closed"))
        assert.strictEqual(yield* failing(runner), "ServiceUnavailable")
        assert.deepStrictEqual(changesIn(logged).slice(1), [
          "Redis answers again: circuits and rate limits are shared"
        ])
      })
    )
  )

  it.live("while a probe is under way leaves no circuit stuck", () =>
    withRedis({ timeout, askAgainAfter: "200 millis" }, (redis) =>
      Effect.gen(function* () {
        const runner = yield* make({ breaker: { failures: 1, openFor: "50 millis" } })
        yield* failing(runner)
        yield* Effect.sleep("100 millis")
        yield* runner.run(() => redis.stop)
        assert.strictEqual((yield* runner.run(() => Effect.succeed(1))).value, 1)
      })
    )
  )

  it.effect("a Redis that hangs costs a call its time-out once, and the limit is kept all the same", () =>
    withRedis({ timeout: "300 millis", askAgainAfter: "1 minute" }, (redis, logged) =>
      Effect.gen(function* () {
        const runner = yield* make({ breaker: false, rateLimit: { limit: 3, window: "1 hour" } })
        const call = runner.run(() => Effect.void)
        yield* call
        yield* redis.hang
        // A limit of its own, from the start.
        const waiting = yield* Effect.forkChild(call, { startImmediately: true })
        yield* TestClock.adjust("299 millis")
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        yield* Fiber.join(waiting)
        // No time goes by here: they do not wait for Redis again.
        for (let i = 0; i < 2; i++) yield* call
        const beyond = yield* Effect.forkChild(call, { startImmediately: true })
        yield* TestClock.adjust("10 minutes")
        assert.isUndefined(beyond.pollUnsafe())
        yield* Fiber.interrupt(beyond)
        assert.include(changesIn(logged)[0], "not within 300ms")
        yield* redis.stop
      })
    )
  )

  it.live("is an error where it is not there at the start", () =>
    Effect.gen(function* () {
      const path = join(yield* folder({}), "redis.sock")
      const client = NodeRedis.layer({ socket: { path, tls: false } })
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(PolicyStores.layerRedis().pipe(Layer.provide(client))))
      )
      assert.strictEqual(error._tag, "RedisError")
    }).pipe(Effect.provide(Logger.layer([])))
  )
})

describe("Redis that does not do what it is asked", () => {
  const refusing = (words: string) => Effect.fail(new Redis.RedisError({ cause: new Error(words) }))
  const cases = [
    [
      "is read-only",
      refusing("READONLY You can't write against a read only replica."),
      "READONLY You can't write"
    ],
    [
      "has no memory left",
      refusing("OOM command not allowed when used memory > 'maxmemory'."),
      "OOM command"
    ],
    ["wants a password", refusing("NOAUTH Authentication required."), "NOAUTH Authentication required"],
    ["has moved the key", refusing("MOVED 3999 127.0.0.1:6381"), "MOVED 3999"],
    ["answers what is no answer of its", Effect.succeed(null), "null"]
  ] as const

  it.effect.each(cases)("fails no call, and the log has its words: %s", ([, answer, words]) =>
    Effect.gen(function* () {
      const logged: Array<string> = []
      const send = () => Effect.map(answer, (value) => value as never)
      const redis = Layer.effect(
        Redis.Redis,
        Redis.make({ send, subscribe: () => Effect.never, connect: Effect.never })
      )
      const ends = Effect.gen(function* () {
        const runner = yield* PolicyRunner.make({
          service: "http://test",
          policy: Policy.make({
            retry: false,
            breaker: { failures: 2, lasting: 0 },
            rateLimit: { limit: 100, window: "1 second" }
          })
        })
        const call = Effect.map(Effect.flip(runner.run(() => Effect.fail(unavailable))), ({ _tag }) => _tag)
        return yield* Effect.all([call, call, call])
      }).pipe(
        Effect.scoped,
        Effect.provide(PolicyStores.layerRedis().pipe(Layer.provide(redis))),
        Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(String(message)))]))
      )
      assert.deepStrictEqual(yield* ends, ["ServiceUnavailable", "ServiceUnavailable", "CircuitOpen"])
      assert.strictEqual(logged.length, 1)
      assert.include(logged[0], words)
    })
  )
})

describe.skipIf(!Needs.redis)("the Redis of these tests", () => {
  it.live("ends with its scope", () =>
    Effect.gen(function* () {
      const { path } = yield* Effect.scoped(RedisServer.make)
      yield* eventually(() => !RedisServer.isThere(path))
    })
  )
})
