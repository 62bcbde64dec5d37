/**
 * One label map from several masks, one per class or per instance, which may overlap and leave gaps.
 *
 * The rule: where masks overlap, the one with the higher score wins, and of equal scores the one that comes first.
 * A mask without a score counts as 1. A pixel in no mask gets `gap`: the ignore index by default.
 *
 * ```ts
 * import { Result } from "effect"
 * import { BinaryMask, Masks } from "effect-segformer/mask"
 *
 * const wide = { classId: 1, mask: BinaryMask.fromRows(["##."]), score: 0.6 }
 * const narrow = { classId: 2, mask: BinaryMask.fromRows([".#."]), score: 0.9 }
 * Result.getOrThrow(Masks.toLabelMap([wide, narrow])).data // => Uint8Array.of(1, 2, 255)
 * ```
 */
import { Result } from "effect"
import type { BinaryMask } from "./BinaryMask.ts"
import { canvas, freeId, type LabelMap } from "./LabelMap.ts"
import { fail, type MaskNotDecodable } from "./MaskError.ts"

/** A mask and what it shows. */
export interface ClassMask {
  readonly classId: number
  readonly mask: BinaryMask
  /** 1 where it is not given. */
  readonly score?: number | undefined
}

export interface Options {
  /** The id of pixels in no mask. The ignore index by default. */
  readonly gap?: number | undefined
  /** 255 by default, or the first id above every class where 255 is one. */
  readonly ignoreIndex?: number | undefined
}

/** The label map of masks of one size, by the rule above. Fails where there is none, or sizes differ. */
export const toLabelMap = (
  masks: ReadonlyArray<ClassMask>,
  options: Options = {}
): Result.Result<LabelMap, MaskNotDecodable> => {
  const first = masks[0]
  if (first === undefined) {
    return fail("masks", "there are none, so no size is known")
  }
  const { height, width } = first.mask
  for (const [index, { classId, mask }] of masks.entries()) {
    if (mask.width !== width || mask.height !== height || mask.data.length !== width * height) {
      return fail(
        `mask ${index + 1} of ${masks.length}: class ${classId}`,
        `it is ${mask.width} x ${mask.height} pixels, the first one ${width} x ${height}`
      )
    }
  }
  const ids = masks.map(({ classId }) => classId)
  const ignoreIndex = options.ignoreIndex ?? freeId(ids)
  return Result.map(canvas(width, height, ids, options.gap ?? ignoreIndex), ({ data }) => {
    for (const { classId, mask } of weakestFirst(masks)) {
      const source = mask.data
      for (let i = 0; i < source.length; i++) if (source[i] !== 0) data[i] = classId
    }
    return { width, height, data, ignoreIndex }
  })
}

/**
 * The order in which masks are painted over each other by the rule above, for those who do not hold all of them in
 * memory: the strongest last and, of equal scores, the first last.
 */
export const weakestFirst = <A extends { readonly score?: number | undefined }>(
  masks: ReadonlyArray<A>
): Array<A> =>
  // `sort` is stable.
  masks.toReversed().sort((a, b) => (a.score ?? 1) - (b.score ?? 1))
