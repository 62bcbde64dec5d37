/** The map of a prediction as large as its image, and upright as a person sees it. */
import type { Image } from "./image/ImageSource.ts"
import * as ErrorKind from "./ErrorKind.ts"
import * as Fit from "./mask/Fit.ts"
import * as LabelMap from "./mask/LabelMap.ts"
import { MaskNotDecodable } from "./mask/MaskError.ts"
import type { Prediction } from "./Prediction.ts"

/**
 * What to do with a map of another size than the image: `"resize"` by nearest neighbour whatever its shape, or `"refuse"` with
 * `MaskNotDecodable`. Where nothing is said, it is resized unless its shape contradicts the image's.
 */
export type SizeRule = "resize" | "refuse"

export { stretched } from "./mask/Fit.ts"

/** The image as a person sees it. */
export type Seen = Pick<Image, "width" | "height" | "orientation">

/**
 * Whether the rows of a map are the image's columns as a service sees it that leaves EXIF orientation aside: resizing it would distort
 * it unnoticed.
 */
const lies = (map: Fit.Size, image: Seen): boolean => image.orientation >= 5 && Fit.isTurned(map, image)

const upright = (map: LabelMap.LabelMap, image: Seen): LabelMap.LabelMap => {
  const { orientation } = image
  if (!lies(map, image)) return map
  const turned = LabelMap.rotate(map, orientation === 8 ? 270 : 90)
  // 5 and 7 are mirrored as well.
  return orientation === 5 ? LabelMap.flipX(turned) : orientation === 7 ? LabelMap.flipY(turned) : turned
}

/** Why what was predicted cannot be brought to the image's size, so far as sizes tell. */
export const misfit = (
  prediction: Prediction,
  image: Seen,
  rule: SizeRule | undefined
): MaskNotDecodable | undefined => {
  ErrorKind.oneOf("segment", "otherSize", rule, ["resize", "refuse"])
  if (prediction._tag === "Rendered" || rule === "resize") return undefined
  const { input } = prediction
  if (prediction._tag === "Logits") {
    const detail = Fit.contradiction(prediction.logits, image, input)
    return detail === undefined ? undefined : new MaskNotDecodable({ mask: "logits", detail })
  }
  const { labelMap } = prediction
  const map = lies(labelMap, image) ? Fit.turn(labelMap) : labelMap
  if (map.width === image.width && map.height === image.height) return undefined
  const detail =
    rule === "refuse"
      ? `it is ${map.width} x ${map.height} pixels, but the image ${image.width} x ${image.height}`
      : Fit.contradiction(map, image, input)
  return detail === undefined ? undefined : new MaskNotDecodable({ mask: "label map", detail })
}

/** A map of another size, or of an image that lies: turned, and resized. */
export const fitted = (map: LabelMap.LabelMap, image: Seen): LabelMap.LabelMap => {
  const turned = upright(map, image)
  return turned.width === image.width && turned.height === image.height
    ? turned
    : LabelMap.resize(turned, image.width, image.height)
}
