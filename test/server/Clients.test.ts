/** The dialects, asked as the clients that they stand for ask by default. */
import { request as send } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import { Dialects } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import Replicate from "replicate"
import { eventually } from "../support/Eventually.ts"
import { ask, serve } from "./support.ts"

const speaking = (...names: ReadonlyArray<string>) =>
  Effect.flatMap(Dialects.load(names), (dialects) => serve(undefined, { dialects }))

const base64 = Buffer.from(Fixtures.image).toString("base64")
const dataUrl = `data:image/png;base64,${base64}`

const isTheMap = (png: Uint8Array): void =>
  assert.isTrue(LabelMap.equals(Result.getOrThrow(LabelPng.decode(Uint8Array.from(png))), Fixtures.labelMap))

const bytesOf = (url: string): Uint8Array => Buffer.from(url.slice(url.indexOf(",") + 1), "base64")

/** One request by `node:http`, as other languages' clients make them. */
const http = (
  method: string,
  url: string,
  body?: string | Uint8Array,
  headers: Record<string, string> = {}
) =>
  Effect.promise(
    () =>
      new Promise<{ status: number; json: ReturnType<typeof JSON.parse> }>((resolve, reject) => {
        const call = send(url, { method, headers }, (response) => {
          const chunks: Array<Buffer> = []
          response.on("data", (chunk: Buffer) => chunks.push(chunk))
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              json: JSON.parse(Buffer.concat(chunks).toString() || "null")
            })
          )
        })
        call.on("error", reject)
        call.end(body)
      })
  )

describe("clients that offer HTTP/2 with a request (curl --http2, Java)", () => {
  it.live("have it answered as it is, with its body", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const offer = {
        connection: "Upgrade, HTTP2-Settings",
        upgrade: "h2c",
        "http2-settings": "AAMAAABkAAQAAP__"
      }
      const { json, status } = yield* http("POST", `${url}/v1/segment`, Fixtures.image, offer)
      assert.strictEqual(status, 200)
      assert.strictEqual(json.width, Fixtures.labelMap.width)
    }).pipe(Effect.scoped)
  )
})

describe("replicate (npm)", () => {
  const client = (url: string) => new Replicate({ auth: "any", baseUrl: `${url}/v1`, useFileOutput: false })

  it.live("runs a model by its name, by its version, with a file sent ahead, and a deployment", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("replicate")
      const replicate = client(url)
      const image = new Blob([Uint8Array.from(Fixtures.image)], { type: "image/png" })
      for (const ref of ["acme/segformer", "acme/segformer:segformer"] as const) {
        for (const input of [{ image }, { image: dataUrl }, { image: Buffer.from(Fixtures.image) }]) {
          const output = yield* Effect.promise(() => replicate.run(ref, { input }))
          isTheMap(bytesOf(String(output)))
        }
      }
      const deployed = yield* Effect.promise(async () => {
        const prediction = await replicate.deployments.predictions.create("acme", "segformer", {
          input: { image: dataUrl }
        })
        return replicate.wait(prediction)
      })
      assert.strictEqual(deployed.status, "succeeded")
      isTheMap(bytesOf(String(deployed.output)))
      const file = yield* Effect.promise(() => replicate.files.create(image))
      // As its own service signs the address of a file.
      const signed = `${file.urls.get}/download?expiry=1&signature=s`
      isTheMap(
        bytesOf(
          String(yield* Effect.promise(() => replicate.run("acme/segformer", { input: { image: signed } })))
        )
      )
      assert.isTrue(yield* Effect.promise(() => replicate.files.delete(file.id)))
      assert.strictEqual((yield* http("GET", file.urls.get)).status, 404)
      const model = yield* Effect.promise(() => replicate.models.get("acme", "segformer"))
      assert.strictEqual(model.name, "segformer")
    }).pipe(Effect.scoped)
  )

  it.live("is told what is not here: other models, webhooks, files of nobody", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("replicate")
      const replicate = client(url)
      const problem = (run: () => Promise<unknown>) =>
        Effect.promise(() =>
          run().then(
            () => "none",
            (cause: unknown) => String(cause)
          )
        )
      const create = (more: object) => () =>
        replicate.predictions.create({ version: "segformer", input: { image: dataUrl }, ...more })
      assert.include(yield* problem(create({ webhook: "https://example.com/hook" })), "No webhook is called")
      assert.include(yield* problem(() => replicate.run("acme/other", { input: { image: dataUrl } })), "404")
      const gone = { input: { image: `${url}/v1/files/${"0".repeat(26)}` } }
      assert.include(yield* problem(create(gone)), "There is no file of this id")
    }).pipe(Effect.scoped)
  )
})

