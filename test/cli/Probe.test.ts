import { join } from "node:path"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Fixtures } from "effect-segformer/testing"
import * as HuggingFaceServer from "../http/servers/HuggingFaceServer.ts"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import { closedPort, http, sendJson } from "../support/TestServer.ts"
import { run } from "../support/Command.ts"

describe("segformer probe", () => {
  it.live("says what is at an address, and prints the layer to write", () =>
    Effect.gen(function* () {
      const server = yield* HuggingFaceServer.make
      const { code, stderr, stdout } = yield* run(["probe", server.url])
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.match(stdout, /^protocol {2}huggingface \(likely\)$/m)
      assert.match(stdout, /^because {3}GET \/health says Ok; GET \/ says Ok$/m)
      assert.match(stdout, /^ready {5}yes: ready$/m)
      assert.match(stdout, /^latency {3}\d+\.\d ms, by \d+ requests$/m)
      assert.include(
        stdout,
        `\nSegFormerHttp.layer({ baseUrl: "${server.url}", protocol: HuggingFace.protocol })\n`
      )
      assert.isAtMost(server.requests.length, 10)
      assert.isTrue(server.requests.every(({ body }) => body.length === 0))
    }).pipe(Effect.scoped)
  )

  it.live("sends an image where it is told to, and tells all of it as JSON", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "segformer-probe-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      const file = join(folder, "panel.png")
      writeFileSync(file, Fixtures.image)
      const server = yield* InspectionServer.make
      const { code, stdout } = yield* run(["probe", server.url, "--image", file, "--json"])
      const told = JSON.parse(stdout)
      assert.deepStrictEqual([code, told.protocol, told.model], [0, "inspection", "segformer"])
      assert.deepStrictEqual(told.health, { healthy: true, detail: "ready on cpu" })
      assert.strictEqual(told.sample.detail, "48 x 32 pixels, no label map, only pictures")
      assert.strictEqual(server.uploads.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live(
    "ends with 3 where the service cannot segment, or nobody is there, and with 2 for a wrong address",
    () =>
      Effect.gen(function* () {
        const loading = yield* InspectionServer.make
        loading.state.modelLoaded = false
        const one = yield* run(["probe", loading.url])
        assert.deepStrictEqual([one.code, one.stderr], [3, ""])
        assert.match(one.stdout, /^ready {5}no: no model is loaded$/m)
        const two = yield* run(["probe", `http://127.0.0.1:${yield* closedPort}`])
        assert.strictEqual(two.code, 3)
        assert.match(two.stderr, /^segformer: Cannot reach/)
        const three = yield* run(["probe", "panel.jpg"])
        assert.strictEqual(three.code, 2)
        assert.match(three.stderr, /"panel.jpg". Expected: an address that begins with http:/)
      }).pipe(Effect.scoped)
  )

  it.live("does not show its key, whatever the service says", () =>
    Effect.gen(function* () {
      const key = Redacted.make("a-secret-of-mine")
      const server = yield* http(({ headers }, response) =>
        sendJson(response, { status: headers.authorization, error: headers.authorization }, 503)
      )
      const { stderr, stdout } = yield* run(["probe", server.url], {
        env: { SEGFORMER_API_KEY: Redacted.value(key) }
      })
      assert.strictEqual(server.requests[0]?.headers.authorization, "Bearer a-secret-of-mine")
      assert.notInclude(stdout + stderr, "a-secret-of-mine")
    }).pipe(Effect.scoped)
  )
})
