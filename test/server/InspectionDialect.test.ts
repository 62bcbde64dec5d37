import { crc32, inflateRawSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Result } from "effect"
import {
  CircuitOpen,
  InferenceFailed,
  ModelNotLoadable,
  type SegmentationError,
  ServiceFailed,
  UnsupportedImage
} from "effect-segformer"
import { ImageHeader } from "effect-segformer/image"
import { LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { ask, form, rawGet, serve, upload, isWeb } from "./support.ts"

const png = (text: unknown): Uint8Array => Buffer.from(typeof text === "string" ? text : "", "base64")
const sizeOf = (bytes: Uint8Array) => {
  const header = ImageHeader.parse(bytes)
  return header._tag === "Known" ? [header.format, header.width, header.height] : []
}
const text = new TextEncoder().encode("no image at all")
const fieldsOf = (value: unknown) =>
  Object.keys(typeof value === "object" && value !== null ? value : {}).sort()

/** The files of a zip archive, by its central directory. */
const unzip = (zip: Buffer): ReadonlyMap<string, Buffer> => {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))
  const files = new Map<string, Buffer>()
  let at = zip.readUInt32LE(end + 16)
  for (let n = zip.readUInt16LE(end + 10); n > 0; n--) {
    const [method, sum, packed] = [
      zip.readUInt16LE(at + 10),
      zip.readUInt32LE(at + 16),
      zip.readUInt32LE(at + 20)
    ]
    const [nameLength, extra, comment] = [at + 28, at + 30, at + 32].map((offset) => zip.readUInt16LE(offset))
    const local = zip.readUInt32LE(at + 42)
    const name = zip.toString("utf8", at + 46, at + 46 + nameLength!)
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const raw = zip.subarray(start, start + packed)
    const bytes = method === 0 ? raw : inflateRawSync(raw)
    assert.strictEqual(crc32(bytes), sum, `checksum of ${name}`)
    files.set(name, bytes)
    at += 46 + nameLength! + extra! + comment!
  }
  return files
}

