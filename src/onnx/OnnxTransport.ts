/**
 * A SegFormer in ONNX format as a `Transport`, over whichever `OnnxRuntime` there is: decode, resize and normalise, run,
 * and label maps from logits at the image's size, as `SegformerImageProcessor` does it around the model.
 */
import { Duration, Effect, Result, type Scope } from "effect"
import { ImageCodec } from "../image/ImageCodec.ts"
import { DependencyMissing } from "../image/ImageError.ts"
import type { Preprocessing } from "../image/Preprocessing.ts"
import { filters } from "../image/Resample.ts"
import type { ClassTable } from "../mask/ClassTable.ts"
import * as ErrorKind from "../ErrorKind.ts"
import * as Policy from "../policy/Policy.ts"
import * as Range from "../policy/Range.ts"
import type { Prediction } from "../Prediction.ts"
import { InferenceFailed, type SegmentationError } from "../SegmentationError.ts"
import { own, span } from "../TelemetryNames.ts"
import { Transport, type TransportOptions } from "../Transport.ts"
import type { ModelError, ModelSource } from "./Model.ts"
import { OnnxRuntime } from "./OnnxRuntime.ts"
import { release } from "../mask/Grid.ts"
import type { Weights } from "./session/Session.ts"
import * as SessionPool from "./session/SessionPool.ts"

export interface OnnxTransportOptions {
  /**
   * Which of a folder's models: `"model"` or `"fp32"` for `onnx/model.onnx`, the default; `"fp16"`, `"q8"`, `"int8"`,
   * `"uint8"`, `"q4"`, `"q4f16"`, `"bnb4"` as `transformers.js` calls them; any other name for `onnx/model_NAME.onnx`.
   */
  readonly variant?: string | undefined
  /** Images under way at once, each in a process with the model's weights. 1 by default. */
  readonly sessions?: number | undefined
  /** Threads of each session. By default the processors of this machine, divided among the sessions. */
  readonly threads?: number | undefined
  /** Give the model's confidence per pixel as well: 4 bytes a pixel. Not by default. */
  readonly confidence?: boolean | undefined
  /** Say how unsure the model is of each image as a whole: 30 ms an image at 150 classes. Not by default. */
  readonly uncertainty?: boolean | undefined
  /**
   * The session of an interrupted image may go on for this long before it is replaced, or for four times what the slowest of
   * the last images took, where that is longer. 5 seconds by default.
   */
  readonly gracePeriod?: Duration.Input | undefined
  /** Instead of what the model's `config.json` says. */
  readonly classes?: ClassTable | undefined
  /**
   * Instead of what the model's `preprocessor_config.json` says. `{ filter: "libvips-bilinear" }` gives the label maps of
   * `@huggingface/transformers` (docs/decisions/resizing.md).
   */
  readonly preprocessing?: Partial<Preprocessing> | undefined
  /**
   * Of a model that gives one number a pixel: pixels above it are of class 1, and the others of class 0. 0 for logits, 0.5
   * for probabilities. Such a model is refused without it.
   */
  readonly threshold?: number | undefined
  /** Of a model with several outputs: the name of the one to read. That of all classes, or `logits`, by default. */
  readonly output?: string | undefined
  /** Changes to `Policy.local`: one attempt, no time-out. Two images a session, and one more, are held in memory. */
  readonly policy?: Policy.PolicyOptions | undefined
}

/** Everything that keeps a model from being loaded. */
export type LoadError = ModelError | DependencyMissing

/** The layer that a program called: what is wrong with its options is said of that one. */
type Layer = "SegFormerOnnx" | "SegFormerWeb"

/** More sessions or threads than that serve nobody on any machine, and are a slip. */
const many = 256

const count = (layer: Layer, name: string, value: number | undefined, otherwise: number): number => {
  if (value === undefined) return otherwise
  const range = { least: 1, most: Math.max(many, otherwise), whole: true }
  if (Range.isWithin(range, value)) return value
  throw new RangeError(`${layer}: \`${name}\` must be ${Range.words(range)}, but is ${Range.shown(value)}`)
}

/** Instead of what a model's settings say, which are checked where they are read. */
const preprocessingOf = (layer: Layer, own: Partial<Preprocessing> = {}): Partial<Preprocessing> => {
  ErrorKind.oneOf(layer, "preprocessing.filter", own.filter, [...filters, "libvips-bilinear"])
  ErrorKind.oneOf(layer, "preprocessing.channels", own.channels, ["rgb", "bgr"])
  for (const name of ["mean", "std"] as const) {
    const value = own[name]
    if (value !== undefined && (value.length !== 3 || !value.every(Number.isFinite)))
      throw new RangeError(
        `${layer}: \`preprocessing.${name}\` must be three numbers, but is [${value.join(", ")}]`
      )
  }
  return own
}

