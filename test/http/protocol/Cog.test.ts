import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Logger, Result, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import { ImageSource, segment } from "effect-segformer"
import { Cog, SegFormerHttp } from "effect-segformer/http"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { eventually, hangs } from "../../support/Eventually.ts"
import { passing } from "../../support/Passing.ts"
import { sendJson } from "../../support/TestServer.ts"
import * as CogServer from "../servers/CogServer.ts"

const { labelMap } = Fixtures.prediction
const mask = Result.getOrThrow(LabelPng.encode(labelMap))
const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
const quick = { interval: "5 millis", maxInterval: "5 millis" } as const

const layer = (server: CogServer.CogServer, options: Cog.CogOptions = {}) =>
  SegFormerHttp.layer({
    baseUrl: server.url,
    protocol: Cog.make({ classes: Fixtures.classes, ...options, job: { ...quick, ...options.job } }),
    policy: { retry: { delay: "5 millis" } }
  })
const segmentAt = (server: CogServer.CogServer, options?: Cog.CogOptions) =>
  segment(image).pipe(Effect.provide(layer(server, options)))

const test = (
  name: string,
  body: (server: CogServer.CogServer) => Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>
) =>
  it.live(name, () =>
    Effect.flatMap(CogServer.make(mask), body).pipe(
      Effect.provide([NodeHttpClient.layerUndici, Logger.layer([])]),
      Effect.scoped
    )
  )
const puts = (server: CogServer.CogServer) => server.requests.filter(({ method }) => method === "PUT")

describe("Cog", () => {
  test("asks once, under an id of ours, and reads the mask from its data URL", (server) =>
    Effect.gen(function* () {
      const segmentation = yield* segmentAt(server, { input: "picture", inputs: { threshold: 0.5 } })
      assert.isTrue(LabelMap.equals(yield* segmentation.labelMap, labelMap))
      assert.strictEqual(server.requests.length, 1)
      assert.match(server.requests[0]!.path, /^\/predictions\/[0-9a-f]{32}$/)
      assert.deepStrictEqual(server.runs, [
        {
          threshold: 0.5,
          picture: `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`
        }
      ])
    }))

  test("`POST` for servers that have nothing else", (server) =>
    Effect.gen(function* () {
      yield* segmentAt(server, { method: "POST" })
      assert.deepStrictEqual(
        server.requests.map(({ method, path }) => `${method} ${path}`),
        ["POST /predictions"]
      )
    }))

  const states = [
    ["READY", true, "ready"],
    ["BUSY", true, "ready, and busy with another prediction"],
    ["STARTING", false, "its model is still being set up"],
    ["SETUP_FAILED", false, "setting its model up has failed"],
    ["DEFUNCT", false, "it has broken down and must be started again"],
    ["UNHEALTHY", false, "its own check of its health fails"],
    ["SLEEPING", false, 'its status is "SLEEPING"']
  ] as const
  for (const [state, healthy, detail] of states) {
    test(`health by the field, not the status: ${state}`, (server) =>
      Effect.gen(function* () {
        server.state.health = state
        const transport = yield* SegFormerHttp.make({ baseUrl: server.url, protocol: Cog.make() })
        assert.deepStrictEqual(yield* transport.health, { healthy, detail })
      }))
  }
})

