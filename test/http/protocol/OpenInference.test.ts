import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, References, Result } from "effect"
import { ImageSource, type Policy, segment } from "effect-segformer"
import { OpenInference, SegFormerHttp } from "effect-segformer/http"
import { LabelMap } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import fc from "fast-check"
import * as Halves from "../../../src/image/Halves.ts"
import * as Tensor from "../../../src/http/Tensor.ts"
import * as Steps from "../../../src/mask/Steps.ts"
import { sendJson } from "../../support/TestServer.ts"
import * as Model from "../servers/Model.ts"
import * as Server from "../servers/OpenInferenceServer.ts"

const source = ImageSource.bytes(Model.image)

const layer = (
  baseUrl: string,
  options?: Partial<OpenInference.OpenInferenceOptions>,
  policy: Policy.PolicyOptions = { retry: false }
) =>
  Layer.unwrap(
    Effect.map(OpenInference.make({ model: "segformer", classes: Model.classes, ...options }), (protocol) =>
      SegFormerHttp.layer({ baseUrl, protocol, policy })
    )
  ).pipe(Layer.provide(Layer.mergeAll(SharpCodec.layer, NodeHttpClient.layerUndici)))

const labelMap = Effect.flatMap(segment(source), (found) => found.labelMap)

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const scoresOf = Steps.sync(Tensor.scoreSteps)
const idsOf = Steps.sync(Tensor.idSteps)

