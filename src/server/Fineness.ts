/**
 * What of a label map can be drawn or listed. A map of noise packs to a few bytes, and has as many corners as it has pixels:
 * whoever takes its regions or outlines takes all of the memory, so that each form that does asks here first.
 */
import { Effect } from "effect"
import * as Corners from "../mask/Corners.ts"
import * as Exports from "../mask/Exports.ts"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Steps from "../mask/Steps.ts"
import { Refusal } from "./Refusal.ts"

/** Corners in what an answer draws, each of which may take a kilobyte until it is written. Photographs have some ten thousand. */
const maxCorners = 1_000_000

/** Regions that are listed before the largest are chosen. */
const maxRegions = 1_000_000

const tooFine = (why: string) =>
  new Refusal({
    status: 413,
    detail:
      `The label map is too fine for this form: ${why}. /v1 has it as ` +
      `${Exports.formats.png.mediaType}, application/octet-stream or ${Exports.formats.npy.mediaType}`
  })

/** Fails where the outlines and measures of the map's regions would take too much. */
export const checkDrawable = (labelMap: LabelMap): Effect.Effect<void, Refusal> =>
  Effect.flatMap(
    Steps.run(() => Corners.countSteps(labelMap, maxCorners)),
    (corners) =>
      corners > maxCorners
        ? Effect.fail(tooFine(`its regions have more than ${maxCorners} corners`))
        : Effect.void
  )

/** Fails where there are too many regions to list, even without outlines. */
export const checkListable = (regions: number): Effect.Effect<void, Refusal> =>
  regions > maxRegions ? Effect.fail(tooFine(`it has more than ${maxRegions} regions`)) : Effect.void