describe("clients of other languages", () => {
  it.live("Roboflow's hosted models take base64 as a form's body, and a file", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("roboflow")
      const type = { "content-type": "application/x-www-form-urlencoded" }
      const found = yield* http("POST", `${url}/segformer/3?api_key=k`, base64, type)
      assert.strictEqual(found.status, 200)
      isTheMap(Buffer.from(found.json.predictions.segmentation_mask, "base64"))
      const form = new FormData()
      form.append("file", new Blob([Uint8Array.from(Fixtures.image)]), "panel.png")
      const second = yield* ask(`${url}/segformer/3?api_key=k`, { method: "POST", body: form })
      assert.strictEqual(second.status, 200)
      assert.strictEqual((yield* http("POST", `${url}/other/3`, base64, type)).status, 404)
      assert.strictEqual((yield* http("POST", `${url}/segformer/three`, base64, type)).status, 404)
      assert.strictEqual((yield* http("POST", `${url}/segformer/3`, "%%%", type)).status, 400)
    }).pipe(Effect.scoped)
  )

  it.live("TorchServe takes what `curl -T` sends", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("torchserve")
      const found = yield* http("PUT", `${url}/predictions/segformer`, Fixtures.image)
      assert.strictEqual(found.status, 200)
      isTheMap(Buffer.from(found.json.mask, "base64"))
      assert.strictEqual((yield* http("PUT", `${url}/predictions/segformer/1.0`, Fixtures.image)).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("a path of two protocols goes by what is sent, whichever is named first", () =>
    Effect.gen(function* () {
      for (const names of [
        ["cog", "torchserve"],
        ["torchserve", "cog"]
      ]) {
        const { url } = yield* speaking(...names)
        const path = `${url}/predictions/segformer`
        const file = yield* http("PUT", path, Fixtures.image)
        assert.strictEqual(file.status, 200, `a file to ${names.join()}`)
        isTheMap(Buffer.from(file.json.mask, "base64"))
        const json = JSON.stringify({ input: { image: dataUrl } })
        const prediction = yield* http("PUT", path, json, { "content-type": "application/json" })
        assert.strictEqual(prediction.status, 200, `JSON to ${names.join()}`)
        assert.strictEqual(prediction.json.id, "segformer")
        isTheMap(bytesOf(prediction.json.output))
      }
    }).pipe(Effect.scoped)
  )

  it.live("Cog answers 202 to who does not wait, and gives the result when it is asked for", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("cog")
      const headers = { "content-type": "application/json", prefer: "Respond-Async" }
      const body = JSON.stringify({ input: { image: dataUrl } })
      for (const [method, path] of [
        ["POST", "/predictions"],
        ["PUT", "/predictions/mine"]
      ] as const) {
        const first = yield* http(method, url + path, body, headers)
        assert.strictEqual(first.status, 202)
        assert.strictEqual(first.json.status, "processing")
        let last = first
        yield* eventually(
          () =>
            Effect.map(http("GET", `${url}/predictions/${first.json.id}`), (now) => {
              last = now
              return now.status === 200
            }),
          "the prediction to be over"
        )
        isTheMap(bytesOf(last.json.output))
      }
      const hooked = yield* http(
        "POST",
        `${url}/predictions`,
        JSON.stringify({ input: { image: dataUrl }, webhook: "http://example.com" }),
        headers
      )
      assert.strictEqual(hooked.status, 422)
      assert.strictEqual((yield* http("GET", `${url}/predictions/none`)).status, 404)
    }).pipe(Effect.scoped)
  )

  it.live("the inspection service tells of its models and itself, and counts images from 1", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("inspection")
      const available = yield* http("GET", `${url}/api/model/available`)
      assert.deepInclude(available.json.models[0], { type: "segformer", name: "SegFormer", is_current: true })
      const status = yield* http("GET", `${url}/api/status`)
      assert.containsAllKeys(status.json, [
        "system",
        "model_loaded",
        "current_model",
        "current_model_name",
        "available_models",
        "llm_available",
        "device",
        "supported_formats",
        "max_file_size_mb",
        "timestamp"
      ])
      assert.includeMembers(status.json.supported_formats, ["png", "jpg", "jpeg", "bmp", "tif", "tiff"])
      const form = new FormData()
      for (const name of ["a.png", "b.txt"])
        form.append("images", new Blob([Uint8Array.from(Fixtures.image)]), name)
      const { json } = yield* ask(`${url}/upload/batch`, { method: "POST", body: form })
      assert.deepStrictEqual(
        (json["results"] as ReadonlyArray<{ file_index: number }>).map((item) => item.file_index),
        [1, 2]
      )
    }).pipe(Effect.scoped)
  )

  it.live("Triton's clients find models, their configuration and their statistics", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("openinference")
      const [model] = (yield* http("POST", `${url}/v2/repository/index`, "{}")).json
      assert.deepInclude(model, { version: "1", state: "READY" })
      const config = yield* http("GET", `${url}/v2/models/${model.name}/config`)
      assert.deepInclude(config.json, { name: model.name, max_batch_size: 0 })
      assert.deepStrictEqual(
        config.json.input.map((each: { name: string; data_type: string }) => [each.name, each.data_type]),
        [
          ["image", "TYPE_STRING"],
          ["input", "TYPE_UINT8"]
        ]
      )
      const stats = yield* http("GET", `${url}/v2/models/${model.name}/versions/1/stats`)
      assert.strictEqual(stats.json.model_stats[0].inference_count, 0)
    }).pipe(Effect.scoped)
  )
})
