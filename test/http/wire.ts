/** Answers as services really send them, and what each is: the tables of `Wire.test.ts`. */
import * as zlib from "node:zlib"
import { Effect, Layer, Logger } from "effect"
import { FetchHttpClient } from "effect/http"
import { ImageSource, segment, type Segmentation } from "effect-segformer"
import {
  BentoML,
  Cog,
  Custom,
  HuggingFace,
  OpenInference,
  type Protocol,
  Replicate,
  Roboflow,
  SegFormerHttp,
  TfServing,
  TorchServe
} from "effect-segformer/http"
import { Npy, Rle } from "effect-segformer/mask"
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
const only = (id: number, inside = 255, outside = 0) =>
  truth.map((value) => (value === id ? inside : outside))
const road = only(1, 1)
export const image = encode({
  width,
  height,
  channels: 3,
  depth: 8,
  data: new Uint8Array(width * height * 3).fill(99)
})
const source = ImageSource.bytes(image, { name: "plate 7 \u00e4.png" })
const names = ["sky", "road", "tree"]
const scores = (inside: number, outside: number) =>
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
const tensors =
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
const ids64 = { name: "y", datatype: "INT64", shape: [1, height, width], data: truth }
const open = (options: Partial<OpenInference.OpenInferenceOptions> = {}) =>
  OpenInference.make({ model: "m", ...options })
const channelsLast = truth.flatMap((id) => [0, 1, 2].map((k) => (id === k ? 5 : -5)))

type Made = Protocol | Effect.Effect<Protocol, never, never>
export const made = (protocol: Effect.Effect<Protocol, never, never> | Protocol) =>
  Effect.isEffect(protocol) ? protocol : Effect.succeed(protocol)
const withCodec = (options: Partial<OpenInference.OpenInferenceOptions> = {}) =>
  Effect.provide(open(options), SharpCodec.layer)

