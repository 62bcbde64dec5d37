import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { ServiceUnavailable } from "effect-segformer"
import { Policy, PolicyRunner, PolicyStores } from "effect-segformer/policy"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { good } from "../faults/Harness.ts"
import { eventually } from "../service/support.ts"
import * as RedisServer from "../support/RedisServer.ts"

/** Another process. It makes calls when it is told to. */
const caller = (redis: RedisServer.RedisServer, url: string, policy: Policy.PolicyOptions) =>
  Effect.gen(function* () {
    const script = fileURLToPath(new URL("redis/caller.ts", import.meta.url))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        fork(script, [redis.path, url, JSON.stringify(policy)], {
          execArgv: ["-C", "effect-segformer-source"]
        })
      ),
      (child) => Effect.sync(() => child.kill())
    )
    const told = Effect.promise(async (): Promise<unknown> => (await once(child, "message"))[0])
    assert.strictEqual(yield* told, "ready")
    return (calls: number) =>
      Effect.suspend(() => {
        child.send(calls)
        return told
      })
  })

const twoCallers = (url: string, policy: Policy.PolicyOptions) =>
  Effect.gen(function* () {
    const redis = yield* RedisServer.make
    return yield* Effect.all([caller(redis, url, policy), caller(redis, url, policy)], { concurrency: 2 })
  })

const times = (n: number, tag: string) => Array.from({ length: n }, () => tag)

describe.skipIf(!RedisServer.isInstalled)("two processes over one Redis (needs redis-server)", () => {
  it.live("share one circuit: what opens it in one opens it in the other, and one of them probes", () =>
    Effect.gen(function* () {
      const service = yield* Faulty.make([Faulty.refuse(503)])
      const [first, second] = yield* twoCallers(service.url, {
        retry: false,
        breaker: { failures: 4, openFor: 2500 }
      })
      assert.deepStrictEqual(yield* first(2), times(2, "ServiceUnavailable"))
      assert.deepStrictEqual(yield* second(3), [...times(2, "ServiceUnavailable"), "CircuitOpen"])
      assert.deepStrictEqual(yield* first(2), times(2, "CircuitOpen"))
      assert.strictEqual(service.requests.length, 4)
      yield* Effect.sleep(2600)
      service.behave([Faulty.delay("1500 millis", good)])
      const after = (yield* Effect.all([first(1), second(1)], { concurrency: 2 })).flat()
      assert.sameMembers(after, ["success", "CircuitOpen"])
      assert.strictEqual(service.requests.length, 5)
      assert.deepStrictEqual(yield* second(1), ["success"])
    }).pipe(Effect.scoped)
  )

  it.live("share one rate limit", () =>
    Effect.gen(function* () {
      const service = yield* Faulty.make([good])
      const [first, second] = yield* twoCallers(service.url, {
        retry: false,
        deadline: 2000,
        rateLimit: { limit: 5, window: "1 hour" }
      })
      const tags = (yield* Effect.all([first(3), second(3)], { concurrency: 2 })).flat()
      assert.sameMembers(tags, [...times(5, "success"), "TimedOut"])
      assert.strictEqual(service.requests.length, 5)
    }).pipe(Effect.scoped)
  )
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
    breaker: { failures: 3 },
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

describe.skipIf(!RedisServer.isInstalled)("Redis that goes away (needs redis-server)", () => {
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
        const isBack = Effect.map(runner.circuit.state, ({ _tag }) => _tag === "Closed")
        for (let i = 0; i < 100 && !(yield* isBack); i++) yield* Effect.sleep("50 millis")
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

  it.live("a Redis that hangs costs a call its time-out once, and the limit is kept all the same", () =>
    withRedis({ timeout: "300 millis", askAgainAfter: "1 minute" }, (redis, logged) =>
      Effect.gen(function* () {
        const runner = yield* make({
          breaker: false,
          deadline: "1500 millis",
          rateLimit: { limit: 3, window: "1 hour" }
        })
        yield* runner.run(() => Effect.void)
        yield* redis.hang
        const started = performance.now()
        // A limit of its own, from the start.
        for (let i = 0; i < 3; i++) yield* runner.run(() => Effect.void)
        assert.isBelow(performance.now() - started, 300 * 3)
        const error = yield* Effect.flip(runner.run(() => Effect.void))
        assert.strictEqual(error._tag, "TimedOut")
        assert.include(changesIn(logged)[0], "not within 300ms")
        yield* redis.stop
      })
    )
  )

  it.live("is an error where it is not there at the start", () =>
    Effect.gen(function* () {
      const client = NodeRedis.layer({ socket: { path: "/nowhere/redis.sock", tls: false } })
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(PolicyStores.layerRedis().pipe(Layer.provide(client))))
      )
      assert.strictEqual(error._tag, "RedisError")
    }).pipe(Effect.provide(Logger.layer([])))
  )
})

describe.runIf(RedisServer.isInstalled)("the Redis of these tests", () => {
  it.live("ends with its scope", () =>
    Effect.gen(function* () {
      const { path } = yield* Effect.scoped(RedisServer.make)
      assert.isTrue(yield* eventually(() => !RedisServer.isThere(path)))
    })
  )
})
