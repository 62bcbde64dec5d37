/**
 * Image processing as its users know it: a client of theirs (plain `fetch`) against what `segformer serve` offers, and our
 * client against a service of theirs (plain `node:http`), both written from the description of the service.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, References } from "effect"
import { ImageProcessing } from "effect-segformer/companions"
import { ImageProcessingDialect } from "effect-segformer/server"
import { ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { Fixtures } from "effect-segformer/testing"
import * as ImageWarnings from "../../src/companions/ImageWarnings.ts"
import { folder } from "../support/Folder.ts"
import * as TestServer from "../support/TestServer.ts"
import { serve } from "../server/support.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

const post = (url: string, body: unknown) =>
  Effect.promise(async () => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body)
    })
    const json: unknown = await response.json()
    return { status: response.status, warning: response.headers.get("warning"), json }
  })

const served = Effect.gen(function* () {
  const path = yield* folder({ "a.png": Fixtures.image, "b.png": Fixtures.image })
  let segmented = 0
  const seen: Array<string> = []
  const { url } = yield* serve(() => Effect.sync(() => (segmented++, Fixtures.prediction)), {
    dialects: [ImageProcessingDialect.make({ folder: path })],
    maxCacheBytes: 0,
    active: ({ action }) => Effect.sync(() => void seen.push(action))
  })
  return { url: `${url}/api/v1`, root: url, segmented: () => segmented, seen }
})

const ratio = { width: 1, height: 1 }

describe("the example of the service, against segformer serve", () => {
  it.live("detects, crops, processes a batch and composes a sheet, though its model knows no faces", () =>
    Effect.gen(function* () {
      const { seen, segmented, url } = yield* served
      const detected = yield* post(`${url}/detect`, {
        image_path: "a.png",
        detection_types: ["face", "person"],
        confidence_threshold: 0.5
      })
      assert.deepStrictEqual([detected.status, detected.json], [200, []])
      assert.match(detected.warning ?? "", /^299 - "The model has no class \\"face\\", \\"person\\"\. It has/)

      const cropped = yield* post(`${url}/crop`, {
        image_path: "a.png",
        target_aspect_ratio: ratio,
        detection_results: detected.json,
        crop_strategy: "center_faces"
      })
      assert.strictEqual(cropped.status, 200)
      assert.deepInclude(cropped.json, {
        original_path: "a.png",
        final_dimensions: { width: 32, height: 32 }
      })

      for (const crop_strategy of ["center", "center_faces", undefined]) {
        const before = segmented()
        const { json, status } = yield* post(`${url}/process-batch`, {
          images: ["a.png", "b.png", "missing.png"],
          processing_options: { target_aspect_ratio: ratio, crop_strategy, detection_types: ["face"] }
        })
        assert.strictEqual(status, 200)
        assert.hasAnyKeys(json, ["processed_images"])
        const { failed_images, processed_images, warnings } = json as Record<string, ReadonlyArray<unknown>>
        assert.deepStrictEqual([processed_images?.length, failed_images?.length], [2, 1])
        const looks = crop_strategy === "center_faces"
        assert.strictEqual(warnings?.length, looks ? 1 : undefined)
        // What looks at no object asks no model.
        if (!looks) assert.strictEqual(segmented(), before)
      }

      const sheet = yield* post(`${url}/compose-sheet`, {
        processed_images: ["a.png", "b.png"],
        grid_layout: { rows: 1, columns: 2 },
        sheet_orientation: "portrait",
        output_format: "image"
      })
      assert.strictEqual(sheet.status, 200)
      assert.deepInclude(sheet.json, { format: "png" })
      assert.deepStrictEqual(seen, ["detect", "crop", "batch", "batch", "batch", "sheet"])
    }).pipe(quiet, Effect.scoped)
  )

  it.live("is refused what it asks to be strict about, where objects are looked at", () =>
    Effect.gen(function* () {
      const { url } = yield* served
      const strict = { detection_types: ["face"], strict: true }
      const detected = yield* post(`${url}/detect`, { image_path: "a.png", ...strict })
      assert.strictEqual(detected.status, 422)
      const batch = (crop_strategy: string) =>
        post(`${url}/process-batch`, {
          images: ["a.png"],
          processing_options: { target_aspect_ratio: ratio, crop_strategy, ...strict }
        })
      assert.strictEqual((yield* batch("center_faces")).status, 422)
      assert.strictEqual((yield* batch("center")).status, 200)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("finds what the model has beside what it lacks, and says what it lacks to our client too", () =>
    Effect.gen(function* () {
      const { root } = yield* served
      const images = yield* clientAt(root)
      const [found, warnings] = yield* ImageWarnings.collect(
        images.detect({ image_path: "a.png", detection_types: ['ü"\\', "particle"] })
      )
      assert.deepStrictEqual(
        found.map(({ type }) => type),
        ["particle"]
      )
      assert.lengthOf(warnings, 1)
      assert.include(warnings[0]!, 'The model has no class "ü"\\". It has background, particle')
    }).pipe(quiet, Effect.scoped)
  )
})

const clientAt = (url: string, options?: Parameters<typeof ImageProcessing.layerHttp>[0]) =>
  Effect.gen(function* () {
    const context = yield* Layer.build(
      ImageProcessing.layerHttp(options).pipe(
        Layer.provide([ServiceRegistry.layerOf({ imageProcessing: url }), NodeHttp.layer()])
      )
    )
    return yield* Effect.provideContext(ImageProcessing, context)
  })

describe("our client, against the service", () => {
  it.live("takes its answers with whatever else it says, and keeps that", () =>
    Effect.gen(function* () {
      const bounding_box = { x: 1, y: 2, width: 3, height: 4 }
      const answers: Readonly<Record<string, unknown>> = {
        "/api/v1/detect": [{ type: "face", confidence: 0.9, bounding_box, landmarks: [[1, 2]] }],
        "/api/v1/crop": {
          original_path: "a.jpg",
          processed_path: "p/a.jpg",
          crop_coordinates: bounding_box,
          final_dimensions: { width: 3, height: 4 },
          quality: 92
        },
        "/api/v1/process-batch": { processed_images: [], failed_images: [], took_seconds: 0.1 }
      }
      let health: unknown = { status: "healthy", gpu: { name: "none" } }
      const server = yield* TestServer.http(({ path }, response) =>
        path === "/health"
          ? TestServer.sendJson(response, health)
          : TestServer.sendJson(
              response,
              answers[path] ?? { error: "no such path" },
              path in answers ? 200 : 404
            )
      )
      const images = yield* clientAt(server.url)
      const [face] = yield* images.detect({ image_path: "a.jpg", detection_types: ["face"] })
      assert.deepStrictEqual(face?.["landmarks"], [[1, 2]])
      const cropped = yield* images.crop({ image_path: "a.jpg", target_aspect_ratio: ratio })
      assert.strictEqual(cropped["quality"], 92)
      const batch = yield* images.batch({ images: [], processing_options: { target_aspect_ratio: ratio } })
      assert.strictEqual(batch["took_seconds"], 0.1)
      assert.deepStrictEqual((yield* images.health)["gpu"], { name: "none" })
      health = { status: "ok", checks: null, version: null, last_error: null }
      assert.strictEqual((yield* images.health).status, "ok")
      const error = yield* Effect.flip(
        images.sheet({
          processed_images: ["a"],
          grid_layout: { rows: 1, columns: 1 },
          sheet_orientation: "portrait"
        })
      )
      assert.deepInclude(error, { _tag: "ResourceNotFound", status: 404 })
    }).pipe(quiet, Effect.scoped)
  )
})
