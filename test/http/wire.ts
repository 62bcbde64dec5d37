/** Answers as services really send them, and what each is: what the tables of `Wire.test.ts` are made of. */
import { Effect, Layer, Logger } from "effect"
import { FetchHttpClient } from "effect/http"
import { ImageSource, segment, type Segmentation } from "effect-segformer"
import { OpenInference, type Protocol, SegFormerHttp } from "effect-segformer/http"
import { Rle } from "effect-segformer/mask"
import { NodeHttp } from "effect-segformer/service/node"
import { SharpCodec } from "effect-segformer/sharp"
import { encode } from "fast-png"
import { type Handler, sendJson } from "../support/TestServer.ts"

export const width = 8
export const height = 6
export const truth = Array.from({ length: width * height }, (_, i) => (i < 16 ? 0 : i % width < 3 ? 1 : 2))
export const rows = (data: ReadonlyArray<number> = truth, across = width) =>
  Array.from({ length: data.length / across }, (_, y) => data.slice(y * across, (y + 1) * across))
export const grey = (data: ReadonlyArray<number>) =>
  encode({ width, height, channels: 1, depth: 8, data: Uint8Array.from(data) })
export const rgb = (data: ReadonlyArray<number>) =>
  encode({ width, height, channels: 3, depth: 8, data: Uint8Array.from(data.flatMap((v) => [v, v, v])) })
export const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
export const only = (id: number, inside = 255, outside = 0) =>
  truth.map((value) => (value === id ? inside : outside))
export const road = only(1, 1)
export const image = encode({
  width,
  height,
  channels: 3,
  depth: 8,
  data: new Uint8Array(width * height * 3).fill(99)
})
const source = ImageSource.bytes(image, { name: "plate 7 \u00e4.png" })
export const names = ["sky", "road", "tree"]
export const scores = (inside: number, outside: number) =>
  [0, 1, 2].map((k) => rows(truth.map((v) => (v === k ? inside : outside))))

export const platforms = [
  ["NodeHttp", NodeHttp.layer()],
  ["fetch", FetchHttpClient.layer]
] as const

export const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    sendJson(response, value, status, headers)
export const raw =
  (body: string | Uint8Array, headers: Record<string, string> = {}, status = 200): Handler =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)

export const quiet = Layer.mergeAll(Logger.layer([]), SharpCodec.layer)

export const run = (
  url: string,
  protocol: Protocol,
  options: Partial<SegFormerHttp.SegFormerHttpOptions> = {}
) =>
  segment(source).pipe(
    Effect.provide(
      SegFormerHttp.layer({
        baseUrl: url,
        protocol,
        policy: { retry: { times: 3, delay: "1 millis" } },
        ...options
      })
    )
  )

export const idsOf = (found: Segmentation) => Effect.map(found.labelMap, ({ data }) => Array.from(data))

/** Answers of a server with tensors: metadata, and one output. */
export const tensors =
  (output: unknown, meta: unknown = undefined, top: object = {}): Handler =>
  ({ path }, response) => {
    if (path.endsWith("/infer")) return sendJson(response, { model_name: "m", outputs: [output], ...top })
    if (path === "/v2") return sendJson(response, { name: "t", extensions: [] })
    const described = {
      name: "m",
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3, 64, 64] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1, -1, -1, -1] }]
    }
    return meta === 404 ? void response.writeHead(404).end() : sendJson(response, meta ?? described)
  }
export const ids64 = { name: "y", datatype: "INT64", shape: [1, height, width], data: truth }
const open = (options: Partial<OpenInference.OpenInferenceOptions> = {}) =>
  OpenInference.make({ model: "m", ...options })
export const channelsLast = truth.flatMap((id) => [0, 1, 2].map((k) => (id === k ? 5 : -5)))

export type Made = Protocol | Effect.Effect<Protocol, never, never>
export const made = (protocol: Effect.Effect<Protocol, never, never> | Protocol) =>
  Effect.isEffect(protocol) ? protocol : Effect.succeed(protocol)
export const withCodec = (options: Partial<OpenInference.OpenInferenceOptions> = {}) =>
  Effect.provide(open(options), SharpCodec.layer)

export const soft = truth.map((_, i) => i)
export const half = Uint16Array.from(
  new Uint32Array(Float32Array.from(scores(5, -5).flat(2)).buffer),
  (word) => word >>> 16
)
export const withBinary = (datatype: string, bytes: Uint8Array, shape: ReadonlyArray<number>): Handler => {
  const output = { name: "y", datatype, shape, parameters: { binary_data_size: String(bytes.length) } }
  const head = Buffer.from(JSON.stringify({ outputs: [output] }))
  return (request, response) =>
    request.path.endsWith("/infer")
      ? void response
          .writeHead(200, { "inference-header-content-length": String(head.length) })
          .end(Buffer.concat([head, bytes]))
      : tensors(output)(request, response)
}
export const element = (bytes: Uint8Array) => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

export const inspected = (over: object = {}, region: object = {}) => ({
  success: true,
  analysis_results: {
    image_shape: { height, width },
    classes: {
      "1_a": {
        class_id: 1,
        regions: [
          {
            region_id: 1,
            centroid: { x: 1, y: 1 },
            bounding_box: { x: 0, y: 0, width: 1, height: 1 },
            area_pixels: 1,
            perimeter: 0,
            major_axis: 0,
            minor_axis: 0,
            circularity: 1,
            aspect_ratio: 1,
            ...region
          }
        ]
      }
    }
  },
  ...over
})

export const listed = names.map((label, id) => ({
  label,
  score: "0.9",
  mask: base64(grey(only(id, 250, 3)))
}))
export const rleOf = (id: number) =>
  Rle.toCoco(Rle.fromMask({ width, height, data: Uint8Array.from(only(id, 1)) }))
export const box = (x: number, y: number, w: number, h: number) => [
  { x, y },
  { x: x + w, y },
  { x: x + w, y: y + h },
  { x, y: y + h }
]
