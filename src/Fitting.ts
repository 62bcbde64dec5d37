/** The map of a prediction as large as its image, and upright as a person sees it. */
import { Result } from "effect"
import type { Image } from "./image/ImageSource.ts"
import * as ErrorKind from "./ErrorKind.ts"
import * as Fit from "./mask/Fit.ts"
import * as LabelMap from "./mask/LabelMap.ts"
import { MaskNotDecodable } from "./mask/MaskError.ts"

/**
 * What to do with a map of another size than the image: `"resize"` by nearest neighbour whatever its shape, or `"refuse"` with
 * `MaskNotDecodable`. Where nothing is said, it is resized unless its shape contradicts the image's.
 */
export type SizeRule = "resize" | "refuse"

export { stretched } from "./mask/Fit.ts"

/** The image as a person sees it. */
export type Seen = Pick<Image, "width" | "height" | "orientation">

/** What may be resized to the image's size: all, where that was asked for, else what does not contradict its shape. */
export const suiting = <A extends Fit.Size>(
  map: A,
  image: Fit.Size,
  input: Fit.Size | undefined,
  mask: string,
  rule: SizeRule | undefined
): Result.Result<A, MaskNotDecodable> => {
  const detail = rule === "resize" ? undefined : Fit.contradiction(map, image, input)
  return detail === undefined ? Result.succeed(map) : Result.fail(new MaskNotDecodable({ mask, detail }))
}

/**
 * A map of a service that left EXIF orientation aside is turned as the image is: its width and height stand exchanged,
 * and resizing it would distort it unnoticed.
 */
const upright = (map: LabelMap.LabelMap, { height, orientation, width }: Seen): LabelMap.LabelMap => {
  if (orientation < 5 || !Fit.isTurned(map, { width, height })) return map
  const turned = LabelMap.rotate(map, orientation === 8 ? 270 : 90)
  // 5 and 7 are mirrored as well.
  return orientation === 5 ? LabelMap.flipX(turned) : orientation === 7 ? LabelMap.flipY(turned) : turned
}

/** A map of another size, or of an image that lies: turned, and resized where that may be. */
export const fitted = (
  map: LabelMap.LabelMap,
  image: Seen,
  input: Fit.Size | undefined,
  rule: SizeRule | undefined
): Result.Result<LabelMap.LabelMap, MaskNotDecodable> => {
  ErrorKind.oneOf("segment", "otherSize", rule, ["resize", "refuse"])
  const turned = upright(map, image)
  if (turned.width === image.width && turned.height === image.height) return Result.succeed(turned)
  if (rule !== "refuse") {
    return Result.map(suiting(turned, image, input, "label map", rule), (map) =>
      LabelMap.resize(map, image.width, image.height)
    )
  }
  return Result.fail(
    new MaskNotDecodable({
      mask: "label map",
      detail: `it is ${turned.width} x ${turned.height} pixels, but the image ${image.width} x ${image.height}`
    })
  )
}
