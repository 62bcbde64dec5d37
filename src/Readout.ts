/** What is made of a prediction's numbers: maps at the image's size, labels and uncertainty of logits, regions of labels. In turns, so that others get theirs. */
import { Clock, Effect } from "effect"
import { blaming, type By, held, lies, type Seen, type SizeRule, stretched } from "./Fitting.ts"
import type { ClassTable } from "./mask/ClassTable.ts"
import * as Components from "./mask/Components.ts"
import type * as Fit from "./mask/Fit.ts"
import * as LabelMap from "./mask/LabelMap.ts"
import * as Logits from "./mask/Logits.ts"
import { type MaskNotDecodable, pixels } from "./mask/MaskError.ts"
import { beforeSoftmax } from "./mask/Probabilities.ts"
import type { Region } from "./mask/Region.ts"
import * as Regions from "./mask/Regions.ts"
import * as Steps from "./mask/Steps.ts"
import { fromLogits, type Uncertainty } from "./mask/Uncertainty.ts"
import { millisOf } from "./policy/MonotonicClock.ts"
import type { Prediction } from "./Prediction.ts"

/** Of logits, or of probabilities where a service gives those. */
export const uncertainty = (logits: Logits.Logits): Uncertainty => fromLogits(beforeSoftmax(logits))

/** Of which services it was told: all maps of one are stretched, mostly, and it is said once. */
const told = new WeakSet<object>()

/** Warns of a map that is stretched over an image of another shape. */
const tellStretched = (
  map: Fit.Size,
  image: Fit.Size,
  input: Fit.Size | undefined,
  transport: string,
  service: object | undefined
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const detail = service === undefined || told.has(service) ? undefined : stretched(map, image, input)
    if (service === undefined || detail === undefined) return Effect.void
    told.add(service)
    return Effect.logWarning(
      `${transport}: ${detail}. That is right where the service distorts images to one shape, and wrong where it puts bars around them: ` +
        'then have it cut them off. `otherSize: "resize"` says that it is right, and "refuse" takes none of another size'
    )
  })

/** In steps: what a large map takes is longer than others should wait. */
export const regions = (map: LabelMap.LabelMap, classes: ClassTable): Effect.Effect<ReadonlyArray<Region>> =>
  Steps.run(function* () {
    return yield* Regions.steps(yield* Components.steps(map), { classes })
  })

/** Longest stretch of work on the event loop, in milliseconds: what others on it may feel. */
const maxSlice = 10

/** Labels from logits, band by band, so that nothing else in this process has to wait for a large image. */
const argmax = (logits: Logits.Logits, width: number, height: number): Effect.Effect<LabelMap.LabelMap> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const data = LabelMap.allocate(logits.classes - 1, width * height)
    let band = Math.max(1, Math.ceil(65_536 / width))
    for (let row = 0; row < height;) {
      const started = millisOf(clock)
      const to = Math.min(height, row + band)
      Logits.rows(logits, width, height, row, to, data)
      row = to
      const took = millisOf(clock) - started
      // Under a clock that stands still, as in tests, the band keeps its size.
      if (took > 0) band = Math.max(1, Math.min(band * 4, Math.floor((band * maxSlice) / 2 / took)))
      yield* Effect.yieldNow
    }
    return { width, height, data }
  })

const upright = (map: LabelMap.LabelMap, image: Seen): LabelMap.LabelMap => {
  const { orientation } = image
  if (!lies(map, image)) return map
  const turned = LabelMap.rotate(map, orientation === 8 ? 270 : 90)
  // 5 and 7 are mirrored as well.
  return orientation === 5 ? LabelMap.flipX(turned) : orientation === 7 ? LabelMap.flipY(turned) : turned
}

/** A map of another size, or of an image that lies: turned, and resized. */
const fitted = (map: LabelMap.LabelMap, image: Seen): LabelMap.LabelMap => {
  const turned = upright(map, image)
  return turned.width === image.width && turned.height === image.height
    ? turned
    : LabelMap.resize(turned, image.width, image.height)
}

/** The labels of logits, or of a map that is not as large as its image, at the size of that. */
export const labelMap = (
  image: Seen,
  prediction: Exclude<Prediction, { readonly _tag: "Rendered" }>,
  by: By,
  rule: SizeRule | undefined,
  service: object | undefined
): Effect.Effect<LabelMap.LabelMap, MaskNotDecodable> =>
  Effect.gen(function* () {
    const { height, width } = image
    const { input } = prediction
    const said = rule === undefined ? service : undefined
    // Before memory is taken for it: limits of images may be wider than those of masks.
    yield* Effect.fromResult(pixels("label map", width, height))
    if (prediction._tag === "Logits") {
      const logits = yield* Effect.fromResult(Logits.make(prediction.logits))
      yield* held(image, prediction, rule)
      yield* tellStretched(logits, image, input, by.transport, said)
      return yield* argmax(logits, width, height)
    }
    const map = yield* Effect.fromResult(LabelMap.make(prediction.labelMap))
    yield* held(image, prediction, rule)
    yield* tellStretched(map, image, input, by.transport, said)
    return fitted(map, image)
  }).pipe(blaming(by))