describe("OpenInference", () => {
  const cases: ReadonlyArray<Server.Options> = [
    ...[true, false].flatMap((binary) => [
      { binary, datatype: "FP32" as const },
      { binary, datatype: "FP16" as const },
      ...(["INT32", "INT64", "UINT8", "FP32"] as const).map((datatype) => ({
        binary,
        datatype,
        output: "labels" as const
      }))
    ]),
    { binary: true, datatype: "FP32", unaligned: true },
    { binary: true, datatype: "FP16", unaligned: true },
    { binary: true, datatype: "INT64", output: "labels", unaligned: true }
  ]
  for (const options of cases) {
    const name = `${options.datatype} ${options.output ?? "logits"} in ${options.binary === true ? "binary" : "JSON"}`
    it.live(`reads ${name}${options.unaligned === true ? " at an odd address" : ""}`, () =>
      Effect.gen(function* () {
        const server = yield* Server.make(options)
        const found = yield* labelMap.pipe(Effect.provide(layer(server.url)))
        assert.isTrue(LabelMap.equals(found, Model.labels))
        const infer = server.requests.at(-1)!
        assert.strictEqual("inference-header-content-length" in infer.headers, options.binary === true)
      }).pipe(Effect.scoped)
    )
  }

  const names = { 0: "background", 1: "pit", 2: "crack" }
  const named: ReadonlyArray<readonly [unknown, ReadonlyArray<string>]> = [
    [{ id2label: JSON.stringify(names) }, ["background", "pit", "crack"]],
    [{ id2label: names }, ["background", "pit", "crack"]],
    [{ classes: '["a", "b", "c"]' }, ["a", "b", "c"]],
    [{ label2id: { stone: 0, grass: 1, sky: 2 } }, ["stone", "grass", "sky"]],
    // What cannot be read, or is of another model, costs no answer and names nothing.
    [{ id2label: "{" }, []],
    [{ id2label: '{"0": "a", "00": "b"}' }, []],
    [{ id2label: { 0: "a", 149: "flag" } }, []],
    [{ other: 1 }, []],
    ["none", []]
  ]
  for (const [parameters, expected] of named) {
    it.live(`names classes as the metadata has them: ${JSON.stringify(parameters)}`, () =>
      Effect.gen(function* () {
        const server = yield* Server.make({ binary: true, parameters })
        const found = yield* segment(source).pipe(Effect.provide(layer(server.url, { classes: undefined })))
        assert.isTrue(LabelMap.equals(yield* found.labelMap, Model.labels))
        assert.deepStrictEqual(
          found.classes.map(({ name }) => name),
          expected
        )
        const own = yield* segment(source).pipe(Effect.provide(layer(server.url)))
        assert.deepStrictEqual(own.classes, Model.classes)
      }).pipe(Effect.scoped, quiet)
    )
  }

  it.live("asks for the model's metadata once, however many come together", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ binary: true })
      yield* Effect.gen(function* () {
        yield* Effect.all(
          Array.from({ length: 5 }, () => labelMap),
          { concurrency: 5 }
        )
        yield* labelMap
      }).pipe(Effect.provide(layer(server.url)))
      const paths = server.requests.map(({ method, path }) => `${method} ${path}`)
      assert.strictEqual(paths.filter((path) => path === "GET /v2/models/segformer").length, 1)
      assert.strictEqual(paths.filter((path) => path === "GET /v2").length, 1)
      assert.strictEqual(paths.filter((path) => path.endsWith("/infer")).length, 6)
    }).pipe(Effect.scoped)
  )

  it.live("who waits for another's question asks itself where that one is interrupted", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ binary: true })
      yield* Effect.gen(function* () {
        const first = yield* Effect.forkChild(labelMap)
        const second = yield* Effect.forkChild(labelMap)
        yield* Effect.yieldNow
        yield* Fiber.interrupt(first)
        assert.isTrue(LabelMap.equals(yield* Fiber.join(second), Model.labels))
      }).pipe(Effect.provide(layer(server.url)))
    }).pipe(Effect.scoped)
  )

  it.live("sends binary tensors to who asks for them without having announced them, and goes on so", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ binary: true, datatype: "FP16", unannounced: true })
      const ours = yield* Effect.provide(Effect.all([labelMap, labelMap, labelMap]), layer(server.url))
      for (const found of ours) assert.isTrue(LabelMap.equals(found, Model.labels))
      const asked = server.requests.filter(({ method }) => method === "POST")
      assert.deepStrictEqual(
        asked.map(({ headers }) => "inference-header-content-length" in headers),
        [false, true, true, true]
      )
      assert.strictEqual(server.requests.length, 4 + 2)
    }).pipe(Effect.scoped)
  )

  it.live("a refusal is told as it is where binary tensors are off, or are no help either", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ binary: true, datatype: "FP16", unannounced: true })
      const off = yield* Effect.flip(Effect.provide(labelMap, layer(server.url, { binary: false })))
      assert.strictEqual(off._tag, "RequestRejected")
      assert.include(off.message, "Please use the binary data format for input pixel_values")
      const never = yield* Server.make({ refusal: "Our lamps are binary: on or off. Off." })
      const refused = yield* Effect.flip(Effect.provide(labelMap, layer(never.url)))
      assert.strictEqual(refused._tag, "RequestRejected")
      assert.include(refused.message, "Our lamps are binary")
    }).pipe(Effect.scoped)
  )

  it.live("asks again after the service refused a request: the model may be another one", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({})
      yield* Effect.gen(function* () {
        yield* labelMap
        server.state.fault = (_, response) => sendJson(response, { error: "unexpected shape for input" }, 400)
        const error = yield* Effect.flip(labelMap)
        assert.strictEqual(error._tag, "RequestRejected")
        server.state.fault = undefined
        yield* labelMap
      }).pipe(Effect.provide(layer(server.url)), quiet)
      const asked = server.requests.filter(({ path }) => path === "/v2/models/segformer")
      assert.strictEqual(asked.length, 2)
    }).pipe(Effect.scoped)
  )

  it.live("a model that has no available version yet is still loading", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({})
      server.state.fault = (_, response) =>
        sendJson(response, { error: "Request for unknown model: 'segformer' has no available versions" }, 400)
      const error = yield* Effect.flip(labelMap.pipe(Effect.provide(layer(server.url)), quiet))
      assert.strictEqual(error._tag, "ModelLoading")
    }).pipe(Effect.scoped)
  )

  it.live("binary tensors of another size than they say are refused, by field", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ binary: true })
      const broken = (json: unknown, rest: number, stated?: string) => {
        const head = Buffer.from(JSON.stringify(json))
        server.state.fault = (_, response) =>
          void response
            .writeHead(200, { "inference-header-content-length": stated ?? String(head.length) })
            .end(Buffer.concat([head, Buffer.alloc(rest)]))
        return Effect.map(Effect.flip(labelMap.pipe(Effect.provide(layer(server.url)))), (error) => {
          assert.strictEqual(error._tag, "ResponseNotDecodable")
          return error.message
        })
      }
      const output = (size: number, over = {}) => ({
        outputs: [
          {
            name: "logits",
            datatype: "FP32",
            shape: [1, 3, 2, 2],
            parameters: { binary_data_size: size },
            ...over
          }
        ]
      })
      assert.include(yield* broken(output(48), 47), "should be 48 bytes, but 47 follow")
      assert.include(yield* broken(output(44), 44), "outputs.0.parameters.binary_data_size")
      assert.include(yield* broken(output(48), 48, "999999"), "inference-header-content-length")
      assert.include(yield* broken(output(48), 48, "-1"), "inference-header-content-length")
      assert.include(yield* broken(output(48, { datatype: "COMPLEX" }), 48), "outputs.0.datatype")
      assert.include(yield* broken(output(48, { shape: [1, 3, -2, -2] }), 48), "outputs.0.shape")
      assert.include(yield* broken(output(48, { name: "other" }), 48), 'there is no "logits"')
      const two = yield* broken(output(32, { shape: [1, 2, 2, 2] }), 32)
      assert.include(two, "no axis for the model's 3 classes, whose last id is 2")
    }).pipe(Effect.scoped)
  )

  it.live("says which inputs and outputs there are where the one it needs is not clear", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({})
      const wrongInput = yield* Effect.flip(labelMap.pipe(Effect.provide(layer(server.url, { input: "x" }))))
      assert.include(wrongInput.message, '`inputs`: the model has pixel_values, and no "x"')
      const wrongOutput = yield* Effect.flip(
        labelMap.pipe(Effect.provide(layer(server.url, { output: "y" })))
      )
      assert.include(wrongOutput.message, '`outputs`: the model has logits, and no "y"')
      assert.isTrue(server.requests.every(({ method }) => method === "GET"))
    }).pipe(Effect.scoped)
  )

  it.live("asks for the version it is given", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({})
      yield* Effect.flip(labelMap.pipe(Effect.provide(layer(server.url, { version: "7" })), quiet))
      assert.strictEqual(server.requests[0]?.path, "/v2/models/segformer/versions/7")
    }).pipe(Effect.scoped)
  )
})

