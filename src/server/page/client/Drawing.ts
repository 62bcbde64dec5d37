/** A picture with its overlay at full size, as a file. What it takes is copied to a worker: it is as long as the picture is large. */
import { type Colors, paint } from "./Overlay.ts"
import type { RegionMask } from "./RegionMask.ts"
import { type PackedPlane, type Plane, unpacked } from "./Result.ts"

/** What is painted over a part of the picture's width. */
export interface Layer {
  /** In pixels, the end left out. */
  readonly from: number
  readonly to: number
  readonly labels: Plane | PackedPlane
  readonly colors: Colors
  readonly region: RegionMask | undefined
  /** Below `least` of it, a byte, pixels are hatched. */
  readonly confidence: Plane | PackedPlane | undefined
  readonly least: number
}

export interface Drawing {
  /** A file that the browser reads. */
  readonly file: Blob
  readonly width: number
  readonly height: number
  readonly layers: ReadonlyArray<Layer>
}

/** Pixels painted at a stretch. */
const stretch = 1_000_000

const planeOf = async (plane: Plane | PackedPlane): Promise<Plane> =>
  "deflate" in plane ? unpacked(plane) : plane

/** The PNG. */
export const make = async ({ file, height, layers: all, width }: Drawing): Promise<Blob> => {
  const layers = await Promise.all(
    all
      .filter(({ from, to }) => to > from)
      .map(async (one) => ({
        ...one,
        labels: await planeOf(one.labels),
        confidence: one.confidence && (await planeOf(one.confidence))
      }))
  )
  const tall = Math.max(1, Math.min(height, Math.floor(stretch / width)))
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext("2d")
  const piece = new OffscreenCanvas(width, tall)
  const brush = piece.getContext("2d")
  if (context === null || brush === null) {
    throw new Error("This browser has no memory left for a picture of this size")
  }
  const whole = await createImageBitmap(file).catch(() => undefined)
  if (whole !== undefined) context.drawImage(whole, 0, 0, width, height)
  whole?.close()
  for (let top = 0; top < height; top += tall) {
    const rows = Math.min(tall, height - top)
    for (const { colors, confidence, from, labels, least, region, to } of layers) {
      const image = new ImageData(to - from, rows)
      const [stepX, stepY] = [labels.width / width, labels.height / height]
      paint(
        {
          pixels: new Uint32Array(image.data.buffer),
          width: to - from,
          left: from * stepX,
          top: top * stepY,
          stepX,
          stepY
        },
        labels,
        colors,
        region,
        least > 0 && confidence !== undefined ? { confidence, least } : undefined
      )
      brush.clearRect(0, 0, width, tall)
      brush.putImageData(image, 0, 0)
      context.drawImage(piece, 0, 0, to - from, rows, from, top, to - from, rows)
    }
  }
  return canvas.convertToBlob({ type: "image/png" })
}
