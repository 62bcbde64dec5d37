/**
 * What takes long to start and is only asked, once for all test files of a worker, when the first one needs it: the
 * model in the box, a browser, a database. All end with the worker: the model's process by itself, as with any program,
 * Chromium when the pipe to it closes, PostgreSQL when it is told to. Tests about starting and ending have their own.
 */
import { Effect, Layer, Scope } from "effect"
import type { Transport } from "effect-segformer"
import type { ImageCodec } from "effect-segformer/image"
import { SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { type Browser, chromium } from "playwright-core"
import * as Needs from "./Needs.ts"
import { Postgres } from "./Postgres.ts"

/** Made outside of whoever asks first, whose clock, logger and interruption must not reach the others. */
const once = <A, E>(make: Effect.Effect<A, E, Scope.Scope>): Effect.Effect<A> => {
  let made: Promise<A> | undefined
  return Effect.promise(
    () => (made ??= Effect.runPromise(Effect.provideService(make, Scope.Scope, Scope.makeUnsafe())))
  )
}

/** The model in the box, on one thread, with the confidence of each pixel; and the codec. */
export const model: Layer.Layer<Transport | ImageCodec> = Layer.effectContext(
  once(
    Layer.build(Layer.provideMerge(SegFormerOnnx.layer({ confidence: true, threads: 1 }), SharpCodec.layer))
  )
)

/** Chromium, where {@link Needs.chromium} says that there is one. */
export const browser: Effect.Effect<Browser> = once(
  Effect.promise(() =>
    chromium.launch({
      ...(Needs.chromium === undefined ? {} : { executablePath: Needs.chromium }),
      args: ["--no-sandbox", "--disable-dev-shm-usage"]
    })
  )
)

/** PostgreSQL, in which each test takes a database of its own. */
export const postgres: Layer.Layer<Postgres> = Layer.effect(Postgres, once(Postgres.make()))