describe("OpenInference in batches", () => {
  const other = ImageSource.bytes(Model.greyPng(), { name: "other.png" })
  const find = (image = source) => Effect.flatMap(segment(image), (found) => found.labelMap)
  /** Goes when it is full: how long images take to come is the machine's. */
  const batchOf = (size: number) => ({ batch: { size, wait: "1 minute" } }) as const
  const infers = (server: Model.ModelServer) => server.requests.filter(({ path }) => path.endsWith("/infer"))

  for (const options of [
    { batches: true, binary: true },
    { batches: true, binary: true, datatype: "FP16", unaligned: true },
    { batches: true, output: "labels" }
  ] satisfies ReadonlyArray<Server.Options>) {
    it.live(
      `images that come together share requests, and each gets its own: ${JSON.stringify(options)}`,
      () =>
        Effect.gen(function* () {
          const server = yield* Server.make(options)
          const images = [source, other, source, source, other, other, source, other]
          const maps = yield* Effect.all(images.map(find), { concurrency: 8 }).pipe(
            Effect.provide(layer(server.url, batchOf(4)))
          )
          for (const [index, map] of maps.entries()) {
            const expected =
              images[index] === source ? Model.labels : LabelMap.filled(Model.width, Model.height, 2)
            assert.isTrue(LabelMap.equals(map, expected), `image ${index}`)
          }
          assert.strictEqual(infers(server).length, 2)
        }).pipe(Effect.scoped)
    )
  }

  it.live("an image that is given up is left out, and the others go on", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ batches: true, binary: true })
      const three = [find(), find(), find()]
      yield* Effect.gen(function* () {
        // Metadata is known from here on, and images wait until they are three.
        yield* Effect.all(three, { concurrency: 3 })
        const first = yield* Effect.forkChild(find(other))
        const second = yield* Effect.forkChild(find())
        yield* Effect.sleep("25 millis")
        yield* Fiber.interrupt(first)
        const others = yield* Effect.all([Fiber.join(second), find(), find()], { concurrency: 3 })
        assert.isTrue(others.every((map) => LabelMap.equals(map, Model.labels)))
      }).pipe(Effect.provide(layer(server.url, batchOf(3))))
      // Were it still one of them, the last would wait for two more.
      const [, last, none] = infers(server)
      assert.isUndefined(none)
      const head = last!.body.subarray(0, Number(last!.headers["inference-header-content-length"]))
      assert.strictEqual(Model.jsonOf(head).inputs[0].shape[0], 3)
    }).pipe(Effect.scoped)
  )

  it.live("a batch that fails fails each of its images, and each may try again", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ batches: true, binary: true })
      server.state.fault = (_, response) => {
        server.state.fault = undefined
        sendJson(response, { error: "overloaded" }, 503)
      }
      const retry = { retry: { times: 1, delay: "1 millis" } } as const
      const maps = yield* Effect.all([find(), find()], { concurrency: 2 }).pipe(
        Effect.provide(layer(server.url, batchOf(2), retry)),
        quiet
      )
      assert.isTrue(maps.every((map) => LabelMap.equals(map, Model.labels)))
      assert.strictEqual(infers(server).length, 2)
    }).pipe(Effect.scoped)
  )

  it.live("an answer for another number of images is refused", () =>
    Effect.gen(function* () {
      const server = yield* Server.make({ batches: true, binary: true })
      server.state.fault = (_, response) => Server.send(response, Server.outputOf({}), { binary: true })
      const error = yield* Effect.flip(
        Effect.all([find(), find()], { concurrency: 2 }).pipe(Effect.provide(layer(server.url, batchOf(2))))
      )
      assert.strictEqual(error._tag, "ResponseNotDecodable")
      assert.include(error.message, "no batch of the 2 images")
    }).pipe(Effect.scoped)
  )
})

