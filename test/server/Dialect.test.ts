/** A dialect of one's own, beside the one there is: adding a protocol is one module. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { type Dialect, InspectionDialect, Refusal } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, serve, upload } from "./support.ts"

/** Raw bytes in, the class that covers most of the image out. */
const mostly: Dialect = {
  name: "mostly",
  refuse: (refusal) => HttpServerResponse.text(`no: ${refusal.detail}`, { status: refusal.status }),
  routes: (served) =>
    Effect.succeed([
      {
        method: "POST",
        path: "/mostly/:what",
        handle: Effect.fnUntraced(function* (request, { what }) {
          yield* served.enter(100_000)
          const body = yield* Effect.mapError(
            request.arrayBuffer,
            () => new Refusal({ status: 400, detail: "no body" })
          )
          return yield* served.segment({ name: "body", bytes: new Uint8Array(body) }, ({ segmentation }) =>
            Effect.succeed(HttpServerResponse.text(`${what}: ${segmentation.width} wide`))
          )
        })
      },
      { method: "GET", path: "/health", handle: () => Effect.succeed(HttpServerResponse.text("fine")) }
    ])
}

describe("dialects side by side", () => {
  it.live("each answer and refuse in their own form, over the same segmenter", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects: [InspectionDialect.make(), mostly] })
      const good = yield* ask(`${url}/mostly/image`, {
        method: "POST",
        body: Uint8Array.from(Fixtures.image)
      })
      assert.deepStrictEqual([good.status, good.body.toString()], [200, "image: 48 wide"])
      const bad = yield* ask(`${url}/mostly/image`, { method: "POST", body: "no image" })
      assert.strictEqual(bad.status, 400)
      assert.match(bad.body.toString(), /^no: body is not an image/)
      assert.strictEqual((yield* upload(url)).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("leave a path that several have to the first", () =>
    Effect.gen(function* () {
      const first = yield* serve(undefined, { dialects: [InspectionDialect.make(), mostly] })
      assert.deepInclude((yield* ask(`${first.url}/health`)).json, { status: "ok" })
      const second = yield* serve(undefined, { dialects: [mostly, InspectionDialect.make()] })
      assert.strictEqual((yield* ask(`${second.url}/health`)).body.toString(), "fine")
      const nowhere = yield* ask(`${second.url}/nowhere`)
      assert.match(nowhere.body.toString(), /^no: /)
    }).pipe(Effect.scoped)
  )
})
