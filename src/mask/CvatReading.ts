/**
 * Images of "CVAT for images 1.1", as annotated images: masks, polygons, boxes and ellipses. A box is turned around its centre. What
 * has a higher `z_order` lies in front, and of one order what comes later.
 *
 * ```ts
 * import { Result } from "effect"
 * import { Annotated, CvatReading } from "effect-segformer/annotation"
 *
 * const mask = { label: "pit", rle: "0, 1, 1, 2", left: "1", top: "0", width: "2", height: "2", z_order: "0" }
 * const element = {
 *   name: "image",
 *   attributes: { id: "0", name: "a.jpg", width: "4", height: "2" },
 *   children: [{ name: "mask", attributes: mask, children: [] }]
 * }
 * const { image } = Result.getOrThrow(CvatReading.image(element))
 * Result.getOrThrow(Annotated.toLabelMap(image, { classOf: () => 1, outside: 0 })).data // => Uint8Array.of(0, 1, 0, 0, 0, 1, 1, 0)
 * ```
 */
import { Result } from "effect"
import type { Xml } from "effect/encoding"
import * as Annotated from "./Annotated.ts"
import * as CvatMask from "./CvatMask.ts"
import type { Point } from "./Simplify.ts"

/** An image, and what of it is no area, each with why. */
export interface ReadImage {
  readonly image: Annotated.AnnotatedImage
  readonly leftOut: ReadonlyArray<string>
}

/** Shapes without an area, and what is said of the whole image. */
const noArea = new Set(["polyline", "points", "cuboid", "skeleton", "tag"])

/** An `<image>`. Fails, with the reason, where its truth cannot be told. */
export const image = ({ attributes, children }: Xml.Element): Result.Result<ReadImage, string> =>
  Result.gen(function* () {
    const name = attributes["name"] ?? ""
    if (name === "") return yield* Result.fail("an image has no name")
    const width = yield* number(attributes, "width", `${name}: its image`)
    const height = yield* number(attributes, "height", `${name}: its image`)
    const leftOut: Array<string> = []
    const shapes: Array<Annotated.Shape & { readonly order: number }> = []
    for (const child of children) {
      if (typeof child === "string" || child.name === "attribute") continue
      const called = `${name}: shape ${shapes.length + 1}, a ${child.name},`
      if (noArea.has(child.name)) {
        leftOut.push(`a ${child.name} is no area`)
        continue
      }
      const label = child.attributes["label"] ?? ""
      if (label === "") return yield* Result.fail(`${called} has no label`)
      const order = yield* number(child.attributes, "z_order", called, 0)
      shapes.push({ label, area: yield* areaOf(child, called), order })
    }
    // `sort` is stable.
    const inOrder = shapes.sort((a, b) => a.order - b.order).map(({ area, label }) => ({ label, area }))
    return { image: { name, size: { width, height }, shapes: inOrder }, leftOut }
  })

type Attributes = Readonly<Record<string, string>>

const number = (
  attributes: Attributes,
  name: string,
  called: string,
  fallback?: number
): Result.Result<number, string> => {
  const text = attributes[name]?.trim() ?? ""
  const value = text === "" ? fallback : Number(text)
  return value !== undefined && Number.isFinite(value)
    ? Result.succeed(value)
    : Result.fail(`${called} has no ${name} that is a number`)
}

const areaOf = ({ attributes, name }: Xml.Element, called: string): Result.Result<Annotated.Area, string> =>
  Result.gen(function* () {
    const of = (key: string, fallback?: number) => number(attributes, key, called, fallback)
    if (name === "mask") {
      const mask = CvatMask.fromAttributes({
        rle: attributes["rle"] ?? "",
        left: yield* of("left"),
        top: yield* of("top"),
        width: yield* of("width"),
        height: yield* of("height")
      })
      return {
        _tag: "CvatMask",
        mask: yield* Result.mapError(mask, ({ detail }) => `${called} cannot be read: ${detail}`)
      } as const
    }
    if (name === "polygon") {
      const ring: Array<Point> = []
      for (const pair of (attributes["points"] ?? "").split(";")) {
        const [x = NaN, y = NaN, ...more] = pair
          .split(",")
          .map((text) => (text.trim() === "" ? NaN : Number(text)))
        if (!Number.isFinite(x) || !Number.isFinite(y) || more.length > 0)
          return yield* Result.fail(`${called} has the point "${pair}", which is no two numbers`)
        ring.push([x, y])
      }
      if (ring.length < 3) return yield* Result.fail(`${called} has fewer than three points`)
      return { _tag: "Polygon", ring } as const
    }
    const rotation = yield* of("rotation", 0)
    if (name === "box") {
      const [left, top, right, bottom] = [
        yield* of("xtl"),
        yield* of("ytl"),
        yield* of("xbr"),
        yield* of("ybr")
      ]
      const box = [left, top, right - left, bottom - top] as const
      const centre = [(left + right) / 2, (top + bottom) / 2] as const
      return { _tag: "Polygon", ring: Annotated.rectangle(box, rotation, centre) } as const
    }
    if (name === "ellipse") {
      const [x, y] = [yield* of("cx"), yield* of("cy")]
      const ellipse = { x, y, radiusX: yield* of("rx"), radiusY: yield* of("ry"), rotation }
      return { _tag: "Ellipse", ellipse } as const
    }
    return yield* Result.fail(`${called} is of no kind that is read`)
  })
