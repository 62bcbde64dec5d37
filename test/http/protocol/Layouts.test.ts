/**
 * No silent nonsense: whatever the order of axes, the batch axis, the datatype and the kind of values that a service answers
 * with, the decoded map is the truth or a failure, and never another map. Over every protocol that carries arrays.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Headers } from "effect/http"
import type { Image, Prediction } from "effect-segformer"
import { BentoML, Custom, type RequestProtocol, TfServing, TorchServe } from "effect-segformer/http"
import { type ClassTable, Npy } from "effect-segformer/mask"
import fc from "fast-check"
import * as InferAnswer from "../../../src/http/protocol/InferAnswer.ts"
import { fromPrediction } from "../../../src/Segmentation.ts"
import * as Halves from "../../../src/image/Halves.ts"

type Kind = "ids" | "logits" | "one-hot" | "probabilities" | "channel of probabilities" | "channel of logits"
type Order = "CHW" | "HWC" | "CWH" | "WHC" | "HCW" | "WCH"

interface Case {
  readonly width: number
  readonly height: number
  readonly classes: number
  readonly truth: ReadonlyArray<number>
  readonly kind: Kind
  readonly order: Order
  /** Axes of 1 before the others, and behind them. */
  readonly before: number
  readonly behind: number
  readonly named: boolean
  readonly told: boolean
  readonly carrier: number
  readonly noise: ReadonlyArray<number>
}

const isChannel = (kind: Kind) => kind.startsWith("channel")

const cases: fc.Arbitrary<Case> = fc
  .record({
    width: fc.integer({ min: 2, max: 9 }),
    height: fc.integer({ min: 2, max: 9 }),
    isSquare: fc.boolean(),
    classes: fc.integer({ min: 2, max: 9 }),
    kind: fc.constantFrom<Kind>(
      "ids",
      "logits",
      "one-hot",
      "probabilities",
      "channel of probabilities",
      "channel of logits"
    )
  })
  .chain(({ classes, height: h, isSquare, kind, width }) => {
    const height = isSquare ? width : h
    const most = isChannel(kind) ? 1 : classes - 1
    const size = width * height
    return fc.record({
      width: fc.constant(width),
      height: fc.constant(height),
      classes: fc.constant(isChannel(kind) ? 2 : classes),
      kind: fc.constant(kind),
      truth: fc.array(fc.nat(most), { minLength: size, maxLength: size }),
      // Rows and columns of a square are told apart by nobody.
      order: fc.constantFrom<Order>(
        "CHW",
        "HWC",
        ...(isSquare || width === height ? [] : (["CWH", "WHC", "WCH"] as const)),
        "HCW"
      ),
      before: fc.nat(2),
      behind: fc.nat(1),
      named: fc.boolean(),
      told: fc.boolean(),
      carrier: fc.nat(1_000_000),
      noise: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 16, maxLength: 16 })
    })
  })

/** A map of ids, two pixels wide. */
const narrow: Case = {
  width: 2,
  height: 2,
  classes: 7,
  truth: [2, 1, 0, 1],
  kind: "ids",
  order: "CHW",
  before: 1,
  behind: 0,
  named: false,
  told: false,
  carrier: 0,
  noise: Array.from({ length: 16 }, () => 0)
}

const planes = ({ kind }: Case, classes: number) => (kind === "ids" || isChannel(kind) ? 1 : classes)

/** The value of class `k` at a pixel whose class is `id`. */
const valueOf = ({ classes, kind, noise }: Case, id: number, k: number, at: number): number => {
  const some = noise[(at * 7 + k * 3) % noise.length]!
  switch (kind) {
    case "ids":
      return id
    case "one-hot":
      return id === k ? 1 : 0
    case "probabilities":
      return id === k ? 0.6 : 0.4 / (classes - 1)
    case "logits":
      return id === k ? 3 + 4 * some : 2 - 8 * some
    case "channel of probabilities":
      return id === 1 ? 0.55 + 0.44 * some : 0.01 + 0.44 * some
    case "channel of logits":
      return id === 1 ? 0.5 + 6 * some : -0.5 - 6 * some
  }
}

