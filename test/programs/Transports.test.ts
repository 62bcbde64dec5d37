import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Logger, Ref, Scope } from "effect"
import {
  ImageSource,
  NotAnImage,
  type Prediction,
  type SegmentationError,
  segment,
  ServiceUnavailable,
  Transport,
  Transports,
  Unauthorized
} from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { LabelMap } from "effect-segformer/mask"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { TestClock } from "effect/testing"
import { eventually } from "../support/Eventually.ts"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import * as TestServer from "../support/TestServer.ts"

const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
const down = new ServiceUnavailable({ service: "http://first", status: 503, detail: "maintenance" })
const locked = new Unauthorized({ service: "http://first", status: 401, detail: "" })
const broken = new NotAnImage({ source: "panel.png", detail: "it is empty" })
const quiet = Effect.provide(Logger.layer([]))

/** A transport whose answers come when and as told, and what happened to it. */
const member = (
  name: string,
  answer: Effect.Effect<Prediction, SegmentationError>,
  policy: Parameters<typeof SegFormerTest.layer>[1] = {}
) => {
  const seen = { starts: [] as Array<number>, calls: [] as Array<string>, interrupted: 0, built: 0 }
  const layer = Layer.unwrap(
    Effect.sync(() => {
      seen.built++
      return SegFormerTest.layer(
        (_, attempt) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            seen.starts.push(now)
            seen.calls.push(attempt.callId)
            return Effect.onInterrupt(answer, () => Effect.sync(() => void seen.interrupted++))
          }),
        { name, policy: { retry: false }, ...policy }
      )
    })
  )
  return { layer, seen }
}
const answers = Effect.succeed<Prediction>(Fixtures.prediction)
const after = (duration: number) => Effect.delay(answers, duration)

const settle = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    for (let step = 0; step < 400 && fiber.pollUnsafe() === undefined; step++) {
      yield* TestClock.adjust("50 millis")
    }
    return yield* Fiber.join(fiber)
  })

/** Rows for columns: the image is 48 x 32. */
const turned: Prediction = { ...Fixtures.prediction, labelMap: LabelMap.filled(32, 48, 1) }
/** A part of its size, which is an answer unless the call refuses it. */
const half: Prediction = { ...Fixtures.prediction, labelMap: LabelMap.filled(24, 16, 1) }

describe("an answer whose size contradicts the image's", () => {
  type Two = readonly [Layer.Layer<Transport>, Layer.Layer<Transport>]
  const kinds = [
    ["fallback", (layers: Two) => Transports.fallback(layers)],
    ["hedge", (layers: Two) => Transports.hedge(layers, { after: "1 hour" })]
  ] as const
  const make = (first: Prediction, of: (layers: Two) => Layer.Layer<Transport>) => {
    const [one, other] = [member("first", Effect.succeed(first)), member("second", answers)]
    return { seen: [one.seen, other.seen], layer: of([one.layer, other.layer]) }
  }

  for (const [name, of] of kinds) {
    it.effect(`is a failure, after which ${name} asks the next`, () =>
      Effect.gen(function* () {
        for (const [first, options] of [
          [turned, {}],
          [half, { otherSize: "refuse" }]
        ] as const) {
          const { layer, seen } = make(first, of)
          const { labelMap } = yield* segment(image, options).pipe(Effect.provide(layer))
          assert.deepStrictEqual(yield* labelMap, Fixtures.prediction.labelMap)
          assert.deepStrictEqual(
            seen.map(({ starts }) => starts.length),
            [1, 1]
          )
        }
      }).pipe(quiet)
    )
    it.effect(`is taken by ${name} where the call takes it`, () =>
      Effect.gen(function* () {
        const { layer, seen } = make(turned, of)
        const { labelMap } = yield* segment(image, { otherSize: "resize" }).pipe(Effect.provide(layer))
        assert.deepStrictEqual((yield* labelMap).data.slice(0, 2), Uint8Array.of(1, 1))
        assert.deepStrictEqual(
          seen.map(({ starts }) => starts.length),
          [1, 0]
        )
      }).pipe(quiet)
    )
  }
})

