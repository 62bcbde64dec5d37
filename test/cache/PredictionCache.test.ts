/** Results of images that come again. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Deferred, Effect, Exit, Fiber, Layer, References } from "effect"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import {
  ImageSource,
  type Prediction,
  segment,
  type SegmentationError,
  ServiceFailed,
  Transport,
  type TransportOptions
} from "effect-segformer"
import { PredictionCache, PredictionStore } from "effect-segformer/cache"
import { LabelMap } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { folder } from "../support/Folder.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")
const image = ImageSource.bytes(Fixtures.image)
/** The same picture as another file. */
const other = ImageSource.bytes(Uint8Array.from([...Fixtures.image, 0]))

/** New each time, as of a model: tests write into it. */
const fresh = Effect.sync((): Prediction => {
  const { prediction } = Fixtures
  const { labelMap } = prediction
  return { ...prediction, labelMap: { ...labelMap, data: labelMap.data.slice() } }
})

const counting = (
  answer: () => Effect.Effect<Prediction, SegmentationError> = () => fresh,
  options: Partial<TransportOptions> = {}
) => {
  let asked = 0
  const layer = Transport.layer({
    name: "model",
    predict: () => Effect.suspend(() => (asked++, answer())),
    ...options
  })
  return { layer, asked: () => asked }
}

const memory = PredictionStore.layerMemory()
const cachedOver = (
  member: Layer.Layer<Transport>,
  store = memory,
  options?: PredictionCache.PredictionCacheOptions
) => PredictionCache.layer(options).pipe(Layer.provide([member, store]))

