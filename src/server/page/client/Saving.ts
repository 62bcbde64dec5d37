/** The picture as it is shown, at full size, as a file. */
import * as Bitmap from "./Bitmap.ts"
import type { Drawing } from "./Drawing.ts"
import { colors, type Emphasis, type Look } from "./Overlay.ts"
import type { FoundClass, Packed, Result } from "./Result.ts"
import * as Workers from "./Workers.ts"

/** How a picture is painted: as it is shown. */
export interface Painting {
  /** 0 to 1. */
  readonly opacity: number
  readonly look: (one: FoundClass) => Look
  readonly emphasis: Emphasis | undefined
  /** Below it pixels are hatched, 0 to 255. */
  readonly least: number
  /** What is on the right, from this share of the width on. */
  readonly beside: { readonly from: number; readonly result: Result | undefined } | undefined
}

const layersOf = (
  { classes, packed, width }: Packed,
  { beside, emphasis, least, look, opacity }: Painting
): Drawing["layers"] => {
  const edge = Math.round(width * (beside?.from ?? 1))
  const first = {
    from: 0,
    to: edge,
    labels: packed.labels,
    colors: colors(classes, look, opacity, emphasis),
    region: emphasis?.region,
    confidence: least > 0 ? packed.confidence : undefined,
    least
  }
  if (beside?.result === undefined) return [first]
  // What is beside it may be made here, as a difference is, and then came in no package.
  const { confidence, labels } = beside.result
  const second = {
    from: edge,
    to: width,
    labels,
    colors: colors(beside.result.classes, look, opacity, undefined),
    region: undefined,
    confidence: least > 0 ? confidence : undefined,
    least
  }
  return [first, second]
}

/** The picture with its overlay, as a PNG. */
export const png = (file: Blob, result: Packed, painting: Painting): Promise<Blob> => {
  const { height, width } = result
  const drawing: Drawing = { file: Bitmap.readable(file), width, height, layers: layersOf(result, painting) }
  const worker = Workers.start("DrawingWorker")
  return new Promise<Blob>((resolve, reject) => {
    worker.addEventListener("message", ({ data }: MessageEvent<unknown>) =>
      data instanceof Blob ? resolve(data) : reject(new Error(String(data)))
    )
    worker.addEventListener("error", () =>
      reject(new Error("This browser has no memory left for a picture of this size"))
    )
    worker.postMessage(drawing, [])
  }).finally(() => worker.terminate())
}
