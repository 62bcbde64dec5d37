/** The image itself, as far as this browser can show it: a TIFF, say, is segmented all the same. */
import { unreachable } from "./Api.ts"
import { colors, paint } from "./Overlay.ts"
import type { Result } from "./Result.ts"

/** Pixels kept for the screen. What a camera gives is larger than any screen shows. */
const kept = 4_000_000

/** A bitmap of at most {@link kept} pixels; `undefined` where the browser cannot read the file. */
export const open = async (
  file: Blob
): Promise<{ readonly bitmap: ImageBitmap; readonly width: number; readonly height: number } | undefined> => {
  const whole = await createImageBitmap(file).catch(() => undefined)
  if (whole === undefined) return undefined
  const { height, width } = whole
  const scale = Math.sqrt(kept / (width * height))
  if (scale >= 1) return { bitmap: whole, width, height }
  const bitmap = await createImageBitmap(whole, {
    resizeWidth: Math.round(width * scale),
    resizeHeight: Math.round(height * scale),
    resizeQuality: "high"
  }).catch(() => undefined)
  whole.close()
  return bitmap && { bitmap, width, height }
}

/** The picture that comes with the page. */
export const sample = async (): Promise<File> => {
  const response = await fetch(new URL("./sample.jpg", import.meta.url)).catch(unreachable)
  return new File([await response.blob().catch(unreachable)], "sample.jpg", { type: "image/jpeg" })
}

/** Rows painted at a stretch. */
const strip = 256

/** The picture with its overlay at full size, as a PNG. */
export const withOverlay = async (file: Blob, result: Result, opacity: number): Promise<Blob> => {
  const { height, width } = result
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext("2d")
  const piece = new OffscreenCanvas(width, strip)
  const brush = piece.getContext("2d")
  if (context === null || brush === null) {
    throw new Error("This browser has no memory left for a picture of this size")
  }
  const whole = await createImageBitmap(file).catch(() => undefined)
  if (whole !== undefined) context.drawImage(whole, 0, 0, width, height)
  whole?.close()
  const table = colors(result.classes, opacity, undefined)
  for (let top = 0; top < height; top += strip) {
    const image = new ImageData(width, Math.min(strip, height - top))
    const pixels = new Uint32Array(image.data.buffer)
    paint({ pixels, width, height, top }, result.labels, table)
    brush.clearRect(0, 0, width, strip)
    brush.putImageData(image, 0, 0)
    context.drawImage(piece, 0, top)
  }
  return canvas.convertToBlob({ type: "image/png" })
}
