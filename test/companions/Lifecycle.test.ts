/** A companion's layer in time: its health is looked at in the background, and who shares it has the same one. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { ImageProcessing, type ImageProcessingHealthOptions, PictureFiles } from "effect-segformer/companions"
import { ServiceRegistry } from "effect-segformer/service"
import { SharpCodec } from "effect-segformer/sharp"
import { FakeHttp, Fixtures, SegFormerTest } from "effect-segformer/testing"

const segmenter = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))

const quiet = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.provideService(Effect.scoped(self), References.MinimumLogLevel, "None")

describe("the health of a service", () => {
  const watched = <A, E>(
    interval: string,
    options: ImageProcessingHealthOptions,
    body: Effect.Effect<A, E, ImageProcessing | FakeHttp.Recorded>
  ): Effect.Effect<A, E> => {
    const healthy = FakeHttp.json({ status: "healthy", last_error: null })
    const unhealthy = [1, 2, 3].map((bad) =>
      FakeHttp.json({ status: "unhealthy", last_error: `bad ${bad}` }, { status: 503 })
    )
    const outcomes = [healthy, ...unhealthy, healthy]
    return quiet(
      body.pipe(
        Effect.provide(
          ImageProcessing.layerHttp(options).pipe(
            Layer.provide(ServiceRegistry.layerOf({ imageProcessing: "http://fake" })),
            Layer.provideMerge(FakeHttp.script(outcomes)),
            Layer.orDie
          )
        ),
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env: { HEALTH_CHECK_INTERVAL: interval } })
        )
      )
    )
  }
  const asked = Effect.flatMap(FakeHttp.Recorded, ({ requests }) =>
    Effect.map(requests, (all) => all.map(({ method, url }) => `${method} ${url}`))
  )

  /** Waits, in real time, as the fake answers in, until the checks in the background have found something. */
  const found = (detail: string) =>
    Effect.gen(function* () {
      const images = yield* ImageProcessing
      while ((yield* images.state).last?.detail !== detail) {
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
      }
      return (yield* images.state)._tag
    })

  /** Lets the test clock run until the service is asked again: the seconds that it took. */
  const nextCheck = Effect.gen(function* () {
    const before = (yield* asked).length
    let seconds = 0
    for (; seconds < 100 && (yield* asked).length === before; seconds++) yield* TestClock.adjust("1 second")
    return seconds
  })

  it.effect(
    "is looked at in the background, every minute: the first bad check tells, and the first good one",
    () =>
      watched(
        "",
        {},
        Effect.gen(function* () {
          assert.strictEqual(yield* found("healthy"), "Healthy")
          assert.deepStrictEqual(yield* asked, ["GET http://fake/health"])
          for (let bad = 1; bad <= 3; bad++) {
            const seconds = yield* nextCheck
            assert.isTrue(seconds >= 54 && seconds <= 67, `${seconds} seconds`)
            assert.strictEqual(yield* found(`bad ${bad}`), "Unhealthy")
          }
          yield* nextCheck
          assert.strictEqual(yield* found("healthy"), "Healthy")
        })
      )
  )

  it.effect("or after as many in a row as are asked for", () =>
    watched(
      "",
      { unhealthyAfter: 3 },
      Effect.gen(function* () {
        yield* found("healthy")
        for (let bad = 1; bad <= 3; bad++) {
          yield* nextCheck
          assert.strictEqual(yield* found(`bad ${bad}`), bad < 3 ? "Healthy" : "Unhealthy")
        }
      })
    )
  )

  it.effect("or as often as HEALTH_CHECK_INTERVAL says, in milliseconds", () =>
    watched(
      "5000",
      {},
      Effect.gen(function* () {
        yield* found("healthy")
        const seconds = yield* nextCheck
        assert.isTrue(seconds >= 4 && seconds <= 6, `${seconds} seconds`)
      })
    )
  )
})

describe("a layer's memoisation", () => {
  /** Counts how often the layer is built, and how often it is let go. */
  const counted = () => {
    const counts = { built: 0, closed: 0 }
    const layer = Layer.effect(
      ImageProcessing,
      Effect.flatMap(
        Effect.acquireRelease(
          Effect.sync(() => counts.built++),
          () => Effect.sync(() => counts.closed++)
        ),
        () => ImageProcessing
      )
    ).pipe(
      Layer.provide(
        ImageProcessing.layerLocal().pipe(
          Layer.provide([segmenter, SharpCodec.layer, PictureFiles.layerInline])
        )
      )
    )
    return { counts, layer }
  }
  class Left extends Context.Service<Left, { readonly images: ImageProcessing["Service"] }>()("test/Left") {
    static readonly layer = Layer.effect(
      Left,
      Effect.map(ImageProcessing, (images) => ({ images }))
    )
  }
  class Right extends Context.Service<Right, { readonly images: ImageProcessing["Service"] }>()(
    "test/Right"
  ) {
    static readonly layer = Layer.effect(
      Right,
      Effect.map(ImageProcessing, (images) => ({ images }))
    )
  }

  it.effect("everybody who is provided the same layer has the same instance: a singleton", () =>
    Effect.gen(function* () {
      const { counts, layer } = counted()
      const both = Layer.provide(Layer.merge(Left.layer, Right.layer), layer)
      yield* Effect.gen(function* () {
        assert.strictEqual((yield* Left).images, (yield* Right).images)
      }).pipe(Effect.provide(both))
      assert.deepStrictEqual(counts, { built: 1, closed: 1 })
    })
  )

  it.effect("another scope has another: the reset of a test", () =>
    Effect.gen(function* () {
      const { counts, layer } = counted()
      for (let run = 1; run <= 2; run++) {
        yield* Effect.provide(ImageProcessing, layer)
        assert.deepStrictEqual(counts, { built: run, closed: run })
      }
    })
  )

  it.effect("Layer.fresh gives one of one's own within the same program", () =>
    Effect.gen(function* () {
      const { counts, layer } = counted()
      const own = Layer.merge(
        Layer.provide(Left.layer, layer),
        Layer.provide(Right.layer, Layer.fresh(layer))
      )
      yield* Effect.gen(function* () {
        assert.notStrictEqual((yield* Left).images, (yield* Right).images)
      }).pipe(Effect.provide(own))
      assert.deepStrictEqual(counts, { built: 2, closed: 2 })
    })
  )
})
