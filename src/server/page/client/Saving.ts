/** The picture as it is shown, at full size, as a file. */
import * as Bitmap from "./Bitmap.ts"
import type { Drawing } from "./Drawing.ts"
import { colors, type Emphasis, type Look } from "./Overlay.ts"
import type { FoundClass, Result } from "./Result.ts"
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

const layersOf = (result: Result, painting: Painting): Drawing["layers"] => {
  const { beside, emphasis, least, look, opacity } = painting
  const edge = Math.round(result.width * (beside?.from ?? 1))
  const layer = (of: Result, from: number, to: number, stands: Emphasis | undefined) => ({
    from,
    to,
    labels: of.labels,
    colors: colors(of.classes, look, opacity, stands),
    region: stands?.region,
    confidence: least > 0 ? of.confidence : undefined,
    least
  })
  return [
    layer(result, 0, edge, emphasis),
    ...(beside?.result === undefined ? [] : [layer(beside.result, edge, result.width, undefined)])
  ]
}

/** The picture with its overlay, as a PNG. */
export const png = (file: Blob, result: Result, painting: Painting): Promise<Blob> => {
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