describe("POST /upload", () => {
  it.live("answers with the protocol's fields, bare base64 PNG and named regions", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const answer = yield* upload(url, Fixtures.image, "../my panel.png")
      assert.strictEqual(answer.status, 200)
      const { analysis_results: analysis, ...rest } = answer.json
      assert.deepStrictEqual(Object.keys(rest).sort(), [
        "combined_image",
        "filename",
        "mask_image",
        "mask_palette",
        "overlay_image",
        "processing_time",
        "regions_from",
        "success",
        "timestamp",
        "total_defects"
      ])
      assert.strictEqual(rest["filename"], "my_panel.png")
      assert.strictEqual(rest["total_defects"], 2)
      assert.match(String(rest["timestamp"]), /^\d{8}_\d{6}$/)
      assert.deepStrictEqual(sizeOf(png(rest["overlay_image"])), ["png", 48, 32])
      assert.deepStrictEqual(sizeOf(png(rest["mask_image"])), ["png", 48, 32])
      assert.deepStrictEqual(sizeOf(png(rest["combined_image"])), ["png", 48 * 2 + 8, 32])
      assert.deepInclude(analysis, { image_shape: { height: 32, width: 48 } })
      const classes: Record<
        string,
        { class_id: number; total_area_pixels: number; regions: Array<unknown> }
      > = JSON.parse(JSON.stringify(analysis)).classes
      assert.deepStrictEqual(Object.keys(classes), ["1_particle", "2_scratch"])
      assert.strictEqual(classes["1_particle"]?.class_id, 1)
      assert.strictEqual(classes["1_particle"]?.total_area_pixels, 69)
      assert.deepStrictEqual(fieldsOf(classes["1_particle"]?.regions[0]), [
        "area_pixels",
        "aspect_ratio",
        "bounding_box",
        "centroid",
        "circularity",
        "major_axis",
        "minor_axis",
        "perimeter",
        "region_id"
      ])
    }).pipe(Effect.scoped)
  )

  it.live("names classes without regions too, with none", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(({ image }) =>
        Effect.succeed({
          ...Fixtures.prediction,
          labelMap: {
            width: image.width,
            height: image.height,
            data: new Uint8Array(image.width * image.height)
          }
        })
      )
      const { json } = yield* upload(url)
      assert.strictEqual(json["total_defects"], 0)
      assert.deepInclude(JSON.parse(JSON.stringify(json["analysis_results"])).classes["2_scratch"], {
        class_id: 2,
        total_regions: 0,
        regions: []
      })
    }).pipe(Effect.scoped)
  )

  it.live("says what is wrong with a request, and stays up", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { maxBytes: 20_000, maxPixels: 1_000_000 })
      const huge = Uint8Array.from(Fixtures.image)
      new DataView(huge.buffer).setUint32(16, 100_000)
      const multipart = { "content-type": "multipart/form-data; boundary=x" }
      const cases: ReadonlyArray<readonly [what: string, init: RequestInit, status: number, says: RegExp]> = [
        ["no form", { method: "POST", body: "hello" }, 400, /multipart\/form-data/],
        [
          "JSON",
          { method: "POST", body: "{}", headers: { "content-type": "application/json" } },
          400,
          /multipart/
        ],
        ["no such part", form("file", ["a.png", Fixtures.image]), 400, /named "image"/],
        [
          "a part without a name of a file",
          form("image", ["", Fixtures.image]),
          400,
          /named "image"|must end/
        ],
        ["a cut-off form", { method: "POST", body: "--x\r\ncontent-", headers: multipart }, 400, /no whole/],
        [
          "no boundary",
          { method: "POST", body: "x", headers: { "content-type": "multipart/form-data" } },
          400,
          /./
        ],
        ["another ending", form("image", ["a.webp", Fixtures.image]), 400, /must end in png/],
        ["no image", form("image", ["a.png", text]), 400, /is not an image/],
        ["an empty file", form("image", ["a.png", new Uint8Array()]), 400, /empty/],
        ["half an image", form("image", ["a.png", Fixtures.image.subarray(0, 900)]), 400, /cut off/],
        ["too many bytes", form("image", ["a.png", new Uint8Array(30_000)]), 413, /larger than 20000 bytes/],
        [
          "far too many bytes",
          form("image", ["a.png", new Uint8Array(3_000_000)]),
          413,
          /larger than 20000 bytes/
        ],
        ["too many pixels", form("image", ["a.png", huge]), 413, /3200000 pixels/]
      ]
      for (const [what, init, status, says] of cases) {
        const answer = yield* ask(`${url}/upload`, init)
        assert.strictEqual(answer.status, status, what)
        assert.deepStrictEqual(Object.keys(answer.json), ["success", "error"], what)
        assert.strictEqual(answer.json["success"], false, what)
        assert.match(String(answer.json["error"]), says, what)
      }
      assert.strictEqual((yield* upload(url)).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("turns each way to fail into a status, and keeps what is inside to itself", () =>
    Effect.gen(function* () {
      const service = "http://10.0.0.7:9000/secret"
      const cases: ReadonlyArray<
        readonly [error: SegmentationError, status: number, retryAfter: string | null]
      > = [
        [new ModelNotLoadable({ model: "/srv/secret/model", detail: "secret" }), 503, null],
        [new InferenceFailed({ model: "secret", source: "a.png", detail: "secret" }), 500, null],
        [new CircuitOpen({ service, retryAfter: Duration.seconds(42) }), 503, "42"],
        [new ServiceFailed({ service, status: 500, detail: "secret" }), 503, "1"],
        [new UnsupportedImage({ source: "a.png", format: "bmp", detail: "convert it first" }), 400, null]
      ]
      for (const [error, status, retryAfter] of cases) {
        const { url } = yield* serve(() => Effect.fail(error))
        const answer = yield* upload(url)
        assert.strictEqual(answer.status, status, error._tag)
        assert.strictEqual(answer.headers.get("retry-after"), retryAfter, error._tag)
        assert.strictEqual(answer.json["success"], false)
        assert.notMatch(String(answer.json["error"]), /secret/)
      }
      const { url } = yield* serve(() => Effect.die(new Error("secret")))
      const defect = yield* upload(url)
      assert.strictEqual(defect.status, 500)
      assert.notMatch(defect.body.toString(), /secret/)
    }).pipe(Effect.scoped)
  )

  it.live("refuses to list a map of noise, which takes more memory than there is", () =>
    Effect.gen(function* () {
      const [width, height] = [1100, 1100]
      const data = Uint8Array.from(
        { length: width * height },
        (_, i) => ((i % width) + Math.floor(i / width)) & 1
      )
      const labelMap = { width, height, data }
      const noise = Result.getOrThrow(LabelPng.encode(labelMap))
      const { url } = yield* serve(() =>
        Effect.succeed({ _tag: "Labels", labelMap, classes: Fixtures.classes, scores: new Map() })
      )
      const { json, status } = yield* upload(url, noise)
      assert.strictEqual(status, 413)
      assert.include(String(json["error"]), "more than 1000000 corners")
    }).pipe(Effect.scoped)
  )

  it.live("passes on what a service behind it rendered", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(() =>
        Effect.succeed({
          _tag: "Rendered",
          width: 48,
          height: 32,
          classes: [{ id: 1, name: "1_PI_Particle" }],
          regions: [],
          pictures: { overlay: Fixtures.image }
        })
      )
      const { json, status } = yield* upload(url)
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(Buffer.from(png(json["overlay_image"])), Buffer.from(Fixtures.image))
      assert.isNull(json["mask_image"])
    }).pipe(Effect.scoped)
  )
})

