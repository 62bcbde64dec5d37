/** The image itself, as far as this browser can show it: a TIFF, say, is segmented all the same. */
import { unreachable } from "./Api.ts"
import { pause } from "./Pause.ts"
import { colors, type Emphasis, type Look, paint } from "./Overlay.ts"
import type { FoundClass, Result } from "./Result.ts"

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

/** The share of a picture that can be seen through, as far as a small copy of it tells. */
export const transparent = (bitmap: ImageBitmap): number => {
  const side = 128
  const context = new OffscreenCanvas(side, side).getContext("2d", { willReadFrequently: true })
  if (context === null) return 0
  context.drawImage(bitmap, 0, 0, side, side)
  const { data } = context.getImageData(0, 0, side, side)
  let clear = 0
  for (let at = 3; at < data.length; at += 4) if (data[at]! < 128) clear++
  return clear / (side * side)
}

const limitOf = (name: "maxBytes" | "maxPixels"): number =>
  Number(document.documentElement.dataset[name] || Number.POSITIVE_INFINITY)

/** A copy that the server takes, where the picture is larger than it takes and the browser can read it. */
export const smaller = async (file: File): Promise<File | undefined> => {
  const whole = await createImageBitmap(file).catch(() => undefined)
  if (whole === undefined) return undefined
  try {
    const [mostBytes, mostPixels] = [limitOf("maxBytes"), limitOf("maxPixels")]
    let scale = Math.min(1, Math.sqrt((mostPixels * 0.99) / (whole.width * whole.height)))
    for (let tries = 0; tries < 6; tries++, scale *= 0.7) {
      const canvas = new OffscreenCanvas(
        Math.max(1, Math.floor(whole.width * scale)),
        Math.max(1, Math.floor(whole.height * scale))
      )
      const context = canvas.getContext("2d")
      if (context === null) return undefined
      context.imageSmoothingQuality = "high"
      context.drawImage(whole, 0, 0, canvas.width, canvas.height)
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 })
      if (blob.size > mostBytes) continue
      const name = `${file.name.replace(/\.[^.]*$/, "")} (smaller).jpg`
      return new File([blob], name, { type: "image/jpeg" })
    }
    return undefined
  } finally {
    whole.close()
  }
}

/** The picture that comes with the page. */
export const sample = async (): Promise<File> => {
  const response = await fetch(new URL("./sample.jpg", import.meta.url)).catch(unreachable)
  return new File([await response.blob().catch(unreachable)], "sample.jpg", { type: "image/jpeg" })
}

/** Rows painted at a stretch. */
const strip = 256

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

/** The picture with its overlay at full size, as a PNG. It gives way to the page between strips. */
export const withOverlay = async (file: Blob, result: Result, painting: Painting): Promise<Blob> => {
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
  const edge = Math.round(width * (painting.beside?.from ?? 1))
  const layers = [
    { of: result, from: 0, to: edge },
    { of: painting.beside?.result, from: edge, to: width }
  ]
  const tall = Math.max(1, Math.min(strip, Math.floor(1_000_000 / width)))
  for (let top = 0; top < height; top += tall) {
    const rows = Math.min(tall, height - top)
    for (const { from, of, to } of layers) {
      if (of === undefined || to <= from) continue
      const { confidence, labels } = of
      const image = new ImageData(to - from, rows)
      const [stepX, stepY] = [labels.width / width, labels.height / height]
      const emphasis = of === result ? painting.emphasis : undefined
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
        colors(of.classes, painting.look, painting.opacity, emphasis),
        emphasis?.region,
        painting.least > 0 && confidence !== undefined ? { confidence, least: painting.least } : undefined
      )
      brush.clearRect(0, 0, width, strip)
      brush.putImageData(image, 0, 0)
      context.drawImage(piece, 0, 0, to - from, rows, from, top, to - from, rows)
    }
    await pause()
  }
  return canvas.convertToBlob({ type: "image/png" })
}
