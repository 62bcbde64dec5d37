import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { FakeHttp } from "effect-segformer/testing"

const form = new FormData()
form.set("threshold", "0.5")
form.set("image", new Blob([Uint8Array.of(1, 2, 3)]), "panel.png")

/** What the fake has of a request with this body, as text. */
const recorded = (body: HttpBody.HttpBody) =>
  Effect.gen(function* () {
    yield* HttpClient.execute(HttpClientRequest.post("http://service/upload", { body }))
    const { requests } = yield* FakeHttp.Recorded
    const [request] = yield* requests
    return { type: request?.headers["content-type"], text: new TextDecoder().decode(request?.body) }
  }).pipe(Effect.provide(FakeHttp.script([FakeHttp.json({})])))

describe("FakeHttp", () => {
  it.effect.each([
    ["text", HttpBody.text("panel"), "text/plain", /^panel$/],
    ["bytes", HttpBody.uint8Array(new TextEncoder().encode("panel")), "application/octet-stream", /^panel$/],
    [
      "a form",
      HttpBody.formData(form),
      /^multipart\/form-data; boundary=/,
      /name="threshold"[^]*0\.5[^]*panel\.png/
    ],
    ["a text as it is", HttpBody.raw("panel"), /^text\/plain/, /^panel$/],
    ["bytes as they are", HttpBody.raw(Uint8Array.of(112)), undefined, /^p$/],
    ["a field list", HttpBody.raw(new URLSearchParams({ a: "b" })), /urlencoded/, /^a=b$/],
    ["a stream of the web", HttpBody.raw(new Blob(["panel"]).stream()), undefined, /^panel$/],
    ["a blob", HttpBody.raw(new Blob(["panel"], { type: "image/png" })), "image/png", /^panel$/],
    [
      "a raw body with its type",
      HttpBody.raw("{}", { contentType: "application/json" }),
      "application/json",
      /^\{\}$/
    ],
    ["nothing", HttpBody.empty, undefined, /^$/]
  ] as const)("records the whole body: %s", ([, body, type, text]) =>
    Effect.gen(function* () {
      const seen = yield* recorded(body)
      if (type instanceof RegExp) assert.match(seen.type ?? "", type)
      else assert.strictEqual(seen.type, type)
      assert.match(seen.text, text)
    })
  )

  it.effect("dies of a body that it cannot read, and takes none for empty", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(recorded(HttpBody.raw({ panel: 7 })))
      assert.isTrue(Exit.hasDies(exit))
    })
  )

  it.effect.each([204, 205, 304])("answers with %d, which takes no body", (status) =>
    Effect.gen(function* () {
      const answer = yield* HttpClient.get("http://service")
      assert.deepStrictEqual([answer.status, yield* answer.text], [status, ""])
    }).pipe(Effect.provide(FakeHttp.script([FakeHttp.respond({ status })])))
  )
})
