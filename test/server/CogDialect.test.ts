/** Cog's API by hand: predictions that are over when they are answered, found again by their id, and ended early. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { InferenceFailed, ModelLoading } from "effect-segformer"
import { LabelPng } from "effect-segformer/mask"
import { CogDialect } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { ask, gate, jsonBody, serve } from "./support.ts"

const dialects = [CogDialect.make()]
const dataUrl = (bytes: Uint8Array) => `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`
const input = { image: dataUrl(Fixtures.image) }
const put = { ...jsonBody({ input }), method: "PUT" }
const labels = [...Fixtures.prediction.labelMap.data]
const pixels = (output: unknown) => [
  ...Result.getOrThrow(
    LabelPng.decode(Buffer.from(String(output).replace(/^data:image\/png;base64,/, ""), "base64"))
  ).data
]

describe("the dialect cog", () => {
  it.live("answers when the prediction is over, with the mask as a data URL", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects })
      for (const [path, init] of [
        ["/predictions", jsonBody({ id: "a", input: { ...input, threshold: 0.5 } })],
        ["/predictions/a", put]
      ] as const) {
        const { json, status } = yield* ask(url + path, init)
        assert.deepStrictEqual(
          [status, json["id"], json["status"], json["error"]],
          [200, "a", "succeeded", null]
        )
        assert.match(String(json["output"]), /^data:image\/png;base64,/)
        assert.deepStrictEqual(pixels(json["output"]), labels)
      }
    }).pipe(Effect.scoped)
  )

  it.live("works on a prediction once, however often it is put", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* serve(predict, { dialects, concurrency: 2 })
      const first = yield* Effect.forkChild(ask(`${url}/predictions/a`, put))
      yield* eventually(() => entered() === 1)
      const again = yield* ask(`${url}/predictions/a`, put)
      assert.deepStrictEqual([again.status, again.json["status"]], [202, "processing"])
      open()
      const { json } = yield* Fiber.join(first)
      const later = yield* ask(`${url}/predictions/a`, put)
      assert.deepStrictEqual([later.status, later.json], [200, json])
      assert.strictEqual(entered(), 1)
    }).pipe(Effect.scoped)
  )

  it.live("ends a prediction when it is told to, or its caller leaves", () =>
    Effect.gen(function* () {
      const { entered, predict } = gate()
      const { url } = yield* serve(predict, { dialects, concurrency: 1, queue: 0 })
      const first = yield* Effect.forkChild(ask(`${url}/predictions/a`, put))
      yield* eventually(() => entered() === 1)
      const cancel = yield* ask(`${url}/predictions/a/cancel`, { method: "POST" })
      assert.strictEqual(cancel.status, 200)
      assert.strictEqual((yield* Fiber.join(first)).json["status"], "canceled")
      assert.strictEqual((yield* ask(`${url}/predictions/a/cancel`, { method: "POST" })).status, 404)

      const second = yield* Effect.forkChild(ask(`${url}/predictions/b`, put))
      yield* eventually(() => entered() === 2)
      assert.strictEqual((yield* ask(`${url}/health-check`)).json["status"], "BUSY")
      yield* Fiber.interrupt(second)
      let state: unknown
      while (state !== "READY") state = (yield* ask(`${url}/health-check`)).json["status"]
    }).pipe(Effect.scoped)
  )

  it.live("tells a busy or broken service from an image that fails", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const busy = yield* serve(predict, { dialects, concurrency: 1, queue: 0 })
      const first = yield* Effect.forkChild(ask(`${busy.url}/predictions`, jsonBody({ input })))
      yield* eventually(() => entered() === 1)
      const refused = yield* ask(`${busy.url}/predictions`, jsonBody({ input }))
      assert.strictEqual(refused.status, 409)
      assert.match(String(refused.json["detail"]), /queue is full/)
      open()
      yield* Fiber.join(first)

      const failing = yield* serve(
        () => Effect.fail(new InferenceFailed({ model: "secret", source: "a.png", detail: "secret" })),
        { dialects }
      )
      const failed = yield* ask(`${failing.url}/predictions`, jsonBody({ input }))
      assert.deepStrictEqual(
        [failed.status, failed.json["status"], failed.json["output"], failed.json["error"]],
        [200, "failed", null, "The model failed on this image"]
      )
      const loading = yield* serve(
        () => Effect.fail(new ModelLoading({ service: "http://127.0.0.1:1", status: 503, detail: "" })),
        { dialects }
      )
      assert.strictEqual((yield* ask(`${loading.url}/predictions`, jsonBody({ input }))).status, 503)
      const health = Effect.succeed({ healthy: false, detail: "secret" })
      const ill = yield* serve(undefined, { dialects }, { health })
      assert.strictEqual((yield* ask(`${ill.url}/health-check`)).json["status"], "STARTING")
    }).pipe(Effect.scoped)
  )

  it.live("says what is wrong with a request", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects, maxBytes: 20_000 })
      const cases: ReadonlyArray<readonly [unknown, number, RegExp]> = [
        [{}, 422, /"input"/],
        [{ input: {} }, 422, /"input"/],
        [{ input: { image: "http://127.0.0.1/a.png" } }, 422, /input\.image is no base64/],
        [{ input: { image: dataUrl(new Uint8Array(200_000)) } }, 413, /at most|most this/]
      ]
      for (const [body, status, says] of cases) {
        const answer = yield* ask(`${url}/predictions`, jsonBody(body))
        assert.strictEqual(answer.status, status)
        assert.match(String(answer.json["detail"]), says)
      }
      const text = { image: dataUrl(new TextEncoder().encode("hello")) }
      const { json } = yield* ask(`${url}/predictions`, jsonBody({ input: text }))
      assert.strictEqual(json["status"], "failed")
      assert.match(String(json["error"]), /is not an image/)
    }).pipe(Effect.scoped)
  )
})
