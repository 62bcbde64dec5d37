/** `/v1`: what callers by hand get, and what a client made from the contract does. */
import { inflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Transport } from "effect-segformer"
import { Coco, Exports, GeoJson, LabelPng, Npy, Yolo } from "effect-segformer/mask"
import { ApiError, Dialects, SegFormerApi } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { ask, form, gate, rawGet, serve, upload, type Predict } from "./support.ts"

const raw = (accept?: string, body = Fixtures.image): RequestInit => ({
  method: "POST",
  body: Uint8Array.from(body),
  ...(accept === undefined ? {} : { headers: { accept } })
})

const Refused = Schema.Struct({
  error: Schema.Struct({ tag: Schema.String, message: Schema.String, requestId: Schema.String })
})
const refused = (json: unknown) => Schema.decodeUnknownSync(Refused)(json).error

const client = (url: string) =>
  Effect.provide(HttpApiClient.make(SegFormerApi, { baseUrl: url }), FetchHttpClient.layer)

/** A fixed confidence, and a class id of 16 bits. */
const sure: Predict = () =>
  Effect.succeed({
    _tag: "Labels",
    classes: [
      { id: 0, name: "ground" },
      { id: 300, name: "tree", color: [1, 2, 3] }
    ],
    labelMap: { width: 48, height: 32, data: new Uint16Array(48 * 32).fill(300, 48) },
    confidence: { width: 48, height: 32, data: new Float32Array(48 * 32).fill(0.5) }
  })

