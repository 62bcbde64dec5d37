/** Every id belongs to its caller and its content: nobody else sees, ends or gets what stands under it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { CogDialect, InspectionDialect, ReplicateDialect } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, form, gate, type Json, serve } from "./support.ts"
import { eventually } from "../support/Eventually.ts"

const tokens = [Redacted.make("token-of-ada"), Redacted.make("token-of-bob")]
const as = (name: string) => ({ authorization: `Bearer token-of-${name}` })
const dialects = [InspectionDialect.make(), CogDialect.make(), ReplicateDialect.make()]

const dataUrl = (bytes: Uint8Array) => `data:image/png;base64,${Buffer.from(bytes).toString("base64")}`
const input = (bytes: Uint8Array) => ({ input: { image: dataUrl(bytes) } })
const body = (name: string, value: unknown, method = "POST"): RequestInit => ({
  method,
  body: JSON.stringify(value),
  headers: { ...as(name), "content-type": "application/json" }
})
const image = Fixtures.image
/** Another picture, of which there is no segmentation. */
const other = Uint8Array.of(1, 2, 3, 4)

describe("an id of Cog's", () => {
  const put = (url: string, name: string, bytes: Uint8Array) =>
    ask(`${url}/predictions/one`, body(name, input(bytes), "PUT"))

  it.live("gives nobody the answer of another caller, nor that of another image", () =>
    Effect.gen(function* () {
      let segmented = 0
      const predict = () =>
        Effect.sync(() => {
          segmented++
          return Fixtures.prediction
        })
      const { url } = yield* serve(predict, { tokens, dialects })
      const first = yield* put(url, "ada", image)
      assert.strictEqual(first.json["status"], "succeeded")
      assert.strictEqual((yield* put(url, "ada", image)).json["status"], "succeeded")
      assert.strictEqual(segmented, 1, "the same of the same caller is told again")
      const bobs = yield* put(url, "bob", other)
      assert.strictEqual(bobs.json["status"], "failed", "it is of bob's image, which is none")
      assert.strictEqual((yield* put(url, "bob", image)).json["status"], "succeeded")
      assert.strictEqual(segmented, 2, "bob's is segmented for bob")
      assert.strictEqual((yield* put(url, "ada", other)).json["status"], "failed")
    }).pipe(Effect.scoped)
  )

  it.live("is ended by its caller alone, and is one image's while it runs", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* serve(predict, { tokens, dialects })
      const running = yield* Effect.forkChild(put(url, "ada", image))
      yield* eventually(() => entered() === 1)
      const cancel = (name: string) =>
        ask(`${url}/predictions/one/cancel`, { method: "POST", headers: as(name) })
      assert.strictEqual((yield* cancel("bob")).status, 404)
      assert.strictEqual((yield* put(url, "ada", image)).status, 202)
      assert.strictEqual((yield* put(url, "ada", other)).status, 409)
      assert.isUndefined(running.pollUnsafe())
      assert.strictEqual((yield* cancel("ada")).status, 200)
      open()
    }).pipe(Effect.scoped)
  )
})

describe("a prediction of Replicate's", () => {
  it.live("is seen and ended by its caller alone", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* serve(predict, { tokens, dialects })
      const made = yield* ask(`${url}/v1/predictions`, body("ada", { version: "segformer", ...input(image) }))
      const path = `${url}/v1/predictions/${String(made.json["id"])}`
      yield* eventually(() => entered() === 1)
      assert.strictEqual((yield* ask(path, { headers: as("bob") })).status, 404)
      const cancel = { method: "POST", headers: as("bob") }
      assert.strictEqual((yield* ask(`${path}/cancel`, cancel)).status, 404)
      assert.strictEqual((yield* ask(path, { headers: as("ada") })).json["status"], "processing")
      open()
    }).pipe(Effect.scoped)
  )

  it.live("makes room for those of its own caller, and not for others'", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { tokens, dialects })
      const submit = (name: string): Effect.Effect<Json> => {
        const init = body(name, { version: "segformer", ...input(image) })
        const headers = { ...as(name), "content-type": "application/json", prefer: "wait" }
        return Effect.map(ask(`${url}/v1/predictions`, { ...init, headers }), ({ json }) => json)
      }
      const { id } = yield* submit("ada")
      for (let n = 0; n < 120; n++) yield* submit("bob")
      const found = yield* ask(`${url}/v1/predictions/${String(id)}`, { headers: as("ada") })
      assert.strictEqual(found.json["status"], "succeeded")
    }).pipe(Effect.scoped)
  )
})

describe("a batch of the inspection service's", () => {
  it.live("is downloaded by its caller alone", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { tokens, dialects })
      const { json } = yield* ask(`${url}/upload/batch`, {
        ...form("images", ["a.png", image]),
        headers: as("ada")
      })
      for (const path of [
        `/download/batch/${String(json["batch_id"])}`,
        `/download/${String(json["summary_path"])}`
      ]) {
        assert.strictEqual((yield* ask(url + path, { headers: as("bob") })).status, 404, path)
        assert.strictEqual((yield* ask(url + path, { headers: as("ada") })).status, 200, path)
      }
    }).pipe(Effect.scoped)
  )
})
