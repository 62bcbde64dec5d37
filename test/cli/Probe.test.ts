import { join } from "node:path"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { Fixtures } from "effect-segformer/testing"
import * as HuggingFaceServer from "../http/servers/HuggingFaceServer.ts"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import { closedPort, type Handler, http, sendJson, tcp } from "../support/TestServer.ts"
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

  const html =
    (title: string): Handler =>
    (_, response) =>
      void response
        .writeHead(200, { "content-type": "text/html" })
        .end(`<!doctype html><title>${title}</title>`)
  const strangers: ReadonlyArray<
    readonly [string, Effect.Effect<{ readonly url: string }, never, Scope.Scope>, RegExp]
  > = [
    [
      "closes at once",
      tcp((socket) => void socket.destroy()),
      /^segformer: Cannot reach \S+: it takes connections, and closes them without an answer .*Is this its port, and does it speak https:\/\/\?/
    ],
    [
      "answers a login page",
      http(html("Sign in")),
      /^ready {5}no: it answers with a page of HTML \("Sign in"\).*give the base URL of its API, and what lets you in/m
    ],
    [
      "answers the page of an app to GET alone",
      http((request, response) =>
        request.method === "GET" ? html("")(request, response) : sendJson(response, {}, 405)
      ),
      /^ready {5}no: it answers with a page of HTML, as a login/m
    ],
    [
      "is a proxy of what is down",
      http((_, response) => sendJson(response, {}, 502)),
      /^ready {5}no: it answers every question with 502, as a proxy does/m
    ],
    [
      "has no such path",
      http((_, response) => sendJson(response, {}, 404)),
      /^ready {5}no: it answers every question with 404: is the base URL right/m
    ],
    [
      "keeps everybody out",
      http((_, response) => sendJson(response, {}, 403)),
      /^ready {5}no: it answers every question with 403: it may ask for a key \(SEGFORMER_API_KEY\)/m
    ],
    [
      "answers very much",
      http((_, response) => void response.end("x".repeat(2 ** 20 + 1))),
      /^segformer: (?!.*MAX_BODY_BYTES).*broken off after 1048576 bytes: no answer to a question is that long\. Is this the base URL/
    ],
    [
      "answers very much to one question",
      http(({ path }, response) =>
        path === "/health" ? void response.end("x".repeat(2 ** 20 + 1)) : sendJson(response, {})
      ),
      /^ready {5}no: .*1 of \d+ failed, the first so: .*broken off/m
    ],
    [
      "answers nothing in JSON",
      http((_, response) => sendJson(response, {})),
      /^ready {5}no: it speaks no protocol known here: give one by SEGFORMER_PROTOCOL[^]*^Is it yours\? Write this by hand[^]*^ {2}"protocol": "custom",$/m
    ]
  ]
  it.live.each(strangers)("says what was seen of what %s, and what to do", ([, make, said]) =>
    Effect.gen(function* () {
      const { url } = yield* make
      const { code, stderr, stdout } = yield* run(["probe", url])
      assert.strictEqual(code, 3)
      assert.match(stderr + stdout, said)
    }).pipe(Effect.scoped)
  )

  const own: ReadonlyArray<readonly [string, (path: string) => number, RegExp]> = [
    [
      "says that it is well alone",
      (path) => (path === "/health" ? 200 : 404),
      /^lacks {5}the path that takes images$[^]*^ {2}"path": "\/predict",$/m
    ],
    [
      "takes JSON",
      (path) => (path === "/predict" ? 415 : 404),
      /^lacks {5}how \/predict takes images: [^]*^ {2}"path": "\/predict",$/m
    ]
  ]
  it.live.each(own)("says what to write by hand of one's own service that %s", ([, status, said]) =>
    Effect.gen(function* () {
      const { url } = yield* http(({ path }, response) =>
        sendJson(response, { error: "application/json expected" }, status(path))
      )
      const { stdout } = yield* run(["probe", url])
      assert.match(stdout, said)
      assert.match(stdout, /^Is it yours\? Write this by hand/m)
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
