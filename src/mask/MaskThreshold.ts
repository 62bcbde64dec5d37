/**
 * From which value on a pixel is in a mask of one class, where nobody says so. Masks come as 0 and 1, as 0 and another value,
 * and as how sure somebody is of each pixel: then half of what there can be counts, not the noise of a matte or a JPEG. Values
 * that are numbers of things (1 and 2, a trimap's 1, 2 and 3, a class beside the 255 of what is ignored) say nothing of it.
 */

/** More values than this are no numbers of things, but shades. */
const mostNumbers = 12

/** Shades of black, or numbers of things: a matte whose only shades are these, beside white, has no edges. */
const dark = 32

/** The values that there are, from the lowest on; at most one more than {@link mostNumbers}. */
const someOf = (values: ArrayLike<number>): ReadonlyArray<number> => {
  const found = new Set<number>()
  let last = -1
  for (let i = 0; i < values.length && found.size <= mostNumbers; i++) {
    const value = values[i]!
    if (value !== last) found.add(value)
    last = value
  }
  return [...found].toSorted((a, b) => a - b)
}

const mostOf = (values: ArrayLike<number>): number => {
  let max = 0
  for (let i = 0; i < values.length; i++) if (values[i]! > max) max = values[i]!
  return max
}

/** Whether a picture has so few values that it is a drawing in colours, and none that was smoothed. */
export const areFew = (values: ArrayLike<number>): boolean => someOf(values).length <= mostNumbers

/** Where the mask begins; undefined where its values leave that open. `white` is the highest that there can be. */
export const of = (values: ArrayLike<number>, white?: number): number | undefined => {
  const some = someOf(values)
  const areShades = some.length > mostNumbers
  const max = areShades ? mostOf(values) : (some.at(-1) ?? 0)
  if (max <= 1) return 1
  if (some.length === 2 && some[0] === 0) return max
  const top = white ?? (max <= 0xff ? 0xff : 0xffff)
  const half = Math.ceil(top / 2)
  // A constant that numbers no thing is a shade as well.
  if (areShades || (some.length === 1 && max > mostNumbers && top >= 0xff)) return half
  // Of fewer than 8 bits a number of a thing is as good as a shade.
  const areNumbers = max < half || (top < 0xff && max < top)
  const areBesideWhite = some.length > 2 && max === top && top >= 0xff && some.at(-2)! < dark
  return areNumbers || areBesideWhite ? undefined : half
}

/**
 * Half of white where a mask is soft by itself: it has many values, or a grey beside others and is clear. 0 and one other may be a
 * drawing. Undefined where it is not.
 */
export const softOf = (values: ArrayLike<number>, white = 0xff): number | undefined => {
  const some = someOf(values)
  const isDrawn = some.length < 2 || (some.length === 2 && some[0] === 0)
  const black = white < 0xff ? 0 : mostNumbers
  const isGrey = some.some((value) => value > black && value !== white && value !== 0xff && value !== 0xffff)
  return isDrawn || !isGrey ? undefined : of(values, white < 0xff ? white : undefined)
}

/** What is wrong with such values, and what to do. */
export const unclear = (values: ArrayLike<number>): string =>
  `its values are ${someOf(values).join(", ")}, which leave open where the mask begins: one has 0 and another, or how sure ` +
  "it is of each pixel. Say with `threshold` from which value on a pixel is in it"

/** The value from which on a pixel is in a mask that begins at a part of white: some are, and white is. */
export const at = (share: number, white: number): number =>
  Math.min(white, Math.max(1, Math.ceil(share * white)))