/** The array as its service lays it out. */
const arrayOf = (given: Case) => {
  const { before, behind, height, order, truth, width } = given
  const count = planes(given, given.classes)
  const sizes = { C: count, H: height, W: width }
  // One plane has no axis of classes, or one of 1.
  const isPlane = count === 1
  const axes = [...order].filter((axis) => !isPlane || axis !== "C") as ReadonlyArray<"C" | "H" | "W">
  const data: Array<number> = []
  const visit = (depth: number, index: Record<string, number>) => {
    const axis = axes[depth]
    if (axis === undefined) {
      const at = (index["H"] ?? 0) * width + (index["W"] ?? 0)
      return void data.push(valueOf(given, truth[at]!, index["C"] ?? 0, at))
    }
    for (let i = 0; i < sizes[axis]; i++) visit(depth + 1, { ...index, [axis]: i })
  }
  visit(0, {})
  const inner = axes.map((axis) => sizes[axis])
  // Axes of 1: a batch of one before all, and of one plane also one of classes, before or behind.
  const ones = (many: number) => Array.from({ length: many }, () => 1)
  const shape = isPlane
    ? [...ones(before), ...inner, ...ones(behind)]
    : [...ones(Math.min(1, before)), ...inner]
  return { data, shape }
}

const nested = (data: ReadonlyArray<number>, shape: ReadonlyArray<number>): unknown => {
  const [size = 0, ...rest] = shape
  if (rest.length === 0) return data
  const each = data.length / size
  return Array.from({ length: size }, (_, i) => nested(data.slice(i * each, (i + 1) * each), rest))
}

const answer = (body: Uint8Array | string, headers: Record<string, string> = {}) => ({
  service: "http://lab/predict",
  status: 200,
  headers: Headers.fromInput(headers),
  requestId: "r1",
  body: typeof body === "string" ? new TextEncoder().encode(body) : body
})

const bytesOf = (datatype: string, data: ReadonlyArray<number>): Uint8Array => {
  const raw = (values: { readonly buffer: ArrayBufferLike }) => new Uint8Array(values.buffer.slice(0))
  switch (datatype) {
    case "FP64":
      return raw(Float64Array.from(data))
    case "FP16":
      return raw(Halves.toHalves(Float32Array.from(data)))
    case "BF16":
      return raw(Uint16Array.from(new Uint32Array(Float32Array.from(data).buffer), (word) => word >>> 16))
    case "UINT8":
      return raw(Uint8Array.from(data))
    case "INT32":
      return raw(Int32Array.from(data))
    case "INT64":
      return raw(BigInt64Array.from(data, BigInt))
    default:
      return raw(Float32Array.from(data))
  }
}

type Carry = (
  given: Case,
  image: Image,
  classes: ClassTable.ClassTable | undefined
) => Effect.Effect<Prediction, unknown>

/** What a service says of its own layout, where it is told. */
const channelsOf = ({ order, told }: Case) =>
  !told
    ? undefined
    : order.startsWith("C")
      ? ("first" as const)
      : order.endsWith("C")
        ? ("last" as const)
        : undefined

const request =
  (
    make: (given: Case, classes: ClassTable.ClassTable | undefined) => RequestProtocol,
    body: (value: unknown) => unknown
  ): Carry =>
  (given, image, classes) => {
    const { data, shape } = arrayOf(given)
    return make(given, classes).decode(answer(JSON.stringify(body(nested(data, shape)))), image)
  }

const options = (given: Case, classes: ClassTable.ClassTable | undefined) => ({
  classes,
  mask: { channels: channelsOf(given) }
})

const tensor =
  (binary: boolean, datatypes: ReadonlyArray<string>): Carry =>
  (given, image, classes) => {
    const { data, shape } = arrayOf(given)
    const whole = given.kind === "ids" || given.kind === "one-hot"
    const fitting = datatypes.filter((datatype) => whole || /^B?F/.test(datatype))
    const datatype = fitting[given.carrier % fitting.length]!
    const bytes = bytesOf(datatype, data)
    const output = {
      name: "y",
      datatype,
      shape,
      ...(binary ? { parameters: { binary_data_size: bytes.length } } : { data })
    }
    const head = new TextEncoder().encode(JSON.stringify({ outputs: [output] }))
    const body = new Uint8Array([...head, ...(binary ? bytes : [])])
    // The model sees the image as it is, or as a square.
    const { height, width } = image
    const input = given.carrier % 2 === 0 ? { height, width } : { height: 64, width: 64 }
    return Effect.map(
      InferAnswer.decode(
        answer(body, { "inference-header-content-length": String(head.length) }),
        { classes, channels: channelsOf(given) },
        { count: 1, image: { height, width }, input }
      ),
      (predictions) => predictions[0]!
    )
  }

