/** TensorFlow Serving, TorchServe and BentoML by hand. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelPng } from "effect-segformer/mask"
import { BentoMLDialect, TfServingDialect, TorchServeDialect } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, form, jsonBody, serve } from "./support.ts"

const { height, image, width } = Fixtures
const labels = [...Fixtures.prediction.labelMap.data]
const rows = Array.from({ length: height }, (_, y) => labels.slice(y * width, (y + 1) * width))
const unwell = { health: Effect.succeed({ healthy: false, detail: "secret" }) }
const pixels = (png: unknown) => {
  const bytes = png instanceof Uint8Array ? png : Buffer.from(String(png), "base64")
  return [...Result.getOrThrow(LabelPng.decode(bytes)).data]
}

describe("the dialect tfserving", () => {
  const dialects = [TfServingDialect.make()]
  const bytes = { b64: Buffer.from(image).toString("base64") }

  it.live("predicts by row and by column, as ids or as a PNG", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects })
      const predict = (body: unknown, path = "test:predict") =>
        Effect.map(ask(`${url}/v1/models/${path}`, jsonBody(body)), ({ json }) => json)
      assert.deepStrictEqual(yield* predict({ instances: [bytes] }), { predictions: [rows] })
      assert.deepStrictEqual(
        yield* predict({ instances: [{ image: bytes }, bytes] }, "segformer/versions/1:predict"),
        { predictions: [rows, rows] }
      )
      for (const inputs of [bytes, [bytes], { image: bytes }, { image: [bytes] }]) {
        assert.deepStrictEqual(yield* predict({ inputs }), { outputs: [rows] })
      }
      const { predictions } = yield* predict({ signature_name: "png", instances: [bytes] })
      const [first]: ReadonlyArray<{ b64: string }> = JSON.parse(JSON.stringify(predictions))
      assert.deepStrictEqual(pixels(first?.b64), labels)
    }).pipe(Effect.scoped)
  )

  it.live("tells the state of its only version, and its signatures", () =>
    Effect.gen(function* () {
      for (const [transport, state] of [
        [undefined, "AVAILABLE"],
        [unwell, "LOADING"]
      ] as const) {
        const { url } = yield* serve(undefined, { dialects }, transport)
        for (const path of ["test", "segformer/versions/1"]) {
          const { json } = yield* ask(`${url}/v1/models/${path}`)
          const [first] = JSON.parse(JSON.stringify(json["model_version_status"]))
          assert.deepInclude(first, { version: "1", state })
        }
      }
      const { url } = yield* serve(undefined, { dialects })
      const { json } = yield* ask(`${url}/v1/models/test/metadata`)
      assert.deepInclude(json["model_spec"], { name: "test", version: "1" })
    }).pipe(Effect.scoped)
  )
})

const said = {
  width,
  height,
  classes: Fixtures.classes.map(({ id, name }) => ({ id, name }))
}

describe("the dialect torchserve", () => {
  const dialects = [TorchServeDialect.make()]
  const path = "/predictions/test"

  it.live("takes the file as the body or in a form, and gives JSON or the mask alone", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects })
      const raw = { method: "POST", body: Uint8Array.from(image) }
      for (const [init, where] of [
        [raw, path],
        [raw, `${path}/1.0`],
        [form("data", ["a.png", image]), path],
        [form("body", ["a.png", image]), path]
      ] as const) {
        const { json } = yield* ask(url + where, init)
        assert.deepInclude(json, said)
        assert.deepStrictEqual(pixels(json["mask"]), labels)
        const present: ReadonlyArray<{ id: number; pixels: number }> = JSON.parse(
          JSON.stringify(json["present"])
        )
        assert.deepStrictEqual(
          present.map(({ id, pixels }) => [id, pixels]),
          [0, 1, 2].map((id) => [id, labels.filter((label) => label === id).length])
        )
      }
      const mask = yield* ask(url + path, { ...raw, headers: { accept: "image/png" } })
      assert.strictEqual(mask.headers.get("content-type"), "image/png")
      assert.deepStrictEqual(pixels(mask.body), labels)
    }).pipe(Effect.scoped)
  )

  it.live("answers a ping", () =>
    Effect.gen(function* () {
      const well = yield* serve(undefined, { dialects })
      assert.deepStrictEqual((yield* ask(`${well.url}/ping`)).json, { status: "Healthy" })
      const ill = yield* serve(undefined, { dialects }, unwell)
      const { json, status } = yield* ask(`${ill.url}/ping`)
      assert.deepStrictEqual([status, json], [500, { status: "Unhealthy" }])
    }).pipe(Effect.scoped)
  )
})

describe("the dialect bentoml", () => {
  it.live("takes a form or the file itself, under the names it is given", () =>
    Effect.gen(function* () {
      const plain = yield* serve(undefined, { dialects: [BentoMLDialect.make()] })
      const raw = { method: "POST", body: Uint8Array.from(image), headers: { "content-type": "image/png" } }
      for (const init of [form("image", ["a.png", image]), raw]) {
        const { json } = yield* ask(`${plain.url}/segment`, init)
        assert.deepInclude(json, said)
        assert.deepStrictEqual(pixels(json["mask"]), labels)
      }
      const named = BentoMLDialect.make({ route: "panels", parameter: "picture" })
      const { url } = yield* serve(undefined, { dialects: [named] })
      assert.deepInclude((yield* ask(`${url}/panels`, form("picture", ["a.png", image]))).json, said)
    }).pipe(Effect.scoped)
  )

  it.live("is alive in any case, and ready with its model", () =>
    Effect.gen(function* () {
      const dialects = [BentoMLDialect.make()]
      const well = yield* serve(undefined, { dialects })
      const ill = yield* serve(undefined, { dialects }, unwell)
      for (const path of ["/livez", "/healthz"]) {
        assert.strictEqual((yield* ask(ill.url + path)).status, 200, path)
      }
      assert.strictEqual((yield* ask(`${well.url}/readyz`)).status, 200)
      const { body, status } = yield* ask(`${ill.url}/readyz`)
      assert.deepStrictEqual([status, JSON.parse(body.toString())], [503, "The model is not loaded"])
    }).pipe(Effect.scoped)
  )
})
