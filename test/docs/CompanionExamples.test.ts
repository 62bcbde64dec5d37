/** The five programs of docs/examples for users of companion services, each against plain services of `node:http`. */
import { execFile } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { folder, names } from "../support/Folder.ts"
import * as TestServer from "../support/TestServer.ts"

const { NODE_COMPILE_CACHE = "", PATH = "" } = process.env

/** Runs an example as its first lines say, with nothing of this process's environment that it might read. */
const run = (file: string, args: ReadonlyArray<string>, env: Record<string, string>) =>
  Effect.callback<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resume) => {
    const child = execFile(
      process.execPath,
      ["-C", "effect-segformer-source", `docs/examples/${file}`, ...args],
      { env: { PATH, NODE_COMPILE_CACHE, ...env } },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }))
    )
    return Effect.sync(() => child.kill())
  })

const lines = ({ stdout }: { readonly stdout: string }) =>
  stdout
    .trimEnd()
    .split("\n")
    .filter((line) => !line.includes("INFO"))

type Answer = readonly [status: number, body?: unknown]

/** A service of answers by method and path. */
const service = (answers: Readonly<Record<string, Answer>>) =>
  TestServer.http(({ method, path }, response) => {
    const [status, body] = answers[`${method} ${path.split("?")[0]}`] ?? [
      404,
      { error: `no ${path}`, code: "NO_PATH" }
    ]
    if (body === undefined) response.writeHead(status).end()
    else if (Buffer.isBuffer(body)) response.writeHead(status).end(body)
    else TestServer.sendJson(response, body, status)
  })

