/** Replicate's API by hand: predictions are submitted, asked about, held and cancelled. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { InferenceFailed } from "effect-segformer"
import { LabelPng } from "effect-segformer/mask"
import { ReplicateDialect } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { passing } from "../support/Passing.ts"
import { ask, gate, type Json, jsonBody, serve } from "./support.ts"

const dialects = [ReplicateDialect.make()]
const dataUrl = (bytes: Uint8Array) => `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`
const body = { version: "test", input: { image: dataUrl(Fixtures.image) } }
const submission = (prefer?: string): RequestInit => ({
  ...jsonBody(body),
  headers: { "content-type": "application/json", ...(prefer === undefined ? {} : { prefer }) }
})
const urlsOf = (json: Json): { get: string; cancel: string } => JSON.parse(JSON.stringify(json["urls"]))

/** Asks until the prediction is over. */
const over = (url: string): Effect.Effect<Json> =>
  Effect.flatMap(ask(url), ({ json }) =>
    json["status"] === "processing" ? Effect.andThen(Effect.sleep(10), over(url)) : Effect.succeed(json)
  )

describe("the dialect replicate", () => {
  it.live("takes a prediction at once, and tells of it until it is over", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* serve(predict, { dialects })
      const submitted = yield* ask(`${url}/v1/predictions`, submission())
      assert.strictEqual(submitted.status, 201)
      assert.deepInclude(submitted.json, { status: "processing", output: null, version: "test" })
      const { get } = urlsOf(submitted.json)
      assert.strictEqual(get, `${url}/v1/predictions/${String(submitted.json["id"])}`)
      yield* eventually(() => entered() === 1)
      assert.strictEqual((yield* ask(get)).json["status"], "processing")
      open()
      const { error, metrics, output, status } = yield* over(get)
      assert.deepStrictEqual([status, error], ["succeeded", null])
      assert.property(metrics, "predict_time")
      const png = Buffer.from(String(output).replace(/^data:image\/png;base64,/, ""), "base64")
      assert.deepStrictEqual(
        [...Result.getOrThrow(LabelPng.decode(png)).data],
        [...Fixtures.prediction.labelMap.data]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("holds the answer where that is preferred, but no longer than said", () =>
    Effect.gen(function* () {
      const quick = yield* serve(undefined, { dialects })
      for (const prefer of ["wait", "wait=5", "respond-async, wait=5"]) {
        const { json } = yield* ask(`${quick.url}/v1/predictions`, submission(prefer))
        assert.strictEqual(json["status"], "succeeded", prefer)
      }
      const { entered, predict } = gate()
      const stuck = yield* serve(predict, { dialects })
      const held = ask(`${stuck.url}/v1/predictions`, submission("wait=1"))
      const { json } = yield* passing(held, () => (entered() > 0 ? 25 : 0))
      assert.strictEqual(json["status"], "processing")
    }).pipe(Effect.scoped)
  )

  it.live("cancels a prediction, which gives its place back", () =>
    Effect.gen(function* () {
      const { entered, predict } = gate()
      const { url } = yield* serve(predict, { dialects, concurrency: 1, queue: 0 })
      const first = yield* ask(`${url}/v1/predictions`, submission())
      yield* eventually(() => entered() === 1)
      const refused = yield* ask(`${url}/v1/predictions`, submission())
      assert.strictEqual(refused.status, 429)
      assert.match(String(refused.json["detail"]), /queue is full/)
      assert.isAtLeast(Number(refused.headers.get("retry-after")), 1)
      const { cancel, get } = urlsOf(first.json)
      assert.strictEqual((yield* ask(cancel, { method: "POST" })).json["status"], "canceled")
      assert.strictEqual((yield* ask(get)).json["status"], "canceled")
      assert.strictEqual((yield* ask(`${url}/v1/predictions`, submission())).status, 201)
    }).pipe(Effect.scoped)
  )

  it.live("tells why a prediction failed, and nothing of what is inside", () =>
    Effect.gen(function* () {
      const failure = new InferenceFailed({ model: "secret", source: "a.png", detail: "secret" })
      const failing = yield* serve(() => Effect.fail(failure), { dialects })
      const failed = yield* ask(`${failing.url}/v1/predictions`, submission("wait"))
      assert.deepInclude(failed.json, { status: "failed", error: "The model failed on this image" })
      const broken = yield* serve(() => Effect.die(new Error("secret")), { dialects })
      const defect = yield* ask(`${broken.url}/v1/predictions`, submission("wait"))
      assert.deepInclude(defect.json, { status: "failed", error: "The service failed. Its log says why" })
    }).pipe(Effect.scoped)
  )

  it.live("says what is wrong with a request, and gives its place back", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects, concurrency: 1, queue: 0, maxBytes: 20_000 })
      const cases: ReadonlyArray<readonly [unknown, number, RegExp]> = [
        [{}, 422, /"version"/],
        [{ ...body, version: "acme" }, 404, /only "test"/],
        [{ ...body, input: { image: "http://127.0.0.1/a.png" } }, 422, /input\.image is no base64/],
        [{ ...body, input: { image: dataUrl(new Uint8Array(200_000)) } }, 413, /at most|most this/]
      ]
      for (const [wrong, status, says] of cases) {
        const answer = yield* ask(`${url}/v1/predictions`, jsonBody(wrong))
        assert.deepStrictEqual([answer.status, answer.json["status"]], [status, status])
        assert.match(String(answer.json["detail"]), says)
      }
      const unknown = yield* ask(`${url}/v1/predictions/nothing`)
      assert.strictEqual(unknown.status, 404)
      assert.strictEqual((yield* ask(`${url}/v1/predictions`, submission("wait"))).status, 201)
    }).pipe(Effect.scoped)
  )
})
