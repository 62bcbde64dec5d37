/**
 * A segmentation: which class each pixel of an image belongs to, as far as the prediction says.
 *
 * What may not be there is an effect that fails with a typed error: `labelMap` and `regions` of an answer that holds
 * colour pictures only are `NoLabelMap`, never an empty map.
 */
import { type Duration, Effect } from "effect"
import type { Seen, SizeRule } from "./Fitting.ts"
import type { Image } from "./image/ImageSource.ts"
import type { ClassTable } from "./mask/ClassTable.ts"
import type { ConfidenceMap } from "./mask/ConfidenceMap.ts"
import type { LabelMap } from "./mask/LabelMap.ts"
import type { MaskNotDecodable } from "./mask/MaskError.ts"
import type { Region } from "./mask/Region.ts"
import type { Uncertainty } from "./mask/Uncertainty.ts"
import type { Pictures, Prediction } from "./Prediction.ts"
import { NoLabelMap } from "./NoLabelMap.ts"
import { type CodeNotLoaded, lazily } from "./service/CodeNotLoaded.ts"

export type { SizeRule } from "./Fitting.ts"

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
  readonly labelMap: Effect.Effect<LabelMap, NoLabelMap>
  /** Those that the service reported, else the connected components (8-connected) of the label map. */
  readonly regions: Effect.Effect<ReadonlyArray<Region>, NoLabelMap | CodeNotLoaded>
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
 * The segmentation that a prediction determines. Of a map that is stretched, where nobody said that this is right, a warning says
 * so once for each `service`.
 */
export const fromPrediction = Effect.fnUntraced(function* (
  image: Pick<Image, "source"> & Seen,
  prediction: Prediction,
  transport: string,
  cost: Cost,
  otherSize?: SizeRule,
  service?: object
): Effect.fn.Return<Segmentation, MaskNotDecodable | CodeNotLoaded> {
  const { requestId } = cost
  // Made when it is asked for: an error takes a stack trace, and most callers never ask.
  const none = Effect.suspend(() =>
    Effect.fail(new NoLabelMap({ source: image.source, transport, requestId }))
  )

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
  const { classes } = prediction
  const labelMap =
    prediction._tag === "Labels" && isOf(image, prediction.labelMap)
      ? prediction.labelMap
      : yield* Effect.flatMap(readout, (Readout) =>
          Readout.labelMap(image, prediction, { transport, requestId }, otherSize, service)
        )
  const regions = yield* Effect.cached(
    prediction.regions === undefined
      ? Effect.flatMap(readout, (Readout) => Readout.regions(labelMap, classes))
      : Effect.succeed(prediction.regions)
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
        : yield* Effect.cached(
            Effect.map(Effect.orDie(readout), (Readout) => Readout.uncertainty(prediction.logits))
          )
  }
})

/** What only some programs need is loaded when it is asked for: reading out logits, other sizes, and finding regions. */
const readout = lazily(() => import("./Readout.ts"))

/** A map that has the size of its image is taken as it is, which most have. */
const isOf = ({ height, width }: Seen, map: LabelMap): boolean =>
  map.width === width && map.height === height && map.data.length === width * height
