/** What clients of the dialects need by default beyond an image's way: where they put their key, and the fields that they check for. */
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Result } from "effect"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import { Dialects } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, form, type Json, jsonBody, serve } from "./support.ts"

const base64 = Buffer.from(Fixtures.image).toString("base64")
const dataUrl = `data:image/png;base64,${base64}`
const secret = "a key/with+signs"

const speaking = (name: string, tokens: ReadonlyArray<string> = []) =>
  Effect.flatMap(Dialects.load([name]), (dialects) =>
    serve(undefined, { dialects, tokens: tokens.map((token) => Redacted.make(token)) })
  )

const labelsOf = (png: unknown): LabelMap.LabelMap =>
  Result.getOrThrow(LabelPng.decode(Uint8Array.from(Buffer.from(String(png), "base64"))))

describe("Roboflow's clients", () => {
  const hosted = (url: string, query = "", headers: Record<string, string> = {}) =>
    ask(`${url}/segformer/3${query}`, {
      method: "POST",
      body: base64,
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers }
    })

  it.live("put their key in the query, and nobody else does", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("roboflow", [secret, "other"])
      const key = encodeURIComponent(secret)
      const cases: ReadonlyArray<readonly [query: string, header: string | undefined, status: number]> = [
        [`?api_key=${key}`, undefined, 200],
        [`?confidence=0&api_key=${key}&x`, undefined, 200],
        [`?api_key=${secret.replace(" ", "+").replace("with+", "with%2B")}`, undefined, 200],
        [`?api_key=wrong`, "Bearer other", 200],
        [`?api_key=${key}`, "Bearer wrong", 401],
        [`?api_key=${key}x`, undefined, 401],
        [`?api_key=`, undefined, 401],
        [`?API_KEY=${key}`, undefined, 401],
        [`?key=${key}`, undefined, 401],
        ["", undefined, 401]
      ]
      for (const [query, header, status] of cases) {
        const answer = yield* hosted(url, query, header === undefined ? {} : { authorization: header })
        assert.strictEqual(answer.status, status, query)
        if (status === 401) assert.match(String(answer.json["message"]), /token/)
      }
      assert.strictEqual((yield* ask(`${url}/model/registry?api_key=${key}`)).status, 200)
      // Of the server's own paths it is none.
      assert.strictEqual((yield* ask(`${url}/v1/models?api_key=${key}`)).status, 401)
    }).pipe(Effect.scoped)
  )

  it.live("read the mask beside the image, or in `predictions`", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("roboflow")
      const file = form("file", ["imageToUpload", Fixtures.image])
      for (const answer of [yield* hosted(url), yield* ask(`${url}/segformer/3`, file)]) {
        const { json } = answer
        const within: Json = JSON.parse(JSON.stringify(json["predictions"]))
        assert.isTrue(LabelMap.equals(labelsOf(json["segmentation_mask"]), Fixtures.labelMap))
        assert.strictEqual(within["segmentation_mask"], json["segmentation_mask"])
        assert.deepStrictEqual(within["class_map"], json["class_map"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("ask for a confidence as a part of one, or in percent, and are told where it is neither", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.flatMap(Dialects.load(["roboflow"]), (dialects) =>
        serve(() => Effect.succeed({ ...Fixtures.prediction, confidence: sure }), { dialects })
      )
      const { height, width } = Fixtures
      // The first half of the rows is sure by 0.4, the rest by 0.8.
      const sure = {
        width,
        height,
        data: Float32Array.from({ length: width * height }, (_, at) =>
          at < (width * height) / 2 ? 0.4 : 0.8
        )
      }
      const left = (map: LabelMap.LabelMap) => map.data.map((id, at) => (at < map.data.length / 2 ? id : 0))
      const all = labelsOf((yield* hosted(url)).json["segmentation_mask"])
      assert.isTrue(left(all).some((id) => id !== 0))
      for (const given of ["0.5", "50", "60.5"]) {
        const found = labelsOf((yield* hosted(url, `?confidence=${given}`)).json["segmentation_mask"])
        assert.isTrue(
          left(found).every((id) => id === 0),
          given
        )
        assert.deepStrictEqual(found.data.slice(-width), all.data.slice(-width), given)
      }
      for (const given of ["0", "0.3", "30", "1", ""]) {
        const found = labelsOf((yield* hosted(url, `?confidence=${given}`)).json["segmentation_mask"])
        assert.isTrue(LabelMap.equals(found, all), given)
      }
      for (const given of ["-1", "101", "high", "NaN"]) {
        const refused = yield* hosted(url, `?confidence=${given}`)
        assert.strictEqual(refused.status, 400, given)
        assert.match(String(refused.json["message"]), /"confidence" is a number/)
      }
      const address = yield* hosted(url, "?image=https%3A%2F%2Fexample.com%2Fa.png")
      assert.strictEqual(address.status, 400)
      assert.match(String(address.json["message"]), /nothing is fetched from here/)
    }).pipe(Effect.scoped)
  )

  it.live("list the models before they ask", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("roboflow")
      const { json } = yield* ask(`${url}/model/registry`)
      assert.deepStrictEqual(
        JSON.parse(JSON.stringify(json["models"])).map((model: Json) => [
          model["model_id"],
          model["task_type"]
        ]),
        [
          ["test/1", "semantic-segmentation"],
          ["segformer/1", "semantic-segmentation"]
        ]
      )
      assert.containsAllKeys((yield* ask(`${url}/info`)).json, ["name", "version", "uuid"])
    }).pipe(Effect.scoped)
  )
})

