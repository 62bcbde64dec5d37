/** The service of the `protocols` benchmark: prepared answers of each dialect, for a picture of 512 x 512 pixels. */
import { createServer, type ServerResponse } from "node:http"
import { encode } from "fast-png"

const size = 512
const classes = 6

/** Blobs: neighbours mostly agree, as in a segmentation. */
const ids = Uint8Array.from({ length: size * size }, (_, at) => {
  const x = at % size
  const y = Math.floor(at / size)
  return Math.floor((Math.sin(x / 40) + Math.cos(y / 30) + 2) * (classes / 4.01))
})
const grey = (data: Uint8Array): Buffer =>
  Buffer.from(encode({ width: size, height: size, channels: 1, depth: 8, data }))
const labels = grey(ids)
const masks = Array.from({ length: classes }, (_, id) => grey(ids.map((each) => (each === id ? 255 : 0))))
const nested = Array.from({ length: size }, (_, y) => Array.from(ids.subarray(y * size, (y + 1) * size)))

// `color150` of the first classes of the box's palette, as the inspection service would paint them.
const colors = [0x000000, 0x56b4e9, 0xe69f00, 0x009e73, 0xcc79a7, 0xd55e00]
const rgb = new Uint8Array(ids.length * 3)
for (let i = 0; i < ids.length; i++) {
  const color = colors[ids[i]!]!
  rgb.set([color >> 16, (color >> 8) & 255, color & 255], i * 3)
}
const painted = Buffer.from(encode({ width: size, height: size, channels: 3, depth: 8, data: rgb }))

/** A B0's logits over ADE20K's classes: 9.8 MB. */
const logits = Float32Array.from({ length: 150 * 128 * 128 }, (_, i) =>
  Math.fround(Math.sin(i * 0.37) * 8 - 2)
)

interface Tensor {
  readonly name: string
  readonly datatype: string
  readonly shape: ReadonlyArray<number>
  readonly bytes: Uint8Array
  readonly json: Buffer
}
const inJson = (name: string, datatype: string, shape: ReadonlyArray<number>, data: ArrayLike<number>) =>
  Buffer.from(JSON.stringify({ outputs: [{ name, datatype, shape, data: Array.from(data) }] }))
const models: Readonly<Record<string, Tensor>> = {
  labels: {
    name: "labels",
    datatype: "UINT8",
    shape: [1, size, size],
    bytes: ids,
    json: inJson("labels", "UINT8", [1, size, size], ids)
  },
  logits: {
    name: "logits",
    datatype: "FP32",
    shape: [1, 150, 128, 128],
    bytes: new Uint8Array(logits.buffer),
    json: inJson("logits", "FP32", [1, 150, 128, 128], logits)
  }
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const answers: Readonly<Record<string, Buffer>> = {
  "/upload": json({
    success: true,
    mask_image: painted.toString("base64"),
    analysis_results: { image_shape: { height: size, width: size }, classes: {} }
  }),
  "/": json(masks.map((mask, id) => ({ label: `LABEL_${id}`, score: 0.9, mask: mask.toString("base64") }))),
  "/infer/semantic_segmentation": json({
    predictions: { segmentation_mask: labels.toString("base64"), class_map: {} }
  }),
  "/v1/models/m:predict": json({ predictions: [nested] }),
  "/predictions/m": json(nested),
  "/segment": labels,
  "/predict": json({ mask_b64: labels.toString("base64") })
}

const send = (response: ServerResponse, body: Buffer, headers: Record<string, string | number> = {}) =>
  response.writeHead(200, { "content-length": body.length, ...headers }).end(body)

const server = createServer((request, response) => {
  request.resume()
  request.on("end", () => {
    const path = request.url ?? ""
    const tensor = models[path.split("/")[3] ?? ""]
    if (path === "/v2") return send(response, json({ extensions: ["binary_tensor_data"] }))
    if (tensor === undefined) return send(response, answers[path] ?? json({ error: path }))
    const { bytes, datatype, name, shape } = tensor
    if (!path.endsWith("/infer")) {
      const inputs = [{ name: "pixel_values", datatype: "FP32", shape: [-1, 3, size, size] }]
      return send(response, json({ name, inputs, outputs: [{ name, datatype, shape }] }))
    }
    if (request.headers["inference-header-content-length"] === undefined) return send(response, tensor.json)
    const outputs = [{ name, datatype, shape, parameters: { binary_data_size: bytes.length } }]
    // As it comes, without regard to where the tensor starts: that is how servers send it.
    const head = json({ outputs })
    return send(response, Buffer.concat([head, bytes]), { "inference-header-content-length": head.length })
  })
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  process.send?.(typeof address === "object" && address !== null ? address.port : 0)
})
