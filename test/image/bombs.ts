/** Small files that would take gigabytes: each says, or hides, that it has hundreds of megapixels. */
import sharp from "sharp"
import * as files from "./files.ts"
import * as samples from "./samples.ts"

const SIDE = 20_000

/** By what they are called; `NAME.ENDING`. */
export const all = async (): Promise<Readonly<Record<string, Buffer>>> => {
  const gif = Buffer.from(await samples.gif())
  const frame = gif.indexOf(0x2c, 13 + 3 * 2 ** ((gif[10]! & 7) + 1))
  gif.writeUInt16LE(SIDE, frame + 5)
  gif.writeUInt16LE(SIDE, frame + 7)

  const jpeg = Buffer.from(await samples.jpeg())
  const start = files.markerAt(jpeg, 0xc0)
  jpeg.writeUInt16BE(SIDE, start + 5)
  jpeg.writeUInt16BE(SIDE, start + 7)
  const small = Buffer.from(jpeg.subarray(start, start + 19))
  small.writeUInt16BE(8, 5)
  small.writeUInt16BE(8, 7)
  const hidden = Buffer.concat([Uint8Array.of(0xff, 0xe5, 0, small.length + 2), small])

  const page = files.page(SIDE, SIDE, 8, files.zeros, { extra: [[259, 3, 8]], samples: 3 })
  const webp = Buffer.from(await samples.webp.alpha())
  webp.writeUIntLE(16_382, 24, 3)
  webp.writeUIntLE(16_382, 27, 3)
  const avif = Buffer.from(
    await sharp({ create: { width: 64, height: 64, channels: 3, background: "#803" } })
      .avif()
      .toBuffer()
  )
  for (let at = avif.indexOf("ispe"); at >= 0; at = avif.indexOf("ispe", at + 4)) {
    avif.writeUInt32BE(SIDE, at + 8)
    avif.writeUInt32BE(SIDE, at + 12)
  }
  const bmp = samples.bmp()
  bmp.writeInt32LE(SIDE, 18)
  bmp.writeInt32LE(SIDE, 22)
  return {
    "huge.png": samples.hugePngHeader(),
    "screen.gif": gif,
    "plain.jpg": jpeg,
    "stray.jpg": files.insert(jpeg, start, Buffer.from("bytes that belong to nothing")),
    "hidden.jpg": files.insert(jpeg, 2, hidden),
    "plain.tif": files.tiff(page),
    "twice.tif": files.tiff({ ...page, entries: [[256, 4, 8], ...page.entries] }),
    "second.tif": files.tiff({ ...page, entries: [...page.entries, [257, 4, 8]] }),
    "canvas.webp": webp,
    "extent.avif": avif,
    "huge.bmp": bmp
  }
}

/** How an image is given where it is a part of JSON: the path of each route, and a body. */
export const json = (
  bytes: Uint8Array
): Readonly<Record<string, { readonly path: string; readonly body: string }>> => {
  const text = Buffer.from(bytes).toString("base64")
  const input = { name: "image", datatype: "BYTES", shape: [1], data: [text] }
  return {
    openinference: {
      path: "/v2/models/segformer/infer",
      body: JSON.stringify({ inputs: [input] })
    },
    imageprocessing: {
      path: "/api/v1/detect",
      body: JSON.stringify({ image_path: `data:image/png;base64,${text}`, detection_types: ["particle"] })
    }
  }
}
