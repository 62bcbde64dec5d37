/** Answers in the shapes that servers other people wrote have for them: read as they are meant, or refused with what to say. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Headers } from "effect/http"
import { ImageSource } from "effect-segformer"
import { Custom, HuggingFace, type Protocol, TfServing, TorchServe } from "effect-segformer/http"
import { encode } from "fast-png"
import * as JobProtocol from "../../../src/http/JobProtocol.ts"
import * as InferAnswer from "../../../src/http/protocol/InferAnswer.ts"
import { base64, grey, height, image, listed, names, only, rleOf, road, rows, truth, width } from "../wire.ts"

const answerOf = (body: string | Uint8Array) => ({
  service: "http://lab/predict",
  status: 200,
  headers: Headers.empty,
  requestId: "r1",
  body: typeof body === "string" ? new TextEncoder().encode(body) : body
})

const opened = ImageSource.bytes(image).open()

const decode = (protocol: Protocol, body: unknown) =>
  Effect.flatMap(opened, (picture) =>
    protocol.predict === undefined
      ? protocol.decode(
          answerOf(typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body)),
          picture
        )
      : Effect.die("it takes more than one request")
  )

/** An output of a job. */
const outputOf = (value: unknown, options: JobProtocol.OutputOptions = {}) =>
  Effect.flatMap(opened, (picture) =>
    JobProtocol.readOutput(
      { answer: answerOf("{}"), value, took: undefined, files: new Map() },
      picture,
      options
    )
  )

const said = (prediction: Effect.Success<ReturnType<typeof decode>>) => {
  if (prediction._tag !== "Labels") throw new Error(`expected labels, not ${prediction._tag}`)
  const { classes, labelMap } = prediction
  return { ids: Array.from(labelMap.data), classes: classes.map(({ id, name }) => `${id} ${name}`) }
}

const png = base64(grey(truth))
const things = (mask: (id: number) => object) => names.map((label, id) => ({ label, ...mask(id) }))

/** A mask as CVAT has it: the pixels of a box, and the box. */
const inBox = (id: number) => {
  const at = truth.flatMap((value, index) => (value === id ? [index] : []))
  const xs = at.map((index) => index % width)
  const ys = at.map((index) => Math.floor(index / width))
  const [left, top, right, bottom] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]
  const cells = rows(only(id, 1))
    .slice(top, bottom + 1)
    .flatMap((row) => row.slice(left, right + 1))
  return [...cells, left, top, right, bottom]
}

const withAlpha = (color: ReadonlyArray<number>, alpha: ReadonlyArray<number>) =>
  encode({
    width,
    height,
    channels: color.length === 1 ? 2 : 4,
    depth: 8,
    data: Uint8Array.from(alpha.flatMap((value) => [...color, value]))
  })

/** A cut-out: the colours of a picture everywhere, and seen where the class is. */
const cutOut = (id: number) =>
  encode({
    width,
    height,
    channels: 4,
    depth: 8,
    data: Uint8Array.from(only(id).flatMap((alpha, at) => [at * 5, 250 - at * 5, 40, alpha]))
  })

const segments = (key: string) =>
  [0, 1, 2].map((id) => ({ id: id + 5, [key]: id, score: 0.9, isthing: false, area: 9 }))

const custom = Custom.make()
const torch = TorchServe.make({ model: "m" })
const tf = TfServing.make({ model: "m" })
const hf = HuggingFace.protocol
const named = ["0 sky", "1 road", "2 tree"]

/** Name, protocol, answer, ids, and classes. */
const read: ReadonlyArray<
  readonly [string, Protocol, unknown, ReadonlyArray<number>, ReadonlyArray<string>?]
