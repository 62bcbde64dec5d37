import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Fixtures } from "effect-segformer/testing"
import { ask, serve, upload } from "../server/support.ts"
import { eventually } from "../support/Eventually.ts"
import { closedPort, http, sendJson } from "../support/TestServer.ts"
import { lines, run, serving } from "../support/Command.ts"

/** A service whose images wait until they are let go. */
const slowService = Effect.gen(function* () {
  const waiting: Array<() => void> = []
  const service = yield* http((request, response) => {
    if (request.path === "/health") return sendJson(response, { status: "ok", model_loaded: true })
    if (request.path !== "/upload") return void response.writeHead(404).end()
    waiting.push(() =>
      sendJson(response, {
        success: true,
        overlay_image: Buffer.from(Fixtures.image).toString("base64"),
        analysis_results: { image_shape: { height: 32, width: 48 }, classes: {} }
      })
    )
  })
  return { url: service.url, waiting }
})

describe("segformer serve", () => {
  it.live("serves the model in the box", () =>
    Effect.gen(function* () {
      const { url } = yield* serving()
      const answer = yield* upload(url)
      assert.deepStrictEqual([answer.status, answer.json["success"]], [200, true])
      const current = yield* ask(`${url}/api/model/current`)
      assert.strictEqual(current.json["model_name"], "bundled")
    }).pipe(Effect.scoped)
  )

  it.live("told to stop, takes no new connection, finishes what it has begun, and ends with 0", () =>
    Effect.gen(function* () {
      for (const signal of ["SIGTERM", "SIGINT"] as const) {
        const behind = yield* slowService
        const { running, url } = yield* serving("--url", behind.url)
        const first = yield* Effect.forkChild(upload(url))
        yield* eventually(() => behind.waiting.length === 1)
        running.process.kill(signal)
        yield* eventually(() => running.stderr().includes("Stopping"))
        // It says so, and closes: which comes first is the system's affair.
        yield* eventually(
          () =>
            new Promise<boolean>((resolve) => {
              const socket = connect(Number(new URL(url).port), "127.0.0.1")
              socket.on("connect", () => {
                socket.destroy()
                resolve(false)
              })
              socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"))
            }),
          "connections to be refused"
        )
        behind.waiting[0]?.()
        const answer = yield* Fiber.join(first)
        assert.deepStrictEqual([answer.status, answer.json["success"]], [200, true])
        const { code } = yield* Effect.promise(() => running.ended)
        assert.strictEqual(code, 0)
      }
    }).pipe(Effect.scoped)
  )

  it.live("waits no longer than told for what does not finish", () =>
    Effect.gen(function* () {
      const behind = yield* slowService
      const { running, url } = yield* serving("--url", behind.url, "--drain", "1")
      const hanging = yield* Effect.forkChild(Effect.exit(upload(url)))
      // Neither does a connection that has begun to say something and never ends.
      const half = connect(Number(new URL(url).port), "127.0.0.1", () => half.write("GET /health HT"))
      half.on("error", () => {})
      yield* eventually(() => behind.waiting.length === 1)
      running.process.kill("SIGTERM")
      const { code } = yield* Effect.promise(() => running.ended)
      assert.strictEqual(code, 0)
      yield* Fiber.join(hanging)
    }).pipe(Effect.scoped)
  )

  it.live("says why it cannot start, and ends with 3", () =>
    Effect.gen(function* () {
      const behind = yield* slowService
      const { port } = yield* serve()
      const taken = yield* run(["serve", "--port", String(port), "--url", behind.url])
      assert.strictEqual(taken.code, 3)
      assert.match(taken.stderr, /choose another port\n$/)
      const model = yield* run(["serve", "--model", "./no-model"])
      assert.strictEqual(model.code, 3)
      assert.match(model.stderr, /^segformer: Cannot load the model /)
    }).pipe(Effect.scoped)
  )
})

describe("segformer health", () => {
  it.live("tells of a service by words, JSON and exit code", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const well = yield* run(["health", "--url", url])
      assert.deepStrictEqual([well.code, well.stderr], [0, ""])
      assert.match(well.stdout, /: ready, model /)
      const port = yield* closedPort
      const dead = yield* run(["health", "--url", `http://127.0.0.1:${port}`, "--json"])
      assert.strictEqual(dead.code, 3)
      assert.deepInclude(lines(dead.stdout)[0], { healthy: false })
      const unloaded = yield* http((_, response) => sendJson(response, { status: "ok", model_loaded: false }))
      const ill = yield* run(["health", "--url", unloaded.url])
      assert.strictEqual(ill.code, 3)
      assert.match(ill.stderr, /no model is loaded/)
    }).pipe(Effect.scoped)
  )
})

describe("segformer worker", () => {
  it.live("whose Redis is not there ends with 3, and says that it is Redis", () =>
    Effect.gen(function* () {
      const redis = `redis://127.0.0.1:${yield* closedPort}`
      const db = "postgres://user:secret@127.0.0.1:1/runs"
      const { code, stderr } = yield* run(["worker", "--db", db, "--redis", redis])
      assert.strictEqual(code, 3)
      assert.match(stderr, /^segformer: Redis cannot be used: .*ECONNREFUSED/m)
      assert.notInclude(stderr, "secret")
    })
  )
})
