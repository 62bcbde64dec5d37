/** From a segmentation to objects: its regions of the wanted classes, as image processing calls them. */
import { Effect } from "effect"
import * as ClassTable from "../../mask/ClassTable.ts"
import * as Components from "../../mask/Components.ts"
import type { Region } from "../../mask/Region.ts"
import * as Regions from "../../mask/Regions.ts"
import * as Background from "../../render/Background.ts"
import type { Segmentation } from "../../Segmentation.ts"
import type { NoLabelMap } from "../../SegmentationError.ts"
import type { Detection } from "../ImageProcessingApi.ts"
import type { CodeNotLoaded } from "../../service/CodeNotLoaded.ts"

export interface ObjectOptions {
  /** Names of classes; all but the background where it is left out. */
  readonly types?: ReadonlyArray<string> | undefined
  /** Objects less sure than this are left out. 0 by default. */
  readonly threshold?: number | undefined
  /** Share of the image's pixels below which a region is a speck and no object. 1 / 2,000 by default. */
  readonly minShare?: number | undefined
}

/** Regions with their mean confidence, where the segmenter says how sure it is of each pixel. */
const regionsOf = Effect.fnUntraced(function* (
  segmentation: Segmentation
): Effect.fn.Return<ReadonlyArray<Region>, NoLabelMap | CodeNotLoaded> {
  const { classes, confidence } = segmentation
  if (confidence === undefined) return yield* segmentation.regions
  const components = Components.make(yield* segmentation.labelMap)
  yield* Effect.yieldNow
  return Regions.fromComponents(components, { classes, confidence })
})

/**
 * The regions of the wanted classes, the largest first. Confidence is the mean of the region's pixels, else the class's
 * score, else 1.
 */
export const find = Effect.fnUntraced(function* (
  segmentation: Segmentation,
  options: ObjectOptions = {}
): Effect.fn.Return<ReadonlyArray<Detection>, NoLabelMap | CodeNotLoaded> {
  const { minShare = 1 / 2000, threshold = 0, types } = options
  const wanted = new Set(types)
  const least = segmentation.width * segmentation.height * minShare
  return (yield* regionsOf(segmentation))
    .filter(
      ({ area, className }) =>
        area >= least && (types === undefined ? !Background.isName(className) : wanted.has(className))
    )
    .toSorted((a, b) => b.area - a.area)
    .map(({ box, classId, className, meanConfidence }) => ({
      type: className,
      confidence: Math.max(0, Math.min(1, meanConfidence ?? segmentation.scores.get(classId) ?? 1)),
      bounding_box: { x: box.x, y: box.y, width: box.width, height: box.height }
    }))
    .filter(({ confidence }) => confidence >= threshold)
})

/** Those of the wanted types that a model with these classes does not know. */
export const unknownTypes = (
  classes: ClassTable.ClassTable,
  types: ReadonlyArray<string>
): ReadonlyArray<string> =>
  classes.length === 0 ? [] : types.filter((type) => ClassTable.byName(classes, type) === undefined)