describe("POST /v1/segment", () => {
  it.live("tells classes and regions, largest first", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const { body, headers, status } = yield* ask(`${url}/v1/segment`, raw())
      assert.strictEqual(status, 200)
      const result = JSON.parse(body.toString())
      assert.deepInclude(result, { model: "test", width: 48, height: 32, regionsTotal: 3 })
      assert.strictEqual(result.requestId, headers.get("x-request-id"))
      assert.deepStrictEqual(
        result.classes.map(({ name, pixels }: { name: string; pixels: number }) => [name, pixels]),
        [
          ["background", 1410],
          ["particle", 69],
          ["scratch", 57]
        ]
      )
      assert.deepInclude(result.regions[1], {
        id: 1,
        classId: 1,
        class: "particle",
        area: 69,
        boundingBox: { x: 8, y: 10, width: 9, height: 9 },
        confidence: null
      })
      const share = result.classes.reduce((sum: number, one: { share: number }) => sum + one.share, 0)
      assert.approximately(share, 1, 1e-5)
      assert.notProperty(result, "labels")
    }).pipe(Effect.scoped)
  )

  it.live("takes the image as a form's file too", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      for (const part of ["image", "file"]) {
        const answer = yield* ask(`${url}/v1/segment`, form(part, ["a.png", Fixtures.image]))
        assert.strictEqual(answer.status, 200, part)
      }
      const other = yield* ask(`${url}/v1/segment`, form("picture", ["a.png", Fixtures.image]))
      assert.strictEqual(other.status, 400)
      assert.match(refused(other.json).message, /"image" or "file"/)
    }).pipe(Effect.scoped)
  )

  it.live("includes labels and confidence where they are asked for", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(sure)
      const { body } = yield* ask(`${url}/v1/segment?include=labels,confidence`, raw())
      const { confidence, labels, regions, classes } = JSON.parse(body.toString())
      assert.deepInclude(labels, { width: 48, height: 32, bits: 16 })
      const ids = inflateSync(Buffer.from(labels.deflate, "base64"))
      assert.deepStrictEqual([ids.length, ids.readUInt16LE(0), ids.readUInt16LE(96)], [48 * 32 * 2, 0, 300])
      const bytes = inflateSync(Buffer.from(confidence.deflate, "base64"))
      assert.deepStrictEqual([...new Set(bytes)], [128])
      assert.strictEqual(regions[0].confidence, 0.5)
      assert.deepInclude(classes[0], { id: 300, color: "#010203", confidence: 0.5 })
      const without = yield* ask(`${(yield* serve()).url}/v1/segment?include=confidence`, raw())
      assert.notProperty(JSON.parse(without.body.toString()), "confidence")
    }).pipe(Effect.scoped)
  )

  it.live("gives YOLO with the ids of the label map, whatever else is on an image", () =>
    Effect.gen(function* () {
      const ids = [Uint8Array.of(0, 0, 3, 3), Uint8Array.of(0, 1, 3, 3)]
      for (const data of ids) {
        const predict: Predict = ({ image: { height, width } }) => {
          const at = (i: number) => data[Math.floor(((i % width) / width) * 4)]!
          const map = Uint8Array.from({ length: width * height }, (_, i) => at(i))
          const classes = [...new Set(data)].map((id) => ({ id, name: `class ${id}` }))
          return Effect.succeed({ _tag: "Labels", classes, labelMap: { width, height, data: map } })
        }
        const { url } = yield* serve(predict)
        const { body } = yield* ask(`${url}/v1/segment`, raw("text/x-yolo"))
        assert.deepStrictEqual(body.toString().match(/^\d+/gm)?.map(Number), [...new Set(data)])
      }
    }).pipe(Effect.scoped)
  )

  it.live("answers in the form that Accept prefers", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const get = (accept: string) => ask(`${url}/v1/segment`, raw(accept))
      const png = yield* get("image/png")
      assert.deepStrictEqual(Result.getOrThrow(LabelPng.decode(png.body)), Fixtures.labelMap)
      assert.strictEqual(LabelPng.classesOf(png.body)[1]?.name, "particle")
      // Indexed, its colours those of /v1/models.
      assert.strictEqual(png.body[25], 3)
      const ids = yield* get("application/octet-stream")
      assert.deepStrictEqual([...ids.body], [...Fixtures.labelMap.data])
      assert.deepStrictEqual(
        ["x-image-width", "x-image-height", "x-label-bits"].map((name) => ids.headers.get(name)),
        ["48", "32", "8"]
      )
      const geo = yield* get("application/geo+json")
      const { features } = Schema.decodeUnknownSync(GeoJson.FeatureCollection)(geo.json)
      // Background is no object, here as in `segformer export`, unless it is asked for.
      assert.strictEqual(features.length, 2)
      const all = yield* ask(`${url}/v1/segment?include=background`, raw("application/geo+json"))
      assert.strictEqual(Schema.decodeUnknownSync(GeoJson.FeatureCollection)(all.json).features.length, 3)
      const coco = yield* get("application/vnd.coco+json")
      assert.strictEqual(Schema.decodeUnknownSync(Coco.Dataset)(coco.json).annotations.length, 2)
      const csv = yield* get("text/csv")
      assert.strictEqual(csv.body.toString().trim().split("\r\n").length, 3)
      assert.strictEqual(csv.headers.get("content-type"), "text/csv; charset=utf-8")
      // Of two that are as welcome, what was there first is given, as before there were more.
      const both = yield* get("application/vnd.coco+json, application/geo+json")
      assert.match(both.headers.get("content-type") ?? "", /^application\/geo\+json/)
      const any = yield* get("application/*, application/json;q=0.1")
      assert.strictEqual(any.headers.get("content-type"), "application/octet-stream")
      // Every format of export is an answer, and its file says what it is.
      for (const name of Exports.names) {
        const { mediaType } = Exports.formats[name]
        const answer = yield* get(mediaType)
        assert.strictEqual(answer.status, 200, name)
        assert.strictEqual(answer.headers.get("content-type")?.split(";")[0], mediaType)
      }
      const npy = yield* get("application/x-npy")
      assert.deepStrictEqual(Result.getOrThrow(Npy.toLabelMap(npy.body)).data, Fixtures.labelMap.data)
      const yolo = yield* get("text/x-yolo")
      assert.strictEqual(Result.getOrThrow(Yolo.decode(yolo.body.toString(), 48, 32)).length, 2)
      const preferred = yield* get("application/json;q=0.5, text/*;q=0.8, */*;q=0.1")
      assert.match(preferred.headers.get("content-type") ?? "", /^text\/csv/)
      // As Java's own client says "anything".
      const java = yield* get("text/html, *; q=.2")
      assert.match(java.headers.get("content-type") ?? "", /^application\/json/)
      const none = yield* get("video/mp4")
      assert.deepStrictEqual([none.status, refused(none.json).tag], [406, "NotAcceptable"])
    }).pipe(Effect.scoped)
  )

  it.live("says what is wrong with a request in its own form", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(undefined, { maxBytes: 10_000, maxPixels: 2000 })
      const cases: ReadonlyArray<readonly [string, RequestInit, number, string]> = [
        ["/v1/segment", raw(undefined, new TextEncoder().encode("no image")), 400, "NotAnImage"],
        ["/v1/segment", raw(undefined, new Uint8Array()), 400, "BadRequest"],
        ["/v1/segment", raw(undefined, new Uint8Array(20_000)), 413, "PayloadTooLarge"],
        ["/v1/segment?include=all", raw(), 400, "BadRequest"],
        ["/v1/segment?model=a&model=b", raw(), 400, "BadRequest"],
        ["/v1/segment?model=other", raw(), 404, "NotFound"],
        ["/v1/segment?fromat=png", raw(), 400, "BadRequest"],
        ["/v1/segment?model=test&Include=labels", raw(), 400, "BadRequest"],
        ["/v1/picture?format=jpeg", raw(), 400, "BadRequest"],
        ["/v1/export?format=coco", { method: "POST", body: "{}" }, 400, "BadRequest"],
        ["/v1/segment", { method: "GET" }, 405, "MethodNotAllowed"],
        ["/v1/jobs/x/y/z/w", {}, 404, "NotFound"]
      ]
      for (const [path, init, status, tag] of cases) {
        const answer = yield* ask(url + path, init)
        assert.deepStrictEqual([answer.status, refused(answer.json).tag], [status, tag], path)
        assert.strictEqual(refused(answer.json).requestId, answer.headers.get("x-request-id"))
      }
      const misspelt = yield* ask(`${url}/v1/segment?model=test&fromat=png`, raw())
      assert.match(refused(misspelt.json).message, /takes model and include, and not "fromat".*Accept/)
      for (const path of ["/v1/segment?", "/v1/segment?model=test&include=", "/v1/models?_=1"])
        assert.strictEqual((yield* ask(url + path, path.includes("models") ? {} : raw())).status, 200, path)
      const { url: shared } = yield* serve(undefined, { dialects: yield* Dialects.load(["tfserving"]) })
      const wrong = yield* ask(`${shared}/v1/segment`)
      assert.deepStrictEqual([wrong.status, refused(wrong.json).tag], [405, "MethodNotAllowed"])
      const small = yield* serve(undefined, { maxPixels: 1000 })
      const large = yield* ask(`${small.url}/v1/segment`, raw())
      assert.deepStrictEqual([large.status, refused(large.json).tag], [413, "ImageTooLarge"])
      assert.match(yield* rawGet(port, "/v1/models/../../etc/passwd"), /^HTTP\/1\.1 40[04]/)
    }).pipe(Effect.scoped)
  )

  it.live("takes the caller's request id for its own, if it is a sane one", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const sent = yield* ask(`${url}/health`, { headers: { "x-request-id": "abc-1" } })
      assert.strictEqual(sent.headers.get("x-request-id"), "abc-1")
      const odd = yield* ask(`${url}/health`, { headers: { "x-request-id": "a b<script>" } })
      assert.match(odd.headers.get("x-request-id") ?? "", /^[\da-f]{32}$/)
    }).pipe(Effect.scoped)
  )

  it.live("is 504 when an image takes longer than it may", () =>
    Effect.gen(function* () {
      const { open, predict } = gate()
      const { url } = yield* serve(predict, { timeout: "50 millis" })
      const answer = yield* ask(`${url}/v1/segment`, raw())
      assert.deepStrictEqual([answer.status, refused(answer.json).tag], [504, "TimedOut"])
      open()
    }).pipe(Effect.scoped)
  )

  it.live("has limits of its own beside those of a dialect", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const narrow = yield* serve(predict, { concurrency: 4, routes: { v1: { concurrency: 1 } } })
      const working = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(ask(`${narrow.url}/v1/segment`, raw()))
      )
      const other = yield* Effect.forkChild(upload(narrow.url))
      yield* eventually(() => entered() === 2)
      yield* Effect.sleep("30 millis")
      assert.strictEqual(entered(), 2)
      open()
      yield* Fiber.joinAll([...working, other])
      const { url } = yield* serve(undefined, { routes: { v1: { maxPixels: 1000 } } })
      assert.strictEqual((yield* ask(`${url}/v1/segment`, raw())).status, 413)
      assert.strictEqual((yield* ask(`${url}/upload`, form("image", ["a.png", Fixtures.image]))).status, 200)
    }).pipe(Effect.scoped)
  )
})