describe("Cog: what goes wrong", () => {
  test("a lost answer is asked for again under the same id, and the prediction runs once", (server) =>
    Effect.gen(function* () {
      let lost = 0
      server.state.lose = () => lost++ < 2
      yield* segmentAt(server)
      assert.strictEqual(puts(server).length, 3)
      assert.strictEqual(new Set(puts(server).map(({ path }) => path)).size, 1)
      assert.strictEqual(server.runs.length, 1)
    }))

  test("with `POST` a lost answer is not asked for again", (server) =>
    Effect.gen(function* () {
      server.state.lose = () => true
      const error = yield* Effect.flip(segmentAt(server, { method: "POST" }))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.deepStrictEqual([server.requests.length, server.runs.length], [1, 1])
    }))

  for (const method of ["PUT", "POST"] as const) {
    test(`a busy model is waited for, and each prediction runs once (${method})`, (server) =>
      Effect.gen(function* () {
        server.state.takes = 30
        const both = Effect.all(
          Array.from({ length: 4 }, () => segment(image)),
          { concurrency: "unbounded" }
        )
        const segmentations = yield* Effect.provide(both, layer(server, { method }))
        assert.strictEqual(segmentations.length, 4)
        assert.strictEqual(server.runs.length, 4)
        // Four at once on one slot: some were told that it is busy, and none of them asked without a pause.
        assert.isAbove(server.requests.length, 4)
        assert.isBelow(server.requests.length, 200)
      }))
  }

  test("a model that stays busy is given up at the deadline", (server) =>
    Effect.gen(function* () {
      server.state.before = (request, response) => {
        if (request.method === "PUT") sendJson(response, { detail: "Already running a prediction" }, 409)
        return request.method === "PUT"
      }
      const error = yield* Effect.flip(segmentAt(server, { job: { deadline: "100 millis" } }))
      assert.strictEqual(error._tag, "TimedOut")
      assert.isBelow(puts(server).length, 25)
    }))

  test("who is interrupted closes the connection and cancels, without waiting for the answer", (server) =>
    Effect.gen(function* () {
      // Longer than a test may take: that it ends means that nobody waited for the answer.
      server.state.takes = 2 * hangs
      const fiber = yield* Effect.forkChild(segmentAt(server))
      yield* eventually(() => server.runs.length > 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(server.cancelled.length, 1)
      assert.include(puts(server)[0]!.path, server.cancelled[0]!)
    }))

  const ends = [
    [{ status: "failed", error: "CUDA out of memory" }, "JobFailed"],
    [{ status: "canceled" }, "JobCancelled"],
    [{ status: "dreaming" }, "UnknownJobStatus"],
    [{ status: "succeeded", output: 7 }, "ResponseNotDecodable"],
    [{ output: "x" }, "ResponseNotDecodable"]
  ] as const
  for (const [answer, tag] of ends) {
    test(`${JSON.stringify(answer)} is ${tag}, after one run`, (server) =>
      Effect.gen(function* () {
        server.state.answer = answer
        const error = yield* Effect.flip(segmentAt(server))
        assert.strictEqual(error._tag, tag)
        assert.strictEqual(server.runs.length, 1)
      }))
  }

  test("503 for ever is 4 requests", (server) =>
    Effect.gen(function* () {
      server.state.before = (_, response) => {
        sendJson(response, { detail: "setup is not over" }, 503)
        return true
      }
      assert.strictEqual((yield* Effect.flip(segmentAt(server)))._tag, "ServiceUnavailable")
      assert.strictEqual(server.requests.length, 4)
    }))

  it.effect("an attempt time-out of the transport is that of the request that stalls", () =>
    Effect.gen(function* () {
      const server = yield* CogServer.make(mask)
      // Longer than a test may take: that it ends means that nobody waited for the answer.
      server.state.takes = 2 * hangs
      const transport = SegFormerHttp.layer({
        baseUrl: server.url,
        protocol: Cog.make({ job: quick }),
        policy: { attemptTimeout: "10 seconds", retry: { times: 1, delay: "5 millis" } }
      })
      const error = yield* passing(Effect.flip(segment(image).pipe(Effect.provide(transport))), () =>
        puts(server).length > 0 ? 25 : 0
      )
      assert.strictEqual(error._tag, "TimedOut")
      assert.deepStrictEqual([puts(server).length, server.runs.length], [2, 1])
    }).pipe(Effect.provide([NodeHttpClient.layerUndici, Logger.layer([])]), Effect.scoped)
  )
})
