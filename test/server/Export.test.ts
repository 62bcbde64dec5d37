/** `/v1/export`: a map that is there already, in every form that segmenting gives. */
import { deflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { Exports, LabelPng } from "effect-segformer/mask"
import { SegFormerApi } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import sharp from "sharp"
import { ask, serve } from "./support.ts"

/** Each by a connection of its own: while a busy machine works between two of them, one that is kept is closed as idle. */
const json = { "content-type": "application/json", connection: "close" }

const post = (body: unknown, accept = "application/json"): RequestInit => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { accept, ...json }
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

  it.live("tells of each region how sure it is, by the confidence that comes with the labels", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const packed = (bytes: Uint8Array, width = 4) => ({
        width,
        height: bytes.length / width,
        deflate: deflateSync(bytes).toString("base64")
      })
      const sure = packed(Uint8Array.of(255, 255, 51, 51, 255, 255, 153, 153))
      const { body } = yield* ask(`${url}/v1/export`, post(map({}, { confidence: sure }), "text/csv"))
      const [head = [], row = []] = body
        .toString()
        .split("\r\n")
        .map((line) => line.split(","))
      assert.closeTo(Number(row[head.indexOf("mean_confidence")]), 0.4, 1e-6)
      assert.include((yield* ask(`${url}/v1/export`, post(map(), "text/csv"))).body.toString(), ",\r\n")
      for (const [confidence, said] of [
        [packed(new Uint8Array(8), 2), "confidence has 2 x 4 pixels"],
        [{ ...sure, deflate: packed(new Uint8Array(9), 3).deflate }, "confidence.deflate is no zlib stream"],
        [{ ...sure, deflate: 5 }, "Send `classes`"]
      ] as const) {
        const refused = yield* ask(`${url}/v1/export`, post(map({}, { confidence }), "text/csv"))
        assert.strictEqual(refused.status, 400)
        assert.include(refused.body.toString(), said)
      }
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

  it.live("refuses to draw a map of noise, which takes more memory than there is, and gives its pixels", () =>
    Effect.gen(function* () {
      const fine = (size: number, id: (x: number, y: number) => number) => {
        const data = new Uint8Array(size * size)
        for (let y = 0, at = 0; y < size; y++) for (let x = 0; x < size; x++) data[at++] = id(x, y)
        return map({ width: size, height: size, deflate: deflateSync(data).toString("base64") })
      }
      const checked = post(fine(1100, (x, y) => (x + y) & 1))
      const dots = post(fine(2100, (x, y) => x & y & 1))
      const csv = Exports.formats.csv.mediaType
      const fence = post(
        fine(1100, (x) => x & 1),
        csv
      )
      const { url } = yield* serve()
      const drawn = Exports.names.filter((name) => name !== "png" && name !== "npy")
      for (const name of drawn) {
        const accept = Exports.formats[name].mediaType
        const { body, status } = yield* ask(`${url}/v1/export`, { ...checked, headers: { accept, ...json } })
        assert.strictEqual(status, 413, name)
        assert.include(body.toString(), "more than 1000000 corners")
      }
      // Where it joins at corners it has two regions, and apart it has very many.
      const { json: told } = yield* ask(`${url}/v1/export`, checked)
      assert.strictEqual(told.regionsTotal, 2)
      const refused = yield* ask(`${url}/v1/export`, dots)
      assert.strictEqual(refused.status, 413)
      assert.include(refused.body.toString(), "more than 1000000 regions")
      for (const accept of ["image/png", "application/octet-stream", "application/x-npy"]) {
        const { status } = yield* ask(`${url}/v1/export`, { ...dots, headers: { accept, ...json } })
        assert.strictEqual(status, 200, accept)
      }
      // A fence has many areas and few corners.
      assert.strictEqual((yield* ask(`${url}/v1/export`, fence)).status, 200)
    }).pipe(Effect.scoped)
  )
})

describe("POST /v1/picture", () => {
  it.live("gives the pixels that a model would see, of what browsers cannot show", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const pixels = Buffer.from(Array.from({ length: 6 * 4 * 3 }, (_, at) => (at * 37) % 256))
      const raw = { raw: { width: 6, height: 4, channels: 3 as const } }
      const tiff = yield* Effect.promise(() => sharp(pixels, raw).tiff({ compression: "lzw" }).toBuffer())
      const form = new FormData()
      form.append("image", new Blob([Uint8Array.from(tiff)]), "a.tif")
      for (const body of [Uint8Array.from(tiff), form]) {
        const { body: png, headers } = yield* ask(`${url}/v1/picture`, { method: "POST", body })
        assert.strictEqual(headers.get("content-type"), "image/png")
        const back = yield* Effect.promise(() => sharp(png).raw().toBuffer({ resolveWithObject: true }))
        assert.deepStrictEqual([back.info.width, back.info.height, back.info.channels], [6, 4, 3])
        assert.isTrue(back.data.equals(pixels))
      }
    }).pipe(Effect.scoped)
  )
})
