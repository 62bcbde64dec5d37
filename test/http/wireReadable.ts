/** Answers that are read, and the map that each is: the first table of `Wire.test.ts`. */
import * as zlib from "node:zlib"
import {
  BentoML,
  Cog,
  Custom,
  HuggingFace,
  Replicate,
  Roboflow,
  TfServing,
  TorchServe
} from "effect-segformer/http"
import { ClassTable, Npy } from "effect-segformer/mask"
import type { Handler } from "../support/TestServer.ts"
import {
  width,
  height,
  truth,
  rows,
  grey,
  rgb,
  base64,
  only,
  road,
  names,
  scores,
  json,
  raw,
  tensors,
  ids64,
  channelsLast,
  type Made,
  withCodec,
  half,
  withBinary,
  element,
  listed,
  rleOf,
  box
} from "./wire.ts"

const plain = JSON.stringify({ mask: rows() })
const urlSafe = (bytes: Uint8Array) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_")

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
  ["rows as JSON in a text", Custom.make(), json({ mask: JSON.stringify(rows()) }), truth],
  ["run lengths as JSON in a text", Custom.make(), json({ mask: JSON.stringify(rleOf(1)) }), road],
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
    "outlines of a larger picture",
    Roboflow.make({ modelId: "a/1" }),
    json({
      image: { width: 80, height: 60 },
      predictions: [
        { x: 40, y: 10, width: 80, height: 20, class: "sky", class_id: 0, points: box(0, 0, 80, 20) },
        { x: 15, y: 40, width: 30, height: 40, class: "road", class_id: 1, points: box(0, 20, 30, 40) },
        { x: 55, y: 40, width: 50, height: 40, class: "tree", class_id: 2, points: box(30, 20, 50, 40) }
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
  [
    "deflate without the header of zlib",
    Custom.make(),
    raw(zlib.deflateRawSync(plain), { "content-encoding": "deflate" }),
    truth
  ],
  ...(
    [
      ["gzip, br", zlib.brotliCompressSync(zlib.gzipSync(plain))],
      ["deflate, gzip", zlib.gzipSync(zlib.deflateSync(plain))],
      ["gzip, gzip", zlib.gzipSync(zlib.gzipSync(plain))]
    ] as const
  ).map(
    ([encoding, body]) =>
      [
        `one encoding within another (${encoding})`,
        Custom.make(),
        raw(body, { "content-encoding": encoding }),
        truth
      ] as const
  ),
  [
    "gzip with zeros behind it",
    Custom.make(),
    raw(Buffer.concat([zlib.gzipSync(plain), Buffer.alloc(8)]), { "content-encoding": "gzip" }),
    truth
  ],
  [
    "text of two bytes a letter, as its type says",
    Custom.make(),
    raw(Buffer.from(plain, "utf16le"), { "content-type": "application/json; charset=utf-16le" }),
    truth
  ],
  ["base64 as Python prints bytes", Custom.make(), json({ mask: `b'${base64(grey(truth))}'` }), truth],
  [
    "base64 with line breaks as signs",
    Custom.make(),
    json({ mask: base64(grey(truth)).replaceAll(/.{20}/g, String.raw`$&\n`) }),
    truth
  ],
  [
    "base64 that is escaped for an address",
    Custom.make(),
    json({ mask: `data:image/png;base64,${encodeURIComponent(base64(grey(truth)))}` }),
    truth
  ],
  ["base64 for URLs", Custom.make(), json({ mask: urlSafe(grey(truth)) }), truth],
  [
    "a data URL in capitals, with a parameter",
    Custom.make(),
    json({ mask: `DATA:image/png;name="a b";BASE64, ${base64(grey(truth))}` }),
    truth
  ],
  [
    "NaN beside a string of two million escapes",
    TorchServe.make({ model: "m" }),
    raw(`{"mask":${JSON.stringify(rows())},"overlay":"${String.raw`a\/`.repeat(2_000_000)}","score":NaN}`),
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
  ...(
    [
      ["0 and 1", { label: "tree", score: 0.9, mask: rows(road) }],
      ["true and false", { label: "tree", mask: rows(road).map((row) => row.map((value) => value === 1)) }],
      ["parts of 1", { label: "tree", mask: rows(only(1, 0.97, 0.02)) }],
      ["0 and 255", { label: "tree", mask: rows(only(1)) }],
      ["a picture", { label: "tree", mask: base64(grey(only(1))) }],
      ["run lengths", { label: "tree", mask: rleOf(1) }],
      ["an id", { result: { class_name: "tree", class_id: 2, mask: rows(road) } }],
      ["an id alone", { mask: rows(road), class_id: 2 }],
      ["a name that has another id there", { class: "tree", class_id: 1, mask: rows(road) }],
      ["a list", [{ class: "tree", class_id: 1, mask: rows(road) }]]
    ] as const
  ).map(
    ([how, answer]) =>
      [
        `one mask with its label: ${how}`,
        Custom.make({ classes: ClassTable.fromNames(names) }),
        json(answer),
        only(1, 2, 255)
      ] as const
  ),
  [
    "names in another order than those that were given, as it was told",
    Custom.make({ classes: ClassTable.fromNames(names), mask: { as: "ids" } }),
    json({ mask: rows(), classes: ["ground", "sky", "tree"] }),
    truth
  ],
  ["a map of ids with a label beside it", Custom.make(), json({ label: "street", mask: rows() }), truth],
  [
    "a map of 0 and 1 with a label beside it, and the classes that they are",
    Custom.make(),
    json({ class: "sky", id2label: { 0: "sky", 1: "road" }, mask: rows(road) }),
    road
  ],
  [
    "a map of 0 and 1 with the label of 1 beside it",
    Custom.make({ classes: ClassTable.fromNames(names) }),
    json({ label: "road", mask: rows(road) }),
    road
  ],
  [
    "probabilities of few digits, and padding",
    Custom.make({ classes: ClassTable.fromNames(names) }),
    json({
      mask: [0, 1, 2].map((id) => rows(truth.map((v, at) => (at === 0 ? 0 : v === id ? 0.48 : 0.27))))
    }),
    truth
  ],
  [
    "a map of 0 and 1 with a label beside it, as it was told",
    Custom.make({ mask: { as: "ids" } }),
    json({ label: "street", mask: rows(road) }),
    road
  ],
  [
    "parts of 1 that do not add up, as it was told",
    Custom.make({ classes: ClassTable.fromNames(names), mask: { as: "logits" } }),
    json({ mask: scores(0.97, 0.02) }),
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
