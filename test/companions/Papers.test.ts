/** Papers over a VPN: submit, poll, download, against a plain `node:http` service that is written from its description. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, Layer, Logger, References } from "effect"
import { TestClock } from "effect/testing"
import { Retrieval } from "effect-segformer/companions"
import { ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { FakeHttp } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import * as TestServer from "../support/TestServer.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")
const doi = "10.1000/182"
const paper = Buffer.from("%PDF-1.7 a paper")

const within = <A, E>(env: Record<string, string>, self: Effect.Effect<A, E, Retrieval>) =>
  Effect.provide(
    self,
    Retrieval.layer.pipe(
      Layer.provide([ServiceRegistry.layer(), NodeHttp.layer(), NodeFileSystem.layer]),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
    )
  )

/** A service whose job is in each of these states in turn, and stays in the last. */
const service = (
  states: ReadonlyArray<Record<string, unknown>>,
  health: Record<string, unknown> = { status: "healthy", vpn_connected: true, vpn_ip: "10.8.0.2", uptime: 7 }
) =>
  Effect.gen(function* () {
    let asked = 0
    return yield* TestServer.http(({ method, path }, response) => {
      if (path === "/health") return TestServer.sendJson(response, health)
      if (path === "/jobs/42/file") return void response.writeHead(200).end(paper)
      const state = states[Math.min(asked++, states.length - 1)]
      if (method === "POST" && path === "/retrieve")
        return TestServer.sendJson(response, { job_id: 42, ...state }, 202)
      return TestServer.sendJson(response, { job_id: 42, ...state }, path === "/jobs/42" ? 200 : 404)
    })
  })

const soon = { interval: 1 } as const

describe("a paper", () => {
  it.live("comes with its job's result, and with what was asked of it", () =>
    Effect.gen(function* () {
      const server = yield* service([
        { status: "pending" },
        { status: "searching" },
        { status: "downloading", progress: 0.5 },
        { status: "completed", doi: null, file_size: paper.length, file_format: "pdf", source: "library" }
      ])
      const at = yield* folder()
      const told: Array<string> = []
      const found = yield* within(
        { RETRIEVAL_SERVICE_HOST: "127.0.0.1", RETRIEVAL_SERVICE_PORT: String(server.port) },
        Effect.flatMap(Retrieval, (it) =>
          it.retrieveAndDownload(
            { doi, title: "A paper", authors: ["Ada", "Grace"], timeout_seconds: 30 },
            { ...soon, folder: at, onStatus: ({ _tag }) => Effect.sync(() => void told.push(_tag)) }
          )
        )
      )
      assert.strictEqual(found.path, join(at, "10.1000_182.pdf"))
      assert.deepStrictEqual(readFileSync(found.path), paper)
      assert.deepInclude(found.job, {
        job_id: "42",
        status: "completed",
        doi,
        title: "A paper",
        authors: ["Ada", "Grace"],
        file_format: "pdf",
        file_size: paper.length,
        source: "library"
      })
      assert.deepStrictEqual(told, ["Queued", "Running", "Running", "Succeeded"])
      assert.deepStrictEqual(JSON.parse(server.requests[0]!.body.toString()), {
        doi,
        title: "A paper",
        authors: ["Ada", "Grace"],
        timeout_seconds: 30
      })
    }).pipe(quiet, Effect.scoped)
  )

  it.live("that cannot be had is an error, or a value where that is asked for", () =>
    Effect.gen(function* () {
      const codes = ["NOT_FOUND", "DOWNLOAD_FAILED", "VPN_ERROR", "TIMEOUT"]
      for (const error_code of codes) {
        const server = yield* service([
          { status: "pending" },
          { status: "failed", error: "no way", error_code }
        ])
        yield* within(
          { RETRIEVAL_SERVICE_URL: server.url },
          Effect.gen(function* () {
            const retrieval = yield* Retrieval
            const error = yield* Effect.flip(retrieval.retrieve({ doi }, soon))
            assert.deepInclude(error, { _tag: "JobFailed", jobId: "42", code: error_code, detail: "no way" })
            assert.notMatch(error.message, /model/)
            const job = yield* retrieval.settle({ doi, title: "T" }, soon)
            assert.deepEqual(job, {
              job_id: "42",
              status: "failed",
              error: "no way",
              error_code,
              doi,
              title: "T"
            })
          })
        )
      }
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("is waited for as long as the service may look, also for less than two minutes", () =>
    Effect.gen(function* () {
      const searching = FakeHttp.json({ job_id: "42", status: "searching" })
      for (const [options, request, after] of [
        [{}, { timeout_seconds: 0.05 }, 50],
        [{ deadline: "60 millis" }, {}, 60],
        [{ deadline: 70 }, { timeout_seconds: 300 }, 70]
      ] as const) {
        const layer = Retrieval.layer.pipe(
          Layer.provide([ServiceRegistry.layerOf({ retrieval: "http://fake" }), NodeFileSystem.layer]),
          Layer.provide(FakeHttp.script(Array.from({ length: 100 }, () => searching)))
        )
        let told = 0
        const onStatus = () => Effect.sync(() => void told++)
        const waiting = yield* Effect.forkChild(
          Effect.flatMap(Retrieval, (it) =>
            Effect.flip(it.retrieve({ doi, ...request }, { ...soon, ...options, onStatus }))
          ).pipe(Effect.provide(layer))
        )
        // Its time stands still until the job has been taken.
        yield* eventually(() => told > 0, "the job to be taken")
        yield* TestClock.adjust(after - 1)
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust(1)
        const error = yield* Fiber.join(waiting)
        assert.deepInclude(error, { _tag: "PaperNotReady", jobId: "42", doi })
        assert.strictEqual(
          error.message,
          `The paper ${doi} was not there within ${after}ms: job 42 at retrieval is not over, and may be asked for later. Raise \`timeout_seconds\` or \`deadline\` if that is to be expected`
        )
      }
    }).pipe(quiet)
  )

  it.effect("is asked for every 2 seconds, or as the caller says", () =>
    Effect.gen(function* () {
      /** Questions that have been asked after so many seconds. */
      const keeps = (options: object, counts: ReadonlyArray<number>) =>
        Effect.gen(function* () {
          const pending = FakeHttp.json({ job_id: "1", status: "pending" })
          const layer = Layer.provideMerge(
            Retrieval.layer.pipe(
              Layer.provide([ServiceRegistry.layerOf({ retrieval: "http://fake" }), NodeFileSystem.layer])
            ),
            FakeHttp.script(Array.from({ length: 100 }, () => pending))
          )
          yield* Effect.gen(function* () {
            const { retrieve } = yield* Retrieval
            const { requests } = yield* FakeHttp.Recorded
            const waiting = yield* Effect.forkChild(retrieve({ doi }, options))
            for (const count of counts) {
              // The fake answers in its own time. One question too many is never taken back.
              yield* eventually(
                () => Effect.map(requests, (all) => all.length - 1 === count),
                `${count} questions`
              )
              yield* TestClock.adjust("1 second")
            }
            yield* Fiber.interrupt(waiting)
          }).pipe(Effect.provide(layer))
        })
      yield* keeps({}, [0, 0, 1, 1, 2, 2, 3, 3, 4])
      yield* keeps({ interval: "1 second" }, [0, 1, 2, 3])
      yield* keeps({ interval: "1 second", growth: 2 }, [0, 1, 1, 2, 2, 2, 2, 3])
    }).pipe(quiet)
  )

  it.live("RETRIEVAL_SERVICE_MAX_RETRIES and its like hold for each request of a job", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, { error: "busy" }, 503)
      )
      const asked = (env: Record<string, string>) =>
        Effect.gen(function* () {
          const before = server.requests.length
          yield* within(
            { RETRIEVAL_SERVICE_URL: server.url, RETRIEVAL_SERVICE_RETRY_DELAY: "1", ...env },
            Effect.flatMap(Retrieval, (it) => Effect.exit(it.retrieve({ doi }, soon)))
          )
          return server.requests.length - before
        })
      assert.deepStrictEqual(
        [
          yield* asked({ RETRIEVAL_SERVICE_MAX_RETRIES: "0" }),
          yield* asked({}),
          yield* asked({ RETRIEVAL_SERVICE_MAX_RETRIES: "1" })
        ],
        [1, 4, 2]
      )
    }).pipe(quiet, Effect.scoped)
  )
})

