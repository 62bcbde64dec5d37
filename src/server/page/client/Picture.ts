/** The image itself, at the sizes in which it is shown, sent and saved. */
import { unreachable } from "./Api.ts"
import * as Bitmap from "./Bitmap.ts"

/** Pixels kept for the screen. What a camera gives is larger than any screen shows. */
const kept = 4_000_000

/** A bitmap of at most {@link kept} pixels; `undefined` where `from` cannot read the file. */
export const open = async (
  file: Blob,
  from = Bitmap.open
): Promise<{ readonly bitmap: ImageBitmap; readonly width: number; readonly height: number } | undefined> => {
  const whole = await from(file)
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
  const whole = await Bitmap.own(file)
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