describe("docs/examples, of companion services", () => {
  it.live("call-a-service calls, says who it is, and tries a broken connection again but no refusal", () =>
    Effect.gen(function* () {
      let broken = 1
      const server = yield* TestServer.http(({ path }, response) => {
        if (broken-- > 0) return void response.socket?.destroy()
        TestServer.sendJson(
          response,
          path === "/api/v1/users/7"
            ? { id: 7, name: "Ada", is_active: true }
            : { error: "busy", code: "BUSY" },
          path === "/api/v1/users/7" ? 200 : 503
        )
      })
      const env = {
        USER_SERVICE_HOST: "127.0.0.1",
        USER_SERVICE_PORT: String(server.port),
        USER_SERVICE_RETRY_DELAY: "1"
      }
      const { code, stdout } = yield* run("call-a-service.ts", ["7"], env)
      assert.include(stdout, 'Ada: {"id":7,"name":"Ada","is_active":true}\n')
      assert.include(stdout, "The circuit is closed\n")
      assert.match(stdout, /Request: GET http:\/\/127\.0\.0\.1:\d+\/api\/v1\/users\/7 \(attempt 1\/4\)/)
      assert.match(stdout, /Retrying in 1 ms \(2 of 4\): /)
      assert.match(stdout, /Response: GET \S+ - 200 \(\d+ ms\)/)
      assert.strictEqual(code, 0)
      assert.match(String(server.requests[0]?.headers["user-agent"]), /^example\/1\.0 effect-segformer\//)
      const before = server.requests.length
      const refused = yield* run("call-a-service.ts", ["8"], env)
      assert.match(refused.stderr, /is not available \(503\): busy/)
      assert.deepStrictEqual([refused.code, server.requests.length - before], [1, 1])
    }).pipe(Effect.scoped)
  )

  it.live("verify-notify-report lets Ada in, tells her, and counts it", () =>
    Effect.gen(function* () {
      const server = yield* service({
        "POST /verify": [200, { sub: "ada", user_id: 7 }],
        "POST /send": [202],
        "POST /api/v1/events": [201, { ok: true }]
      })
      const env = {
        AUTH_SERVICE_URL: `${server.url}/`,
        AUTH_SERVICE_API_KEY: "k1",
        NOTIFICATION_SERVICE_URL: server.url,
        NOTIFICATION_API_KEY: "k2",
        ANALYTICS_SERVICE_URL: `${server.url}/api/v1`
      }
      const done = yield* run("verify-notify-report.ts", ["t-1"], env)
      assert.deepStrictEqual(lines(done), ["Welcome, ada", "A message is on its way", "It is counted"])
      assert.deepStrictEqual(
        server.requests.map(({ headers, path }) => [path, headers.authorization]),
        [
          ["/verify", "Bearer k1"],
          ["/send", "Bearer k2"],
          ["/api/v1/events", undefined]
        ]
      )
      const port = yield* TestServer.closedPort
      const away = { ...env, NOTIFICATION_SERVICE_URL: `http://127.0.0.1:${port}` }
      const without = yield* run("verify-notify-report.ts", ["t-1"], away)
      assert.include(lines(without), "No message could be sent")
      assert.strictEqual(without.code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("detect-crop-batch-sheet goes from a picture to a sheet", () =>
    Effect.gen(function* () {
      const box = { x: 1, y: 2, width: 40, height: 50 }
      const processed = {
        original_path: "a.jpg",
        processed_path: "processed/a.jpg",
        crop_coordinates: box,
        final_dimensions: { width: 40, height: 50 }
      }
      const server = yield* service({
        "GET /health": [200, { status: "healthy", checks: { model: true }, version: "1.0" }],
        "POST /api/v1/detect": [200, [{ type: "face", confidence: 0.9, bounding_box: box, id: 1 }]],
        "POST /api/v1/crop": [200, processed],
        "POST /api/v1/process-batch": [
          200,
          { processed_images: [processed], failed_images: [{ path: "b.jpg", error: "no such file" }] }
        ],
        "POST /api/v1/compose-sheet": [
          200,
          { output_path: "sheet.png", format: "png", dimensions: { width: 2480, height: 3508 } }
        ]
      })
      const env = { PYTHON_SERVICE_URL: `${server.url}/`, PYTHON_SERVICE_MAX_CONNECTIONS: "2" }
      const done = yield* run("detect-crop-batch-sheet.ts", ["a.jpg", "b.jpg"], env)
      assert.strictEqual(done.stderr, "")
      assert.deepStrictEqual(lines(done), [
        "The service is healthy",
        "1 face(s) in a.jpg",
        "Cropped to 40 x 50",
        "b.jpg failed: no such file",
        "A sheet of 1: png, 2480 x 3508"
      ])
    }).pipe(Effect.scoped)
  )

  it.live("registry-and-clients finds the services, and keeps what they say", () =>
    Effect.gen(function* () {
      const server = yield* service({
        "GET /api/v1/health": [200, { status: "ok" }],
        "GET /api/v1/users/7": [200, { id: 7, name: "ada", full_name: "Ada L.", is_active: true }],
        "GET /api/v1/users/7/roles": [200, ["admin", { id: 2, name: "editor" }]],
        "POST /api/v1/projects": [201, { id: "p-1", name: "Line 2" }],
        "GET /api/v1/search": [200, { results: [{ id: 5, title: "Solder", score: 0.9 }] }],
        "POST /api/v1/citations": [201, { id: 9 }],
        "GET /api/v1/projects/none": [
          404,
          { error: "There is no such project", error_code: "PROJECT_NOT_FOUND" }
        ]
      })
      const env = {
        USER_SERVICE_URL: `${server.url}/api/v1/`,
        PROJECT_SERVICE_HOST: "127.0.0.1",
        PROJECT_SERVICE_PORT: String(server.port),
        KNOWLEDGE_SERVICE_PORT: String(server.port),
        KNOWLEDGE_SERVICE_HOST: "127.0.0.1",
        KNOWLEDGE_SERVICE_BASE_PATH: "/api/v1"
      }
      const done = yield* run("registry-and-clients.ts", [], env)
      assert.strictEqual(done.stderr, "")
      assert.deepStrictEqual(lines(done), [
        "Known: user, project, knowledge, design, marketplace, analytics",
        "user is healthy",
        "project is healthy",
        "knowledge is healthy",
        "Ada L.: admin, editor",
        "Project p-1 cites 1 resource(s)",
        "404 PROJECT_NOT_FOUND: There is no such project"
      ])
      // In production nothing is taken to be here that nobody has put here.
      const alone = yield* run("registry-and-clients.ts", [], { ENVIRONMENT: "production" })
      assert.strictEqual(alone.code, 1)
      assert.match(alone.stderr, /has no address: set \w+_SERVICE_URL/)
    }).pipe(Effect.scoped)
  )

  it.live("paper-over-vpn submits, polls and downloads, or says why it cannot be had", () =>
    Effect.gen(function* () {
      const paper = Buffer.from("%PDF-1.7 a paper")
      const states = ["pending", "searching", "downloading", "completed"]
      let asked = 0
      let isFailing = false
      const server = yield* TestServer.http(({ path }, response) => {
        if (path === "/health")
          return TestServer.sendJson(response, { status: "ok", vpn_connected: true, vpn_ip: "10.8.0.2" })
        if (path.endsWith("/file")) return void response.writeHead(200).end(paper)
        const status = states[Math.min(asked++, 3)]
        const failure = { job_id: "j-1", status: "failed", error: "tunnel down", error_code: "VPN_ERROR" }
        const job = { job_id: "j-1", status, file_format: "pdf", file_size: paper.length }
        TestServer.sendJson(response, isFailing ? failure : job)
      })
      const at = yield* folder()
      const env = { RETRIEVAL_SERVICE_URL: server.url }
      const done = yield* run("paper-over-vpn.ts", ["10.1000/182", join(at, "papers"), "1"], env)
      assert.strictEqual(done.stderr, "")
      assert.deepStrictEqual(lines(done), [
        "The VPN is up at 10.8.0.2",
        "Queued",
        "searching",
        "downloading",
        "Succeeded",
        `A paper (10.1000/182): 16 bytes of pdf at ${join(at, "papers", "10.1000_182.pdf")}`
      ])
      assert.deepStrictEqual(names(join(at, "papers")), ["10.1000_182.pdf"])
      isFailing = true
      const failed = yield* run("paper-over-vpn.ts", ["10.1000/183", join(at, "papers"), "1"], env)
      assert.strictEqual(lines(failed).at(-1), "It cannot be had (VPN_ERROR): tunnel down")
    }).pipe(Effect.scoped)
  )
})
