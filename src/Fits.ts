/** What a transport gives is held to the size of its image within the attempt: by code that is loaded with the first of another size. */
import { Effect } from "effect"
import type { Seen, SizeRule } from "./Fitting.ts"
import type { MaskNotDecodable } from "./mask/MaskError.ts"
import type { Prediction } from "./Prediction.ts"
import { type CodeNotLoaded, lazily } from "./service/CodeNotLoaded.ts"

const fitting = lazily(() => import("./Fitting.ts"))

/** Fails for a prediction that cannot be of the image by its size. @internal */
export const fits = (
  image: Seen,
  prediction: Prediction,
  transport: string,
  otherSize: SizeRule | undefined
): Effect.Effect<void, MaskNotDecodable | CodeNotLoaded> => {
  if (prediction._tag === "Rendered") return Effect.void
  const { height, width } = prediction._tag === "Labels" ? prediction.labelMap : prediction.logits
  if (width === image.width && height === image.height) return Effect.void
  return Effect.flatMap(fitting, ({ fits }) => fits(image, prediction, transport, otherSize))
}
