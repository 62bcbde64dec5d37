/** Outlines in answers, and what `Custom` draws of them on an image of 48 x 32 pixels. */
import { Effect } from "effect"
import type { Custom } from "effect-segformer/http"
import { LabelMap } from "effect-segformer/mask"
import { decode, labelsOf, refused as refusal } from "./maskAnswers.ts"

export const rectangle = (
  x: number,
  y: number,
  width: number,
  height: number
): ReadonlyArray<readonly [number, number]> => [
  [x, y],
  [x + width, y],
  [x + width, y + height],
  [x, y + height]
]

/** How many pixels are of a class. */
export const areaOf = ({ data, ignoreIndex }: LabelMap.LabelMap): number =>
  data.filter((id) => id !== ignoreIndex).length

/** The box and the area of all that is of a class, on the image. */
export const drawn = (body: unknown, options: Custom.CustomOptions = {}) =>
  Effect.map(decode(body, options), (prediction) => {
    const map = LabelMap.resize(labelsOf(prediction), 48, 32)
    const inside = Array.from(map.data.keys()).filter((at) => map.data[at] !== map.ignoreIndex)
    const [columns, rows] = [inside.map((at) => at % 48), inside.map((at) => Math.floor(at / 48))]
    const [x, y] = [Math.min(...columns), Math.min(...rows)]
    return { x, y, width: Math.max(...columns) - x + 1, height: Math.max(...rows) - y + 1, area: areaOf(map) }
  })

export const refused = (body: unknown, options: Custom.CustomOptions = {}) => refusal(decode(body, options))
