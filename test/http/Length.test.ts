/** Files on disk are sent with their length, whichever client sends them: services have limits by it. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { FetchHttpClient } from "effect/http"
import { ImageSource, segment } from "effect-segformer"
import { BentoML, Custom, HuggingFace, Inspection, type Protocol, SegFormerHttp } from "effect-segformer/http"
import { NodeHttp } from "effect-segformer/service/node"
import * as samples from "../image/samples.ts"
import { folder } from "../support/Folder.ts"
import { http, sendJson } from "../support/TestServer.ts"

const protocols: ReadonlyArray<readonly [string, Protocol]> = [
  ["the file itself", Custom.make({ body: { as: "raw" } })],
  ["a form", Custom.make()],
  ["a form with fields", Custom.make({ body: { as: "form", part: "image", fields: { model: "b0" } } })],
  ["JSON with base64", Custom.make({ body: { as: "base64" } })],
  ["an inspection service's form", Inspection.protocol],
  ["Hugging Face's file", HuggingFace.protocol],
  ["BentoML's form", BentoML.make()]
]
const answer = { mask: [[0]] }

describe.each([
  ["NodeHttp", NodeHttp.layer()],
  ["fetch", FetchHttpClient.layer]
] as const)("a file on disk over %s", (_, client) => {
  const provided = Layer.mergeAll(client, NodeFileSystem.layer, Logger.layer([]))
  const file = Effect.gen(function* () {
    const bytes = yield* Effect.promise(() => samples.largePng(700, 500))
    const path = join(yield* folder(), "panel.png")
    yield* Effect.promise(() => writeFile(path, bytes))
    return { bytes, source: ImageSource.file(path) }
  })

  it.live.each(protocols)("has its length: %s", ([, protocol]) =>
    Effect.gen(function* () {
      const { bytes, source } = yield* file
      const server = yield* http((_, response) => sendJson(response, answer))
      // What it answers is no mask of this image: what it was sent counts here.
      yield* Effect.ignore(
        segment(source).pipe(
          Effect.provide(SegFormerHttp.layer({ baseUrl: server.url, protocol, policy: { retry: false } }))
        )
      )
      const [sent] = server.requests
      assert.strictEqual(sent?.headers["content-length"], String(sent?.body.length))
      assert.isUndefined(sent?.headers["transfer-encoding"])
      if (!sent?.headers["content-type"]?.includes("json")) assert.isTrue(sent?.body.includes(bytes))
    }).pipe(Effect.provide(provided), Effect.scoped)
  )

  it.live.each([307, 308])("has it after a redirect by %s, whole, and with each attempt", (status) =>
    Effect.gen(function* () {
      const { bytes, source } = yield* file
      const server = yield* http(({ path }, response) =>
        path === "/predict"
          ? void response.writeHead(status, { location: "/predict/" }).end()
          : sendJson(response, {}, 503)
      )
      const error = yield* segment(source).pipe(
        Effect.provide(
          SegFormerHttp.layer({
            baseUrl: server.url,
            protocol: Custom.make({ body: { as: "raw" } }),
            redirects: {},
            policy: { retry: { times: 1, delay: "1 millis" } }
          })
        ),
        Effect.flip
      )
      assert.strictEqual(error._tag, "ServiceUnavailable")
      assert.deepStrictEqual(
        server.requests.map(({ body, headers, path }) => [
          path,
          headers["content-length"],
          body.equals(bytes)
        ]),
        ["/predict", "/predict/", "/predict", "/predict/"].map((path) => [path, String(bytes.length), true])
      )
    }).pipe(Effect.provide(provided), Effect.scoped)
  )
})
