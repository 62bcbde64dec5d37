/** How each dialect says no: the shape that its clients read the reason from, and the status they judge by. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import {
  CircuitOpen,
  InferenceFailed,
  NoLabelMap,
  type SegmentationError,
  UnsupportedImage
} from "effect-segformer"
import { Dialects } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { type Answer, ask, form, gate, jsonBody, serve } from "./support.ts"

const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
const raw = (bytes: Uint8Array, type = "application/octet-stream"): RequestInit => ({
  method: "POST",
  body: Uint8Array.from(bytes),
  headers: { "content-type": type }
})

interface Case {
  readonly path: string
  /** A request with a file in it. */
  readonly request: (bytes: Uint8Array) => RequestInit
  /** What the answer says, if it is in the dialect's shape. */
  readonly said: (answer: Answer) => unknown
  /** Requests that are wrong in the dialect's own way. */
  readonly malformed: Readonly<
    Record<string, readonly [init: RequestInit, status: number, says: RegExp, path?: string]>
  >
  /** The status of a full queue, and of a service behind that is down. 503 by default. */
  readonly busy?: number
  readonly down?: number
}

/** The field that a shape with nothing else has. */
const field = (name: string) => (answer: Answer) =>
  Object.keys(answer.json).join() === name ? answer.json[name] : undefined

const infer = (input: object, more: object = {}) => jsonBody({ inputs: [input], ...more })
const tensor = { name: "image", datatype: "BYTES", shape: [1], data: ["aGVsbG8="] }

/** As CVAT asks a function of Nuclio's. */
const invoked = (body: object, name = "test"): RequestInit => ({
  ...jsonBody(body),
  headers: { "content-type": "application/json", "x-nuclio-function-name": name }
})

