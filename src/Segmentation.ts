/**
 * A segmentation: which class each pixel of an image belongs to, as far as the prediction says.
 *
 * What may not be there is an effect that fails with a typed error: `labelMap` and `regions` of an answer that holds
 * colour pictures only are `NoLabelMap`, never an empty map.
 */
import { Clock, Duration, Effect, Result } from "effect"
import type { Image } from "./image/ImageSource.ts"
import type { ClassTable } from "./mask/ClassTable.ts"
import * as Components from "./mask/Components.ts"
import type { ConfidenceMap } from "./mask/ConfidenceMap.ts"
import * as Fit from "./mask/Fit.ts"
import * as LabelMap from "./mask/LabelMap.ts"
import * as Logits from "./mask/Logits.ts"
import { MaskNotDecodable } from "./mask/MaskError.ts"
import type { Region } from "./mask/Region.ts"
import * as Regions from "./mask/Regions.ts"
import * as Steps from "./mask/Steps.ts"
import * as Uncertainty from "./mask/Uncertainty.ts"
import type { Pictures, Prediction } from "./Prediction.ts"
import { NoLabelMap } from "./SegmentationError.ts"

/** What a segmentation took. */
export interface Cost {
  readonly attempts: number
  /** From the call to its result, waits between attempts included. */
  readonly duration: Duration.Duration
  /** What the other side says it took. */
  readonly serviceTime: Duration.Duration | undefined
  readonly requestId: string
}

export interface Segmentation {
  /** Where the image comes from, as in errors. */
  readonly source: string
  /** In pixels. */
  readonly width: number
  /** In pixels. */
  readonly height: number
  /** The classes of the model, or those that the answer names. */
  readonly classes: ClassTable
  /** `[height, width]` class ids at the image's size. */
  readonly labelMap: Effect.Effect<LabelMap.LabelMap, NoLabelMap>
  /** Those that the service reported, else the connected components (8-connected) of the label map. */
  readonly regions: Effect.Effect<ReadonlyArray<Region>, NoLabelMap>
  /** The regions that the service reported; `undefined` where `regions` are those of the label map. */
  readonly reported: ReadonlyArray<Region> | undefined
  /** By class id, from 0 to 1; empty where the other side gives none. */
  readonly scores: ReadonlyMap<number, number>
  /** How sure the model is of each pixel, where the other side says. */
  readonly confidence: ConfidenceMap | undefined
  /**
   * How unsure the model is of the image as a whole, where there are logits to tell by: of models in this process, and of
   * services that send theirs.
   */
  readonly uncertainty: Uncertainty.Uncertainty | undefined
  /** What the service rendered. */
  readonly pictures: Pictures
  readonly cost: Cost
}

/**
 * What to do with a map of another size than the image: `"resize"` by nearest neighbour whatever its shape, or `"refuse"` with
 * `MaskNotDecodable`. Where nothing is said, it is resized unless its shape contradicts the image's.
 */
export type SizeRule = "resize" | "refuse"

/** Longest stretch of work on the event loop, in milliseconds: what others on it may feel. */
const maxSlice = 10

/** The image as a person sees it. */
type Seen = Pick<Image, "width" | "height" | "orientation">

