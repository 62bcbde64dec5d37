/**
 * What an annotator has just drawn, where Label Studio asks while they do (interactive pre-annotation): clicks and boxes, for which the
 * regions under them are wanted.
 */
import { Schema } from "effect"
import type { Asked, Point } from "../AtPoints.ts"

const Drawn = Schema.Struct({
  type: Schema.String,
  is_positive: Schema.optionalKey(Schema.Unknown),
  value: Schema.Record(Schema.String, Schema.Unknown)
})

/** `params.context` of a request. */
export const Context = Schema.Struct({
  result: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Unknown)))
})
export type Context = typeof Context.Type

const decodeDrawn = Schema.decodeUnknownOption(Drawn)

/** What is asked for, and the label that it was drawn with. */
export interface Clicked extends Omit<Asked, "background"> {
  readonly label: string | undefined
}

const number = (value: unknown): number => (typeof value === "number" ? value : NaN)

/** The clicks and the last box, in pixels of the picture; `undefined` where there is neither. */
export const clicked = (
  { result }: Context,
  { height, width }: { readonly width: number; readonly height: number }
): Clicked | undefined => {
  const inside: Array<Point> = []
  const outside: Array<Point> = []
  let box: Clicked["box"]
  let label: string | undefined
  for (const each of result ?? []) {
    const drawn = decodeDrawn(each)
    if (drawn._tag === "None") continue
    const { is_positive: isPositive, type, value } = drawn.value
    const labels = value[type]
    const x = (number(value["x"]) / 100) * width
    const y = (number(value["y"]) / 100) * height
    if (Number.isNaN(x) || Number.isNaN(y)) continue
    if (type.startsWith("keypoint")) {
      const isInside = isPositive !== false && isPositive !== 0
      const list = isInside ? inside : outside
      list.push([x, y])
      if (!isInside) continue
    } else if (type.startsWith("rectangle")) {
      box = {
        x,
        y,
        width: (number(value["width"]) / 100) * width,
        height: (number(value["height"]) / 100) * height
      }
    } else continue
    if (Array.isArray(labels) && typeof labels[0] === "string") label = labels[0]
  }
  return inside.length === 0 && box === undefined ? undefined : { inside, outside, box, label }
}