const cases: Readonly<Record<string, Case>> = {
  huggingface: {
    path: "/",
    request: raw,
    said: field("error"),
    busy: 429,
    down: 502,
    malformed: {
      "no JSON": [raw(Buffer.from("{]"), "application/json"), 400, /is no JSON/],
      "JSON of something else": [jsonBody({ image: "x" }), 400, /"inputs"/],
      "no base64": [jsonBody({ inputs: "***" }), 400, /"inputs" is no base64/],
      "long, and no base64": [jsonBody({ inputs: "*".repeat(9000) }), 400, /"inputs" is no base64/],
      "another subtask": [
        jsonBody({ inputs: "aGVsbG8=", parameters: { subtask: "panoptic" } }),
        400,
        /no subtask "panoptic"/
      ],
      "no body": [{ method: "POST" }, 400, /empty/],
      compressed: [
        { ...raw(Fixtures.image), headers: { "content-encoding": "compress" } },
        400,
        /gzip, x-gzip, deflate, br, zstd. It comes in "compress"/
      ],
      "another model": [raw(Fixtures.image), 404, /only "test"/, "/models/acme/segformer-b0"]
    }
  },
  openinference: {
    path: "/v2/models/test/infer",
    request: (bytes) => infer({ ...tensor, data: [encode(bytes)] }),
    said: field("error"),
    malformed: {
      "no JSON": [raw(Fixtures.image), 400, /is no JSON/],
      "no inputs": [jsonBody({ inputs: [] }), 400, /Give one input/],
      "both inputs": [jsonBody({ inputs: [tensor, tensor] }), 400, /Give one input/],
      "another input": [
        infer({ ...tensor, name: "pixel_values", datatype: "FP32" }),
        400,
        /not "pixel_values"/
      ],
      "another output": [infer(tensor, { outputs: [{ name: "logits" }] }), 400, /no output "logits", only/],
      "too few elements": [infer({ ...tensor, shape: [2] }), 400, /not the 2 elements/],
      "too many": [infer({ ...tensor, shape: [65] }), 413, /at most 64 images/],
      "a size below 1": [infer({ ...tensor, shape: [-1] }), 400, /no inference request/],
      "pixels of another shape": [
        infer({ name: "input", datatype: "UINT8", shape: [3, 4, 5], data: [1] }),
        400,
        /\[height, width, 3\]/
      ],
      "too few pixels": [
        infer({ name: "input", datatype: "UINT8", shape: [2, 2, 3], data: [1, 2, 3] }),
        400,
        /3 values, where its shape says 12/
      ],
      "no pixels": [
        infer({ name: "input", datatype: "UINT8", shape: [1, 1, 3], data: [1, 2, 256] }),
        400,
        /0 to 255/
      ],
      "many numbers that are no pixels": [
        infer({
          name: "input",
          datatype: "UINT8",
          shape: [256, 256, 3],
          data: Array.from({ length: 196_608 }, () => 0.5)
        }),
        400,
        /more than 131072 bytes besides/
      ],
      "too many pixels": [
        infer({ name: "input", datatype: "UINT8", shape: [100_000, 1000, 3], data: [] }),
        413,
        /100000000 pixels/
      ],
      "a header too long": [
        { ...raw(Buffer.from("{}")), headers: { "inference-header-content-length": "3" } },
        400,
        /is "3", and the body 2 bytes/
      ],
      "fewer bytes than announced": [
        {
          ...raw(
            Buffer.from(JSON.stringify({ inputs: [{ ...tensor, parameters: { binary_data_size: 9 } }] }))
          ),
          headers: {}
        },
        400,
        /9 bytes are announced, and 0 follow/
      ],
      "another model": [infer(tensor), 404, /only "test"/, "/v2/models/acme/infer"],
      "another version": [infer(tensor), 404, /no version "7"/, "/v2/models/test/versions/7/infer"]
    }
  },
  roboflow: {
    path: "/infer/semantic_segmentation",
    request: (bytes) =>
      jsonBody({ model_id: "test/1", api_key: "k", image: { type: "base64", value: encode(bytes) } }),
    said: field("message"),
    malformed: {
      "no JSON": [raw(Fixtures.image), 400, /is no JSON/],
      "no model": [jsonBody({ image: { type: "base64", value: "" } }), 400, /"model_id"/],
      "no images": [jsonBody({ model_id: "test", image: [] }), 400, /no image in it/],
      "an address": [
        jsonBody({ model_id: "test", image: { type: "url", value: "http://127.0.0.1/a.png" } }),
        400,
        /type "url" is not taken/
      ],
      "a confidence above 1": [
        jsonBody({ model_id: "test", confidence: 40, image: { type: "base64", value: "" } }),
        400,
        /from 0 to 1/
      ],
      "another model": [
        jsonBody({ model_id: "acme/2", image: { type: "base64", value: encode(Fixtures.image) } }),
        404,
        /only "test"/
      ]
    }
  },
  tfserving: {
    path: "/v1/models/test:predict",
    request: (bytes) => jsonBody({ instances: [{ b64: encode(bytes) }] }),
    said: field("error"),
    malformed: {
      "no JSON": [raw(Fixtures.image), 400, /is no JSON/],
      neither: [jsonBody({}), 400, /"instances"/],
      both: [jsonBody({ instances: [{ b64: "" }], inputs: { b64: "" } }), 400, /"instances"/],
      "no bytes": [jsonBody({ instances: [[1, 2]] }), 400, /"b64"/],
      "two inputs": [jsonBody({ instances: [{ a: { b64: "" }, b: { b64: "" } }] }), 400, /"b64"/],
      "another signature": [
        jsonBody({ signature_name: "x", instances: [{ b64: "" }] }),
        400,
        /"signature_name"/
      ],
      "another verb": [jsonBody({}), 404, /":predict"/, "/v1/models/test:classify"],
      "another model": [jsonBody({}), 404, /only "test"/, "/v1/models/acme:predict"],
      "another version": [jsonBody({}), 404, /no version "2"/, "/v1/models/test/versions/2:predict"]
    }
  },
  torchserve: {
    path: "/predictions/test",
    request: raw,
    said: ({ json, status }) =>
      Object.keys(json).join() === "code,type,message" &&
      json["code"] === status &&
      /^[A-Z]\w+Exception$/.test(String(json["type"]))
        ? json["message"]
        : undefined,
    malformed: {
      "another part": [form("file", ["a.png", Fixtures.image]), 400, /named "data"/],
      "no body": [{ method: "POST" }, 400, /empty/],
      "another model": [raw(Fixtures.image), 404, /only "test"/, "/predictions/acme"],
      "another version": [raw(Fixtures.image), 404, /no version "2.0"/, "/predictions/test/2.0"]
    }
  },
  bentoml: {
    path: "/segment",
    request: (bytes) => form("image", ["a.png", bytes]),
    said: ({ body }) => {
      const said: unknown = JSON.parse(body.toString())
      return typeof said === "string" ? said : undefined
    },
    malformed: {
      "another part": [form("file", ["a.png", Fixtures.image]), 400, /named "image"/],
      JSON: [jsonBody({ image: "" }), 400, /multipart\/form-data/]
    }
  },
  cvat: {
    path: "/api/function_invocations",
    request: (bytes) => invoked({ image: encode(bytes) }),
    said: field("error"),
    malformed: {
      "no JSON": [{ ...invoked({}), body: "{]" }, 400, /is no JSON/],
      "no image": [invoked({ threshold: 0.5 }), 400, /"image"/],
      "no base64": [invoked({ image: "***" }), 400, /"image" is no base64/],
      "a threshold that is none": [invoked({ image: "aGVsbG8=", threshold: "high" }), 400, /"threshold"/],
      "another function": [invoked({ image: "aGVsbG8=" }, "other"), 404, /no function "other"/]
    }
  }
}

