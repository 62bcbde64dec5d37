/** The Open Inference Protocol by hand: tensors in JSON and binary ones, as its description has them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { LabelMap } from "effect-segformer"
import { ImageCodec, type Raster } from "effect-segformer/image"
import { OpenInferenceDialect } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import { type Answer, ask, type Json, jsonBody, type Predict, serve } from "./support.ts"

const dialects = [OpenInferenceDialect.make()]
const path = "/v2/models/test/infer"
const { height, image, width } = Fixtures
const labels = Fixtures.prediction.labelMap.data

/** A request as Triton's clients write it: JSON, then the tensor. */
const binaryBody = (json: object, tensor: Uint8Array): RequestInit => {
  const head = Buffer.from(JSON.stringify(json))
  return {
    method: "POST",
    body: Buffer.concat([head, tensor]),
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(head.length)
    }
  }
}

/** The JSON before a binary answer, and the bytes after it. */
const split = ({ body, headers }: Answer): readonly [Json, Buffer] => {
  const length = Number(headers.get("inference-header-content-length"))
  return [JSON.parse(body.subarray(0, length).toString()), body.subarray(length)]
}

/** An element of a BYTES tensor. */
const element = (bytes: Uint8Array): Buffer => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}

const files = (...shape: ReadonlyArray<number>) => ({ name: "image", datatype: "BYTES", shape })