const soft = truth.map((_, i) => i)
const half = Uint16Array.from(
  new Uint32Array(Float32Array.from(scores(5, -5).flat(2)).buffer),
  (word) => word >>> 16
)
const withBinary = (datatype: string, bytes: Uint8Array, shape: ReadonlyArray<number>): Handler => {
  const output = { name: "y", datatype, shape, parameters: { binary_data_size: String(bytes.length) } }
  const head = Buffer.from(JSON.stringify({ outputs: [output] }))
  return (request, response) =>
    request.path.endsWith("/infer")
      ? void response
          .writeHead(200, { "inference-header-content-length": String(head.length) })
          .end(Buffer.concat([head, bytes]))
      : tensors(output)(request, response)
}
const element = (bytes: Uint8Array) => {
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
const rleOf = (id: number) => Rle.toCoco(Rle.fromMask({ width, height, data: Uint8Array.from(only(id, 1)) }))
const box = (x: number, y: number, w: number, h: number) => [
  { x, y },
  { x: x + w, y },
  { x: x + w, y: y + h },
  { x, y: y + h }
]

/** Name, protocol, answer, and the map that it is. */
export const readable: ReadonlyArray<readonly [string, Made, Handler, ReadonlyArray<number>]> = [
  [
    "scores with the classes last, as the classes say",
    withCodec({ classes: names.map((name, id) => ({ id, name })) }),
    tensors({ name: "y", datatype: "FP32", shape: [1, height, width, 3], data: channelsLast }),
    truth
  ],
  [
    "class ids as floats with an axis behind",
    withCodec(),
    tensors({ name: "y", datatype: "FP32", shape: [1, height, width, 1], data: truth }),
    truth
  ],
  [
    "one channel of probabilities",
    TfServing.make({ model: "m", mask: { as: "logits", channels: "last" } }),
    json({ predictions: [rows(road.map((v) => (v === 1 ? 0.93 : 0.04))).map((row) => row.map((v) => [v]))] }),
    road
  ],
  [
    "one channel of logits",
    Custom.make(),
    json({ logits: [rows(road.map((v) => (v === 1 ? 4.2 : -3.1)))] }),
    road
  ],
  [
    "one channel from a threshold on",
    withCodec({ oneClass: { threshold: 0.9, classId: 4 } }),
    tensors({
      name: "y",
      datatype: "FP32",
      shape: [1, 1, height, width],
      data: road.map((v) => (v === 1 ? 0.93 : 0.6))
    }),
    road.map((v) => v * 4)
  ],
  ["a mask of 0 and 255", Custom.make(), raw(grey(only(1)), { "content-type": "image/png" }), road],
  ["a mask of 0 and 255 as rows", Custom.make(), json({ mask: rows(only(1)) }), road],
  [
    "a mask of true and false",
    Custom.make(),
    json({ mask: rows(road).map((row) => row.map((v) => v === 1)) }),
    road
  ],
  ["soft masks with labels, and scores as texts", HuggingFace.protocol, json(listed), truth],
  ["nothing found", HuggingFace.protocol, json([]), truth.map(() => 255)],
  ["nothing found, in a field", Custom.make(), json({ masks: [] }), truth.map(() => 255)],
  [
    "empty metadata",
    withCodec({ input: "x", output: "y" }),
    tensors(ids64, { name: "m", versions: [], inputs: [], outputs: [] }),
    truth
  ],
  ["no metadata", withCodec({ input: "x", output: "y" }), tensors(ids64, 404), truth],
  [
    "an id that is null, a shape of texts",
    withCodec(),
    tensors({ ...ids64, shape: ["1", String(height), String(width)] }, undefined, {
      id: null,
      parameters: 7
    }),
    truth
  ],
  ["bfloat16", withCodec(), withBinary("BF16", new Uint8Array(half.buffer), [1, 3, height, width]), truth],
  [
    "a picture in a tensor of texts",
    withCodec(),
    tensors({ name: "y", datatype: "BYTES", shape: [1], data: [base64(grey(truth))] }),
    truth
  ],
  ["a picture in a binary tensor", withCodec(), withBinary("BYTES", element(grey(truth)), [1]), truth],
  [
    "NaN beside the mask",
    TorchServe.make({ model: "m" }),
    raw(`{"mask":${JSON.stringify(rows())},"score":NaN,"loss":-inf}`),
    truth
  ],
  [
    "scores of -Infinity",
    TorchServe.make({ model: "m" }),
    raw(JSON.stringify({ logits: scores(5, -7) }).replaceAll("-7", "-Infinity")),
    truth
  ],
  ["a byte order mark", Custom.make(), raw(`\ufeff${JSON.stringify({ mask: rows() })}`), truth],
  ["JSON in JSON", BentoML.make(), raw(JSON.stringify(JSON.stringify({ mask: rows() }))), truth],
  [
    "JSON that a gateway wrapped",
    Custom.make(),
    json({ statusCode: 200, body: JSON.stringify({ mask: rows() }) }),
    truth
  ],
  [
    "a time as a text beside the mask",
    Roboflow.make({ modelId: "a/1" }),
    json({
      time: "0.12",
      inference_id: 7,
      visualization: 3,
      predictions: {
        segmentation_mask: base64(grey(truth)),
        class_map: { 0: "a", 1: "b", 2: "c" },
        confidence_mask: "?"
      }
    }),
    truth
  ],
  [
    "run lengths of a workflow",
    Roboflow.make({ modelId: "a/1" }),
    json({
      predictions: names.map((name, id) => ({ class: name, class_id: id, confidence: 0.9, rle: rleOf(id) }))
    }),
    truth
  ],
  [
    "outlines",
    Roboflow.make({ modelId: "a/1" }),
    json({
      predictions: [
        { class: "sky", class_id: 0, points: box(0, 0, 8, 2) },
        { class: "road", class_id: 1, points: box(0, 2, 3, 4) },
        { class: "tree", class_id: 2, points: box(3, 2, 5, 4) }
      ]
    }),
    truth
  ],
  [
    "metrics and logs of another type",
    Replicate.make({ version: "v" }),
    json(
      {
        id: "p",
        status: "succeeded",
        metrics: "none",
        logs: 7,
        urls: [],
        output: `data:image/png;base64,${base64(grey(truth))}`
      },
      201
    ),
    truth
  ],
  [
    "metrics of another type",
    Cog.make(),
    json({
      status: "succeeded",
      metrics: { predict_time: "0.5" },
      output: `data:image/png;base64,${base64(grey(truth))}`
    }),
    truth
  ],
  [
    "an encoding that is none",
    Custom.make(),
    raw(JSON.stringify({ mask: rows() }), { "content-encoding": "none" }),
    truth
  ],
  [
    "an encoding that is a charset",
    Custom.make(),
    raw(JSON.stringify({ mask: rows() }), { "content-encoding": "UTF-8" }),
    truth
  ],
  [
    "gzip",
    Custom.make(),
    raw(zlib.gzipSync(JSON.stringify({ mask: rows() })), { "content-encoding": "GZIP" }),
    truth
  ],
  ["grey that is stored as colours", Custom.make(), raw(rgb(truth), { "content-type": "image/png" }), truth],
  [
    "lists beside each other",
    Custom.make(),
    json({ masks: names.map((_, id) => base64(grey(only(id)))), labels: names, scores: [0.9, "0.8", null] }),
    truth
  ],
  [
    "another name of the field",
    Custom.make(),
    json({ status: "ok", image_size: [8, 6], seg_map: rows() }),
    truth
  ],
  [
    "a file of NumPy's",
    Custom.make(),
    raw(Npy.encode({ shape: [height, width], data: Int32Array.from(truth) })),
    truth
  ],
  [
    "a file of NumPy's in base64",
    Custom.make(),
    json({
      mask: base64(
        Npy.encode({ shape: [1, 3, height, width], data: Float32Array.from(scores(4, -4).flat(2)) })
      )
    }),
    truth
  ],
  [
    "rows that are columns, as it was told",
    Custom.make({ transposed: true }),
    json({
      mask: Array.from({ length: width }, (_, x) =>
        Array.from({ length: height }, (_, y) => truth[y * width + x])
      )
    }),
    truth
  ]
]

/** Name, protocol, answer, tag, and what the message says. */
export const refused: ReadonlyArray<readonly [string, Made, Handler, string, RegExp]> = [
  [
    "rows that are columns",
    Custom.make(),
    json({ mask: Array.from({ length: width }, () => Array.from({ length: height }, () => 1)) }),
    "MaskNotDecodable",
    /6 x 8 pixels, and the image 8 x 6.*`transposed`/
  ],
  [
    "a map in one line",
    Custom.make(),
    json({ mask: [truth] }),
    "MaskNotDecodable",
    /48 x 1 pixels.*another shape/
  ],
  [
    "a matte of 256 greys",
    Custom.make(),
    raw(grey(soft.map((v) => v * 5))),
    "ResponseNotDecodable",
    /`binary: true`/
  ],
  [
    "0 and 255, where there are three classes",
    Custom.make({ classes: names.map((name, id) => ({ id, name })) }),
    raw(grey(only(1))),
    "ResponseNotDecodable",
    /`binary: \{ classId \}`/
  ],
  [
    "a picture in colours as numbers",
    Custom.make(),
    json({ mask: rows(truth.map((v) => v)).map((row) => row.map((v) => [v * 90, 17, 200])) }),
    "ResponseNotDecodable",
    /colours of a picture/
  ],
  [
    "classes whose ids are none",
    Custom.make(),
    json({
      mask: rows(),
      classes: [
        { id: "one", name: "a" },
        { id: 1, name: "b" }
      ]
    }),
    "ResponseNotDecodable",
    /`classes`.*"a" has the id/
  ],
  [
    "two names for one id",
    Custom.make(),
    json({
      mask: rows(),
      classes: [
        { id: 1, name: "a" },
        { id: "1", name: "b" }
      ]
    }),
    "ResponseNotDecodable",
    /two names for the id 1/
  ],
  [
    "masks without labels",
    Custom.make(),
    json([{ segmentation: rleOf(1), area: 12, predicted_iou: 0.9 }]),
    "ResponseNotDecodable",
    /neither a label nor a class id/
  ],
  [
    "masks of boxes",
    Custom.make(),
    json([
      { label: "road", box_2d: [0, 0, 500, 500], mask: `data:image/png;base64,${base64(grey(only(1)))}` }
    ]),
    "ResponseNotDecodable",
    /`0\.mask`: its mask is that of its `box_2d`/
  ],
  [
    "a picture of words",
    Custom.make(),
    json([{ label: "road", mask: "<start_of_mask><seg_35><seg_65>" }]),
    "ResponseNotDecodable",
    /`0\.mask`: it is no base64/
  ],
  [
    "a JPEG",
    BentoML.make(),
    raw(Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 0x10]), { "content-type": "image/jpeg" }),
    "ResponseNotDecodable",
    /it is no JSON \(image\/jpeg\), but a JPEG/
  ],
  [
    "NaN in the mask",
    Custom.make(),
    raw(JSON.stringify({ mask: rows() }).replace("0,0", "0,NaN")),
    "ResponseNotDecodable",
    /`mask\.0\.1`: it is NaN/
  ],
  [
    "a page of a gateway",
    Custom.make(),
    raw(
      '<!DOCTYPE html>\n<!--[if IE 7]> <html class="ie7"> <![endif]--><head><title>lab | 524: A timeout\noccurred</title></head>',
      { "content-type": "text/html" },
      524
    ),
    "ServiceFailed",
    /\(524\): lab \| 524: A timeout occurred/
  ],
  [
    "a page with status 200",
    Custom.make(),
    raw("<html><body><h1>Sign in</h1></body>", { "content-type": "text/html" }),
    "ResponseNotDecodable",
    /a page of HTML.*Sign in/
  ],
  [
    "a field that a form lacks",
    Custom.make(),
    json({ detail: [{ type: "missing", loc: ["body", "image"], msg: "Field required" }] }, 422),
    "RequestRejected",
    /body\.image: Field required/
  ]
]