describe("Transports.fallback", () => {
  it.effect("asks the second only where the first does not answer", () =>
    Effect.gen(function* () {
      const first = member("first", answers)
      const second = member("second", answers)
      yield* segment(image).pipe(Effect.provide(Transports.fallback([first.layer, second.layer])))
      assert.deepStrictEqual([first.seen.starts.length, second.seen.starts.length], [1, 0])
    })
  )

  it.effect("goes on after any failure of a service, under one request id, and gives the last failure", () =>
    Effect.gen(function* () {
      const first = member("first", Effect.fail(locked))
      const second = member("second", Effect.fail(down))
      const third = member("third", answers)
      const all = Transports.fallback([first.layer, second.layer, third.layer])
      const segmentation = yield* segment(image).pipe(Effect.provide(all))
      assert.strictEqual(segmentation.cost.attempts, 1)
      const ids = [...first.seen.calls, ...second.seen.calls, ...third.seen.calls]
      assert.deepStrictEqual([ids.length, new Set(ids).size], [3, 1])

      const none = Transports.fallback([first.layer, second.layer])
      assert.deepStrictEqual(yield* Effect.flip(Effect.provide(segment(image), none)), down)
    }).pipe(quiet)
  )

  it.effect("each is asked under its own policy", () =>
    Effect.gen(function* () {
      const first = member("first", Effect.fail(down), { policy: { retry: { times: 2, delay: "1 second" } } })
      const second = member("second", answers)
      const exit = yield* settle(
        segment(image).pipe(Effect.provide(Transports.fallback([first.layer, second.layer])))
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(first.seen.starts, [0, 1000, 3000])
      assert.deepStrictEqual(second.seen.starts, [3000])
    }).pipe(quiet)
  )

  it.effect("an image that is none is not sent from one to the next", () =>
    Effect.gen(function* () {
      const first = member("first", Effect.fail(broken))
      const second = member("second", answers)
      const both = Transports.fallback([first.layer, second.layer])
      assert.strictEqual((yield* Effect.flip(Effect.provide(segment(image), both)))._tag, "NotAnImage")
      assert.strictEqual(second.seen.starts.length, 0)
    }).pipe(quiet)
  )

  it.effect("`when` says which failures count", () =>
    Effect.gen(function* () {
      const first = member("first", Effect.fail(locked))
      const second = member("second", answers)
      const both = Transports.fallback([first.layer, second.layer], {
        when: (error) => error._tag !== "Unauthorized"
      })
      assert.strictEqual((yield* Effect.flip(Effect.provide(segment(image), both)))._tag, "Unauthorized")
      assert.strictEqual(second.seen.starts.length, 0)
    }).pipe(quiet)
  )

  it.effect("keeps the circuits of its services from call to call", () =>
    Effect.gen(function* () {
      const first = member("first", Effect.fail(down))
      const second = member("second", answers)
      yield* Effect.gen(function* () {
        for (let call = 0; call < 9; call++) yield* segment(image)
      }).pipe(Effect.provide(Transports.fallback([first.layer, second.layer])))
      assert.deepStrictEqual([first.seen.starts.length, second.seen.starts.length], [5, 9])
      assert.deepStrictEqual([first.seen.built, second.seen.built], [1, 1])
    }).pipe(quiet)
  )

  it.effect("is well while one of its services is, and says how each is", () =>
    Effect.gen(function* () {
      const sick = Transport.layer({ name: "first", predict: () => answers, health: Effect.fail(down) })
      const well = member("second", answers)
      const transport = yield* Effect.provide(Transport, Transports.fallback([sick, well.layer]))
      const health = yield* transport.health
      assert.isTrue(health.healthy)
      assert.strictEqual(transport.name, "first, else second")
      assert.match(health.detail, /^first: .*503.*; second: ready$/)
    })
  )
})

describe("Transports.hedge", () => {
  type Fake = Layer.Layer<Transport>
  const hedged = (layers: Fake | readonly [Fake, Fake]) =>
    segment(image).pipe(Effect.provide(Transports.hedge(layers, { after: 200 })))
  const fails = (layers: readonly [Fake, Fake]) => Effect.flatten(settle(Effect.flip(hedged(layers))))

  it.effect("one that answers in time is asked alone", () =>
    Effect.gen(function* () {
      const first = member("first", after(150))
      const second = member("second", answers)
      assert.isTrue(Exit.isSuccess(yield* settle(hedged([first.layer, second.layer]))))
      assert.strictEqual(second.seen.starts.length, 0)
    })
  )

  it.effect("the second is asked after the delay, its answer wins, and the first is cancelled", () =>
    Effect.gen(function* () {
      const first = member("first", after(5000))
      const second = member("second", after(100))
      const started = yield* Clock.currentTimeMillis
      assert.isTrue(Exit.isSuccess(yield* settle(hedged([first.layer, second.layer]))))
      assert.strictEqual((yield* Clock.currentTimeMillis) - started, 300)
      assert.deepStrictEqual(second.seen.starts, [200])
      assert.deepStrictEqual([first.seen.interrupted, second.seen.interrupted], [1, 0])
    })
  )

  it.effect("the first still wins where it is faster after all", () =>
    Effect.gen(function* () {
      const first = member("first", after(250))
      const second = member("second", after(1000))
      yield* settle(hedged([first.layer, second.layer]))
      assert.deepStrictEqual([first.seen.interrupted, second.seen.interrupted], [0, 1])
    })
  )

  it.effect("who has an answer does not wait until the others have let go", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const slow = Effect.onInterrupt(Effect.never, () => Effect.sleep("5 seconds"))
      const both = yield* Transports.hedge([member("first", slow).layer, member("second", answers).layer], {
        after: 100
      }).pipe((layer) => Layer.buildWithScope(layer, scope))
      const exit = yield* settle(Effect.provideContext(segment(image), both))
      assert.isTrue(Exit.isSuccess(exit))
      assert.isBelow(yield* Clock.currentTimeMillis, 200)
      // What has not let go by then is waited for where the transport ends.
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(closing)
    })
  )

  it.effect("a failure starts the next at once; of all that fail the last failure counts", () =>
    Effect.gen(function* () {
      const first = member("first", Effect.fail(locked))
      const second = member("second", after(50))
      assert.isTrue(Exit.isSuccess(yield* settle(hedged([first.layer, second.layer]))))
      assert.deepStrictEqual(second.seen.starts, [0])
      const third = member("third", Effect.delay(Effect.fail(down), 50))
      assert.deepStrictEqual(yield* fails([first.layer, third.layer]), down)
    })
  )

  it.effect("an image that is none is not sent again", () =>
    Effect.gen(function* () {
      const first = member("first", Effect.fail(broken))
      const second = member("second", answers)
      assert.deepStrictEqual(yield* fails([first.layer, second.layer]), broken)
      assert.strictEqual(second.seen.starts.length, 0)
    })
  )

  it.effect("one service is asked a second time", () =>
    Effect.gen(function* () {
      const calls = yield* Ref.make(0)
      const only = member(
        "only",
        Effect.flatMap(
          Ref.updateAndGet(calls, (n) => n + 1),
          (n) => (n === 1 ? Effect.never : answers)
        )
      )
      assert.isTrue(Exit.isSuccess(yield* settle(hedged(only.layer))))
      assert.deepStrictEqual(only.seen.starts, [0, 200])
      assert.strictEqual(only.seen.interrupted, 1)
    })
  )

  it.effect.each([
    [{ times: 0 }, /`times` must be a whole number of at least 1, but is 0/],
    [{ times: 1.5 }, /`times` .* but is 1\.5/],
    [{ budget: { ratio: -0.1 } }, /`retryBudget\.ratio` .* but is -0\.1/],
    [{ budget: { ratio: undefined, perSecond: Number.NaN } }, /`retryBudget\.perSecond` .* but is NaN/]
  ] as const)("refuses what is out of range: %j", ([options, message]) =>
    Effect.gen(function* () {
      const only = member("only", answers)
      const exit = yield* Effect.exit(
        Effect.scoped(Layer.build(Transports.hedge(only.layer, { after: 200, ...options })))
      )
      assert.match(String(Exit.isFailure(exit) && Cause.squash(exit.cause)), message)
    })
  )

  it.effect("hedges add no more load than their budget allows, however slow the service is", () =>
    Effect.gen(function* () {
      const first = member("first", after(1000))
      const second = member("second", after(1000))
      const layer = Transports.hedge([first.layer, second.layer], {
        after: 100,
        budget: { ratio: 0.1, perSecond: 0 }
      })
      const all = Effect.forEach(Array.from({ length: 100 }), () => segment(image), {
        concurrency: "unbounded"
      })
      assert.isTrue(Exit.isSuccess(yield* settle(Effect.provide(all, layer))))
      assert.strictEqual(first.seen.starts.length, 100)
      assert.strictEqual(second.seen.starts.length, 10)
    })
  )

  it.effect("who is interrupted cancels all of them", () =>
    Effect.gen(function* () {
      const first = member("first", Effect.never)
      const second = member("second", Effect.never)
      const fiber = yield* Effect.forkChild(hedged([first.layer, second.layer]))
      yield* TestClock.adjust("300 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([first.seen.interrupted, second.seen.interrupted], [1, 1])
    })
  )
})

