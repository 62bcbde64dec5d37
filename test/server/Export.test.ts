/** `/v1/export`: a map that is there already, in every form that segmenting gives. */
import { deflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Exports, LabelPng } from "effect-segformer/mask"
import { SegFormerApi } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, serve } from "./support.ts"

const post = (body: unknown, accept = "application/json"): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { accept, "content-type": "application/json" }
})

const map = (labels: object = {}, rest: object = {}) => ({
  image: "board.png",
  classes: [
    { id: 0, name: "background", color: "#000000" },
    { id: 1, name: "defect", color: "#ff0000", confidence: 0.5 }
  ],
  labels: {
    width: 4,
    height: 2,
    bits: 8,
    deflate: deflateSync(Uint8Array.of(0, 0, 1, 1, 0, 0, 1, 1)).toString("base64"),
    ...labels
  },
  ...rest
})

describe("POST /v1/export", () => {
  it.live("gives what segmenting gave, in every form, and segments nothing", () =>
    Effect.gen(function* () {
      let segmented = 0
      const { url } = yield* serve(() => Effect.sync(() => (segmented++, Fixtures.prediction)))
      const image = { method: "POST", body: Uint8Array.from(Fixtures.image) }
      const { json } = yield* ask(`${url}/v1/segment?include=labels`, image)
      const { labels } = json
      // All that the model tells apart, found or not: some files list them.
      const { classes } = JSON.parse((yield* ask(`${url}/v1/models`)).body.toString()).models[0]
      const before = segmented
      for (const name of Exports.names) {
        const accept = Exports.formats[name].mediaType
        const [own, other] = yield* Effect.all([
          ask(`${url}/v1/segment`, { ...image, headers: { accept } }),
          ask(`${url}/v1/export`, post({ image: "image.png", classes, labels }, accept))
        ])
        assert.strictEqual(other.status, 200)
        assert.strictEqual(other.headers.get("content-type"), own.headers.get("content-type"))
        assert.isTrue(other.body.equals(own.body), `${name}: ${other.body} ${own.body}`)
      }
      assert.strictEqual(segmented, before + Exports.names.length)
      const { json: told } = yield* ask(`${url}/v1/export`, post({ model: "mine", classes, labels }))
      assert.deepStrictEqual([told.model, told.regions], ["mine", json.regions])
    }).pipe(Effect.scoped)
  )

  it.live("keeps ids of 16 bits, and the colours that it is given", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const deflate = deflateSync(new Uint8Array(Uint16Array.of(0, 300, 65535, 0, 0, 0, 0, 0).buffer))
      const wide = map(
        { bits: 16, deflate: deflate.toString("base64") },
        { classes: [{ id: 300, name: "tree" }] }
      )
      const { body } = yield* ask(`${url}/v1/export`, post(wide, "image/png"))
      const labelMap = yield* Effect.fromResult(LabelPng.decode(body))
      assert.deepStrictEqual([...labelMap.data], [0, 300, 65535, 0, 0, 0, 0, 0])
      const { json } = yield* ask(`${url}/v1/export`, post(map()))
      assert.deepInclude(json.classes, {
        id: 1,
        name: "defect",
        color: "#ff0000",
        pixels: 4,
        share: 0.5,
        confidence: 0.5
      })
    }).pipe(Effect.scoped)
  )

  it.live("is called by a client of the contract", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const api = yield* HttpApiClient.make(SegFormerApi, { baseUrl: url })
      const { labels, ...rest } = map()
      const payload = { ...rest, labels: { ...labels, bits: 8 as const } }
      const found = yield* api.segment.export({ payload, headers: { accept: "application/json" } })
      assert.isTrue(typeof found === "object" && "regions" in found && found.regions.length === 2)
    }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
  )

  it.live("refuses what is no map, before it is unpacked", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { maxPixels: 1000 })
      const bomb = deflateSync(new Uint8Array(50_000_000)).toString("base64")
      for (const [body, said] of [
        [map({ deflate: bomb }), "no zlib stream of 4 x 2"],
        [map({ deflate: "AAAA" }), "no zlib stream"],
        [map({ deflate: "not base64!" }), "no base64"],
        [map({ width: 5 }), "no zlib stream of 5 x 2"],
        [map({ width: 1e9, height: 1e9 }), "at most 1000"],
        [map({ width: -1 }), "Send `classes`"],
        [map({ bits: 7 }), "Send `classes`"],
        [map({}, { classes: [{ id: -1, name: "no" }] }), "Send `classes`"],
        [map({}, { classes: [{ id: 1, name: "no", color: "red" }] }), "Send `classes`"],
        [[], "Send `classes`"]
      ] as const) {
        const { body: told, status } = yield* ask(`${url}/v1/export`, post(body))
        assert.strictEqual(status, 400)
        assert.include(told.toString(), said)
      }
    }).pipe(Effect.scoped)
  )
})
