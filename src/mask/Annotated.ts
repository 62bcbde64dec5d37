/**
 * What people drew on an image, whichever tool they used, as a label map: the truth that predictions are scored against.
 *
 * Shapes are painted one after the other, so that a later one lies in front. A pixel is in an outline where its centre is.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Annotated } from "effect-segformer/annotation"
 *
 * const image: Annotated.AnnotatedImage = {
 *   name: "board.jpg",
 *   size: { width: 4, height: 2 },
 *   shapes: [{ label: "pit", area: { _tag: "Polygon", ring: [[1, 0], [3, 0], [3, 2], [1, 2]] } }]
 * }
 * const map = Annotated.toLabelMap(image, { classOf: (label) => (label === "pit" ? 1 : undefined), outside: 0 })
 * Result.getOrThrow(map).data // => Uint8Array.of(0, 1, 1, 0, 0, 1, 1, 0)
 * ```
 */
import { Result } from "effect"
import type { BinaryMask } from "./BinaryMask.ts"
import * as BrushRle from "./BrushRle.ts"
import * as Coco from "./Coco.ts"
import type { Segmentation } from "./CocoSchema.ts"
import * as CvatMask from "./CvatMask.ts"
import { allocate, type LabelMap } from "./LabelMap.ts"
import * as LabelPng from "./LabelPng.ts"
import { fail, largestId, type MaskNotDecodable, pixels } from "./MaskError.ts"
import * as Polygons from "./Polygons.ts"
import type { Ring } from "./Simplify.ts"

/** In pixels. */
export interface Size {
  readonly width: number
  readonly height: number
}

/** Where a shape is, in pixels of its image, as the tool has it. */
export type Area =
  | { readonly _tag: "Brush"; readonly rle: Uint8Array }
  | { readonly _tag: "Bitmask"; readonly png: Uint8Array }
  | { readonly _tag: "CvatMask"; readonly mask: CvatMask.CvatMask }
  | { readonly _tag: "Coco"; readonly segmentation: Segmentation }
  | { readonly _tag: "Polygon"; readonly ring: Ring }
  | { readonly _tag: "Ellipse"; readonly ellipse: Ellipse }

export interface Ellipse {
  /** Its centre. */
  readonly x: number
  readonly y: number
  readonly radiusX: number
  readonly radiusY: number
  /** Degrees, clockwise, around its centre. */
  readonly rotation: number
}

/** One shape and what it shows. */
export interface Shape {
  readonly label: string
  readonly area: Area
}

/** An image and what was drawn on it. */
export interface AnnotatedImage {
  /** Its file or address, as the tool has it. */
  readonly name: string
  /** What else it may be called: an upload, by the name that the tool keeps it under. */
  readonly alias?: string | undefined
  /** Where the tool says it: an image on which nothing was drawn may have none. */
  readonly size?: Size | undefined
  /** The last one lies in front. */
  readonly shapes: ReadonlyArray<Shape>
}

export interface Options {
  /** The id of a label; `undefined` for one that is no class, which fails. */
  readonly classOf: (label: string) => number | undefined
  /** The id of pixels in no shape. */
  readonly outside: number
  /** Of an image that does not tell its own. */
  readonly size?: Size | undefined
}

/** The label map of an image. Fails where a label is no class, or a shape cannot be read. */
export const toLabelMap = (
  image: AnnotatedImage,
  { classOf, outside, size = image.size }: Options
): Result.Result<LabelMap, MaskNotDecodable> => {
  const { shapes } = image
  const { height, width } = image.size ?? size ?? { width: 0, height: 0 }
  const room = pixels("annotation", width, height)
  if (Result.isFailure(room)) return Result.fail(room.failure)
  const ids: Array<number> = []
  for (const { label } of shapes) {
    const id = classOf(label)
    if (id === undefined)
      return fail("annotation", `its label ${JSON.stringify(label)} is none of the classes`)
    ids.push(id)
  }
  return Result.flatMap(largestId("annotation", [outside, ...ids]), (most) => {
    const map = { width, height, data: allocate(most, room.success).fill(outside) }
    for (const [i, { area, label }] of shapes.entries()) {
      const painted = paint(area, map, ids[i]!)
      if (Result.isFailure(painted))
        return fail(
          "annotation",
          `its shape ${i + 1}, of ${JSON.stringify(label)}: ${painted.failure.detail}`
        )
    }
    return Result.succeed(map)
  })
}

const paint = (area: Area, onto: LabelMap, id: number): Result.Result<void, MaskNotDecodable> => {
  switch (area._tag) {
    case "Brush":
      return Result.map(BrushRle.decode(area.rle, onto), (mask) => over(mask, onto, id))
    case "Bitmask":
      return Result.flatMap(LabelPng.decodeAlpha(area.png, { name: "bitmask" }), (mask) =>
        mask.width === onto.width && mask.height === onto.height
          ? Result.succeed(over(mask, onto, id))
          : fail(
              "bitmask",
              `it has ${mask.width} x ${mask.height} pixels, the image ${onto.width} x ${onto.height}`
            )
      )
    case "CvatMask":
      return CvatMask.paint(area.mask, onto, id)
    case "Coco":
      return Coco.paint(area.segmentation, onto, id)
    case "Polygon":
      return Result.succeed(Polygons.paint([{ outer: area.ring, holes: [] }], onto, id))
    case "Ellipse":
      return Result.succeed(fill(area.ellipse, onto, id))
  }
}

const over = ({ data }: BinaryMask, onto: LabelMap, id: number): void => {
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) onto.data[i] = id
}

/** Gives the pixels whose centres are in an ellipse an id. */
const fill = ({ radiusX, radiusY, rotation, x, y }: Ellipse, onto: LabelMap, id: number): void => {
  const turn = (rotation * Math.PI) / 180
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)]
  // Half the sides of the box around it.
  const wide = Math.hypot(radiusX * cos, radiusY * sin)
  const high = Math.hypot(radiusX * sin, radiusY * cos)
  const left = Math.max(0, Math.floor(x - wide))
  const right = Math.min(onto.width, Math.ceil(x + wide))
  const bottom = Math.min(onto.height, Math.ceil(y + high))
  for (let row = Math.max(0, Math.floor(y - high)); row < bottom; row++) {
    const dy = row + 0.5 - y
    for (let column = left; column < right; column++) {
      const dx = column + 0.5 - x
      const along = (dx * cos + dy * sin) / radiusX
      const across = (dy * cos - dx * sin) / radiusY
      if (along * along + across * across <= 1) onto.data[row * onto.width + column] = id
    }
  }
}

/**
 * The ring of a rectangle: left, top, width and height, turned clockwise by so many degrees around a point. @internal
 */
export const rectangle = (
  [x, y, width, height]: readonly [number, number, number, number],
  rotation: number,
  around: readonly [x: number, y: number]
): Ring => {
  // The sines of quarters, which no rounding may move over the centre of a pixel.
  const quarter = ((rotation % 360) + 360) % 360
  const exact = { 0: [1, 0], 90: [0, 1], 180: [-1, 0], 270: [0, -1] }[quarter]
  const [cos = 1, sin = 0] = exact ?? [
    Math.cos((rotation * Math.PI) / 180),
    Math.sin((rotation * Math.PI) / 180)
  ]
  const [ax, ay] = around
  const corners = [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height]
  ] as const
  return corners.map(([cx, cy]) => [
    ax + (cx - ax) * cos - (cy - ay) * sin,
    ay + (cx - ax) * sin + (cy - ay) * cos
  ])
}