const protocolOf = (protocol: { readonly predict?: unknown }) => protocol as RequestProtocol

const carriers: ReadonlyArray<readonly [string, Carry]> = [
  [
    "custom",
    request(
      (given, classes) => Custom.make(options(given, classes)),
      (value) => ({ mask: value })
    )
  ],
  [
    "custom, as logits",
    request(
      (given, classes) => Custom.make(options(given, classes)),
      (value) => ({ logits: value })
    )
  ],
  [
    "torchserve",
    request(
      (given, classes) => protocolOf(TorchServe.make({ model: "m", ...options(given, classes) })),
      (value) => value
    )
  ],
  [
    "bentoml",
    request(
      (given, classes) => protocolOf(BentoML.make(options(given, classes))),
      (value) => ({ result: { segmentation: value } })
    )
  ],
  [
    "tfserving",
    request(
      (given, classes) => protocolOf(TfServing.make({ model: "m", ...options(given, classes) })),
      (value) => ({ predictions: [value] })
    )
  ],
  [
    "npy",
    (given, image, classes) => {
      const { data, shape } = arrayOf(given)
      const file = Npy.encode({ shape, data: Float32Array.from(data) })
      return Custom.make(options(given, classes)).decode(answer(file), image)
    }
  ],
  ["open inference, JSON", tensor(false, ["FP32", "UINT8", "INT64"])],
  ["open inference, binary", tensor(true, ["FP32", "FP64", "FP16", "BF16", "UINT8", "INT32", "INT64"])]
]

const imageOf = ({ height, width }: Case) => ({ source: "panel.png", width, height, orientation: 1 }) as Image

/** The map that a user gets, or why there is none. */
const decoded = (given: Case, carry: Carry): Effect.Effect<Result.Result<ReadonlyArray<number>, unknown>> => {
  const classes = given.named
    ? Array.from({ length: given.classes }, (_, id) => ({ id, name: `c${id}` }))
    : undefined
  const image = imageOf(given)
  const cost = { attempts: 1, requestId: "r1" } as Parameters<typeof fromPrediction>[3]
  return Effect.result(
    Effect.gen(function* () {
      const prediction = yield* carry(given, image, classes)
      const segmentation = yield* fromPrediction(image, prediction, "lab", cost)
      const { data } = yield* segmentation.labelMap
      return Array.from(data)
    })
  )
}

describe("arrays in answers", () => {
  it.live(
    "become the true map or a failure, in 2,000 layouts",
    () =>
      Effect.promise(async () => {
        let right = 0
        let all = 0
        await fc.assert(
          fc.asyncProperty(cases, async (given) => {
            const [name, carry] = carriers[given.carrier % carriers.length]!
            const result = await Effect.runPromise(decoded(given, carry))
            all++
            if (Result.isFailure(result)) return
            right++
            const { shape } = arrayOf(given)
            assert.deepStrictEqual(
              result.success,
              given.truth,
              `${name}: ${given.kind} ${given.order} [${shape.join()}]`
            )
          }),
          // Once read as two pixels, each with its class and how sure that is.
          { numRuns: 2000, examples: [[narrow]] }
        )
        // A failure of everything would be true as well.
        assert.isAbove(right / all, 0.5)
      }),
    60_000
  )

  it.live("are read in each usual layout of a usual size, whoever sends them", () =>
    Effect.gen(function* () {
      const width = 40
      const height = 30
      const truth = Array.from({ length: width * height }, (_, i) => (i % width < 11 ? 0 : i < 300 ? 1 : 2))
      for (const kind of ["ids", "logits", "one-hot", "probabilities"] as const) {
        for (const order of ["CHW", "HWC"] as const) {
          for (const [name, carry] of carriers) {
            const noise = Array.from({ length: 16 }, (_, i) => i / 16)
            const given = {
              width,
              height,
              classes: 3,
              truth,
              kind,
              order,
              before: 1,
              behind: 0,
              named: false,
              told: false,
              carrier: 0,
              noise
            }
            const result = yield* decoded(given, carry)
            assert.isTrue(
              Result.isSuccess(result),
              `${name} ${kind} ${order}: ${String(Result.isFailure(result) && result.failure)}`
            )
            if (Result.isSuccess(result)) assert.deepStrictEqual(result.success, truth)
          }
        }
      }
    })
  )
})
