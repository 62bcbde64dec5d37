/**
 * How well the shape of a map suits that of its image. Services answer at the image's size, at a part of it, or at the
 * size that their model has for every image; what they never do on purpose is to exchange rows and columns.
 */

/** In pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** From what must be an accident to what cannot be one. */
export const fits = ["absurd", "other", "square", "scaled", "exact"] as const
export type Fit = (typeof fits)[number]

const aspect = ({ height, width }: Size): number => Math.log(width / height)

/** One aspect is so many times the other: 4 and more is no size that a model has for every image. */
const absurd = Math.log(4)

/** The same part of both sides, each rounded to a pixel. */
const isScaled = (map: Size, image: Size): boolean =>
  Math.abs(map.width / image.width - map.height / image.height) < 0.5 / image.width + 0.5 / image.height

/** How a map of this size suits an image. */
export const of = (map: Size, image: Size): Fit => {
  if (map.width === image.width && map.height === image.height) return "exact"
  const [mine, theirs] = [aspect(map), aspect(image)]
  if (mine * theirs >= 0 && isScaled(map, image)) return "scaled"
  if (map.width === map.height) return "square"
  return Math.abs(mine - theirs) >= absurd ? "absurd" : "other"
}

export const turn = ({ height, width }: Size): Size => ({ width: height, height: width })

/** How far aspects are apart that are still one: models round sizes up to what suits them. */
const same = 0.12

/** Whether a map's rows are the image's columns: one lies, the other stands, and turned they suit each other. */
export const isTurned = (map: Size, image: Size): boolean => {
  const [mine, theirs] = [aspect(map), aspect(image)]
  if (mine * theirs >= 0) return false
  return Math.abs(mine + theirs) <= same || isScaled(turn(map), image)
}

/**
 * Why a map cannot be one of the image; `undefined` where it can. A map of the size to which the image was brought for the model
 * may have another shape than the image.
 */
export const contradiction = (map: Size, image: Size, input?: Size): string | undefined => {
  const suits = (size: Size) => /^(scaled|exact)$/.test(of(map, size)) && !isTurned(map, size)
  if (input === undefined) return against(map, image)
  return suits(input) || suits(image) ? undefined : (against(map, image) ?? against(map, input))
}

const against = (map: Size, image: Size): string | undefined => {
  const both = `it is ${map.width} x ${map.height} pixels, and the image ${image.width} x ${image.height}`
  if (isTurned(map, image)) {
    return `${both}: its rows may be columns. Say so with \`transposed\`, where the protocol takes it, or have it stretched by \`otherSize: "resize"\``
  }
  return of(map, image) === "absurd"
    ? `${both}, which is another shape. Have it stretched by \`otherSize: "resize"\`, if that is right`
    : undefined
}

/** Sides may be rounded up to what suits a model. A square is that of an image that is nearly one: all are, once they are small. */
const isOneShape = (map: Size, image: Size): boolean =>
  map.width === map.height
    ? Math.abs(aspect(image)) <= same
    : /^(scaled|exact)$/.test(of(map, image)) || Math.abs(aspect(map) - aspect(image)) <= same

/**
 * What a map does that is stretched over an image of another aspect; `undefined` where it is a part of the image's size, or of the
 * size to which the image was brought for the model. Whether such a map is of the whole image, or of the image with bars around it,
 * its size does not say.
 */
export const stretched = (map: Size, image: Size, input?: Size): string | undefined =>
  input !== undefined || isOneShape(map, image) || isTurned(map, image)
    ? undefined
    : `a map of ${map.width} x ${map.height} pixels was stretched over an image of ${image.width} x ${image.height}, which is another shape`
