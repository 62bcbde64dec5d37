import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Metric, Scope, Stream } from "effect"
import { ServiceHealth } from "effect-segformer/service"
import { SegFormerTest } from "effect-segformer/testing"
import { Transport } from "effect-segformer"
import { TestClock } from "effect/testing"

const service = "http://test"
const up: ServiceHealth.Report = { healthy: true, detail: "ready" }
const down: ServiceHealth.Report = { healthy: false, detail: "no model" }
const quiet = Effect.provide(Logger.layer([]))
const now = TestClock.testClockWith((clock) => Effect.sync(() => clock.currentTimeMillisUnsafe()))

/** Checks that end one after the other as listed, the last for ever, and when each began. */
const scripted = (reports: ReadonlyArray<ServiceHealth.Report | "fails" | "hangs" | "dies">) => {
  const starts: Array<number> = []
  const check: ServiceHealth.Check = Effect.flatMap(now, (at) => {
    const report = reports[starts.length] ?? reports.at(-1)!
    starts.push(at)
    return report === "fails"
      ? Effect.fail({ message: "connection refused" })
      : report === "hangs"
        ? Effect.never
        : report === "dies"
          ? Effect.die(new Error("a mistake"))
          : Effect.succeed(report)
  })
  return { starts, check }
}

const watch = (options: Omit<ServiceHealth.ServiceHealthOptions, "service">) =>
  ServiceHealth.make({ service, jitter: 0, ...options })
const tag = (health: ServiceHealth.ServiceHealth["Service"]) => Effect.map(health.state, ({ _tag }) => _tag)

describe("ServiceHealth", () => {
  it.effect("checks at once, then every 60 seconds, and stops with its scope", () =>
    Effect.gen(function* () {
      const script = scripted([up])
      const scope = yield* Scope.make()
      yield* Scope.provide(watch({ check: script.check }), scope)
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual(script.starts, [0, 60_000, 120_000, 180_000])
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(script.starts.length, 4)
    }).pipe(quiet)
  )

  it.effect("jitter spreads the interval, by a tenth unless told", () =>
    Effect.gen(function* () {
      const script = scripted([up])
      yield* watch({ check: script.check, jitter: undefined })
      yield* TestClock.adjust("60 minutes")
      const gaps = script.starts.slice(1).map((at, i) => at - script.starts[i]!)
      assert.isTrue(gaps.every((gap) => gap >= 54_000 && gap <= 66_000))
      assert.isAbove(new Set(gaps.map(Math.round)).size, 20)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("is unknown, then healthy and unhealthy after so many results in a row", () =>
    Effect.gen(function* () {
      const script = scripted([up, up, down, down, up, down, down, down, up, up])
      const health = yield* watch({ check: script.check, healthyAfter: 2, unhealthyAfter: 3 })
      const seen: Array<string> = [yield* tag(health)]
      yield* TestClock.adjust(1)
      for (let i = 0; i < 10; i++) {
        seen.push(yield* tag(health))
        yield* TestClock.adjust("1 minute")
      }
      assert.deepStrictEqual(seen, [
        "Unknown",
        "Unknown",
        ...Array.from({ length: 6 }, () => "Healthy"),
        "Unhealthy",
        "Unhealthy",
        "Healthy"
      ])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect.each([
    ["fails", "connection refused"],
    ["hangs", "no answer within 5s"],
    ["dies", "a mistake"]
  ] as const)(
    "a check that %s says that the service is not healthy, and the next one is made",
    ([how, detail]) =>
      Effect.gen(function* () {
        const script = scripted([how, up])
        const health = yield* watch({ check: script.check, unhealthyAfter: 1 })
        yield* TestClock.adjust("5 seconds")
        assert.deepInclude(yield* health.state, { _tag: "Unhealthy", last: { healthy: false, detail } })
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* tag(health), "Healthy")
      }).pipe(quiet, Effect.scoped)
  )

  it.effect("a service that is up without what it depends on is not healthy, and says what is missing", () =>
    Effect.gen(function* () {
      const vpn = scripted([down, up])
      const health = yield* watch({
        check: Effect.succeed(up),
        dependencies: { vpn: vpn.check, disk: Effect.succeed(up) },
        unhealthyAfter: 1
      })
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(yield* health.state, {
        _tag: "Unhealthy",
        last: { healthy: false, detail: "vpn: no model" },
        dependencies: { vpn: down, disk: up }
      })
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* health.state, { _tag: "Healthy", last: up })
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("tells its changes as a stream, which ends with the scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const script = scripted([up, up, up, down, down, down, up])
      const health = yield* Scope.provide(watch({ check: script.check, unhealthyAfter: 2 }), scope)
      const seen: Array<string> = []
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(health.changes, (state) =>
          Effect.sync(() => void seen.push(`${state._tag} ${state.last?.detail ?? ""}`))
        ),
        { startImmediately: true }
      )
      yield* TestClock.adjust("10 minutes")
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(1)
      assert.isDefined(fiber.pollUnsafe())
      assert.deepStrictEqual(seen, [
        "Healthy ready",
        "Healthy no model",
        "Unhealthy no model",
        "Healthy ready"
      ])
    }).pipe(quiet)
  )

  it.effect("waits until it is healthy, up to a deadline", () =>
    Effect.gen(function* () {
      const script = scripted([down, down, up])
      const health = yield* watch({ check: script.check })
      const waiting = yield* Effect.forkChild(health.awaitHealthy("5 minutes"))
      const impatient = yield* Effect.forkChild(Effect.flip(health.awaitHealthy("90 seconds")))
      yield* TestClock.adjust("119 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      const error = yield* Fiber.join(impatient)
      assert.strictEqual(error.message, `${service} was not healthy within 1m 30s: no model`)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      yield* health.awaitHealthy("1 second")
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("a check that is asked for counts, and never runs beside another", () =>
    Effect.gen(function* () {
      let running = 0
      let most = 0
      const check = Effect.acquireUseRelease(
        Effect.sync(() => (most = Math.max(most, ++running))),
        () => Effect.delay(Effect.succeed(down), "1 second"),
        () => Effect.sync(() => running--)
      )
      const health = yield* watch({ check, unhealthyAfter: 3 })
      const fibers = yield* Effect.forEach([1, 2], () => Effect.forkChild(health.check))
      yield* TestClock.adjust("3 seconds")
      yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.strictEqual(most, 1)
      assert.strictEqual(yield* tag(health), "Unhealthy")
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("the health of a transport is a check, and the gauge follows", () =>
    Effect.gen(function* () {
      const transport = yield* Transport
      const health = yield* watch({ check: transport.health })
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* tag(health), "Healthy")
      const gauge = (yield* Metric.snapshot).find(({ id }) => id === "segformer.service.health")
      assert.deepInclude(gauge?.state, { value: 1 })
    }).pipe(
      quiet,
      Effect.provide(SegFormerTest.layer(() => Effect.never)),
      Effect.scoped,
      Effect.provideService(Metric.MetricRegistry, new Map())
    )
  )

  it.effect("refuses numbers that make no sense", () =>
    Effect.gen(function* () {
      const exits = yield* Effect.forEach([{ healthyAfter: 0 }, { jitter: 1 }], (options) =>
        Effect.exit(Effect.suspend(() => watch({ check: Effect.succeed(up), ...options })))
      )
      assert.isTrue(exits.every(Exit.isFailure))
    }).pipe(Effect.scoped)
  )
})
