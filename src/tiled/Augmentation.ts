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
import { Config, Effect, Layer, type Scope } from "effect"
import { ImageCodec, type Raster } from "../image/ImageCodec.ts"
import type { Image } from "../image/Image.ts"
import * as RasterImage from "../image/RasterImage.ts"
import * as Resample from "../image/Resample.ts"
import { axis } from "../mask/LogitCells.ts"
import * as Logits from "../mask/Logits.ts"
import { beforeSoftmaxSteps } from "../mask/Probabilities.ts"
import * as Steps from "../mask/Steps.ts"
import type { Attempt } from "../policy/Attempt.ts"
import type { Prediction } from "../Prediction.ts"
import { InferenceFailed, type SegmentationError } from "../SegmentationError.ts"
import { type PredictRequest, Transport } from "../Transport.ts"
import * as Members from "../TransportMembers.ts"
import * as Wrapped from "../policy/Wrapped.ts"

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

/** What one look came to. */
interface Look {
  readonly flip: Flip | undefined
  readonly prediction: Extract<Prediction, { readonly _tag: "Logits" }>
}

/**
 * A transport before another, whose policy each look is under. Logits have the resolution that the first scale gives.
 * Throws `RangeError` for scales that are no positive numbers.
 */
export const make = Effect.fnUntraced(function* (
  member: Transport["Service"],
  options: AugmentationOptions = {}
): Effect.fn.Return<Transport["Service"], never, ImageCodec | Scope.Scope> {
  const codec = yield* ImageCodec
  const { concurrency = 1, flips = ["x"], scales = [1] } = options
  if (scales.length === 0 || !scales.every((scale) => scale > 0 && scale < Infinity)) {
    throw new RangeError(`Augmentation: \`scales\` must be positive numbers, but are [${scales.join(", ")}]`)
  }
  const views = scales.flatMap((scale) =>
    [undefined, ...new Set(flips)].map((flip): View => ({ scale, flip }))
  )

  const predict = Effect.fnUntraced(function* (
    request: PredictRequest,
    attempt: Attempt
  ): Effect.fn.Return<Prediction, SegmentationError> {
    const { image } = request
    const fail = (detail: string) => new InferenceFailed({ model: member.name, source: image.source, detail })
    const raster = yield* codec.decode(image)
    const look = Effect.fnUntraced(function* (view: View): Effect.fn.Return<Look, SegmentationError> {
      const isItself = view.scale === 1 && view.flip === undefined
      const seen = isItself ? image : yield* viewOf(codec, image, raster, view)
      const prediction = yield* Members.predict(
        member,
        { ...request, image: seen, prefer: "logits" },
        attempt
      )
      if (prediction._tag !== "Logits") {
        const given = prediction._tag === "Labels" ? "a label map" : "pictures"
        return yield* fail(`averaging over flips and scales takes logits, and it gave ${given}`)
      }
      yield* Effect.fromResult(Logits.make(prediction.logits))
      return { flip: view.flip, prediction }
    })
    const given = yield* Effect.forEach(views, look, { concurrency })
    const sure = yield* Effect.forEach(given, ({ prediction: { logits } }) =>
      Effect.map(
        Steps.run(() => beforeSoftmaxSteps(logits)),
        (before) => (before === logits ? undefined : before)
      )
    )
    // Rounding alone may make one look none of probabilities.
    const looks = given.map((each, index): Look => {
      const logits = sure.includes(undefined) ? undefined : sure[index]
      return logits === undefined ? each : { ...each, prediction: { ...each.prediction, logits } }
    })
    const { prediction } = looks[0]!
    const classes = [...new Set(looks.map((each) => each.prediction.logits.classes))]
    if (classes.length > 1) return yield* fail(`it gave logits of ${classes.join(" and of ")} classes`)
    // What it says of scores or regions is of one look alone.
    return {
      _tag: "Logits",
      classes: prediction.classes,
      logits: yield* average(looks, prediction.logits),
      input: prediction.input,
      requestId: prediction.requestId
    }
  })

  return yield* Transport.make({
    name: `${member.name} in ${views.length} looks`,
    predict,
    describe: member.describe,
    health: member.health
  })
})

