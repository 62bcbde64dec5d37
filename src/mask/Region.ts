/**
 * A region: a connected set of pixels of one class, as found in a label map or as reported by a service.
 *
 * Coordinates are in pixels, the origin at the top left corner of the image, `x` to the right and `y` down.
 */

/** A box: columns `x` to `x + width` and rows `y` to `y + height`, half-open. */
export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/**
 * The least area of what is kept, in pixels: 1 unless it is given. NaN, of which no number is above or below, throws. @internal
 */
export const leastArea = (minArea = 1): number => {
  if (!(minArea >= 0))
    throw new RangeError(`\`minArea\` must be a number of pixels of at least 0, but is ${minArea}`)
  return minArea
}

/** What, where and how much a region is: what needs no outline. */
export interface Extent {
  readonly classId: number
  readonly className: string
  readonly box: Box
  /** Mean of the coordinates of its pixels' centres: a single pixel at (3, 4) has its centroid at (3, 4). */
  readonly centroid: { readonly x: number; readonly y: number }
  /** In pixels. */
  readonly area: number
  /** Whether it reaches the border of the image, where it may go on unseen. */
  readonly touchesBorder?: boolean | undefined
  /** Mean confidence of its pixels, 0 to 1. */
  readonly meanConfidence?: number | undefined
}

/** What is known of one region. A service may report less than a label map gives. */
export interface Region extends Extent {
  /**
   * Length of the outline, in pixels. Computed as scikit-image's `perimeter(neighbourhood=4)`, which draws a line
   * through the centres of the border's pixels: 0 for a single pixel.
   */
  readonly perimeter: number
  /** Full length of the major axis of the ellipse with the same second moments, in pixels. */
  readonly majorAxis: number
  /** Full length of the minor axis of that ellipse, in pixels. */
  readonly minorAxis: number
  /** `4 pi area / perimeter^2`, at most 1: 1 for a disc, towards 0 for a thread. */
  readonly circularity: number
  /** As reported by a service, or the major axis over the minor one. */
  readonly aspectRatio: number
  /** Angle from the `x` axis to the major axis, in radians, above -pi/2 and up to pi/2; `y` points down. */
  readonly orientation?: number | undefined
  /** The area over that of the convex hull of its pixels, taken as unit squares: 1 where it is convex. */
  readonly solidity?: number | undefined
}
