/**
 * A segmentation: which class each pixel of an image belongs to, as far as the prediction says.
 *
 * What may not be there is an effect that fails with a typed error: `labelMap` and `regions` of an answer that holds
 * colour pictures only are `NoLabelMap`, never an empty map.
 */
import { type Duration, Effect, Result } from "effect"
import type { Image } from "./image/ImageSource.ts"
import type { ClassTable } from "./mask/ClassTable.ts"
import type { ConfidenceMap } from "./mask/ConfidenceMap.ts"
import * as Fit from "./mask/Fit.ts"
import * as LabelMap from "./mask/LabelMap.ts"
import type { Logits } from "./mask/Logits.ts"
import { MaskNotDecodable } from "./mask/MaskError.ts"
import type { Region } from "./mask/Region.ts"
import type { Uncertainty } from "./mask/Uncertainty.ts"
import type { Pictures, Prediction } from "./Prediction.ts"
import { NoLabelMap } from "./NoLabelMap.ts"

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
   * How unsure the model is of the image as a whole, where there are logits to tell by: of models in this process that were
   * asked for it, and of services that send theirs. Worked out when it is asked for.
   */
  readonly uncertainty: Effect.Effect<Uncertainty | undefined>
  /** What the service rendered. */
  readonly pictures: Pictures
  readonly cost: Cost
}

/**
 * What to do with a map of another size than the image: `"resize"` by nearest neighbour whatever its shape, or `"refuse"` with
 * `MaskNotDecodable`. Where nothing is said, it is resized unless its shape contradicts the image's.
 */
export type SizeRule = "resize" | "refuse"

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
      uncertainty: Effect.undefined
    }
  }
  const labelMap =
    prediction._tag === "Logits"
      ? yield* Effect.flatMap(readout, (Readout) =>
          Effect.flatMap(
            Effect.mapError(
              Effect.fromResult(
                Result.flatMap(Readout.check(prediction.logits), (logits) =>
                  suiting(logits, image, prediction.input, "logits", otherSize)
                )
              ),
              blame
            ),
            (logits) => Readout.argmax(logits, image.width, image.height)
          )
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
      prediction._tag === "Labels"
        ? Effect.succeed(prediction.uncertainty)
        : yield* Effect.cached(uncertaintyOf(prediction.logits))
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

/** What only some programs need is loaded when it is asked for: reading out logits, and finding regions. */
const readout = Effect.promise(() => import("./Readout.ts"))

const findRegions = (map: LabelMap.LabelMap, classes: ClassTable): Effect.Effect<ReadonlyArray<Region>> =>
  Effect.flatMap(readout, (Readout) => Readout.regions(map, classes))

const uncertaintyOf = (logits: Logits): Effect.Effect<Uncertainty> =>
  Effect.map(readout, (Readout) => Readout.uncertainty(logits))

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