describe("several models", () => {
  const named = (name: string) =>
    Transport.layer({
      name: "https://elsewhere/secret",
      predict: () => Effect.succeed({ ...Fixtures.prediction, classes: [{ id: 0, name }] }),
      describe: Effect.succeed({ name, classes: [{ id: 0, name }] })
    })

  it.live("are chosen by name, and the default where none is named", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { models: { large: named("big"), small: named("tiny") } })
      const { json } = yield* ask(`${url}/v1/models`)
      assert.deepStrictEqual(
        Schema.decodeUnknownSync(
          Schema.Struct({
            models: Schema.Array(
              Schema.Struct({ name: Schema.String, default: Schema.Boolean, kind: Schema.String })
            )
          })
        )(json).models,
        [
          { name: "test", default: true, kind: "model" },
          { name: "large", default: false, kind: "service" },
          { name: "small", default: false, kind: "service" }
        ]
      )
      for (const [query, model, name] of [
        ["", "test", "background"],
        ["?model=test", "test", "background"],
        ["?model=large", "large", "big"],
        ["?model=small", "small", "tiny"]
      ] as const) {
        const result = JSON.parse((yield* ask(`${url}/v1/segment${query}`, raw())).body.toString())
        assert.deepStrictEqual([result.model, result.classes[0].name], [model, name])
      }
      const none = yield* ask(`${url}/v1/segment?model=medium`, raw())
      assert.match(refused(none.json).message, /only "test", "large", "small"/)
    }).pipe(Effect.scoped)
  )

  it.live("make the server ready once all of them are", () =>
    Effect.gen(function* () {
      let loaded = false
      const slow = Transport.layer({
        name: "slow",
        predict: () => Effect.succeed(Fixtures.prediction),
        health: Effect.sync(() => ({ healthy: loaded, detail: loaded ? "ready" : "loading /models/secret" }))
      })
      const { url } = yield* serve(undefined, { models: { slow } })
      const before = yield* ask(`${url}/ready`)
      assert.strictEqual(before.status, 503)
      assert.notInclude(before.body.toString(), "secret")
      assert.strictEqual((yield* ask(`${url}/health`)).status, 200)
      loaded = true
      assert.strictEqual((yield* ask(`${url}/ready`)).status, 200)
    }).pipe(Effect.scoped)
  )
})