/** Both things come, or what fails: packages that either lacks in one error, for one command to install. */
const both = Effect.fnUntraced(function* <A, R>(
  codec: ImageCodec["Service"],
  loading: Effect.Effect<A, LoadError, R>
): Effect.fn.Return<A, LoadError, R> {
  const [decoder, loaded] = yield* Effect.all(
    [Effect.result(codec.ready ?? Effect.void), Effect.result(loading)],
    { concurrency: 2 }
  )
  if (Result.isSuccess(decoder)) return yield* Effect.fromResult(loaded)
  const { failure } = decoder
  if (Result.isSuccess(loaded) || loaded.failure._tag !== "DependencyMissing") return yield* failure
  const { detail, packages, purpose } = loaded.failure
  return yield* new DependencyMissing({
    packages: [...failure.packages, ...packages],
    purpose,
    detail: `${failure.detail}; ${detail}`
  })
})

/** How many channels classes speak of, and whether there may be more of them. */
const channelsOf = (classes: ClassTable, isOwn: boolean) => {
  const [before, last] = [classes.at(-2)?.id ?? -1, classes.at(-1)?.id ?? -1]
  // In most data sets 255 is what has no class: a name for it is none of a channel, where 254 has no name.
  const isVoid = last === 255 && before < 254
  return {
    classes: (isVoid ? before : last) + 1,
    more: isOwn || isVoid || classes.every(({ name }) => /^LABEL_\d+$/.test(name))
  }
}

/** A transport whose sessions are loaded and warm. They end with the scope. */
export const make = Effect.fnUntraced(function* <R = never>(
  layer: Layer,
  source: ModelSource<R>,
  options: OnnxTransportOptions
): Effect.fn.Return<Transport["Service"], LoadError, ImageCodec | OnnxRuntime | R | Scope.Scope> {
  const codec = yield* ImageCodec
  const runtime = yield* OnnxRuntime
  const sessions = count(layer, "sessions", options.sessions, 1)
  const each = Math.max(1, Math.floor(runtime.threads / sessions))
  const threads = count(layer, "threads", options.threads, each)
  const overrides = preprocessingOf(layer, options.preprocessing)
  const model = yield* source.open(options.variant ?? "model")
  const classes = options.classes ?? model.classes
  const weights: Weights =
    model.bytes === undefined
      ? { _tag: "File", path: model.file }
      : { _tag: "Bytes", bytes: model.bytes, outside: model.outside }
  const pool = yield* both(
    codec,
    SessionPool.make({
      runtime,
      model: model.name,
      sessions,
      gracePeriod: Duration.toMillis(Duration.fromInputUnsafe(options.gracePeriod ?? "5 seconds")),
      load: {
        weights,
        threads,
        preprocessing: { ...model.preprocessing, ...overrides },
        expected: {
          ...channelsOf(classes, options.classes !== undefined),
          threshold: options.threshold,
          output: options.output
        }
      }
    })
  )

  const { choice = Effect.succeed(undefined) } = runtime
  const chosen = yield* choice
  if (chosen !== undefined) yield* Effect.logInfo(`${model.name} runs by ${chosen}`)

  const predict: TransportOptions["predict"] = ({ image, prefer }, attempt) =>
    Effect.flatMap(codec.decode(image, { channels: 3 }), (raster) => {
      attempt.phase = "inferring"
      const { data, height, width } = raster
      const picture = {
        data,
        height,
        width,
        confidence: options.confidence ?? false,
        uncertainty: options.uncertainty ?? false,
        logits: prefer === "logits"
      }
      return Effect.mapBoth(pool.predict(picture), {
        onSuccess: ({ milliseconds, ...found }): Prediction => {
          release(data)
          // A model here has its own size for every image, and its logits are of that.
          const input = found._tag === "Logits" ? found.logits : undefined
          return { ...found, input, classes, serviceTime: Duration.millis(milliseconds) }
        },
        onFailure: (error): SegmentationError =>
          error._tag === "Lost"
            ? new InferenceFailed({ model: model.name, source: image.source, detail: error.detail })
            : error
      })
    }).pipe(span("SegFormerOnnx.predict", { [own.model]: model.name }))

  return yield* Transport.make({
    name: model.name,
    predict,
    describe: Effect.succeed({ name: model.name, classes }),
    health: Effect.zipWith(pool.ready, choice, (ready, why) => ({
      healthy: ready > 0,
      detail: `${ready} of ${sessions} sessions ready${why === undefined ? "" : `; ${why}`}`
    })),
    policy: Policy.make(options.policy ?? {}, {
      ...Policy.local,
      // One in the model, one before it: that keeps sessions busy, and more would only fill memory with pictures.
      concurrency: sessions * 2 + 1
    })
  })
})
