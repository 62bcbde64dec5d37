/**
 * What an annotator has just drawn, where Label Studio asks while they do (interactive pre-annotation): clicks, and boxes, ellipses and
 * polygons, for which the regions under them are wanted.
 */
import { Schema } from "effect"
import type { Box } from "../../../mask/Region.ts"
import type { Asked, Point } from "../AtPoints.ts"

const Drawn = Schema.Struct({
  type: Schema.String,
  is_positive: Schema.optionalKey(Schema.Unknown),
  to_name: Schema.optionalKey(Schema.Unknown),
  item_index: Schema.optionalKey(Schema.Unknown),
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

/** A picture of a task, and which page of a list it is. */
export interface Place {
  readonly name: string
  readonly page: number | undefined
}

/** What was drawn on a picture. Whoever does not say on which has one. */
const drawnOn = ({ result }: Context, { name, page }: Place): ReadonlyArray<typeof Drawn.Type> =>
  (result ?? []).flatMap((each) => {
    const decoded = decodeDrawn(each)
    if (decoded._tag === "None") return []
    const { item_index: item = 0, to_name: on = name } = decoded.value
    return on === name && (page === undefined || item === page) ? [decoded.value] : []
  })

/** Whether anything was drawn on a picture. */
export const isOn = (context: Context, place: Place): boolean => drawnOn(context, place).length > 0

const number = (value: unknown): number => (typeof value === "number" ? value : NaN)

type Value = typeof Drawn.Type.value

/** What is drawn, in percent of the sides of its picture; `undefined` where it has no extent. */
const extentOf = (type: string, value: Value): Box | undefined => {
  const [x, y] = [number(value["x"]), number(value["y"])]
  if (type.startsWith("rectangle")) {
    return { x, y, width: number(value["width"]), height: number(value["height"]) }
  }
  if (type.startsWith("ellipse")) {
    const [across, down] = [number(value["radiusX"]), number(value["radiusY"])]
    return { x: x - across, y: y - down, width: 2 * across, height: 2 * down }
  }
  if (!type.startsWith("polygon") || !Array.isArray(value["points"])) return undefined
  const points: ReadonlyArray<unknown> = value["points"]
  const along = (axis: 0 | 1) =>
    points.map((point: unknown) => number(Array.isArray(point) ? point[axis] : undefined))
  const [xs, ys] = [along(0), along(1)]
  const [left, top] = [Math.min(...xs), Math.min(...ys)]
  return { x: left, y: top, width: Math.max(...xs) - left, height: Math.max(...ys) - top }
}

/** The clicks on a picture and the last box around something, in pixels; `undefined` where there is neither. */
export const clicked = (
  context: Context,
  place: Place,
  { height, width }: { readonly width: number; readonly height: number }
): Clicked | undefined => {
  const inside: Array<Point> = []
  const outside: Array<Point> = []
  let box: Clicked["box"]
  let label: string | undefined
  for (const { is_positive: isPositive, type, value } of drawnOn(context, place)) {
    if (type.startsWith("keypoint")) {
      const [x, y] = [(number(value["x"]) / 100) * width, (number(value["y"]) / 100) * height]
      if (Number.isNaN(x) || Number.isNaN(y)) continue
      const isInside = isPositive !== false && isPositive !== 0
      const list = isInside ? inside : outside
      list.push([x, y])
      if (!isInside) continue
    } else {
      const extent = extentOf(type, value)
      if (extent === undefined || Object.values(extent).some((side: number) => !Number.isFinite(side)))
        continue
      box = {
        x: (extent.x / 100) * width,
        y: (extent.y / 100) * height,
        width: (extent.width / 100) * width,
        height: (extent.height / 100) * height
      }
    }
    const labels = value[type]
    if (Array.isArray(labels) && typeof labels[0] === "string") label = labels[0]
  }
  return inside.length === 0 && box === undefined ? undefined : { inside, outside, box, label }
}