describe("a client made from the contract", () => {
  it.live("segments, in every form there is", () =>
    Effect.gen(function* () {
      const api = yield* client((yield* serve()).url)
      const { models } = yield* api.models.list()
      assert.deepStrictEqual(
        models.map((model) => model.name),
        ["test"]
      )
      const image = { payload: Uint8Array.from(Fixtures.image) }
      const result = yield* api.segment.image({ ...image, query: { include: "labels" }, headers: {} })
      assert.isTrue(typeof result === "object" && "regionsTotal" in result && result.labels !== undefined)
      const png = yield* api.segment.image({ ...image, query: {}, headers: { accept: "image/png" } })
      assert.instanceOf(png, Uint8Array)
      const csv = yield* api.segment.image({ ...image, query: {}, headers: { accept: "text/csv" } })
      assert.isTrue(typeof csv === "string" && csv.startsWith("class_id,"))
      const geo = yield* api.segment.image({
        ...image,
        query: {},
        headers: { accept: "application/geo+json" }
      })
      assert.isTrue(typeof geo === "object" && "features" in geo)
      assert.deepInclude(yield* api.health(), { status: "ok" })
      assert.match(yield* api.metrics(), /http_server_request_duration_seconds_count/)
    }).pipe(Effect.scoped)
  )

  it.live("has refusals in its error channel", () =>
    Effect.gen(function* () {
      const api = yield* client((yield* serve()).url)
      const error = yield* Effect.flip(
        api.segment.image({ payload: new Uint8Array([1, 2, 3]), query: {}, headers: {} })
      )
      assert.instanceOf(error, ApiError)
      assert.deepInclude(error, { _tag: "ApiError", status: 400, tag: "NotAnImage" })
      assert.match(error.message, /is not an image/)
    }).pipe(Effect.scoped)
  )

  it("needs nothing of Node", async () => {
    const { globSync, readFileSync } = await import("node:fs")
    const { dirname, join } = await import("node:path")
    const seen = new Set<string>()
    const visit = (path: string): void => {
      if (seen.has(path)) return
      seen.add(path)
      const code = readFileSync(path, "utf8").replaceAll(/\/\*\*[\s\S]*?\*\//g, "")
      for (const [, target = ""] of code.matchAll(/from "([^"]+)"/g)) {
        assert.notMatch(target, /^node:|platform-node|^sharp$|onnxruntime/, path)
        if (target.startsWith(".")) visit(join(dirname(path), target))
      }
    }
    visit(globSync("src/server/v1/index.ts")[0] ?? "")
    assert.isAbove(seen.size, 4)
  })
})

