/**
 * Test-time augmentation: a transport that looks at each picture several times, mirrored and at other sizes, and gives
 * the average of the logits. It takes as many times longer. It stands before any transport that gives logits, and
 * whatever segments (one picture, many, windows of a large one) segments with it.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ImageSource, segment } from "effect-segformer"
 * import { SegFormerOnnx } from "effect-segformer/onnx"
 * import { SharpCodec } from "effect-segformer/sharp"
 * import { Augmentation } from "effect-segformer/tiled"
 * import { Fixtures } from "effect-segformer/testing"
 *
 * const steady = Augmentation.layer({ flips: ["x", "y"] }).pipe(
 *   Layer.provide(SegFormerOnnx.layer()),
 *   Layer.provide(SharpCodec.layer)
 * )
 * const program = Effect.map(segment(ImageSource.bytes(Fixtures.image)), ({ height, width }) => [width, height])
 * await Effect.runPromise(Effect.provide(program, steady)) // => [48, 32]
 * ```
 */
import { Effect, Layer, type Scope } from "effect"
import { ImageCodec, type Raster } from "../image/ImageCodec.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as Resample from "../image/Resample.ts"
import { axis } from "../mask/LogitCells.ts"
import * as Logits from "../mask/Logits.ts"
import type { Attempt } from "../policy/Attempt.ts"
import type { Prediction } from "../Prediction.ts"
import { InferenceFailed, type SegmentationError } from "../SegmentationError.ts"
import { type PredictRequest, Transport } from "../Transport.ts"
import * as Members from "../TransportMembers.ts"
import { finish } from "./Band.ts"

/** `"x"`: left becomes right. `"y"`: top becomes bottom. `"xy"`: both, which is half a turn. */
export type Flip = "x" | "y" | "xy"

export interface AugmentationOptions {
  /** Looked at besides the picture as it is. `["x"]` by default. */
  readonly flips?: ReadonlyArray<Flip> | undefined
  /**
   * Sizes at which the picture and its mirror images are looked at; 1 is its own. `[1]` by default. Of use where the
   * model takes pictures as they are: one that resizes them to its own size sees the same each time.
   */
  readonly scales?: ReadonlyArray<number> | undefined
  /** Looks at one picture under way at once. 1 by default. */
  readonly concurrency?: number | undefined
}

interface View {
  readonly scale: number
  readonly flip: Flip | undefined
}

/**
 * A transport before another, whose policy each look is under. Logits have the resolution of the first scale's. Throws
 * `RangeError` for a scale that is not a positive number.
 */
export const make = Effect.fnUntraced(function* (
  member: Transport["Service"],
  options: AugmentationOptions = {}
): Effect.fn.Return<Transport["Service"], never, ImageCodec | Scope.Scope> {
  const codec = yield* ImageCodec
  const { concurrency = 1, flips = ["x"], scales = [1] } = options
  for (const scale of scales) {
    if (scale > 0 && scale < Infinity) continue
    throw new RangeError(`Augmentation: a scale must be a positive number, but is ${scale}`)
  }
  const views = scales.flatMap((scale): ReadonlyArray<View> => [
    { scale, flip: undefined },
    ...new Set(flips).values().map((flip) => ({ scale, flip }))
  ])

  const predict = Effect.fnUntraced(function* (
    request: PredictRequest,
    attempt: Attempt
  ): Effect.fn.Return<Prediction, SegmentationError> {
    const { image } = request
    const raster = yield* codec.decode(image, { maxPixels: Number.MAX_SAFE_INTEGER })
    let sum: Sum | undefined
    let first: Prediction | undefined
    const look = Effect.fnUntraced(function* (view: View): Effect.fn.Return<Seen, SegmentationError> {
      const isItself = view.scale === 1 && view.flip === undefined
      const seen = isItself ? image : yield* viewOf(codec, image, raster, view)
      const prediction = yield* Members.predict(member, { image: seen, prefer: "logits" }, attempt)
      if (prediction._tag !== "Logits") {
        const detail = `averaging takes logits, but it gave ${prediction._tag === "Labels" ? "a label map" : "pictures"}`
        return yield* new InferenceFailed({ model: member.name, source: image.source, detail })
      }
      const logits = yield* Effect.fromResult(Logits.make(prediction.logits))
      return { view, prediction, logits }
    })
    yield* Effect.forEach(views, look, { concurrency }).pipe(
      Effect.flatMap((all) =>
        Effect.forEach(all, ({ logits, prediction, view }) => {
          first ??= prediction
          sum ??= emptyLike(logits)
          return sum.classes === logits.classes
            ? finish(adding(sum, logits, view.flip))
            : new InferenceFailed({
                model: member.name,
                source: image.source,
                detail: `it gave ${sum.classes} classes at first, and ${logits.classes} then`
              })
        })
      )
    )
    return averaged(first, sum, views.length)
  })

  return yield* Transport.make({
    name: `${member.name}, ${views.length} looks`,
    predict,
    describe: member.describe,
    health: member.health
  })
})