describe("PredictionCache", () => {
  it.effect(
    "keeps no answer whose size contradicts the image's, and gives none that the call does not take",
    () => {
      const turned: Prediction = { ...Fixtures.prediction, labelMap: LabelMap.filled(32, 48, 1) }
      const given = [turned, turned]
      const { asked, layer } = counting(() =>
        Effect.suspend(() => Effect.succeed(given.shift() ?? Fixtures.prediction))
      )
      return Effect.gen(function* () {
        const error = yield* Effect.flip(segment(image))
        assert.strictEqual(error._tag, "MaskNotDecodable")
        assert.match(
          error.message,
          /answer of model: it is 32 x 48 pixels, and the image 48 x 32: its rows may be columns/
        )
        // Whoever takes it has it kept; whoever does not asks again.
        yield* segment(image, { otherSize: "resize" })
        yield* segment(image, { otherSize: "resize" })
        assert.strictEqual(asked(), 2)
        for (let time = 0; time < 2; time++)
          assert.deepStrictEqual(yield* (yield* segment(image)).labelMap, Fixtures.prediction.labelMap)
        assert.strictEqual(asked(), 3)
      }).pipe(Effect.provide(cachedOver(layer)), quiet)
    }
  )

  it.effect("asks once for each content, whatever it is called", () => {
    const { asked, layer } = counting()
    return Effect.gen(function* () {
      const first = yield* (yield* segment(image)).labelMap
      const again = yield* (yield* segment(ImageSource.bytes(Fixtures.image, { name: "other.png" }))).labelMap
      assert.isTrue(LabelMap.equals(first, again))
      assert.strictEqual(asked(), 1)
      yield* segment(other)
      assert.strictEqual(asked(), 2)
    }).pipe(Effect.provide(cachedOver(layer)))
  })

  it.effect("keeps nothing on a page that came by http: browsers digest nothing there", () => {
    const { asked, layer } = counting()
    const insecure = Effect.acquireRelease(
      Effect.sync(() => Object.defineProperty(crypto, "subtle", { value: undefined, configurable: true })),
      () => Effect.sync(() => Reflect.deleteProperty(crypto, "subtle"))
    )
    return Effect.gen(function* () {
      yield* insecure
      yield* segment(image)
      yield* segment(image)
      assert.strictEqual(asked(), 2)
    }).pipe(Effect.provide(cachedOver(layer)), Effect.scoped)
  })

  it.effect("gives what a model gave, where that is of the shape that it saw, and how unsure it was", () => {
    const uncertainty = { entropy: 0.5, margin: 0.25, unsure: 0.125 }
    const labelMap = LabelMap.filled(8, 60, 1)
    const { asked, layer } = counting(() =>
      Effect.succeed({
        _tag: "Labels",
        classes: [],
        labelMap,
        input: { width: 16, height: 120 },
        uncertainty
      })
    )
    return Effect.gen(function* () {
      for (const _ of ["asked", "known"]) {
        const segmentation = yield* segment(image)
        assert.strictEqual((yield* segmentation.labelMap).data[0], 1)
        assert.deepStrictEqual(yield* segmentation.uncertainty, uncertainty)
      }
      assert.strictEqual(asked(), 1)
    }).pipe(Effect.provide(cachedOver(layer)))
  })

  it.effect("gives everybody data of their own", () => {
    const { asked, layer } = counting()
    return Effect.gen(function* () {
      const first = yield* (yield* segment(image)).labelMap
      const before = first.data.slice()
      first.data.fill(9)
      const again = yield* (yield* segment(image)).labelMap
      assert.deepStrictEqual(again.data, before)
      again.data.fill(7)
      assert.deepStrictEqual((yield* (yield* segment(image)).labelMap).data, before)
      assert.strictEqual(asked(), 1)
    }).pipe(Effect.provide(cachedOver(layer)))
  })

  it.effect("asks once for images that come at once, and the next one where the first is interrupted", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { asked, layer } = counting(() => Effect.as(Deferred.await(gate), Fixtures.prediction))
      yield* Effect.gen(function* () {
        // Digests end in any order: who is first must have asked before the others come.
        const first = yield* Effect.forkChild(segment(image))
        while (asked() === 0) yield* Effect.yieldNow
        const others = yield* Effect.forEach([2, 3], () => Effect.forkChild(segment(image)))
        yield* Fiber.interrupt(first)
        while (asked() === 1) yield* Effect.yieldNow
        yield* Deferred.succeed(gate, undefined)
        for (const fiber of others) yield* Fiber.join(fiber)
        assert.strictEqual(asked(), 2)
      }).pipe(Effect.provide(cachedOver(layer)))
    })
  )

  it.effect("keeps no failure", () => {
    const failed = new ServiceFailed({ service: "test", status: 500, detail: "no" })
    let isDown = true
    const { asked, layer } = counting(() =>
      isDown ? Effect.fail(failed) : Effect.succeed(Fixtures.prediction)
    )
    return Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(segment(image)))._tag, "ServiceFailed")
      isDown = false
      yield* segment(image)
      yield* segment(image)
      assert.strictEqual(asked(), 2)
    }).pipe(Effect.provide(cachedOver(layer)))
  })

  it.effect("asks anew when the transport has another model, or does not say which", () => {
    let name: string | undefined = "b0"
    const { asked, layer } = counting(undefined, {
      describe: Effect.suspend(() =>
        name === undefined
          ? Effect.fail(new ServiceFailed({ service: "test", status: 500, detail: "no" }))
          : Effect.succeed({ name, classes: [] })
      )
    })
    return Effect.gen(function* () {
      yield* segment(image)
      name = "b5"
      yield* segment(image)
      assert.strictEqual(asked(), 2)
      name = undefined
      yield* segment(image)
      yield* segment(image)
      assert.strictEqual(asked(), 4)
      name = "b0"
      yield* segment(image)
      assert.strictEqual(asked(), 4)
    }).pipe(Effect.provide(cachedOver(layer)))
  })

  it.effect("over one store, results are shared under one given model's name only", () =>
    Effect.gen(function* () {
      const store = Layer.succeed(PredictionStore.PredictionStore, PredictionStore.makeMemory())
      const [a, b] = [counting(), counting()]
      const of = (member: typeof a, model?: string) =>
        Effect.provide(segment(image), cachedOver(member.layer, store, { model }), { local: true })
      yield* of(a, "panels 3")
      yield* of(b, "panels 3")
      assert.deepStrictEqual([a.asked(), b.asked()], [1, 0])
      yield* of(b, "panels 4")
      assert.strictEqual(b.asked(), 1)
      // Without a name each layer has results of its own: two models may call themselves the same.
      yield* of(a)
      yield* of(b)
      assert.deepStrictEqual([a.asked(), b.asked()], [2, 2])
    })
  )

  it.effect("has a name from configuration", () =>
    Effect.gen(function* () {
      const { asked, layer } = counting()
      const cached = PredictionCache.layerConfig({ model: Config.String("MODEL") }).pipe(
        Layer.provide([layer, PredictionStore.layerMemoryConfig({ maxBytes: Config.Int("BYTES") })]),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { MODEL: "b0", BYTES: "100000" } })))
      )
      yield* Effect.provide(Effect.all([segment(image), segment(image)]), cached)
      assert.strictEqual(asked(), 1)
    })
  )
})