/** A layer of {@link make}, before the transport of the context. */
export const layer = (options?: AugmentationOptions): Layer.Layer<Transport, never, Transport | ImageCodec> =>
  Layer.effect(
    Transport,
    Effect.flatMap(Transport, (member) => make(member, options))
  )

/** The same, with its options from configuration. */
export const layerConfig = (
  config: Wrapped.Wrap<AugmentationOptions>
): Layer.Layer<Transport, Config.ConfigError, Transport | ImageCodec> =>
  Layer.unwrap(Effect.map(Wrapped.unwrap<AugmentationOptions>(config), layer))

const viewOf = Effect.fnUntraced(function* (
  codec: ImageCodec["Service"],
  image: Image,
  raster: Raster,
  { flip, scale }: View
): Effect.fn.Return<Image, SegmentationError> {
  const width = Math.max(1, Math.round(raster.width * scale))
  const height = Math.max(1, Math.round(raster.height * scale))
  const scaled = scale === 1 ? raster.data : yield* resizing(raster, width, height)
  const data = flip === undefined ? scaled : yield* flipping(scaled, width, height, flip)
  const name = image.name.replace(/\.\w+$/, ".png")
  const limits = { maxBytes: Infinity, maxPixels: Infinity }
  const view = yield* RasterImage.fromRaster(codec, name, { width, height, channels: 3, data }, limits)
  return { ...view, source: image.source }
})

/** As Pillow does it, to which models are used. */
const resizing = Steps.paused(function* ({ data, height, width }: Raster, toWidth: number, toHeight: number) {
  const resampler = Resample.make(width, height, toWidth, toHeight, "bilinear")
  for (let y = 0; y < height; y++) {
    yield
    resampler.push(data.subarray(y * width * 3, (y + 1) * width * 3))
  }
  const out = new Uint8Array(toWidth * toHeight * 3)
  resampler.rows((row, y) => out.set(row, y * toWidth * 3))
  return out
})

const flipping = Steps.paused(function* (data: Uint8Array, width: number, height: number, flip: Flip) {
  const out = new Uint8Array(data.length)
  for (let y = 0; y < height; y++) {
    yield
    const row = data.subarray(y * width * 3, (y + 1) * width * 3)
    const start = (flip === "x" ? y : height - 1 - y) * width * 3
    if (flip === "y") out.set(row, start)
    else for (let x = 0; x < width; x++) out.set(row.subarray(x * 3, x * 3 + 3), start + (width - 1 - x) * 3)
  }
  return out
})

/** The mean of all looks, turned back and resized bilinearly (`align_corners=False`), in 64 bits. */
const average = Steps.paused(function* (looks: ReadonlyArray<Look>, like: Logits.Logits) {
  const { classes, height, width } = like
  const data = new Float32Array(classes * height * width)
  const sums = new Float64Array(width)
  const taken = looks.map(({ flip, prediction: { logits } }) => ({
    flip,
    logits,
    columns: axis(logits.width, width),
    lines: axis(logits.height, height)
  }))
  for (let row = 0; row < classes * height; row++) {
    yield
    const plane = Math.floor(row / height)
    sums.fill(0)
    for (const { columns, flip, lines, logits } of taken) {
      const y = flip === "y" || flip === "xy" ? height - 1 - (row % height) : row % height
      const upper = (plane * logits.height + lines.low[y]!) * logits.width
      const lower = (plane * logits.height + lines.high[y]!) * logits.width
      const wy = lines.weight[y]!
      for (let x = 0; x < width; x++) {
        const at = flip === "x" || flip === "xy" ? width - 1 - x : x
        const low = columns.low[at]!
        const high = columns.high[at]!
        const wx = columns.weight[at]!
        const left = (1 - wy) * logits.data[upper + low]! + wy * logits.data[lower + low]!
        const right = (1 - wy) * logits.data[upper + high]! + wy * logits.data[lower + high]!
        sums[x]! += (1 - wx) * left + wx * right
      }
    }
    for (let x = 0; x < width; x++) data[row * width + x] = sums[x]! / taken.length
  }
  return { data, classes, height, width }
})