> = [
  ["CVAT's masks", custom, things((id) => ({ type: "mask", mask: inBox(id) })), truth, named],
  ["masks in one line", custom, { masks: things((id) => ({ mask: only(id, 1) })) }, truth, named],
  [
    "masks of one channel",
    custom,
    { masks: [0, 1, 2].map((id) => [rows(only(id, 0.9))]), labels: [0, 1, 2] },
    truth
  ],
  ["a map in one line, of the image", custom, { mask: truth }, truth],
  ["a map in one line, and its size", custom, { mask: truth, width, height }, truth],
  [
    "a map in one line, in an object",
    custom,
    { mask: { data: truth, shape: [height, width] }, status: "ok" },
    truth
  ],
  [
    "PaddleX's map",
    custom,
    { errorCode: 0, errorMsg: "Success", result: { labelMap: truth, size: [height, width] } },
    truth
  ],
  ["a field in another spelling", custom, { segmentationMap: rows() }, truth],
  ["a picture in an object", custom, { mask: { format: "png", data: png } }, truth],
  ["a picture as an output", custom, { output: png }, truth],
  ["a picture as a text in JSON", custom, JSON.stringify(png), truth],
  ["a picture as a text", custom, `data:image/png;base64,${png}`, truth],
  [
    "segments of Transformers",
    custom,
    { segmentation: rows(truth.map((id) => id + 5)), segments_info: segments("label_id") },
    truth
  ],
  [
    "segments of Detectron2",
    custom,
    { panoptic_seg: rows(truth.map((id) => id + 5)), segments_info: segments("category_id") },
    truth
  ],
  [
    "segments by name, some of none",
    custom,
    {
      segmentation: rows(truth.map((id) => (id === 0 ? -1 : id))),
      segments_info: [
        { id: 2, label: "tree" },
        { id: 1, label: "road" }
      ]
    },
    truth.map((id) => [255, 1, 0][id] ?? 0),
    ["0 tree", "1 road"]
  ],
  [
    "segments in a picture",
    custom,
    {
      segmentation: base64(grey(truth.map((id) => id * 100))),
      segments: [0, 1, 2].map((id) => ({ id: id * 100, category_id: id }))
    },
    truth
  ],
  [
    "no segments",
    custom,
    { segmentation: rows(truth.map(() => -1)), segments_info: [] },
    truth.map(() => 255)
  ],
  ["no names of classes beside a mask", custom, { labels: [], mask: rows() }, truth],
  ["no things beside a map", custom, { masks: [], segmentation: rows() }, truth],
  ["class and certainty of each pixel", torch, rows().map((row) => row.map((id) => [id, 0.9])), truth],
  [
    "class and certainty in two planes",
    torch,
    { result: [rows(), rows(truth.map((id) => 1 - id / 10))] },
    truth
  ],
  ["a batch of one", hf, [listed], truth, named],
  [
    "ids for some, names for others",
    hf,
    listed.map(({ label, mask }, id) => (id === 0 ? { class_id: 0, label, mask } : { label, mask })),
    truth,
    named
  ],
  [
    "ids of things beside their names",
    hf,
    listed.map(({ label, mask }, id) => ({ id: id + 7, label, mask })),
    truth,
    named
  ],
  [
    "ids and names in lists",
    custom,
    { masks: listed.map(({ mask }) => mask), labels: [2, 0, 1], class_names: ["tree", "sky", "road"] },
    truth.map((id) => [2, 0, 1][id] ?? 0),
    named
  ],
  [
    "sides of points, a box beside them",
    custom,
    {
      results: [
        { name: "sky", class: 0, box: [0, 0, 2, 4], segments: { x: [0, 8, 8, 0], y: [0, 0, 2, 2] } },
        { name: "road", class: 1, segments: { x: [0, 3, 3, 0], y: [2, 2, 6, 6] } },
        { name: "tree", class: 2, segments: { x: [3, 8, 8, 3], y: [2, 2, 6, 6] } }
      ]
    },
    truth,
    named
  ],
  [
    "as many labels as rows",
    custom,
    { predictions: rows(), labels: ["a", "b", "c", "d", "e", "f"], image_labels: ["a"] },
    truth
  ],
  ["a mask in alpha, black", custom, withAlpha([0, 0, 0], only(1)), road],
  ["a mask in alpha, white", custom, withAlpha([255, 255, 255], only(1)), road],
  ["a mask in alpha, grey", custom, withAlpha([0], only(1)), road],
  ["cut-outs", hf, things((id) => ({ mask: base64(cutOut(id)) })), truth, named],
  ["an object in place of a list", tf, { predictions: { mask: rows(), note: "x" } }, truth],
  ["a text in place of a list", tf, { predictions: png }, truth],
  ["columns", tf, { outputs: [rows()] }, truth],
  ["bytes", tf, { predictions: [{ b64: png }] }, truth],
  ["an output of any name", tf, { predictions: [{ conv_42: rows() }] }, truth],
  ["a list of one object", custom, [{ mask: rows(), took: 0.2 }], truth],
  [
    "boxes in boxes",
    custom,
    { outputs: [{ predictions: { image: { width, height }, predictions: { segmentation_mask: png } } }] },
    truth
  ],
  [
    "COCO",
    Custom.make({ mask: { at: "annotations" } }),
    {
      annotations: [0, 1, 2].map((id) => ({ id: id + 40, category_id: id, segmentation: rleOf(id) })),
      categories: names.map((name, id) => ({ id, name }))
    },
    truth,
    named
  ],
  [
    "a place that is an object",
    Custom.make({ mask: { at: "out" } }),
    { out: { mask: rows(), seconds: 1 } },
    truth
  ],
  [
    "names around the mask, the innermost first",
    custom,
    { result: { classes: names, data: { mask: rows() } }, classes: ["other"] },
    truth,
    named
  ]
]