const kinds: Readonly<Record<string, Prediction>> = {
  "a label map": Fixtures.prediction,
  "a label map of 16 bits with all there may be": {
    _tag: "Labels",
    classes: [
      { id: 0, name: "sky", color: [1, 2, 3] },
      { id: 300, name: "ground" }
    ],
    labelMap: { width: 2, height: 2, data: Uint16Array.of(0, 300, 300, 65_535), ignoreIndex: 65_535 },
    confidence: { width: 1, height: 2, data: Float32Array.of(0.25, 1) },
    scores: new Map([[300, 0.5]]),
    regions: [],
    pictures: { overlay: Uint8Array.of(1, 2), mask: Uint8Array.of(3) },
    input: { width: 640, height: 480 },
    uncertainty: { entropy: 0.5, margin: 0.25, unsure: 0.125 }
  },
  "a label map of 32 bits": {
    _tag: "Labels",
    classes: [],
    labelMap: { width: 1, height: 3, data: Uint32Array.of(1, 70_000, 4_294_967_295) }
  },
  logits: {
    _tag: "Logits",
    classes: [{ id: 0, name: "ä" }],
    logits: { width: 1, height: 1, classes: 2, data: Float32Array.of(Number.NEGATIVE_INFINITY, 0.1) },
    input: { width: 4, height: 4 }
  },
  "pictures and regions": {
    _tag: "Rendered",
    classes: [],
    width: 4,
    height: 3,
    pictures: { combined: Uint8Array.of(9) },
    regions: [
      {
        classId: 1,
        className: "scratch",
        box: { x: 0, y: 0, width: 2, height: 1 },
        centroid: { x: 0.5, y: 0 },
        area: 2,
        perimeter: 2,
        majorAxis: 2,
        minorAxis: 0,
        circularity: 1,
        aspectRatio: 2,
        orientation: 0
      }
    ]
  }
}

describe("PredictionStore", () => {
  it.live.each(Object.entries(kinds))("keeps %s as it was, in memory and in files", ([, prediction]) =>
    Effect.gen(function* () {
      const files = KeyValueStore.layerFileSystem(yield* folder()).pipe(
        Layer.provide([NodeFileSystem.layer, NodePath.layer])
      )
      for (const layer of [memory, PredictionStore.layerKeyValue.pipe(Layer.provide(files))]) {
        const found = yield* Effect.gen(function* () {
          const store = yield* PredictionStore.PredictionStore
          assert.isUndefined(yield* store.get("key"))
          yield* store.set("key", { ...prediction, requestId: "r" })
          return yield* store.get("key")
        }).pipe(Effect.provide(layer, { local: true }))
        assert.deepStrictEqual(found, prediction)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("holds no more than its bytes, and lets go of what was used longest ago", () =>
    Effect.gen(function* () {
      const of = (size: number): Prediction => ({
        _tag: "Labels",
        classes: [],
        labelMap: { width: size, height: 1, data: new Uint8Array(size) }
      })
      const store = PredictionStore.makeMemory({ maxBytes: 3000 })
      const has = (key: string) => Effect.map(store.get(key), (found) => found !== undefined)
      yield* store.set("a", of(1000))
      yield* store.set("b", of(1000))
      assert.isTrue(yield* has("a"))
      yield* store.set("c", of(1000))
      assert.deepStrictEqual([yield* has("a"), yield* has("b"), yield* has("c")], [true, false, true])
      yield* store.set("d", of(10_000))
      assert.deepStrictEqual([yield* has("d"), yield* has("a")], [false, true])
      assert.throws(() => PredictionStore.makeMemory({ maxBytes: Number.NaN }), RangeError)
    })
  )

  it.effect("takes bytes that are none of its own for nothing, and a store that fails costs no call", () =>
    Effect.gen(function* () {
      const broken = new KeyValueStore.KeyValueStoreError({
        method: "get",
        key: "k",
        message: "the disk is gone"
      })
      const failing = Layer.succeed(
        KeyValueStore.KeyValueStore,
        KeyValueStore.make({
          get: () => Effect.fail(broken),
          getUint8Array: () => Effect.fail(broken),
          set: () => Effect.fail(broken),
          remove: () => Effect.fail(broken),
          clear: Effect.fail(broken),
          keys: Effect.fail(broken),
          size: Effect.fail(broken)
        })
      )
      const { asked, layer } = counting()
      const away = cachedOver(layer, PredictionStore.layerKeyValue.pipe(Layer.provide(failing)))
      yield* Effect.provide(Effect.all([segment(image), segment(image)]), away)
      assert.strictEqual(asked(), 2)

      const values = yield* Effect.provide(KeyValueStore.KeyValueStore, KeyValueStore.layerMemory)
      const store = yield* Effect.provideService(
        PredictionStore.makeKeyValue,
        KeyValueStore.KeyValueStore,
        values
      )
      yield* store.set("key", Fixtures.prediction)
      const whole = (yield* values.getUint8Array("key"))!
      const wrong = [
        new Uint8Array(),
        Uint8Array.of(255, 255, 255, 255),
        whole.subarray(0, whole.length - 1),
        Uint8Array.from([...whole, 0]),
        whole.map((byte, at) => (at === 6 ? byte ^ 1 : byte))
      ]
      for (const bytes of wrong) {
        yield* values.set("key", bytes)
        const found = yield* Effect.exit(store.get("key"))
        assert.deepStrictEqual(found, Exit.succeed(undefined))
      }
    }).pipe(quiet)
  )
})