describe("the VPN", () => {
  it.live("is in the health that a caller gets; what is wrong is a line at Debug", () =>
    Effect.gen(function* () {
      const rows = [
        [
          { status: "healthy", vpn_connected: true, vpn_ip: "10.8.0.2" },
          { healthy: true, vpn_connected: true, vpn_ip: "10.8.0.2" }
        ],
        [
          { status: "degraded", vpn_connected: false, vpn_ip: null },
          { healthy: false, vpn_connected: false }
        ]
      ] as const
      for (const [answer, expected] of rows) {
        const server = yield* service([], answer)
        const lines: Array<string> = []
        const layer = Logger.layer([
          Logger.make(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
        ])
        const { detail, ...health } = yield* within(
          { RETRIEVAL_SERVICE_URL: server.url },
          Effect.flatMap(Retrieval, (it) => it.health)
        ).pipe(Effect.provide(layer), Effect.provideService(References.MinimumLogLevel, "Debug"))
        assert.deepStrictEqual(health, expected)
        assert.include(detail, answer.status)
        const told = lines.filter((line) => line.includes("is not healthy"))
        assert.lengthOf(told, expected.healthy ? 0 : 1)
        // The requests of a check are no more than that either.
        assert.isTrue(
          lines.every((line) => line.startsWith("Debug")),
          lines.join("\n")
        )
      }
    }).pipe(Effect.scoped)
  )

  it.effect("of nobody's service in production is not asked: it says what to set", () =>
    Effect.gen(function* () {
      const health = yield* within(
        { ENVIRONMENT: "production" },
        Effect.flatMap(Retrieval, (it) => it.health)
      )
      assert.isFalse(health.healthy)
      assert.match(health.detail, /set RETRIEVAL_SERVICE_URL/)
    })
  )
})