/** An output of a model that describes none. */
const inferred = (outputs: ReadonlyArray<unknown>, options: InferAnswer.InferOptions = {}) =>
  Effect.map(
    InferAnswer.decode(answerOf(JSON.stringify({ outputs })), options, {
      count: 1,
      image: { width, height },
      input: { width, height }
    }),
    ([prediction]) => prediction!
  )

const tensor = (datatype: string, data: unknown, shape: ReadonlyArray<unknown> = [1, height, width]) => ({
  name: "y",
  datatype,
  shape,
  data
})

/** Name, protocol, answer, and what the message says. */
const refused: ReadonlyArray<readonly [string, Protocol, unknown, RegExp]> = [
  ["runs in a list", custom, things(() => ({ rle: [0, 16, 32, 4] })), /`0.rle`.*\{ size, counts \}/],
  ["flat masks of another size", custom, things((id) => ({ mask: only(id, 1).slice(8) })), /40 values/],
  ["a flat map of another size", custom, { mask: truth.slice(8) }, /shape \[40\]/],
  ["a flat map that its size contradicts", custom, { mask: truth, width: 4, height: 6 }, /shape \[48\]/],
  [
    "a segment that is not listed",
    custom,
    { segmentation: rows(), segments_info: [{ id: 1, label_id: 1 }] },
    /`segmentation`.*segment 2/
  ],
  [
    "a segment where none is listed",
    custom,
    { segmentation: rows(), segments_info: [] },
    /`segmentation`.*segment \d/
  ],
  [
    "a segment of two classes",
    custom,
    { segmentation: rows(), segments_info: [0, 1, 2, 2].map((id, label_id) => ({ id, label_id })) },
    /`segments_info.3`: the segment 2 is of another class elsewhere/
  ],
  [
    "a segment without a label",
    custom,
    { segmentation: rows(), segments_info: [{ id: 0 }, { id: 1, label_id: 1 }, { id: 2, label_id: 2 }] },
    /`segments_info`: some of the segments there have no `id` or no label/
  ],
  [
    "an id of two names",
    hf,
    listed.map(({ label, mask }, id) => ({ class_id: id % 2, label, mask })),
    /`2.mask`.*id 0 is that of "tree", and of "sky"/
  ],
  [
    "a name of two ids",
    custom,
    listed.map(({ mask }, id) => ({ class_id: id < 2 ? id : undefined, label: "tree", mask })),
    /`2.mask`.*"tree" is the name of several ids/
  ],
  [
    "greys for eyes",
    custom,
    grey(truth.map((id) => [0, 127, 255][id] ?? 0)),
    /0, 127, 255, in equal steps.*`binary: false`/
  ],
  ["greys for eyes, without white", custom, { mask: rows(truth.map((id) => id * 85)) }, /0, 85, 170/],
  [
    "outputs of which none is usual",
    tf,
    { predictions: [{ a: rows(), b: rows() }] },
    /it has a, b.*`output`/
  ],
  [
    "one thing without a label",
    custom,
    [{ segmentation: rleOf(1), area: 12, predicted_iou: 0.9 }],
    /`0.label`.*not known/
  ],
  ["no prediction", tf, { predictions: [] }, /`predictions`.*there are none/]
]