describe("POST /upload/batch", () => {
  it.live("gives each image its own result, and its files for download", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const { json, status } = yield* ask(
        `${url}/upload/batch`,
        form("images", ["a.png", Fixtures.image], ["b.png", text], ["c.gif", text], ["a.png", Fixtures.image])
      )
      assert.strictEqual(status, 200)
      assert.deepInclude(json, { success: true, total_images: 4, processed: 2, failed: 2 })
      const results: ReadonlyArray<Record<string, unknown>> = JSON.parse(JSON.stringify(json["results"]))
      assert.deepStrictEqual(
        results.map((item) => [item["filename"], item["success"], item["file_index"]]),
        [
          ["a.png", true, 1],
          ["b.png", false, 2],
          ["c.gif", false, 3],
          ["a.png", true, 4]
        ]
      )
      assert.match(String(results[1]?.["error"]), /not an image/)
      const overlay = Buffer.from(png(results[0]?.["overlay_image"]))
      assert.deepStrictEqual(sizeOf(overlay), ["png", 48, 32])

      const one = yield* ask(`${url}/download/${String(results[0]?.["output_dir"])}/overlay.png`)
      assert.strictEqual(one.headers.get("content-type"), "image/png")
      assert.deepStrictEqual(one.body, overlay)
      const summary = yield* ask(`${url}/download/${String(json["summary_path"])}`)
      assert.deepInclude(summary.json, { processed: 2, failed: 2 })

      const zip = yield* ask(`${url}/download/batch/${String(json["batch_id"])}`)
      assert.strictEqual(zip.headers.get("content-type"), "application/zip")
      const files = unzip(zip.body)
      assert.strictEqual(files.size, 2 * 4 + 1)
      assert.deepStrictEqual(
        files
          .get(`${String(results[3]?.["output_dir"])}/mask.png`)
          ?.subarray(1, 4)
          .toString(),
        "PNG"
      )
    }).pipe(Effect.scoped)
  )

  it.live("refuses more images or bytes than it takes, and none", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { maxImages: 2, maxRequestBytes: 60_000 })
      const file = ["a.png", Fixtures.image] as const
      const many = yield* ask(`${url}/upload/batch`, form("images", file, file, file))
      assert.deepStrictEqual(
        [many.status, many.json["error"]],
        [413, "This service takes at most 2 images at once"]
      )
      const large = yield* ask(`${url}/upload/batch`, form("images", ["a.png", new Uint8Array(200_000)]))
      assert.strictEqual(large.status, 413)
      const none = yield* ask(`${url}/upload/batch`, form("image", file))
      assert.strictEqual(none.status, 400)
      assert.match(String(none.json["error"]), /named "images"/)
    }).pipe(Effect.scoped)
  )
})

