/** The command at a service that keeps its caller out. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Fixtures } from "effect-segformer/testing"
import * as InspectionModel from "../http/servers/InspectionModel.ts"
import { run } from "../support/Command.ts"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { http, sendJson } from "../support/TestServer.ts"
import { answer } from "./services.ts"

describe("a caller who is kept out", () => {
  const cases = [
    [401, {}, /it asks for a key: set SEGFORMER_API_KEY/],
    [401, { "www-authenticate": 'Basic realm="lab"' }, /a name and a password.*A key cannot help/],
    [403, {}, /may ask for a key/],
    [407, {}, /a proxy asks for a name and a password/]
  ] as const
  for (const [status, headers, words] of cases) {
    it.live(`by ${status} ${JSON.stringify(headers)} at the route of images, though its health is open`, () =>
      Effect.gen(function* () {
        const server = yield* http(({ path }, response) =>
          path === "/health"
            ? sendJson(response, { status: "ok" })
            : sendJson(response, { detail: "not for you" }, status, headers)
        )
        const env = { SEGFORMER_PROTOCOL: "custom" }
        const health = yield* run(["health", "--url", server.url], { env })
        assert.strictEqual(health.code, 3)
        assert.match(health.stderr, words)
        const probed = yield* run(["probe", server.url])
        assert.strictEqual(probed.code, 3, probed.stdout)
        assert.notMatch(probed.stdout, /^ready {5}yes/m)
      }).pipe(Effect.scoped)
    )
  }

  const page = "<html><body>Welcome</body></html>"
  const absences = [
    [
      "nothing but 404",
      404,
      "text/html",
      page,
      [],
      /cannot segment: POST \/upload answers 404, and it does not say how it is: check/
    ],
    [
      "nothing but 404 in JSON",
      404,
      "application/json",
      '{"detail": "Not Found"}',
      ["custom"],
      /answers 404 "Not Found"/
    ],
    [
      "the same page at every address",
      200,
      "text/html",
      page,
      [],
      /answers 200, a page of HTML.*check the base URL/
    ],
    [
      "nothing to say",
      200,
      "application/json",
      "{}",
      [],
      /answers 200 though no image was sent, and it does not say/
    ],
    ["the same text at every address", 200, "text/plain", "hello", [], /answers 200 though no image/],
    ["a page without a type", 200, "text/plain", "<!doctype html><title>Lab</title>", [], /a page of HTML/]
  ] as const
  for (const [name, status, type, body, [protocol], words] of absences) {
    it.live(`is told so where there is ${name}`, () =>
      Effect.gen(function* () {
        const server = yield* http((_, response) => {
          response.writeHead(status, { "content-type": type }).end(body)
        })
        const env = protocol === undefined ? {} : { SEGFORMER_PROTOCOL: protocol }
        const health = yield* run(["health", "--url", server.url], { env })
        assert.deepStrictEqual([health.code, health.stdout], [3, ""])
        assert.match(health.stderr, words)
      }).pipe(Effect.scoped)
    )
  }

  it.live("is not told so by a route that misses its part, where nothing is said of health", () =>
    Effect.gen(function* () {
      for (const [status, type, body] of [
        [400, "text/html", "<!doctype html><title>400 Bad Request</title>"],
        [200, "application/json", '{"error": "no file"}'],
        // What gives its prediction whatever comes.
        [200, "application/json", '{"mask": [[0, 1]]}'],
        [200, "application/json", '{"logits": [-1.5, 2]}'],
        [422, "application/json", '{"detail": "field required"}'],
        [500, "text/plain", "KeyError"]
      ] as const) {
        const server = yield* http(({ method }, response) => {
          if (method === "POST") response.writeHead(status, { "content-type": type }).end(body)
          else response.writeHead(404).end()
        })
        const health = yield* run(["health", "--url", server.url], { env: { SEGFORMER_PROTOCOL: "custom" } })
        assert.deepStrictEqual([health.code, health.stderr], [0, ""])
        assert.match(health.stdout, /does not say how it is/)
      }
    }).pipe(Effect.scoped)
  )

  const alike = [400, 411, 413, 415, 418, 422].flatMap((status) =>
    [
      '{"detail": "send an image"}',
      "no",
      '{"path": "PATH", "message": "METHOD PATH is not taken", "time": "TIME", "trace": "TRACE"}'
    ].map((body) => [status, body] as const)
  )
  const mute = [
    ...alike,
    ...[[], [1, 2, 3], ["a", "b"], [{ id: 1 }], { data: [1, 2] }, { items: ["x".repeat(80)] }].map(
      (body) => [200, JSON.stringify(body)] as const
    )
  ]
  it.live("is not told that a service can segment that answers all addresses alike", () =>
    Effect.gen(function* () {
      let told: readonly [number, string] = [200, ""]
      const server = yield* http(({ method, path }, response) => {
        const [status, body] = told
        const said = body
          .replaceAll("PATH", path)
          .replaceAll("METHOD", method)
          .replace("TIME", new Date().toISOString())
          .replace("TRACE", Math.random().toString(16).slice(2))
        response.writeHead(status, { "content-type": "application/json" }).end(said)
      })
      const protocols = ["inspection", "custom", "torchserve", "tfserving"]
      for (const [index, answer] of mute.entries()) {
        told = answer
        // A 200 of its health is what others take for well.
        const protocol = answer[0] === 200 ? "inspection" : protocols[index % 4]!
        const health = yield* run(["health", "--url", server.url], {
          env: { SEGFORMER_PROTOCOL: protocol, SEGFORMER_MODEL: "b0" }
        })
        assert.deepStrictEqual([health.code, health.stdout], [3, ""], `${protocol} ${answer.join(" ")}`)
        assert.match(health.stderr, /does not say how it is: check the base URL/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("is told so by what no route of images answers to a request without one", () =>
    Effect.gen(function* () {
      let told: readonly [number, unknown] = [200, ""]
      const server = yield* http(({ method }, response) =>
        method === "POST" ? sendJson(response, told[1], told[0]) : sendJson(response, {}, 404)
      )
      for (const [answer, code] of [
        [[418, { detail: "a teapot" }], 3],
        [[409, { detail: "busy" }], 3],
        [[410, {}], 3],
        [[429, { detail: "later" }], 3],
        [[503, { detail: "the model loads" }], 3],
        [[200, [1, 2, 3]], 3],
        [[200, ["cat", "dog"]], 3],
        [[200, { data: [1, 2, 3] }], 3],
        [[200, { items: [{ id: 7 }] }], 3],
        [[200, { token: "a".repeat(90) }], 3],
        [[400, {}], 0],
        [[411, {}], 0],
        [[413, {}], 0],
        [[415, {}], 0],
        [[422, { detail: [{ loc: ["body", "file"], msg: "Field required" }] }], 0],
        [[500, { detail: "KeyError: 'file'" }], 0],
        [[200, { error: "no file" }], 0],
        [[200, [[0, 1, 1]]], 0],
        [[200, [{ label: "LABEL_1", mask: "iVBORw0KGgo" }]], 0],
        [[200, { predictions: [{ mask: [[1]] }] }], 0],
        [[200, { result: { size: [1, 2], counts: [0, 2] } }], 0]
      ] as const) {
        told = answer
        const health = yield* run(["health", "--url", server.url], { env: { SEGFORMER_PROTOCOL: "custom" } })
        assert.strictEqual(health.code, code, `${JSON.stringify(answer)} ${health.stderr}`)
        const probed = yield* run(["probe", server.url])
        if (code === 3) assert.strictEqual(probed.code, 3, `${JSON.stringify(answer)} ${probed.stdout}`)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("of which no question is answered is told so, and of no variable that would change nothing", () =>
    Effect.gen(function* () {
      const server = yield* http(() => {})
      const asking = yield* Effect.forkChild(run(["health", "--url", server.url]))
      yield* eventually(() => server.requests.length > 0)
      yield* TestClock.adjust("5 seconds")
      const { code, stderr } = yield* Fiber.join(asking)
      assert.strictEqual(code, 3)
      assert.match(
        stderr,
        /^segformer: Cannot reach \S+: it takes connections, and answers no question within 5s\. Is it still starting/
      )
    }).pipe(Effect.scoped)
  )

  it.live("that is too busy to say how it is, once or always, is sent images", () =>
    Effect.gen(function* () {
      const answers: ReadonlyArray<readonly [number | "reset", Record<string, string>?]> = [
        [429],
        [503, { "retry-after": "1" }],
        [500],
        ["reset"]
      ]
      const cwd = yield* folder({ "in/panel.png": Fixtures.image })
      for (const [index, [status, headers]] of answers.entries()) {
        let asked = 0
        const server = yield* http(({ method }, response) => {
          if (method === "POST") sendJson(response, answer)
          else if (status === "reset") response.destroy()
          else if (status !== 429 && ++asked > 1) sendJson(response, {}, 200)
          else sendJson(response, {}, status, headers)
        })
        const env = { SEGFORMER_PROTOCOL: "custom" }
        for (const command of ["segment", "batch"]) {
          const out = `${command}-${index}`
          const found = yield* run([command, "in/panel.png", "--url", server.url, "--out", out], { cwd, env })
          assert.strictEqual(found.code, 0, found.stderr)
        }
      }
    }).pipe(Effect.scoped)
  )

  it.live("that is starting is waited for as long as for an image", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "panel.png": Fixtures.image })
      let asked = 0
      const server = yield* http(({ path }, response) =>
        path === "/health"
          ? sendJson(response, { status: "ok", model_loaded: ++asked > 2 })
          : sendJson(response, InspectionModel.answer())
      )
      const args = ["segment", "panel.png", "--url", server.url]
      const none = yield* run(args, { cwd, env: { SEGFORMER_MAX_RETRIES: "0" } })
      assert.strictEqual(none.code, 3)
      assert.match(none.stderr, /is up, but cannot segment: /)
      asked = 0
      const found = yield* run(args, { cwd })
      assert.deepStrictEqual([found.code, found.stderr], [0, ""])
      assert.strictEqual(asked, 3)
    }).pipe(Effect.scoped)
  )

  it.live("comes in by a header", () =>
    Effect.gen(function* () {
      const server = yield* http(({ headers, method, path }, response) =>
        headers.authorization !== "Basic bWU6cHc="
          ? sendJson(response, "who?", 401, { "www-authenticate": "Basic" })
          : method === "POST" && path === "/predict"
            ? sendJson(response, answer)
            : sendJson(response, {}, 404)
      )
      const cwd = yield* folder({ "panel.png": Fixtures.image })
      const header = ["--header", "Authorization: Basic bWU6cHc="]
      const probed = yield* run(["probe", server.url, "--write", "svc.json", ...header], { cwd })
      assert.strictEqual(probed.code, 0, probed.stdout)
      const args = ["segment", "--service", "svc.json", "panel.png"]
      assert.strictEqual((yield* run([...args, ...header], { cwd })).code, 0)
      const env = { SEGFORMER_HEADERS: "Authorization: Basic bWU6cHc=" }
      assert.strictEqual((yield* run(args, { cwd, env })).code, 0)
      const wrong = yield* run([...args, "--header", "hunter2"], { cwd })
      assert.deepStrictEqual(
        [wrong.code, wrong.stderr],
        [2, 'segformer: the 1. --header is none: write it as "Name: value"\n']
      )
    }).pipe(Effect.scoped)
  )
})