describe("what the contract describes", () => {
  it.live("is at /openapi.json, with its tokens and its forms", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const { body } = yield* ask(`${url}/openapi.json`)
      const spec = JSON.parse(body.toString())
      const { post } = spec.paths["/v1/segment"]
      assert.sameMembers(Object.keys(post.responses["200"].content), [
        "application/json",
        "application/octet-stream",
        "application/vnd.segformer",
        ...Exports.names.map((name) => Exports.formats[name].mediaType)
      ])
      assert.sameMembers(Object.keys(post.requestBody.content), [
        "application/octet-stream",
        "multipart/form-data"
      ])
      assert.deepStrictEqual(post.security, [{ bearer: [] }, { basic: [] }])
      assert.containsAllKeys(spec.paths, ["/v1/models", "/health", "/ready", "/metrics"])
    }).pipe(Effect.scoped)
  )

  it.live("is the figures of this server at /metrics", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      yield* ask(`${url}/v1/segment`, raw())
      yield* ask(`${url}/download/some-folder/some-file`)
      const { body, headers } = yield* ask(`${url}/metrics`)
      assert.match(headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/)
      assert.match(
        body.toString(),
        /^http_server_request_duration_seconds_count\{http_request_method="POST",http_route="\/v1\/segment",url_scheme="http",http_response_status_code="200"\} \d+$/m
      )
      // Routes, not paths: what strangers ask for must not become figures without end.
      assert.notInclude(body.toString(), "some-folder")
      assert.match(body.toString(), /^segformer_server_images_active 0$/m)
    }).pipe(Effect.scoped)
  )
})
