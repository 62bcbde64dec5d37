/** The least area of what is kept, in pixels. */

/** 1 unless it is given; NaN, of which no number is above or below, throws. */
export const of = (minArea = 1): number => {
  if (!(minArea >= 0))
    throw new RangeError(`\`minArea\` must be a number of pixels of at least 0, but is ${minArea}`)
  return minArea
}