/** The segmentation that a prediction determines. */
export const fromPrediction = Effect.fnUntraced(function* (
  image: Pick<Image, "source"> & Seen,
  prediction: Prediction,
  transport: string,
  cost: Cost,
  otherSize?: SizeRule
): Effect.fn.Return<Segmentation, MaskNotDecodable> {
  const { requestId } = cost
  // Made when it is asked for: an error takes a stack trace, and most callers never ask.
  const none = Effect.suspend(() =>
    Effect.fail(new NoLabelMap({ source: image.source, transport, requestId }))
  )
  const blame = (error: MaskNotDecodable) =>
    new MaskNotDecodable({ mask: error.mask, detail: error.detail, service: transport, requestId })

  const common = {
    source: image.source,
    classes: prediction.classes,
    scores: prediction.scores ?? new Map<number, number>(),
    pictures: prediction.pictures ?? {},
    reported: prediction.regions,
    cost
  }
  if (prediction._tag === "Rendered") {
    return {
      ...common,
      width: prediction.width,
      height: prediction.height,
      labelMap: none,
      regions: prediction.regions === undefined ? none : Effect.succeed(prediction.regions),
      confidence: undefined,
      uncertainty: undefined
    }
  }
  const labelMap =
    prediction._tag === "Logits"
      ? yield* Effect.flatMap(
          Effect.mapError(
            Effect.fromResult(
              Result.flatMap(Logits.make(prediction.logits), (logits) =>
                suiting(logits, image, prediction.input, "logits", otherSize)
              )
            ),
            blame
          ),
          (logits) => argmax(logits, image.width, image.height)
        )
      : yield* Effect.mapError(
          Effect.fromResult(atSize(prediction.labelMap, image, prediction.input, otherSize)),
          blame
        )
  const { classes } = prediction
  const regions = yield* Effect.cached(
    prediction.regions === undefined ? findRegions(labelMap, classes) : Effect.succeed(prediction.regions)
  )
  return {
    ...common,
    width: image.width,
    height: image.height,
    labelMap: Effect.succeed(labelMap),
    regions,
    confidence: prediction._tag === "Labels" ? prediction.confidence : undefined,
    uncertainty:
      prediction._tag === "Labels" ? prediction.uncertainty : Uncertainty.fromLogits(prediction.logits)
  }
})

/**
 * A map of a service that left EXIF orientation aside is turned as the image is: its width and height stand exchanged,
 * and resizing it would distort it unnoticed.
 */
const upright = (map: LabelMap.LabelMap, { height, orientation, width }: Seen): LabelMap.LabelMap => {
  if (orientation < 5 || !Fit.isTurned(map, { width, height })) return map
  const turned = LabelMap.rotate(map, orientation === 8 ? 270 : 90)
  // 5 and 7 are mirrored as well.
  return orientation === 5 ? LabelMap.flipX(turned) : orientation === 7 ? LabelMap.flipY(turned) : turned
}

/** In steps: what a large map takes is longer than others should wait. */
const findRegions = (map: LabelMap.LabelMap, classes: ClassTable): Effect.Effect<ReadonlyArray<Region>> =>
  Steps.run(function* () {
    return yield* Regions.steps(yield* Components.steps(map), { classes })
  })

const atSize = (
  map: LabelMap.LabelMap,
  image: Seen,
  input: Fit.Size | undefined,
  rule: SizeRule | undefined
): Result.Result<LabelMap.LabelMap, MaskNotDecodable> =>
  Result.flatMap(LabelMap.make(map), (given) => {
    const checked = upright(given, image)
    if (checked.width === image.width && checked.height === image.height) return Result.succeed(checked)
    if (rule !== "refuse") {
      return Result.map(suiting(checked, image, input, "label map", rule), (map) =>
        LabelMap.resize(map, image.width, image.height)
      )
    }
    return Result.fail(
      new MaskNotDecodable({
        mask: "label map",
        detail: `it is ${checked.width} x ${checked.height} pixels, but the image ${image.width} x ${image.height}`
      })
    )
  })

/** What may be resized to the image's size: all, where that was asked for, else what does not contradict its shape. */
const suiting = <A extends Fit.Size>(
  map: A,
  image: Fit.Size,
  input: Fit.Size | undefined,
  mask: string,
  rule: SizeRule | undefined
): Result.Result<A, MaskNotDecodable> => {
  const detail = rule === "resize" ? undefined : Fit.contradiction(map, image, input)
  return detail === undefined ? Result.succeed(map) : Result.fail(new MaskNotDecodable({ mask, detail }))
}

/** Labels from logits, band by band, so that nothing else in this process has to wait for a large image. */
const argmax = (logits: Logits.Logits, width: number, height: number): Effect.Effect<LabelMap.LabelMap> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const data = LabelMap.allocate(logits.classes - 1, width * height)
    let band = Math.max(1, Math.ceil(65_536 / width))
    for (let row = 0; row < height;) {
      const started = clock.monotonicTimeNanosUnsafe()
      const to = Math.min(height, row + band)
      Logits.rows(logits, width, height, row, to, data)
      row = to
      const took = Number(clock.monotonicTimeNanosUnsafe() - started) / 1e6
      // Under a clock that stands still, as in tests, the band keeps its size.
      if (took > 0) band = Math.max(1, Math.min(band * 4, Math.floor((band * maxSlice) / 2 / took)))
      yield* Effect.yieldNow
    }
    return { width, height, data }
  })
