/** A mask in the colours of a palette, as a label map. Apart from its users, who load it when they need it. */
import { Effect } from "effect"
import * as ClassTable from "../mask/ClassTable.ts"
import * as LabelMap from "../mask/LabelMap.ts"
import * as LabelPng from "../mask/LabelPng.ts"
import * as PngPaused from "../mask/PngPaused.ts"
import { type Palette, sharedColors, toHex } from "../mask/Palette.ts"
import * as Decode from "../service/Decode.ts"
import type { Answer } from "../service/Exchange.ts"
import type { ResponseNotDecodable } from "../service/ServiceError.ts"

/** `path` leads to the mask within the answer. */
export const decode = (
  answer: Answer,
  path: string,
  mask: Uint8Array,
  palette: Palette,
  maxPixels: number | undefined
): Effect.Effect<LabelMap.LabelMap, ResponseNotDecodable> =>
  Effect.gen(function* () {
    const refuse = (detail: string) => Decode.notDecodable(answer, path, detail, "")
    const map = yield* Effect.mapError(
      Effect.flatMap(PngPaused.read(mask, path, maxPixels), (picture) =>
        Effect.fromResult(LabelPng.ofPicture(picture, { palette, byColor: true, lowerOfShared: true }))
      ),
      (error) => refuse(error.detail)
    )
    // A grey picture has no colours to look up: its values are ids, and must be those of classes.
    const stray = [...LabelMap.histogram(map).keys()].find((id) => ClassTable.get(palette, id) === undefined)
    if (stray !== undefined)
      return yield* refuse(`it has pixels of value ${stray}, which is no class of the palette`)
    const found = LabelMap.histogram(map)
    for (const { classes, color } of sharedColors(palette)) {
      const [lower, ...others] = classes
      if (lower === undefined || !found.has(lower.id)) continue
      const names = others.map(({ name }) => name).join(" and ")
      yield* Effect.logWarning(
        `${path} is painted in colours, and ${toHex(color)} is that of ${names} too: such pixels are taken for ${lower.name}`
      )
    }
    return map
  })