describe("over sockets", () => {
  it.live("the request that lost is closed, the one that won is the answer", () =>
    Effect.gen(function* () {
      const hanging = yield* TestServer.http(() => {})
      const quick = yield* InspectionServer.make
      const segmentation = yield* segment(image).pipe(
        Effect.provide(
          Transports.hedge(
            [SegFormerHttp.layer({ baseUrl: hanging.url }), SegFormerHttp.layer({ baseUrl: quick.url })],
            { after: "20 millis" }
          )
        )
      )
      assert.lengthOf(yield* segmentation.regions, 1)
      assert.deepStrictEqual([hanging.requests.length, quick.requests.length], [1, 1])
      const ids = [hanging, quick].map((server) => server.requests[0]!.headers["x-request-id"])
      assert.strictEqual(ids[0], ids[1])
      yield* eventually(() => hanging.sockets.size === 0)
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  it.live("a service that is down is passed over", () =>
    Effect.gen(function* () {
      const port = yield* TestServer.closedPort
      const up = yield* InspectionServer.make
      const segmentation = yield* segment(image).pipe(
        Effect.provide(
          Transports.fallback([
            SegFormerHttp.layer({ baseUrl: `http://127.0.0.1:${port}`, policy: { retry: false } }),
            SegFormerHttp.layer({ baseUrl: up.url })
          ])
        )
      )
      assert.lengthOf(yield* segmentation.regions, 1)
    }).pipe(Effect.provide([NodeHttpClient.layerUndici, Logger.layer([])]), Effect.scoped)
  )
})