describe("the other routes", () => {
  it.live("tell of health, status and models", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const health = yield* ask(`${url}/health`)
      assert.deepStrictEqual(fieldsOf(health.json), [
        "cuda_available",
        "device",
        "model_loaded",
        "status",
        "system",
        "timestamp"
      ])
      assert.deepInclude(health.json, { status: "ok", model_loaded: true })
      yield* upload(url)
      yield* upload(url, text)
      const status = yield* ask(`${url}/api/status`)
      assert.deepInclude(status.json, { images_segmented: 1, images_failed: 1, requests_present: 0 })
      const current = yield* ask(`${url}/api/model/current`)
      assert.deepInclude(current.json, { success: true, current_model: "segformer" })
      const available = yield* ask(`${url}/api/model/available`)
      assert.deepInclude(available.json, {
        models: [{ type: "segformer", name: "SegFormer", file_exists: true, is_current: true }]
      })
    }).pipe(Effect.scoped)
  )

  it.live("switch to the model there is, and to no other", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const headers = { "content-type": "application/json" }
      const to = (body: string) => ask(`${url}/api/model/switch`, { method: "POST", body, headers })
      const known = yield* to('{"model": "segformer"}')
      assert.deepInclude(known.json, { success: true, current_model: "segformer" })
      for (const body of [
        '{"model": "oneformer"}',
        "{}",
        "[1]",
        "null",
        "",
        "{",
        `"${"x".repeat(100_000)}"`
      ]) {
        const answer = yield* to(body)
        assert.isTrue(answer.status === 400 || answer.status === 413, body.slice(0, 30))
        assert.strictEqual(answer.json["success"], false)
      }
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(isWeb)("never lead out of the results, whatever a path looks like", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve()
      const { json } = yield* ask(`${url}/upload/batch`, form("images", ["a.png", Fixtures.image]))
      const id = String(json["batch_id"])
      const paths = [
        "/download/../../etc/passwd",
        "/download/%2e%2e/%2e%2e/etc/passwd",
        "/download/..%2f..%2fetc%2fpasswd",
        `/download/${id}/../${id}/summary.json`,
        `/download/${id}`,
        `/download/${id}/`,
        "/download/",
        "/download//etc/passwd",
        "/download/__proto__/constructor",
        "/download/%00",
        "/download/batch/..",
        "/download/batch/nobody",
        `/download/batch/${"x".repeat(5000)}`
      ]
      for (const path of paths) {
        const answer = yield* rawGet(port, path)
        assert.match(answer, /^HTTP\/1\.1 4\d\d /, path)
        assert.notMatch(answer, /root:/, path)
      }
      const missing = yield* ask(`${url}/download/${id}/nothing.png`)
      assert.strictEqual(missing.status, 404)
      assert.deepStrictEqual(Object.keys(missing.json), ["error"])
    }).pipe(Effect.scoped)
  )

  it.live("do not exist under other names, or for other methods", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const nowhere = yield* ask(`${url}/nowhere?key=secret`)
      assert.deepStrictEqual([nowhere.status, nowhere.json["success"]], [404, false])
      assert.notMatch(nowhere.body.toString(), /secret/)
      const wrong = yield* ask(`${url}/upload`)
      assert.deepStrictEqual([wrong.status, wrong.headers.get("allow")], [405, "POST"])
    }).pipe(Effect.scoped)
  )
})
