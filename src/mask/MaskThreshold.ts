/**
 * From which value on a pixel is in a mask of one class, where nobody says so. Masks come as 0 and 1, as 0 and another value,
 * and as how sure somebody is of each pixel: then half of what there can be counts, not the noise of a matte or a JPEG.
 */
export const of = (values: ArrayLike<number>, white?: number): number => {
  let max = 0
  /** The only value besides 0 so far; -1 once there are two. */
  let only = 0
  let hasZero = false
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!
    if (value === 0) hasZero = true
    else if (value !== only) only = only === 0 ? value : -1
    if (value > max) max = value
  }
  if (max <= 1) return 1
  if (hasZero && only > 0) return only
  return Math.ceil((white ?? (max <= 0xff ? 0xff : 0xffff)) / 2)
}