describe("Replicate's clients", () => {
  it.live("check the fields of files, models, versions, deployments and the account", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("replicate")
      const digest = Buffer.from(
        yield* Effect.promise(() => crypto.subtle.digest("SHA-256", Uint8Array.from(Fixtures.image)))
      )
      const sha256 = digest.toString("hex")
      const { json: file } = yield* ask(`${url}/v1/files`, form("content", ["a.png", Fixtures.image]))
      assert.deepInclude(file, {
        name: "a.png",
        size: Fixtures.image.length,
        etag: sha256,
        checksums: { sha256 }
      })
      assert.deepStrictEqual((yield* ask(`${url}/v1/files`)).json, {
        previous: null,
        next: null,
        results: [file]
      })
      assert.deepStrictEqual((yield* ask(`${url}/v1/files/${String(file["id"])}`)).json, file)
      const model = yield* ask(`${url}/v1/models/acme/segformer`)
      const version = JSON.parse(JSON.stringify(model.json["latest_version"]))
      assert.containsAllKeys(model.json, [
        "url",
        "owner",
        "name",
        "visibility",
        "run_count",
        "latest_version"
      ])
      assert.containsAllKeys(version, ["id", "created_at", "cog_version", "openapi_schema"])
      const versions = `${url}/v1/models/acme/segformer/versions`
      assert.deepStrictEqual((yield* ask(versions)).json["results"], [version])
      assert.deepStrictEqual((yield* ask(`${versions}/${version.id}`)).json, version)
      assert.strictEqual((yield* ask(`${versions}/other`)).status, 404)
      assert.strictEqual((yield* ask(`${url}/v1/models/acme/other/versions`)).status, 404)
      const deployment = yield* ask(`${url}/v1/deployments/acme/segformer`)
      assert.containsAllKeys(deployment.json, ["owner", "name", "current_release"])
      assert.strictEqual((yield* ask(`${url}/v1/deployments/acme/other`)).status, 404)
      assert.containsAllKeys((yield* ask(`${url}/v1/account`)).json, ["type", "username", "name"])
    }).pipe(Effect.scoped)
  )

  it.live("list their own predictions and files, the newest first, and nobody else's", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("replicate", ["ada", "bob"])
      const as = (name: string, init: RequestInit = {}) => {
        const headers = new Headers(init.headers)
        headers.set("authorization", `Bearer ${name}`)
        headers.set("prefer", "wait")
        return { ...init, headers }
      }
      const body = jsonBody({ version: "segformer", input: { image: dataUrl } })
      const made: Array<unknown> = []
      for (let count = 0; count < 2; count++)
        made.unshift((yield* ask(`${url}/v1/predictions`, as("ada", body))).json)
      yield* ask(`${url}/v1/files`, as("ada", form("content", ["a.png", Fixtures.image])))
      assert.deepStrictEqual((yield* ask(`${url}/v1/predictions`, as("ada"))).json["results"], made)
      for (const path of ["predictions", "files"])
        assert.deepStrictEqual((yield* ask(`${url}/v1/${path}`, as("bob"))).json["results"], [])
    }).pipe(Effect.scoped)
  )

  it.live("are told that no address is fetched", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("replicate")
      for (const image of ["https://example.com/a.png", "HTTP://127.0.0.1/a.png"]) {
        const answer = yield* ask(
          `${url}/v1/predictions`,
          jsonBody({ version: "segformer", input: { image } })
        )
        assert.strictEqual(answer.status, 422)
        assert.match(
          String(answer.json["detail"]),
          /an address, and nothing is fetched from here: send the file/
        )
      }
    }).pipe(Effect.scoped)
  )
})

