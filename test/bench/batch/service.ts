/** The service of the `batch` benchmark: it reads an image, takes its time, and gives a label PNG of 256 x 256. */
import { createServer } from "node:http"
import { encode } from "fast-png"

const millis = Number(process.argv[2])
const size = 256
/** A few regions, as a segmentation has them. */
const data = Uint8Array.from({ length: size * size }, (_, i) => {
  const x = (i % size) >> 5
  const y = Math.floor(i / size) >> 5
  return (x * y) % 5 === 0 ? 0 : ((x + y) % 4) + 1
})
const labels = encode({ width: size, height: size, channels: 1, depth: 8, data })

const server = createServer((request, response) => {
  request.resume()
  request.on("end", () =>
    setTimeout(
      () =>
        response.writeHead(200, { "content-type": "image/png", "content-length": labels.length }).end(labels),
      millis
    )
  )
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.send?.(typeof address === "object" && address !== null ? address.port : 0)
})