describe("answers of other people's servers", () => {
  it.effect.each(read)("are read: %s", ([, protocol, body, ids, classes]) =>
    Effect.map(decode(protocol, body), (prediction) => {
      const found = said(prediction)
      assert.deepStrictEqual(found.ids, ids)
      if (classes !== undefined) assert.deepStrictEqual(found.classes, classes)
    })
  )

  it.effect.each(refused)("are refused: %s", ([, protocol, body, message]) =>
    Effect.map(Effect.flip(decode(protocol, body)), (error) => assert.match(error.message, message))
  )

  it.effect("greys for eyes are ids where that is said", () =>
    Effect.map(decode(Custom.make({ binary: false }), grey(truth.map((id) => id * 85))), (prediction) =>
      assert.deepStrictEqual(
        said(prediction).ids,
        truth.map((id) => id * 85)
      )
    )
  )
})

describe("tensors of other people's servers", () => {
  it.effect.each([
    ["JSON in a text", tensor("BYTES", [JSON.stringify({ mask: rows() })], [1])],
    ["JSON as it is", tensor("BYTES", [{ mask: rows() }], [])],
    ["masks with labels in a text", tensor("BYTES", [JSON.stringify(listed)], [1, 1])],
    ["a file by another name of its type", tensor("STRING", [png], [1])],
    ["numbers without a shape", tensor("INT64", rows(), [])],
    ["PyTorch's name of a type", tensor("torch.float32", truth)],
    ["NumPy's name of a type", tensor("uint8", truth)],
    ["the name of a type in Triton's configuration", tensor("TYPE_INT32", truth)],
    [
      "class and certainty",
      tensor(
        "FP32",
        truth.flatMap((id) => [id, 0.9]),
        [1, height, width, 2]
      )
    ]
  ] as const)("are read: %s", ([, output]) =>
    Effect.map(inferred([output]), (prediction) => assert.deepStrictEqual(said(prediction).ids, truth))
  )

  it.effect("of several outputs the usual one is read, and none where there is none such", () =>
    Effect.gen(function* () {
      const [other, usual] = [tensor("INT64", road), { ...tensor("INT64", truth), name: "label_map" }]
      assert.deepStrictEqual(said(yield* inferred([other, usual])).ids, truth)
      const error = yield* Effect.flip(inferred([other, { ...usual, name: "z" }]))
      assert.match(error.message, /there are y, z.*`output`/)
    })
  )
})

const url = (bytes: Uint8Array) => `data:image/png;base64,${base64(bytes)}`

describe("outputs of jobs", () => {
  it.effect.each([
    ["one file in a list", [url(grey(truth))]],
    ["JSON in a text", JSON.stringify({ mask: rows() })],
    ["an object in an object", { result: { mask: rows() }, classes: names }],
    ["a mask beside a picture", { image: url(grey(truth.map(() => 7))), mask_url: url(grey(truth)) }],
    ["one field of any name", { image: url(grey(truth)) }]
  ] as const)("are read: %s", ([, value]) =>
    Effect.map(outputOf(value), (prediction) => assert.deepStrictEqual(said(prediction).ids, truth))
  )

  it.effect("of several files none is taken for the mask", () =>
    Effect.gen(function* () {
      const files = [url(grey(truth.map(() => 7))), url(grey(truth))]
      assert.match((yield* Effect.flip(outputOf(files))).message, /2 files.*`mask.at`/)
      assert.deepStrictEqual(said(yield* outputOf(files, { mask: { at: "1" } })).ids, truth)
      const pictures = { before: url(grey(truth)), after: url(grey(truth)) }
      assert.match((yield* Effect.flip(outputOf(pictures))).message, /`mask.at`/)
    })
  )

  it.effect("that say of themselves that they failed are no maps", () =>
    Effect.map(Effect.flip(outputOf({ error: "out of memory", mask: rows() })), (error) =>
      assert.match(error.message, /out of memory/)
    )
  )
})
