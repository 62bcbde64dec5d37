/**
 * Pictures by the decoders of the browser: oriented, and in sRGB whatever their profile. A canvas keeps colours multiplied by
 * alpha, so that those of transparent pixels are lost and others come back rounded: where a picture has any, its pixels are
 * read as a texture, which keeps them as they are.
 */
import { broken, type Decode, type Encode, Problem, unsupported } from "./Decoding.ts"
import { lineOf } from "../../SystemError.ts"
import * as ImageFormat from "../ImageFormat.ts"
import type { Raster } from "../Raster.ts"
import { type Pixels, withChannels } from "./Pixels.ts"

const needs = (): void => {
  if (typeof createImageBitmap !== "function" || typeof OffscreenCanvas !== "function") {
    throw new Problem("unsupported", "there is no canvas here, as browsers have one. PureCodec does without")
  }
}

/** A WebP without its EXIF, which some browsers go by and others do not. */
export const withoutExif = (webp: Uint8Array): Uint8Array<ArrayBuffer> => {
  const bytes = Uint8Array.from(webp)
  const view = new DataView(bytes.buffer)
  for (let at = 12; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true) + (bytes[at + 4]! & 1))
    // A chunk of another name is passed over.
    if (view.getUint32(at) === EXIF) bytes[at] = 0x58
  return bytes
}

const EXIF = 0x45584946

/** Whether it does to a picture of this type what its EXIF says. */
export const isOriented = (format: ImageFormat.ImageFormat): boolean => format !== "webp"

export const decode = async ({ bytes, format }: Decode): Promise<Pixels> => {
  needs()
  const { mediaType, title } = ImageFormat.table[format]
  const parts = isOriented(format) ? Uint8Array.from(bytes) : withoutExif(bytes)
  const blob = new Blob([parts], { type: mediaType })
  const bitmap = await createImageBitmap(blob, {
    premultiplyAlpha: "none",
    colorSpaceConversion: "default",
    imageOrientation: "from-image"
  }).catch((cause: unknown) => {
    throw format === "tiff" || format === "heif" || format === "avif"
      ? unsupported(`this browser does not decode ${title} (${lineOf(cause)}). Convert it to PNG`)
      : broken(`it is broken or cut off (${lineOf(cause)})`)
  })
  try {
    const { height, width } = bitmap
    const context = contextOf(width, height)
    context.drawImage(bitmap, 0, 0)
    const { data } = context.getImageData(0, 0, width, height, { colorSpace: "srgb" })
    let opaque = true
    // JPEG has no alpha.
    for (let at = format === "jpeg" ? data.length : 3; opaque && at < data.length; at += 4)
      opaque = data[at] === 255
    const seen = opaque ? new Uint8Array(data.buffer) : texture(bitmap)
    return { width, height, channels: 4, data: seen }
  } finally {
    bitmap.close()
  }
}

const contextOf = (width: number, height: number): OffscreenCanvasRenderingContext2D => {
  const context = new OffscreenCanvas(width, height).getContext("2d", {
    colorSpace: "srgb",
    willReadFrequently: true
  })
  if (context === null) throw unsupported(`this browser has no canvas of ${width} x ${height} pixels`)
  return context
}

const lost = "it has transparent pixels, whose colours this browser does not give. Convert it to PNG"

/** Pixels that were not multiplied by alpha. */
const texture = (bitmap: ImageBitmap): Uint8Array => {
  const { height, width } = bitmap
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2")
  if (gl === null || Math.max(width, height) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) throw unsupported(lost)
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture())
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false)
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE)
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap)
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer())
  gl.framebufferTexture2D(
    gl.FRAMEBUFFER,
    gl.COLOR_ATTACHMENT0,
    gl.TEXTURE_2D,
    gl.getParameter(gl.TEXTURE_BINDING_2D),
    0
  )
  const data = new Uint8Array(width * height * 4)
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data)
  if (gl.getError() !== gl.NO_ERROR) throw unsupported(lost)
  gl.getExtension("WEBGL_lose_context")?.loseContext()
  return data
}

/** By the browser's encoder, which gives PNG where it lacks the one that is asked for. */
export const encode = async (
  raster: Raster,
  format: Encode["format"],
  quality: number
): Promise<Uint8Array> => {
  needs()
  const { height, width } = raster
  const context = contextOf(width, height)
  const pixels = new Uint8ClampedArray(withChannels(raster, 4).slice().buffer)
  context.putImageData(new ImageData(pixels, width, height), 0, 0)
  const type = ImageFormat.table[format].mediaType
  const blob = await context.canvas.convertToBlob({ type, quality: quality / 100 })
  if (blob.type !== type) throw unsupported(`this browser does not encode ${ImageFormat.table[format].title}`)
  return new Uint8Array(await blob.arrayBuffer())
}
