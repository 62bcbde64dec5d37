/** `/v1` without a socket answers as a server does. */
import { deflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServerResponse } from "effect/http"
import { Transport } from "effect-segformer"
import { Exports } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import * as ModelServer from "../../src/server/page/model/ModelServer.ts"
import { ask, serve } from "../server/support.ts"

const image = { name: "image", bytes: Uint8Array.from(Fixtures.image) }

const local = Effect.flatMap(Transport, (transport) => ModelServer.make([transport])).pipe(
  Effect.provide(
    Layer.merge(
      SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction)),
      SharpCodec.layer
    )
  )
)

const text = (response: HttpServerResponse.HttpServerResponse) =>
  Effect.promise(() => HttpServerResponse.toWeb(response).text())

const lasting = (json: string): unknown =>
  JSON.parse(json, (key, value: unknown) =>
    ["requestId", "seconds", "model"].includes(key) ? undefined : value
  )

describe("the page's own /v1", () => {
  it.live("segments, converts and shows as a server does, in every form", () =>
    Effect.gen(function* () {
      const server = yield* local
      const { url } = yield* serve(() => Effect.succeed(Fixtures.prediction))
      const post = { method: "POST", body: image.bytes }
      const path = "/v1/segment?include=labels,confidence"
      const own = yield* text(yield* server({ path, headers: {}, body: image }))
      const { body } = yield* ask(url + path, post)
      assert.deepStrictEqual(lasting(own), lasting(body.toString()))
      const picture = yield* text(yield* server({ path: "/v1/picture", headers: {}, body: image }))
      assert.strictEqual(
        picture,
        yield* Effect.map(ask(`${url}/v1/picture`, post), ({ body }) => new TextDecoder().decode(body))
      )
      const { labels } = JSON.parse(own)
      const map = JSON.stringify({ image: "a.png", classes: [{ id: 0, name: "one" }], labels })
      for (const name of Exports.names.filter((name) => name !== "labelstudio")) {
        const accept = Exports.formats[name].mediaType
        const headers = { accept, "content-type": "application/json" }
        const made = yield* server({ path: "/v1/export", headers, body: map })
        const other = yield* ask(`${url}/v1/export`, { method: "POST", body: map, headers })
        assert.strictEqual(made.status, other.status, name)
        assert.strictEqual(yield* text(made), new TextDecoder().decode(other.body), name)
      }
    }).pipe(Effect.scoped)
  )

  it.live("refuses as a server does", () =>
    Effect.gen(function* () {
      const server = yield* local
      const wrong = {
        width: 2,
        height: 1,
        bits: 8,
        deflate: deflateSync(new Uint8Array(9)).toString("base64")
      }
      for (const [path, body, status, said] of [
        ["/v1/segment", { name: "a.png", bytes: new Uint8Array(9) }, 400, "not an image"],
        ["/v1/segment?model=other", image, 404, "no model"],
        ["/v1/segment", undefined, 400, "Send the bytes"],
        ["/v1/export", "{", 400, ""],
        ["/v1/export", JSON.stringify({ classes: [], labels: wrong }), 400, "no zlib stream"],
        ["/v1/other", undefined, 404, "There is no /v1/other"]
      ] as const) {
        const response = yield* server({ path, headers: {}, body })
        assert.strictEqual(response.status, status, path)
        assert.include(yield* text(response), said)
      }
    })
  )
})