describe("tensors", () => {
  it("halves are those of the language, both ways", () => {
    // Of this runtime, and newer than the compiler's library.
    const Float16 = Reflect.get(globalThis, "Float16Array")
    const oracle = (values: Float32Array): Uint16Array => new Uint16Array(new Float16(values).buffer)
    fc.assert(
      fc.property(fc.float32Array({ noNaN: true, maxLength: 40 }), (values) => {
        const wide = Float32Array.from([
          ...values,
          65_504,
          65_519,
          65_520,
          2 ** -24,
          2 ** -25,
          1.5 * 2 ** -25,
          -0
        ])
        const bits = Halves.toHalves(wide)
        assert.deepStrictEqual(bits, oracle(wide))
        const bytes = new Uint8Array(bits.buffer.slice(0))
        const back = Result.getOrThrow(scoresOf("FP16", bytes, 0, bytes.length))
        assert.deepStrictEqual(back, Float32Array.from(new Float16(wide)))
      })
    )
  })

  it("scores in the place where they lie take no copy, wherever that is", () => {
    for (const offset of [0, 1, 2, 3, 4, 5, 13]) {
      const buffer = new Uint8Array(offset + 400)
      const view = new DataView(buffer.buffer)
      for (let i = 0; i < 100; i++) view.setFloat32(offset + i * 4, i / 8, true)
      const values = Result.getOrThrow(scoresOf("FP32", buffer, offset, 400))
      assert.deepStrictEqual(
        Array.from(values),
        Array.from({ length: 100 }, (_, i) => i / 8)
      )
      if (offset === 0 || offset >= 4) assert.strictEqual(values.buffer, buffer.buffer)
    }
  })

  it("ids of 64 bits that no map can hold are refused", () => {
    const bytes = new Uint8Array(BigInt64Array.of(3n, -1n).buffer)
    assert.isTrue(Result.isFailure(idsOf("INT64", bytes, 0, 16)))
    const large = new Uint8Array(BigInt64Array.of(3n, 2n ** 40n).buffer)
    assert.isTrue(Result.isFailure(idsOf("INT64", large, 0, 16)))
    const negative = new Uint8Array(Int32Array.of(3, -1).buffer)
    assert.isTrue(Result.isFailure(idsOf("INT32", negative, 0, 8)))
  })
})
