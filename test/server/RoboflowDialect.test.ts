import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelPng } from "effect-segformer/mask"
import { RoboflowDialect } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, jsonBody, serve } from "./support.ts"

const dialects = [RoboflowDialect.make()]
const { height, image, width } = Fixtures
const labels = [...Fixtures.prediction.labelMap.data]
const picture = { type: "base64", value: Buffer.from(image).toString("base64") }
const path = "/infer/semantic_segmentation"

interface Inferred {
  readonly image: unknown
  readonly time: number
  readonly inference_id: string
  readonly predictions: {
    readonly segmentation_mask: string
    readonly confidence_mask: string | null
    readonly class_map: unknown
  }
}
const inferred = (body: Buffer): Inferred => JSON.parse(body.toString())
const pixels = (png: string | null) =>
  Result.getOrThrow(LabelPng.decode(Buffer.from(png ?? "", "base64"))).data

describe("the dialect roboflow", () => {
  it.live("gives a mask whose pixels are class ids, and what the classes are called", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects })
      const { body } = yield* ask(url + path, jsonBody({ model_id: "test/4", image: picture }))
      const found = inferred(body)
      assert.deepStrictEqual(found.image, { width, height })
      assert.deepStrictEqual(found.predictions.class_map, { 0: "background", 1: "particle", 2: "scratch" })
      assert.deepStrictEqual([...pixels(found.predictions.segmentation_mask)], labels)
      assert.isNull(found.predictions.confidence_mask)
      assert.match(found.inference_id, /^[0-9a-f]{32}$/)
      assert.isAtLeast(found.time, 0)
    }).pipe(Effect.scoped)
  )

  it.live("gives a list for a list", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects })
      const { body } = yield* ask(url + path, jsonBody({ model_id: "segformer", image: [picture, picture] }))
      const found: ReadonlyArray<Inferred> = JSON.parse(body.toString())
      assert.lengthOf(found, 2)
      for (const each of found)
        assert.deepStrictEqual([...pixels(each.predictions.segmentation_mask)], labels)
    }).pipe(Effect.scoped)
  )

  it.live("tells how sure the segmenter is where it says, and takes the doubtful for background", () =>
    Effect.gen(function* () {
      const data = Float32Array.from({ length: width * height }, (_, i) => (i % 5) / 4)
      const { url } = yield* serve(
        () => Effect.succeed({ ...Fixtures.prediction, confidence: { width, height, data } }),
        { dialects }
      )
      const request = jsonBody({ model_id: "test", confidence: 0.5, image: picture })
      const { body } = yield* ask(url + path, request)
      const { confidence_mask, segmentation_mask } = inferred(body).predictions
      assert.deepStrictEqual(
        [...pixels(confidence_mask)],
        Array.from(data, (value) => Math.round(value * 255))
      )
      assert.deepStrictEqual(
        [...pixels(segmentation_mask)],
        labels.map((id, i) => (data[i]! < 0.5 ? 0 : id))
      )
    }).pipe(Effect.scoped)
  )

  it.live("keeps ids of more than 8 bits", () =>
    Effect.gen(function* () {
      const data = Uint16Array.from({ length: width * height }, (_, i) => i)
      const { url } = yield* serve(
        () => Effect.succeed({ _tag: "Labels", classes: [], labelMap: { width, height, data } }),
        { dialects }
      )
      const { body } = yield* ask(url + path, jsonBody({ model_id: "test", image: picture }))
      assert.deepStrictEqual([...pixels(inferred(body).predictions.segmentation_mask)], [...data])
    }).pipe(Effect.scoped)
  )

  it.live("says how it is", () =>
    Effect.gen(function* () {
      const well = yield* serve(undefined, { dialects })
      assert.deepStrictEqual((yield* ask(`${well.url}/healthz`)).json, { status: "healthy" })
      assert.deepStrictEqual((yield* ask(`${well.url}/readiness`)).json, { status: "ready" })
      const health = Effect.succeed({ healthy: false, detail: "secret" })
      const ill = yield* serve(undefined, { dialects }, { health })
      const { json, status } = yield* ask(`${ill.url}/readiness`)
      assert.deepStrictEqual([status, json["status"]], [503, "not ready"])
    }).pipe(Effect.scoped)
  )
})
