/**
 * A transport before the transport of the context, which is asked once for each image: by the content of the image and by
 * the model. What failed is asked again.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ImageSource, segment } from "effect-segformer"
 * import { PredictionCache, PredictionStore } from "effect-segformer/cache"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 *
 * let asked = 0
 * const counting = SegFormerTest.layer(() => Effect.sync(() => (asked++, Fixtures.prediction)))
 * const cached = PredictionCache.layer().pipe(Layer.provide([counting, PredictionStore.layerMemory()]))
 * const twice = Effect.all([segment(ImageSource.bytes(Fixtures.image)), segment(ImageSource.bytes(Fixtures.image))])
 * await Effect.runPromise(Effect.provide(Effect.asVoid(twice), cached))
 * asked // => 1
 * ```
 */
import { Config, Deferred, Effect, Layer, Metric, Option, type Scope } from "effect"
import type { Attempt } from "../policy/Attempt.ts"
import type { Prediction } from "../Prediction.ts"
import { randomHex } from "../randomHex.ts"
import { fits } from "../Fits.ts"
import type { SegmentationError } from "../SegmentationError.ts"
import * as Telemetry from "../TelemetryNames.ts"
import { type PredictRequest, Transport } from "../Transport.ts"
import * as Members from "../TransportMembers.ts"
import { PredictionStore } from "./PredictionStore.ts"
import * as Wrapped from "../policy/Wrapped.ts"
import * as Hashing from "../jobs/Hashing.ts"

export interface PredictionCacheOptions {
  /**
   * Tells the model from every other one, its version included: what is kept under one name is taken for results of one
   * model, also by other programs over the same store, and after a restart. Without it results are kept for this layer
   * alone, by the name that the transport gives its model each time: a service may have been told to use another.
   */
  readonly model?: string | undefined
}

const lookups = Telemetry.servers.counter("segformer.cache.lookups")
const hits = Metric.withAttributes(lookups, { [Telemetry.own.outcome]: "hit" })
const misses = Metric.withAttributes(lookups, { [Telemetry.own.outcome]: "miss" })

/** A transport before another, under whose policy an image is predicted that is not known. */
export const make = Effect.fnUntraced(function* (
  member: Transport["Service"],
  options: PredictionCacheOptions = {}
): Effect.fn.Return<Transport["Service"], never, PredictionStore | Scope.Scope> {
  const store = yield* PredictionStore
  const own = randomHex(16)
  const underWay = new Map<string, Deferred.Deferred<Option.Option<Prediction>>>()

  /** Nothing where nobody can say which model it is now, or which image: then nothing is looked up and nothing kept. */
  const model: Effect.Effect<string | undefined> =
    options.model !== undefined
      ? Effect.succeed(`given ${options.model}`)
      : Effect.match(member.describe, {
          onSuccess: ({ name }) => `of ${own} ${name}`,
          onFailure: () => undefined
        })

  const looked = Effect.fnUntraced(function* (
    key: string,
    { image, otherSize }: PredictRequest,
    ask: Effect.Effect<Prediction, SegmentationError>
  ): Effect.fn.Return<Prediction, SegmentationError> {
    const known = yield* store.get(key)
    // What a call took under a rule of its own may be of no use to this one.
    const suits =
      known !== undefined &&
      (yield* Effect.match(fits(image, known, member.name, otherSize), {
        onSuccess: () => true,
        onFailure: () => false
      }))
    if (suits) return yield* Effect.as(Metric.update(hits, 1), known)
    yield* Metric.update(misses, 1)
    return yield* Effect.tap(ask, (prediction) => store.set(key, prediction))
  })

  const predict = Effect.fnUntraced(function* (
    request: PredictRequest,
    attempt: Attempt
  ): Effect.fn.Return<Prediction, SegmentationError> {
    const ask = Members.predict(member, request, attempt)
    const name = yield* model
    if (name === undefined || !Hashing.canDigest()) return yield* ask
    const content = yield* Hashing.sha256(yield* request.image.bytes)
    const key = yield* Hashing.sha256(
      new TextEncoder().encode(JSON.stringify([content, name, request.prefer ?? ""]))
    )
    while (true) {
      const first = underWay.get(key)
      if (first === undefined) break
      // Whoever was first may have failed or been interrupted: then the next one asks.
      if (Option.isSome(yield* Deferred.await(first))) break
    }
    const settled = Deferred.makeUnsafe<Option.Option<Prediction>>()
    if (!underWay.has(key)) underWay.set(key, settled)
    return yield* Effect.onExit(looked(key, request, ask), (exit) => {
      if (underWay.get(key) === settled) underWay.delete(key)
      return Deferred.succeed(settled, exit._tag === "Success" ? Option.some(exit.value) : Option.none())
    })
  })

  return yield* Transport.make({
    name: member.name,
    predict,
    describe: member.describe,
    health: member.health
  })
})

/** A layer of {@link make}, before the transport of the context. */
export const layer = (
  options?: PredictionCacheOptions
): Layer.Layer<Transport, never, Transport | PredictionStore> =>
  Layer.effect(
    Transport,
    Effect.flatMap(Transport, (member) => make(member, options))
  )

/** The same, with its options from configuration. */
export const layerConfig = (
  config: Wrapped.Wrap<PredictionCacheOptions>
): Layer.Layer<Transport, Config.ConfigError, Transport | PredictionStore> =>
  Layer.unwrap(Effect.map(Wrapped.unwrap<PredictionCacheOptions>(config), layer))