it("every dialect is here, but those with tests of their own", () => {
  assert.deepStrictEqual(
    Dialects.names.filter(
      (name) => !["inspection", "cog", "replicate", "imageprocessing", "labelstudio"].includes(name)
    ),
    Object.keys(cases)
  )
})

it.effect("a name that no dialect has is a failure that lists them", () =>
  Effect.gen(function* () {
    for (const name of ["triton", "toString", ""]) {
      const error = yield* Effect.flip(Dialects.load(["inspection", name]))
      assert.strictEqual(
        error.message,
        `There is no dialect "${name}". Choose from inspection, huggingface, openinference, roboflow, tfserving, torchserve, bentoml, cog, replicate, imageprocessing, labelstudio, cvat`
      )
    }
  })
)

describe.each(Object.entries(cases))(
  "the dialect %s",
  (name, { busy = 503, down = 503, malformed, path, request, said }) => {
    const check = (answer: Answer, status: number, says: RegExp, what: string) => {
      assert.deepStrictEqual(
        [answer.status, typeof said(answer)],
        [status, "string"],
        `${what}: ${answer.body}`
      )
      assert.match(String(said(answer)), says, what)
    }

    it.live("says what is wrong with a request, and stays up", () =>
      Effect.gen(function* () {
        const dialects = yield* Dialects.load([name])
        const { url } = yield* serve(undefined, { dialects, maxBytes: 20_000, maxRequestBytes: 2_000_000 })
        for (const [what, [init, status, says, where = path]] of Object.entries(malformed)) {
          check(yield* ask(url + where, init), status, says, what)
        }
        const image = Uint8Array.from(Fixtures.image)
        check(
          yield* ask(url + path, request(new TextEncoder().encode("hello"))),
          400,
          /is not an image/,
          "text"
        )
        check(yield* ask(url + path, request(image.subarray(0, 900))), 400, /cut off|whole/, "half an image")
        check(yield* ask(url + path, request(new Uint8Array(30_000))), 413, /20000/, "too many bytes")
        check(
          yield* ask(url + path, request(new Uint8Array(3_000_000))),
          413,
          /at most|most this/,
          "far too many"
        )
        new DataView(image.buffer).setUint32(16, 10_000_000)
        check(yield* ask(url + path, request(image)), 413, /320000000 pixels/, "too many pixels")
        const other = yield* ask(url + path, { method: "DELETE" })
        check(other, 405, /not DELETE/, "another method")
        assert.match(other.headers.get("allow") ?? "", /POST/)
        check(yield* ask(`${url}/nowhere`), 404, /no GET \/nowhere here/, "another path")
        assert.strictEqual((yield* ask(url + path, request(Fixtures.image))).status, 200)
      }).pipe(Effect.scoped)
    )

    it.live("says when it is busy, and when to come back", () =>
      Effect.gen(function* () {
        const { entered, open, predict } = gate()
        const dialects = yield* Dialects.load([name])
        const { url } = yield* serve(predict, { dialects, concurrency: 1, queue: 0 })
        const first = yield* Effect.forkChild(ask(url + path, request(Fixtures.image)))
        yield* eventually(() => entered() === 1)
        const refused = yield* ask(url + path, request(Fixtures.image))
        check(refused, busy, /queue is full/, "busy")
        assert.isAtLeast(Number(refused.headers.get("retry-after")), 1)
        open()
        assert.strictEqual((yield* Fiber.join(first)).status, 200)
      }).pipe(Effect.scoped)
    )

    it.live("turns each way to fail into a status, and keeps what is inside to itself", () =>
      Effect.gen(function* () {
        const failures: ReadonlyArray<readonly [SegmentationError, number]> = [
          [new InferenceFailed({ model: "secret", source: "a.png", detail: "secret" }), 500],
          [new CircuitOpen({ service: "http://10.0.0.7/secret", retryAfter: Duration.seconds(42) }), down],
          [new NoLabelMap({ source: "a.png", transport: "secret" }), 502],
          [
            new UnsupportedImage({ source: "a.png", format: "bmp", detail: "convert it first" }),
            name === "huggingface" ? 400 : 415
          ]
        ]
        const dialects = yield* Dialects.load([name])
        for (const [error, status] of failures) {
          const { url } = yield* serve(() => Effect.fail(error), { dialects })
          const answer = yield* ask(url + path, request(Fixtures.image))
          check(answer, status, /./, error._tag)
          assert.notMatch(answer.body.toString(), /secret/)
        }
        const { url } = yield* serve(() => Effect.die(new Error("secret")), { dialects })
        const defect = yield* ask(url + path, request(Fixtures.image))
        check(defect, 500, /Its log says why/, "a defect")
      }).pipe(Effect.scoped)
    )
  }
)

