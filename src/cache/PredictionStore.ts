/**
 * Where predictions are kept: in memory up to so many bytes, or in a `KeyValueStore` of `effect/persistence` (files, SQL,
 * Redis, a browser's storage). A store that fails costs no call: it is as if it held nothing, and the log says so.
 */
import { type Config, Context, Effect, Layer } from "effect"
import * as KeyValueStore from "effect/persistence/KeyValueStore"
import * as Wrapped from "../policy/Wrapped.ts"
import type { Prediction } from "../Prediction.ts"
import * as StoredPrediction from "./StoredPrediction.ts"

export interface MemoryOptions {
  /** Of results, the least recently used of which go first. 64 MiB by default. */
  readonly maxBytes?: number | undefined
}

/** Keeps predictions by key. What is given is the caller's own. */
export class PredictionStore extends Context.Service<
  PredictionStore,
  {
    readonly get: (key: string) => Effect.Effect<Prediction | undefined>
    readonly set: (key: string, prediction: Prediction) => Effect.Effect<void>
  }
>()("effect-segformer/cache/PredictionStore") {}

/** A store in memory. */
export const makeMemory = ({ maxBytes = 64 * 2 ** 20 }: MemoryOptions = {}): PredictionStore["Service"] => {
  if (!(maxBytes >= 0))
    throw new RangeError(`PredictionStore: \`maxBytes\` must be at least 0, but is ${maxBytes}`)
  // In the order of their last use: a `Map` keeps the order in which keys are set. Bytes, so that nobody can change what is kept.
  const entries = new Map<string, Uint8Array>()
  let held = 0
  const remove = (key: string) => {
    held -= entries.get(key)?.length ?? 0
    entries.delete(key)
  }
  return {
    get: (key) =>
      Effect.sync(() => {
        const bytes = entries.get(key)
        if (bytes === undefined) return undefined
        entries.delete(key)
        entries.set(key, bytes)
        return StoredPrediction.decode(bytes)
      }),
    set: (key, prediction) =>
      Effect.sync(() => {
        const bytes = StoredPrediction.encode(prediction)
        remove(key)
        if (bytes === undefined || bytes.length > maxBytes) return
        entries.set(key, bytes)
        held += bytes.length
        for (const oldest of entries.keys()) {
          if (held <= maxBytes) break
          remove(oldest)
        }
      })
  }
}

/** A layer of {@link makeMemory}. */
export const layerMemory = (options?: MemoryOptions): Layer.Layer<PredictionStore> =>
  Layer.sync(PredictionStore, () => makeMemory(options))

/** The same, with its options from configuration. */
export const layerMemoryConfig = (
  config: Wrapped.Wrap<MemoryOptions>
): Layer.Layer<PredictionStore, Config.ConfigError> =>
  Layer.effect(PredictionStore, Effect.map(Wrapped.unwrap<MemoryOptions>(config), makeMemory))

/** A store over the `KeyValueStore` of the context. It removes nothing: how much it may hold is that store's affair. */
export const makeKeyValue: Effect.Effect<PredictionStore["Service"], never, KeyValueStore.KeyValueStore> =
  Effect.map(KeyValueStore.KeyValueStore, (store) => {
    const told = (what: string) => (error: { readonly message: string }) =>
      Effect.as(Effect.logWarning(`A result could not be ${what}: ${error.message}`), undefined)
    return {
      get: (key) =>
        Effect.map(Effect.catch(store.getUint8Array(key), told("looked up")), (bytes) =>
          bytes === undefined ? undefined : StoredPrediction.decode(bytes)
        ),
      set: (key, prediction) => {
        const bytes = StoredPrediction.encode(prediction)
        return bytes === undefined
          ? Effect.void
          : Effect.asVoid(Effect.catch(store.set(key, bytes), told("kept")))
      }
    }
  })

/** A layer of {@link makeKeyValue}. */
export const layerKeyValue: Layer.Layer<PredictionStore, never, KeyValueStore.KeyValueStore> = Layer.effect(
  PredictionStore,
  makeKeyValue
)