describe("clients of the Open Inference Protocol", () => {
  const infer = (url: string, more: object, headers: Record<string, string> = {}) => {
    const { body, ...init } = jsonBody({
      inputs: [{ name: "image", shape: [1], datatype: "BYTES", data: [base64] }],
      ...more
    })
    return ask(`${url}/v2/models/segformer/infer`, {
      ...init,
      body: body ?? null,
      headers: { "content-type": "application/json", ...headers }
    })
  }

  it.live("are refused what would be another result, and not what only says how to work", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("openinference")
      const wanted = (parameters: object) => ({ outputs: [{ name: "labels", parameters }] })
      for (const [name, parameters] of Object.entries({
        classification: { classification: 3 },
        shared_memory_region: { shared_memory_region: "out", shared_memory_byte_size: 64 }
      })) {
        const { json, status } = yield* infer(url, wanted(parameters))
        assert.strictEqual(status, 400)
        assert.match(String(json["error"]), new RegExp(`"${name}" is not done here`))
      }
      const region = {
        name: "input",
        shape: [2, 2, 3],
        datatype: "UINT8",
        parameters: { shared_memory_region: "in" }
      }
      const { json } = yield* infer(url, { inputs: [region] })
      assert.match(String(json["error"]), /"shared_memory_region" is not done here/)
      const priority = { parameters: { priority: 1, timeout: 1000, sequence_id: 3, sequence_start: true } }
      assert.strictEqual((yield* infer(url, { ...priority, ...wanted({ binary_data: false }) })).status, 200)
      const stats = yield* ask(`${url}/v2/models/stats`)
      assert.strictEqual(JSON.parse(JSON.stringify(stats.json["model_stats"]))[0].inference_count, 1)
    }).pipe(Effect.scoped)
  )

  it.live("are told of a header that they kept from an earlier request", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("openinference")
      const { json, status } = yield* infer(url, {}, { "inference-header-content-length": "40" })
      assert.strictEqual(status, 400)
      assert.match(
        String(json["error"]),
        /no JSON.*its first 40 bytes, as Inference-Header-Content-Length says/
      )
    }).pipe(Effect.scoped)
  )

  it.live("ask whether KServe is up at the root", () =>
    Effect.gen(function* () {
      const { url } = yield* speaking("tfserving")
      assert.deepStrictEqual((yield* ask(url)).json, { status: "alive" })
    }).pipe(Effect.scoped)
  )
})

describe("clients that read nothing before they have sent everything", () => {
  const megabytes = 24

  /** Sends a body whole, and only then reads what was answered. */
  const sendFirst = (port: number, path: string, isChunked: boolean, headers: ReadonlyArray<string> = []) =>
    Effect.callback<string, Error>((resume) => {
      const socket = connect(port, "127.0.0.1")
      socket.pause()
      socket.on("error", (error) => resume(Effect.fail(error)))
      const piece = Buffer.alloc(1024 * 1024)
      socket.write([`POST ${path} HTTP/1.1`, "host: 127.0.0.1", ...headers, ""].join("\r\n"))
      socket.write(
        isChunked
          ? "transfer-encoding: chunked\r\n\r\n"
          : `content-length: ${megabytes * piece.length}\r\n\r\n`
      )
      let left = megabytes
      const more = () => {
        if (left-- > 0) {
          if (isChunked) socket.write(`${piece.length.toString(16)}\r\n`)
          socket.write(piece, more)
          if (isChunked) socket.write("\r\n")
          return
        }
        if (isChunked) socket.write("0\r\n\r\n")
        let text = ""
        socket.setEncoding("latin1")
        socket.on("data", (chunk) => (text += String(chunk)))
        socket.on("end", () => resume(Effect.succeed(text)))
        socket.resume()
      }
      more()
      return Effect.sync(() => socket.destroy())
    })

  it.live("see why they are refused, however much they send", () =>
    Effect.gen(function* () {
      const { port } = yield* speaking("openinference", [secret])
      const key = "authorization: Basic " + Buffer.from(`:${secret}`).toString("base64")
      const small = yield* Effect.flatMap(Dialects.load(["openinference"]), (dialects) =>
        serve(undefined, {
          dialects,
          tokens: [Redacted.make(secret)],
          maxBytes: 100_000,
          maxRequestBytes: 16 * 1024 * 1024
        })
      )
      for (const isChunked of [false, true]) {
        const strange = yield* sendFirst(port, "/v2/models/segformer/infer", isChunked)
        assert.match(strange, /^HTTP\/1\.1 401 [^]*asks for a token/)
        for (const path of ["/v1/segment", "/v2/models/segformer/infer"]) {
          const large = yield* sendFirst(small.port, path, isChunked, [key])
          assert.match(large, /^HTTP\/1\.1 413 [^]*the most this service takes/, path)
        }
      }
    }).pipe(Effect.scoped)
  )
})
