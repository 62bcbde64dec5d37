/** The service of the `http` benchmark: it reads a request and gives a prepared answer in the dialect of its path. */
import { createServer } from "node:http"
import { randomBytes } from "node:crypto"
import { encode } from "fast-png"

/** A grey PNG of noise of about so many bytes: noise does not compress, so a byte a pixel. */
const picture = (bytes: number): string => {
  const width = 256
  const height = Math.round(bytes / width)
  return Buffer.from(
    encode({ width, height, channels: 1, depth: 8, data: new Uint8Array(randomBytes(width * height)) })
  ).toString("base64")
}
const masks = [1, 2, 3, 4, 5].map(() => picture(45_000 * 0.75))
// The inspection answer carries three pictures: the same number of bytes, all of which the library decodes.
const pictures = [1, 2, 3].map(() => picture(75_000 * 0.75))
const region = {
  region_id: 1,
  centroid: { x: 12.5, y: 7.25 },
  bounding_box: { x: 10, y: 5, width: 6, height: 5 },
  area_pixels: 24,
  perimeter: 17.3,
  major_axis: 6.5,
  minor_axis: 4.1,
  circularity: 0.9,
  aspect_ratio: 1.58
}
const huggingface = Buffer.from(
  JSON.stringify(masks.map((mask, i) => ({ label: `class ${i}`, score: 0.9, mask })))
)
const inspection = Buffer.from(
  JSON.stringify({
    success: true,
    filename: "panel.png",
    overlay_image: pictures[0],
    combined_image: pictures[1],
    mask_image: pictures[2],
    processing_time: 0.1,
    analysis_results: {
      image_shape: { height: 512, width: 512 },
      classes: Object.fromEntries(
        [1, 2, 3, 4, 5].map((id) => [`class ${id}`, { class_id: id, regions: [region, region] }])
      )
    }
  })
)
const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => {
    const body = request.url?.startsWith("/upload") === true ? inspection : huggingface
    response.writeHead(200, { "content-type": "application/json", "content-length": body.length }).end(body)
  })
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.send?.(typeof address === "object" && address !== null ? address.port : 0)
})