describe("the dialect openinference", () => {
  it.live("tells of itself, of its health and of its model", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects })
      const server = yield* ask(`${url}/v2`)
      assert.deepInclude(server.json, { name: "effect-segformer", extensions: ["binary_tensor_data"] })
      for (const asked of [
        "health/live",
        "health/ready",
        "models/test/ready",
        "models/segformer/versions/1/ready"
      ]) {
        assert.strictEqual((yield* ask(`${url}/v2/${asked}`)).status, 200, asked)
      }
      const { json } = yield* ask(`${url}/v2/models/test`)
      assert.deepInclude(json, { name: "test", versions: ["1"] })
      assert.deepStrictEqual(json["outputs"], [
        {
          name: "labels",
          datatype: "UINT8",
          shape: [-1, -1, -1],
          parameters: { id2label: '{"0":"background","1":"particle","2":"scratch"}' }
        }
      ])
      assert.strictEqual((yield* ask(`${url}/v2/models/other`)).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("says by 4xx that it is not ready, and by 200 that it is alive", () =>
    Effect.gen(function* () {
      const health = Effect.succeed({ healthy: false, detail: "secret" })
      const { url } = yield* serve(undefined, { dialects }, { health })
      assert.strictEqual((yield* ask(`${url}/v2/health/live`)).status, 200)
      for (const asked of ["health/ready", "models/test/ready"]) {
        const { json, status } = yield* ask(`${url}/v2/${asked}`)
        assert.deepStrictEqual([status, json["ready"]], [400, false])
        assert.match(String(json["error"]), /not ready/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("goes by the name it is given, and by no other model's", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects, name: "acme/panels" })
      assert.strictEqual((yield* ask(`${url}/v2/models/acme%2Fpanels`)).json["name"], "acme/panels")
      assert.strictEqual((yield* ask(`${url}/v2/models/test`)).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("takes files and gives ids, each in JSON or binary", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects })
      const inJson = { ...files(1), data: [Buffer.from(image).toString("base64")] }
      const content = element(image)
      const inBinary = { ...files(1), parameters: { binary_data_size: content.length } }

      const plain = yield* ask(url + path, jsonBody({ id: "7", inputs: [inJson] }))
      assert.deepStrictEqual(plain.json, {
        model_name: "test",
        model_version: "1",
        id: "7",
        outputs: [{ name: "labels", datatype: "UINT8", shape: [1, height, width], data: [...labels] }]
      })
      // As pydantic writes what is not given.
      const nothing = { id: null, outputs: null, parameters: null, inputs: [{ ...inJson, parameters: null }] }
      const unnamed = yield* ask(url + path, jsonBody(nothing))
      assert.deepStrictEqual(unnamed.json["outputs"], plain.json["outputs"])
      assert.notProperty(unnamed.json, "id")
      const mixed = yield* ask(url + path, binaryBody({ inputs: [inBinary] }, content))
      assert.deepStrictEqual(mixed.json["outputs"], plain.json["outputs"])
      assert.notProperty(mixed.json, "id")

      const outputs = [{ name: "labels", parameters: { binary_data: true } }]
      for (const request of [
        jsonBody({ inputs: [inJson], outputs }),
        jsonBody({ inputs: [inJson], parameters: { binary_data_output: true } }),
        jsonBody({
          inputs: [inJson],
          parameters: { binary_data_output: true },
          outputs: [{ name: "labels" }]
        }),
        binaryBody({ inputs: [inBinary], outputs }, content)
      ]) {
        const answer = yield* ask(url + path, request)
        const [json, tensor] = split(answer)
        assert.deepStrictEqual(json["outputs"], [
          {
            name: "labels",
            datatype: "UINT8",
            shape: [1, height, width],
            parameters: { binary_data_size: width * height }
          }
        ])
        assert.deepStrictEqual([...tensor], [...labels])
        assert.strictEqual(answer.headers.get("content-length"), String(answer.body.length))
      }
    }).pipe(Effect.scoped)
  )

  it.live("hands pixels on as they are, one picture or several", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      const seen: Array<Raster> = []
      const predict: Predict = ({ image }) =>
        Effect.map(codec.decode(image), (raster) => {
          seen.push(raster)
          const data = Uint8Array.from(
            { length: image.width * image.height },
            (_, i) => raster.data[i * 3]! % 3
          )
          return { _tag: "Labels", classes: Fixtures.classes, labelMap: { width, height, data } }
        })
      const { url } = yield* serve(predict, { dialects, concurrency: 1 })
      const pixels = Uint8Array.from(
        { length: 2 * width * height * 3 },
        (_, i) => (i * i * 7 + (i >> 5)) % 256
      )
      const one = pixels.subarray(0, width * height * 3)
      const ids = Uint8Array.from({ length: 2 * width * height }, (_, i) => pixels[i * 3]! % 3)
      const outputs = [{ name: "labels", parameters: { binary_data: true } }]
      const input = (values: Uint8Array, ...shape: ReadonlyArray<number>) => ({
        name: "input",
        datatype: "UINT8",
        shape,
        parameters: { binary_data_size: values.length }
      })
      const nested = [...one.keys()].filter((i) => i % 3 === 0).map((i) => [...one.subarray(i, i + 3)])
      const inJson = { name: "input", datatype: "UINT8", shape: [height, width, 3] }
      const requests: ReadonlyArray<readonly [RequestInit, number]> = [
        [binaryBody({ inputs: [input(one, height, width, 3)], outputs }, one), 1],
        [binaryBody({ inputs: [input(pixels, 2, height, width, 3)], outputs }, pixels), 2],
        [jsonBody({ inputs: [{ ...inJson, data: [...one] }], outputs }), 1],
        [jsonBody({ inputs: [{ ...inJson, data: nested }], outputs }), 1]
      ]
      for (const [request, count] of requests) {
        seen.length = 0
        const [json, tensor] = split(yield* ask(url + path, request))
        assert.deepInclude(JSON.parse(JSON.stringify(json["outputs"]))[0], {
          shape: [count, height, width]
        })
        assert.strictEqual(Buffer.compare(tensor, ids.subarray(0, tensor.length)), 0)
        const all = Buffer.concat(seen.map(({ data }) => data))
        assert.strictEqual(Buffer.compare(all, pixels.subarray(0, count * one.length)), 0)
      }
      // So small that it is read as any JSON is.
      const tiny = { name: "input", datatype: "UINT8", shape: [1, 1, 3], data: [7, 8, 9] }
      seen.length = 0
      yield* ask(url + path, jsonBody({ inputs: [tiny] }))
      assert.deepStrictEqual(
        seen.map(({ data }) => [...data]),
        [[7, 8, 9]]
      )
    }).pipe(Effect.scoped, Effect.provide(SharpCodec.layer))
  )

  it.live("takes several files of one size, and no others", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      const { url } = yield* serve(
        ({ image }) =>
          Effect.succeed({
            _tag: "Labels",
            classes: Fixtures.classes,
            labelMap: LabelMap.filled(image.width, image.height, 1)
          }),
        { dialects }
      )
      const small = yield* codec.encode(
        { width: 2, height: 1, channels: 1, data: Uint8Array.of(1, 2) },
        "png"
      )
      const request = (...elements: ReadonlyArray<Uint8Array>) => {
        const tensor = Buffer.concat(elements.map(element))
        const input = { ...files(elements.length), parameters: { binary_data_size: tensor.length } }
        return ask(url + path, binaryBody({ inputs: [input] }, tensor))
      }
      const { json } = yield* request(small, small, small)
      assert.deepStrictEqual(json["outputs"], [
        { name: "labels", datatype: "UINT8", shape: [3, 1, 2], data: [1, 1, 1, 1, 1, 1] }
      ])
      const mixed = yield* request(small, image)
      assert.deepStrictEqual(
        [mixed.status, mixed.json["error"]],
        [400, "The images of one request must be of one size: their labels are one tensor"]
      )
    }).pipe(Effect.scoped, Effect.provide(SharpCodec.layer))
  )

  it.live("gives ids of more than 8 bits, or of unknown classes, as INT32", () =>
    Effect.gen(function* () {
      const data = new Uint16Array(width * height).fill(847)
      const predict: Predict = () =>
        Effect.succeed({ _tag: "Labels", classes: [], labelMap: { width, height, data } })
      const describe = Effect.succeed({ name: "test", classes: [] })
      const { url } = yield* serve(predict, { dialects }, { describe })
      const input = { ...files(1), data: [Buffer.from(image).toString("base64")] }
      const request = jsonBody({ inputs: [input], parameters: { binary_data_output: true } })
      const [json, tensor] = split(yield* ask(url + path, request))
      assert.deepInclude(JSON.parse(JSON.stringify(json["outputs"]))[0], { datatype: "INT32" })
      assert.strictEqual(tensor.length, width * height * 4)
      assert.strictEqual(tensor.readInt32LE(tensor.length - 4), 847)
      const metadata = yield* ask(`${url}/v2/models/test`)
      assert.deepStrictEqual(metadata.json["outputs"], [
        { name: "labels", datatype: "INT32", shape: [-1, -1, -1] }
      ])
    }).pipe(Effect.scoped)
  )
})
