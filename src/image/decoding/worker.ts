/**
 * The worker of `CanvasCodec` and `PureCodec`: decodes and encodes pictures, one after the other. It is a module of its own,
 * which the codecs start and a bundler finds by its address.
 */
import * as BackgroundWorker from "../../BackgroundWorker.ts"
import { Result } from "effect"
import * as PngAside from "../../mask/PngAside.ts"
import * as PngWriting from "../../mask/PngWriting.ts"
import * as Bmp from "../Bmp.ts"
import * as ImageFormat from "../ImageFormat.ts"
import type { Raster } from "../Raster.ts"
import * as Canvas from "./Canvas.ts"
import { broken, type Decode, type Encode, Problem, unsupported } from "./Decoding.ts"
import { lineOf } from "../../SystemError.ts"
import type { Answer, Asked } from "./DecodingWorker.ts"
import * as Jpeg from "./Jpeg.ts"
import { oriented, type Pixels, withChannels } from "./Pixels.ts"
import * as Png from "./Png.ts"

/** Read here, and then as a person sees it. */
const pureFormats = ["png", "jpeg", "bmp"] as const

const bitmapOf = (bytes: Uint8Array): Bmp.Bmp => {
  const parsed = Bmp.parse(bytes)
  if (Result.isSuccess(parsed)) return parsed.success
  const { detail, isBroken } = parsed.failure
  throw isBroken ? broken(detail) : unsupported(detail)
}

const pixelsOf = async (
  asked: Decode
): Promise<{ readonly pixels: Pixels; readonly isOriented: boolean }> => {
  const { bytes, channels, format, means, page } = asked
  if (page !== 1) throw unsupported("only the first page is read here. Make a file of the other one")
  if (format === "bmp") {
    const { height, rows, width } = bitmapOf(bytes)
    const data = new Uint8Array(width * height * channels)
    rows(0, height, channels, data)
    return { pixels: { width, height, channels, data }, isOriented: false }
  }
  // A canvas takes 8 of 16 bits and loses colours beneath transparency: PNG is read as it is.
  if (format === "png") {
    const read = await PngAside.read(bytes, "it", asked.width * asked.height)
    return { pixels: Png.decode(asked, read), isOriented: false }
  }
  if (means === "canvas" && format === "jpeg") Jpeg.refuseCmyk(bytes)
  if (means === "canvas") return { pixels: await Canvas.decode(asked), isOriented: Canvas.isOriented(format) }
  if (format === "jpeg") return { pixels: await Jpeg.decode(bytes), isOriented: false }
  const { title } = ImageFormat.table[format]
  const read = ImageFormat.list(
    pureFormats.map((name) => ImageFormat.table[name].title),
    "and"
  )
  throw unsupported(
    `PureCodec reads ${read}, and no ${title}. Convert it to PNG, or use CanvasCodec or SharpCodec`
  )
}

const decode = async (asked: Decode): Promise<Raster> => {
  const { channels, height, orientation, width } = asked
  const { isOriented, pixels } = await pixelsOf(asked)
  const raster = oriented(withChannels(pixels, channels), pixels, channels, isOriented ? 1 : orientation)
  if (raster.width !== width || raster.height !== height) {
    throw unsupported(
      `its header says ${width} x ${height} pixels, but its decoder finds ${raster.width} x ${raster.height}`
    )
  }
  return raster
}

const encode = async ({ format, means, quality, raster }: Encode): Promise<Uint8Array> => {
  const { channels, data, height, width } = raster
  if (format === "png") return PngWriting.encode({ width, height, channels, depth: 8, data })
  if (means === "canvas") return Canvas.encode(raster, format, quality)
  if (format === "jpeg")
    return Jpeg.encode({ ...raster, channels: 4, data: withChannels(raster, 4) }, quality)
  throw unsupported("PureCodec writes PNG and JPEG, and no WebP. Use CanvasCodec or SharpCodec")
}

const answer = async (asked: Decode | Encode): Promise<Answer> => {
  try {
    return asked.type === "decode"
      ? { type: "decoded", raster: await decode(asked) }
      : { type: "encoded", bytes: await encode(asked) }
  } catch (cause) {
    const { kind, message } =
      cause instanceof Problem ? cause : broken(`it is broken or cut off (${lineOf(cause)})`)
    return { type: "problem", kind, detail: message }
  }
}

/** What is handed over and not copied. */
const buffersOf = (answer: Answer): ReadonlyArray<ArrayBuffer> => {
  const bytes =
    answer.type === "decoded" ? answer.raster.data : answer.type === "encoded" ? answer.bytes : undefined
  return bytes?.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
    ? [bytes.buffer]
    : []
}

BackgroundWorker.serve<Asked>(BackgroundWorker.modules.codec, ({ asked, number }, post) => {
  void answer(asked).then((answer) => post({ number, answer }, buffersOf(answer)))
})
