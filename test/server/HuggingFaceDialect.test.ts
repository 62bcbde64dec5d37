/** Hugging Face's own client, as it is published, against the dialect; and what it asks of answers. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { InferenceClient } from "@huggingface/inference"
import { Duration, Effect, Fiber, References, Result } from "effect"
import { ImageSource, LabelMap, ModelLoading, segment, Transport } from "effect-segformer"
import { BinaryMask, LabelPng } from "effect-segformer/mask"
import { HuggingFaceDialect, SegFormerServer } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import * as Warm from "../support/Warm.ts"
import { ask, gate, serve } from "./support.ts"

const dialects = [HuggingFaceDialect.make()]
const client = new InferenceClient()
const sample = new Uint8Array(readFileSync(new URL("../../docs/images/sample.jpg", import.meta.url)))

const imageSegmentation = (endpointUrl: string, bytes: Uint8Array) =>
  Effect.tryPromise({
    try: () =>
      client.imageSegmentation({
        endpointUrl,
        inputs: new Blob([Uint8Array.from(bytes)]),
        parameters: { subtask: "semantic", threshold: 0.5 }
      }),
    catch: (error) => (error instanceof Error ? error : new Error(String(error)))
  })

const maskOf = (mask: string) => Result.getOrThrow(LabelPng.decodeMask(Buffer.from(mask, "base64")))

describe("imageSegmentation of @huggingface/inference", () => {
  it.live("gives the masks of the embedded model, each with a label and a score", () =>
    Effect.gen(function* () {
      const embedded = yield* Transport
      const { classes, name } = yield* embedded.describe
      const { url } = yield* SegFormerServer.make({ port: 0, page: false, dialects })
      const ours = yield* (yield* segment(ImageSource.bytes(sample))).labelMap
      for (const endpoint of [url, `${url}/predict`, `${url}/models/${name}`, `${url}/models/segformer`]) {
        const found = yield* imageSegmentation(endpoint, sample)
        assert.deepStrictEqual(
          found.map(({ label }) => label),
          [...LabelMap.histogram(ours).keys()].map((id) => classes.find((info) => info.id === id)?.name ?? "")
        )
        assert.isAbove(found.length, 1)
        for (const { label, mask, score } of found) {
          assert.isAbove(score ?? 0, 0)
          assert.isAtMost(score ?? 2, 1)
          const id = classes.find((info) => info.name === label)?.id ?? -1
          assert.isTrue(BinaryMask.equals(maskOf(mask), BinaryMask.fromLabelMap(ours, id)), label)
        }
        assert.isTrue(
          found.some(({ score }) => (score ?? 1) < 1),
          "scores are the model's"
        )
      }
    }).pipe(
      Effect.scoped,
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.provide([Warm.model, NodeFileSystem.layer])
    )
  )

  it.live("is told at once what is wrong, and of a full queue too", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* serve(predict, { dialects, concurrency: 1, queue: 0 })
      const wrong = yield* Effect.flip(imageSegmentation(url, new TextEncoder().encode("no image")))
      assert.match(wrong.message, /is not an image/)
      const unknown = yield* Effect.flip(imageSegmentation(`${url}/models/acme/other`, Fixtures.image))
      assert.match(unknown.message, /no model "acme\/other" here, only "test"/)
      const first = yield* Effect.forkChild(imageSegmentation(url, Fixtures.image))
      yield* eventually(() => entered() === 1)
      const busy = yield* Effect.flip(imageSegmentation(url, Fixtures.image))
      assert.match(busy.message, /queue is full/)
      open()
      assert.lengthOf(yield* Fiber.join(first), 3)
    }).pipe(Effect.scoped)
  )

  it.live("waits for a model that is loading, without a storm of requests", () =>
    Effect.gen(function* () {
      let asked = 0
      const { url } = yield* serve(
        () =>
          asked++ < 1
            ? Effect.fail(
                new ModelLoading({
                  service: "http://127.0.0.1:1",
                  status: 503,
                  detail: "",
                  retryAfter: Duration.seconds(20)
                })
              )
            : Effect.succeed(Fixtures.prediction),
        { dialects }
      )
      assert.lengthOf(yield* imageSegmentation(url, Fixtures.image), 3)
      assert.strictEqual(asked, 2)
    }).pipe(Effect.scoped)
  )
})

describe("the dialect huggingface", () => {
  it.live(
    "answers with masks in mode L, 0 and 255, at the size of the image, and scores of 1 unless known",
    () =>
      Effect.gen(function* () {
        const { url } = yield* serve(undefined, { dialects })
        const { body, headers } = yield* ask(url, { method: "POST", body: Uint8Array.from(Fixtures.image) })
        assert.match(headers.get("content-type") ?? "", /^application\/json/)
        const found: ReadonlyArray<{ label: string; score: number; mask: string }> = JSON.parse(
          body.toString()
        )
        assert.deepStrictEqual(
          found.map(({ label, score }) => [label, score]),
          [
            ["background", Fixtures.prediction.scores?.get(0) ?? 1],
            ["particle", Fixtures.prediction.scores?.get(1) ?? 1],
            ["scratch", Fixtures.prediction.scores?.get(2) ?? 1]
          ]
        )
        const sum = new Uint8Array(Fixtures.width * Fixtures.height)
        for (const { mask } of found) {
          const png = Buffer.from(mask, "base64")
          // Width, height, 8 bits, grey.
          assert.deepStrictEqual(
            [png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]],
            [Fixtures.width, Fixtures.height, 8, 0]
          )
          const values = Result.getOrThrow(LabelPng.decode(png)).data
          for (const [index, value] of values.entries()) {
            assert.isTrue(value === 0 || value === 255)
            if (value === 255) sum[index]!++
          }
        }
        assert.isTrue(
          sum.every((count) => count === 1),
          "each pixel is in one mask"
        )
      }).pipe(Effect.scoped)
  )

  it.live("leaves ignored pixels out of every mask", () =>
    Effect.gen(function* () {
      const { height, width } = Fixtures
      const data = new Uint8Array(width * height).fill(255)
      data[5] = 2
      const { url } = yield* serve(
        () =>
          Effect.succeed({
            _tag: "Labels",
            classes: Fixtures.classes,
            labelMap: { width, height, data, ignoreIndex: 255 }
          }),
        { dialects }
      )
      const { body } = yield* ask(url, { method: "POST", body: Uint8Array.from(Fixtures.image) })
      const found: ReadonlyArray<{ label: string; score: number; mask: string }> = JSON.parse(body.toString())
      assert.deepStrictEqual(
        found.map(({ label, score }) => [label, score]),
        [["scratch", 1]]
      )
      assert.strictEqual(BinaryMask.area(maskOf(found[0]?.mask ?? "")), 1)
    }).pipe(Effect.scoped)
  )

  it.live("says Ok, or 503 with an estimate while the model is not loaded", () =>
    Effect.gen(function* () {
      const well = yield* serve(undefined, { dialects })
      const ill = yield* serve(
        undefined,
        { dialects },
        { health: Effect.succeed({ healthy: false, detail: "0 of 1 sessions ready" }) }
      )
      for (const path of ["/", "/health"]) {
        assert.strictEqual((yield* ask(well.url + path)).body.toString(), "Ok")
        const { json, status } = yield* ask(ill.url + path)
        assert.deepStrictEqual(
          [status, json],
          [503, { error: "The model is not loaded yet", estimated_time: 1 }]
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("takes JSON from callers that do not say that it is, and base64 as they write it", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects })
      const base64 = Buffer.from(Fixtures.image).toString("base64")
      const plain = yield* ask(url, { method: "POST", body: Uint8Array.from(Fixtures.image) })
      const bodies = [
        JSON.stringify({ inputs: base64 }),
        JSON.stringify({ inputs: `data:image/png;base64,${base64}`, parameters: null }),
        JSON.stringify({ inputs: base64.replaceAll(/.{76}/g, "$&\r\n"), options: { wait_for_model: true } }),
        JSON.stringify({ inputs: base64 }).replaceAll("/", String.raw`\/`)
      ]
      for (const body of bodies) {
        const answer = yield* ask(url, { method: "POST", body })
        assert.deepStrictEqual([answer.status, answer.body], [200, plain.body], body.slice(0, 60))
      }
    }).pipe(Effect.scoped)
  )
})