describe("dialects side by side", () => {
  it.live("refuse a path that nobody has in the form of the one it is nearest to", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects: yield* Dialects.load(Dialects.names) })
      const paths: ReadonlyArray<readonly [path: string, name: string]> = [
        ["/v2/models/test/anything", "openinference"],
        ["/infer/instance_segmentation", "roboflow"],
        // A project and its version, and what is none.
        ["/nothing/3", "roboflow"],
        ["/v1/nothing", "tfserving"],
        ["/v2/nothing", "openinference"],
        ["/segment/more", "bentoml"],
        ["/v1/nothing/at/all", "tfserving"],
        ["/predictions/a/b/c", "torchserve"],
        ["/segment/more/still", "bentoml"],
        ["/models", "huggingface"],
        ["/models/", "huggingface"]
      ]
      for (const [path, name] of paths) {
        const answer = yield* ask(url + path, { method: "POST", body: "x" })
        assert.strictEqual(answer.status, 404, path)
        assert.match(String(cases[name]?.said(answer)), /^There is no /, path)
      }
      assert.deepInclude((yield* ask(`${url}/elsewhere`)).json, { success: false })
      // What is asked with POST of a project and its version is nothing that could be asked of another path.
      const question = yield* ask(`${url}/v2/logging`)
      assert.deepStrictEqual(
        [question.status, question.json],
        [404, { error: "There is no GET /v2/logging here" }]
      )
    }).pipe(Effect.scoped)
  )
})
