/**
 * Label Studio's regions: a label map as the `result` of its predictions. Brushes are run lengths over the whole image
 * (`BrushRle`), bitmasks a PNG of it; polygons and rectangles are in percent of its sides, a rectangle to the far edge of its
 * last pixel. A polygon there has one ring: holes are joined to it by a line there and back, which fills to the same pixels.
 *
 * ```ts
 * import { LabelStudio } from "effect-segformer/annotation"
 * import { LabelMap } from "effect-segformer/mask"
 *
 * const map = LabelMap.makeUnsafe({ width: 4, height: 2, data: Uint8Array.of(0, 1, 1, 0, 0, 1, 1, 0) })
 * const controlOf = (classId: number): LabelStudio.Control | undefined =>
 *   classId === 0 ? undefined : { type: "rectanglelabels", fromName: "box", toName: "image", label: "pit" }
 * const [pit] = LabelStudio.results(map, { controlOf })
 * pit?.value // => { x: 25, y: 0, width: 50, height: 100, rotation: 0, rectanglelabels: ["pit"] }
 * ```
 */
import { Base64 } from "effect/encoding"
import * as Areas from "./Areas.ts"
import * as BrushRle from "./BrushRle.ts"
import type { LabelMap } from "./LabelMap.ts"
import type { Box } from "./Region.ts"
import type { Ring } from "./Simplify.ts"
import * as PngWriting from "./PngWriting.ts"
import type * as Spans from "./Spans.ts"
import * as Steps from "./Steps.ts"

/** What a control tag of a labelling configuration makes: `<BrushLabels>`, `<PolygonLabels>`, `<RectangleLabels>`, `<BitmaskLabels>`. */
export type ControlType = "brushlabels" | "polygonlabels" | "rectanglelabels" | "bitmasklabels"

/** Where a class goes. */
export interface Control {
  readonly type: ControlType
  /** The name of the control tag. */
  readonly fromName: string
  /** The name of the `<Image>` tag. */
  readonly toName: string
  /** The value of the `<Label>`. */
  readonly label: string
}

export interface Options extends Areas.Options {
  /** The control and label of a class; a class without is left out. */
  readonly controlOf: (classId: number) => Control | undefined
}

/** What all regions have. Sizes in pixels. */
interface Placed {
  /** Unique among the results of one call. */
  readonly id: string
  readonly from_name: string
  readonly to_name: string
  readonly original_width: number
  readonly original_height: number
  readonly image_rotation: 0
  /** Mean confidence of its pixels, 0 to 1, where that is known. */
  readonly score?: number
}

/** In percent of the sides of the image. */
export interface RectangleValue {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
  /** Degrees, clockwise. */
  readonly rotation: number
}

/** One region, as the `result` of a prediction or an annotation lists it. */
export type Result = Placed &
  (
    | {
        readonly type: "brushlabels"
        readonly value: {
          readonly format: "rle"
          /** Bytes of `BrushRle`. */
          readonly rle: ReadonlyArray<number>
          readonly brushlabels: readonly [string]
        }
      }
    | {
        readonly type: "polygonlabels"
        readonly value: {
          /** In percent of the sides of the image. */
          readonly points: ReadonlyArray<readonly [x: number, y: number]>
          readonly closed: true
          readonly polygonlabels: readonly [string]
        }
      }
    | {
        readonly type: "rectanglelabels"
        readonly value: RectangleValue & { readonly rectanglelabels: readonly [string] }
      }
    | {
        readonly type: "bitmasklabels"
        readonly value: { readonly imageDataURL: string; readonly bitmasklabels: readonly [string] }
      }
  )

/** The regions of a label map. `per: "class"` is for brushes and bitmasks; polygons and rectangles are of a region each. */
export const results: (map: LabelMap, options: Options) => ReadonlyArray<Result> = Steps.sync(steps)

/** The same with pauses. @internal */
export function* steps(map: LabelMap, options: Options): Steps.Steps<ReadonlyArray<Result>> {
  const found: Array<Result> = []
  yield* each(map, options, (result) => found.push(result) > 0)
  return found
}

/** Gives each region to `take`, as long as that says to go on; says whether it did to the end. @internal */
export function* each(
  map: LabelMap,
  options: Options,
  take: (result: Result) => boolean
): Steps.Steps<boolean> {
  const areas = yield* Areas.steps(map, options, (classId) => {
    const control = options.controlOf(classId)
    return (
      control && {
        outline: control.type === "polygonlabels",
        joined: control.type === "brushlabels" || control.type === "bitmasklabels"
      }
    )
  })
  let count = 0
  for (const area of areas) {
    const control = options.controlOf(area.classId)
    if (control === undefined) continue
    const { fromName: from_name, label, toName: to_name } = control
    const placed: Placed = {
      id: `region-${++count}`,
      from_name,
      to_name,
      original_width: map.width,
      original_height: map.height,
      image_rotation: 0,
      ...(area.score === undefined ? {} : { score: area.score })
    }
    let result: Result
    if (control.type === "brushlabels") {
      const rle = Array.from(yield* BrushRle.ofSpans(area.spans))
      result = { ...placed, type: control.type, value: { format: "rle", rle, brushlabels: [label] } }
    } else if (control.type === "polygonlabels") {
      const points = percents(yield* Areas.ring(area), map)
      result = { ...placed, type: control.type, value: { points, closed: true, polygonlabels: [label] } }
    } else if (control.type === "rectanglelabels") {
      const value = { ...rectangle(area.box, map), rectanglelabels: [label] as const }
      result = { ...placed, type: control.type, value }
    } else {
      const imageDataURL = bitmask(area.spans)
      result = { ...placed, type: control.type, value: { imageDataURL, bitmasklabels: [label] } }
    }
    if (!take(result)) return false
    yield
  }
  return true
}

type Size = { readonly width: number; readonly height: number }

/** A share in percent; a millionth of one is less than a hundredth of a pixel of the largest image. */
const percent = (value: number, side: number): number => Math.round((value / side) * 1e8) / 1e6

/** The points of a ring in pixels, in percent of the sides of its image. */
export const percents = (ring: Ring, image: Size): ReadonlyArray<readonly [x: number, y: number]> =>
  ring.map(([x, y]) => [percent(x, image.width), percent(y, image.height)] as const)

/** A box in pixels, in percent of the sides of its image. */
export const rectangle = (box: Box, image: Size): RectangleValue => ({
  x: percent(box.x, image.width),
  y: percent(box.y, image.height),
  width: percent(box.width, image.width),
  height: percent(box.height, image.height),
  rotation: 0
})

/** Nothing, and black: both are black, and the first one is transparent. */
const colors = [PngWriting.chunk("PLTE", new Uint8Array(6)), PngWriting.chunk("tRNS", new Uint8Array(1))]

/** The PNG of spans, as large as their image: black on nothing, one bit a pixel, the first one highest. */
const bitmask = ({ ends, height, starts, width }: Spans.Spans): string => {
  const stride = 1 + Math.ceil(width / 8)
  const rows = new Uint8Array(stride * height)
  for (let i = 0; i < starts.length; i++) {
    const y = Math.floor(starts[i]! / width)
    const end = ends[i]! - y * width
    for (let x = starts[i]! - y * width; x < end; x++) rows[y * stride + 1 + (x >> 3)]! |= 0x80 >> (x & 7)
  }
  const png = PngWriting.ofRows({ width, height, channels: "index", depth: 1 }, rows, { before: colors })
  return `data:image/png;base64,${Base64.encode(png)}`
}
