/** Whether what was predicted can be brought to the size of its image. */
import { Effect } from "effect"
import type { Image } from "./image/ImageSource.ts"
import * as ErrorKind from "./ErrorKind.ts"
import * as Fit from "./mask/Fit.ts"
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
export const lies = (map: Fit.Size, image: Seen): boolean =>
  image.orientation >= 5 && Fit.isTurned(map, image)

/** Why what was predicted cannot be brought to the image's size, so far as sizes tell. */
const misfit = (
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

/** Who gave what was predicted. */
export interface By {
  readonly transport: string
  readonly requestId: string | undefined
}

/** Its failures, with who gave it. */
export const blaming = ({ requestId, transport }: By) =>
  Effect.mapError(
    ({ detail, mask }: MaskNotDecodable) =>
      new MaskNotDecodable({
        mask,
        detail,
        service: transport,
        ...(requestId === undefined ? {} : { requestId })
      })
  )

/** Fails for a prediction whose size contradicts the image's. */
export const held = (
  image: Seen,
  prediction: Prediction,
  rule: SizeRule | undefined
): Effect.Effect<void, MaskNotDecodable> =>
  Effect.suspend(() => {
    const problem = misfit(prediction, image, rule)
    return problem === undefined ? Effect.void : Effect.fail(problem)
  })

/** The same, of what a transport gave. */
export const fits = (
  image: Seen,
  prediction: Prediction,
  transport: string,
  rule: SizeRule | undefined
): Effect.Effect<void, MaskNotDecodable> =>
  blaming({ transport, requestId: prediction.requestId })(held(image, prediction, rule))
