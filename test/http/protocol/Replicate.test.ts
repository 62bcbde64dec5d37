import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Logger, Redacted, Result, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { ImageSource, segment } from "effect-segformer"
import { Replicate, SegFormerHttp } from "effect-segformer/http"
import { ClassTable, LabelMap, LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../../support/Eventually.ts"
import { passing } from "../../support/Passing.ts"
import { http, sendJson } from "../../support/TestServer.ts"
import * as ReplicateServer from "../servers/ReplicateServer.ts"

const { labelMap } = Fixtures.prediction
const mask = Result.getOrThrow(LabelPng.encode(labelMap))
const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
const quick = { interval: "5 millis", maxInterval: "5 millis" } as const
const policy = { retry: { delay: "5 millis" } } as const

const start = ReplicateServer.make(mask)
const segmentAt = (
  server: ReplicateServer.ReplicateServer,
  options: Partial<Replicate.ReplicateOptions> = {},
  http: Partial<SegFormerHttp.SegFormerHttpOptions> = {}
) =>
  segment(image).pipe(
    Effect.provide(
      SegFormerHttp.layer({
        baseUrl: server.url,
        apiKey: Redacted.make(ReplicateServer.token),
        protocol: Replicate.make({
          version: "v1",
          classes: Fixtures.classes,
          hosts: [new URL(server.delivery.url).host],
          ...options,
          job: { ...quick, ...options.job }
        }),
        policy,
        ...http
      })
    )
  )

const test = (
  name: string,
  body: (
    server: ReplicateServer.ReplicateServer
  ) => Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>
) =>
  it.live(name, () =>
    Effect.flatMap(start, body).pipe(
      Effect.provide([NodeHttpClient.layerUndici, Logger.layer([])]),
      Effect.scoped
    )
  )
const of = (server: ReplicateServer.ReplicateServer, method: string, path: RegExp) =>
  server.requests.filter((request) => request.method === method && path.test(request.path))

describe("Replicate", () => {
  test("submits, asks, and fetches the output from where it lies", (server) =>
    Effect.gen(function* () {
      server.state.polls = 3
      const segmentation = yield* segmentAt(server, { inputs: { threshold: 0.5 } })
      assert.isTrue(LabelMap.equals(yield* segmentation.labelMap, labelMap))
      assert.deepStrictEqual(segmentation.classes, Fixtures.classes)
      assert.strictEqual(segmentation.cost.attempts, 1)
      const [prediction] = server.predictions.values()
      assert.strictEqual(prediction?.input["threshold"], 0.5)
      const sent = String(prediction?.input["image"])
      assert.strictEqual(sent, `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`)
      assert.deepStrictEqual(
        [of(server, "POST", /predictions$/).length, of(server, "GET", /./).length, server.executions()],
        [1, 3, 1]
      )
      assert.strictEqual(of(server, "POST", /cancel/).length, 0)
    }))

  test("the key goes to the service and never to where its files lie", (server) =>
    Effect.gen(function* () {
      yield* segmentAt(server)
      const [file] = server.delivery.requests
      assert.isDefined(file)
      assert.notProperty(file!.headers, "authorization")
      assert.notProperty(file!.headers, "idempotency-key")
      assert.notProperty(file!.headers, "x-request-id")
      assert.include(file!.path, "signature=s3cret")
    }))

  test("a file at the service itself is fetched with the key", (server) =>
    Effect.gen(function* () {
      server.state.output = `${server.url}/v1/files/mask.png`
      server.state.before = (request, response) => {
        if (request.path !== "/v1/files/mask.png") return false
        const isKnown = request.headers.authorization === `Bearer ${ReplicateServer.token}`
        response.writeHead(isKnown ? 200 : 401, { "content-type": "image/png" }).end(isKnown ? mask : "")
        return true
      }
      yield* segmentAt(server, { hosts: [] })
    }))

  test("with `wait` one request is enough", (server) =>
    Effect.gen(function* () {
      yield* segmentAt(server, { wait: "30 seconds" })
      assert.strictEqual(server.requests.length, 1)
      assert.strictEqual(server.requests[0]!.headers.prefer, "wait=30")
    }))

  test("addresses of its `urls` at another origin are not called", (server) =>
    Effect.gen(function* () {
      const elsewhere = yield* http((_, response) => sendJson(response, {}))
      server.state.origin = elsewhere.url
      yield* segmentAt(server)
      assert.strictEqual(elsewhere.requests.length, 0)
      assert.strictEqual(of(server, "GET", /^\/v1\/predictions\/p1$/).length, 2)
    }))

  test("a file at a host that is not allowed is not fetched, and the job is not run again", (server) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(segmentAt(server, { hosts: ["replicate.delivery"] }))
      assert.strictEqual(error._tag, "InvalidUrl")
      assert.match(error.message, /its host is not in `hosts`/)
      assert.notInclude(error.message, "s3cret")
      assert.strictEqual(server.delivery.requests.length, 0)
      assert.strictEqual(server.executions(), 1)
    }))

  test("nor is one that an allowed host redirects to", (server) =>
    Effect.gen(function* () {
      const secret = yield* http((_, response) => sendJson(response, { token: "of the cloud" }))
      const redirecting = yield* http((_, response) => {
        response.writeHead(302, { location: `${secret.url}/latest/meta-data` }).end()
      })
      server.state.output = `${redirecting.url}/mask.png`
      const error = yield* Effect.flip(segmentAt(server, { hosts: [new URL(redirecting.url).host] }))
      assert.strictEqual(error._tag, "RedirectRefused")
      assert.strictEqual(secret.requests.length, 0)
    }))

  test("outputs in other shapes", (server) =>
    Effect.gen(function* () {
      const file = `${server.delivery.url}/mask.png`
      const data = `data:image/png;base64,${Buffer.from(mask).toString("base64")}`
      const rows = Array.from({ length: labelMap.height }, (_, y) =>
        Array.from(labelMap.data.subarray(y * labelMap.width, (y + 1) * labelMap.width))
      )
      const outputs: ReadonlyArray<unknown> = [
        [file],
        { mask: file, overlay: data },
        { only: file },
        data,
        { mask: rows }
      ]
      for (const output of outputs) {
        server.state.output = output
        const segmentation = yield* segmentAt(server)
        assert.isTrue(LabelMap.equals(yield* segmentation.labelMap, labelMap))
      }
      server.state.output = { mask: file, overlay: data }
      const pictured = yield* segmentAt(server, { mask: { at: "mask" }, pictures: { overlay: "overlay" } })
      assert.deepStrictEqual(pictured.pictures.overlay, mask)
      assert.isTrue(LabelMap.equals(yield* pictured.labelMap, labelMap))
      const rendered = yield* segmentAt(server, { pictures: { overlay: "overlay" } })
      assert.strictEqual((yield* Effect.flip(rendered.labelMap))._tag, "NoLabelMap")
    }))

  test("describes itself and says whether it is there", (server) =>
    Effect.gen(function* () {
      const make = (model: string) =>
        SegFormerHttp.make({
          baseUrl: server.url,
          apiKey: Redacted.make(ReplicateServer.token),
          protocol: Replicate.make({ version: "v1", model, classes: Fixtures.classes })
        })
      const transport = yield* make("acme/segformer")
      assert.isTrue((yield* transport.health).healthy)
      const described = yield* transport.describe
      assert.deepStrictEqual(described, { name: "acme/segformer", classes: Fixtures.classes })
      const gone = yield* make("acme/gone")
      assert.strictEqual((yield* Effect.flip(gone.health))._tag, "NotFound")
    }))
})

describe("Replicate: what goes wrong", () => {
  const ends = [
    ["failed", "CUDA out of memory", "JobFailed", /CUDA out of memory/],
    ["canceled", null, "JobCancelled", /was cancelled/],
    ["hibernating", null, "UnknownJobStatus", /"hibernating"/]
  ] as const
  for (const [end, said, tag, message] of ends) {
    test(`a prediction that ends as ${end} is ${tag}, run once`, (server) =>
      Effect.gen(function* () {
        Object.assign(server.state, { end, error: said })
        const error = yield* Effect.flip(segmentAt(server, {}, { policy: { retry: { times: 3 } } }))
        assert.strictEqual(error._tag, tag)
        assert.match(error.message, message)
        assert.strictEqual(server.executions(), 1)
      }))
  }

  test("a submission whose answer is lost is sent again with its key where that is wanted, and runs once", (server) =>
    Effect.gen(function* () {
      let lost = 0
      server.state.before = (request, response) => {
        if (request.method !== "POST" || lost === 2) return false
        if (lost++ === 0) {
          // The prediction starts, and nobody is told.
          server.accept(request)
        }
        response.destroy()
        return true
      }
      yield* segmentAt(server, {}, { policy: { resend: "always", retry: { delay: "2 millis" } } })
      const submissions = of(server, "POST", /predictions$/)
      assert.strictEqual(submissions.length, 3)
      assert.strictEqual(new Set(submissions.map(({ headers }) => headers["idempotency-key"])).size, 1)
      assert.strictEqual(new Set(submissions.map(({ headers }) => headers["x-request-id"])).size, 1)
      assert.strictEqual(server.executions(), 1)
    }))

  test("answers to questions that are lost are asked for again, and the job is not", (server) =>
    Effect.gen(function* () {
      let lost = 0
      server.state.before = (request, response) => {
        if (request.method !== "GET" || lost === 3) return false
        lost++
        response.destroy()
        return true
      }
      yield* segmentAt(server)
      assert.deepStrictEqual([lost, server.executions()], [3, 1])
    }))

  test("a file whose connection breaks is fetched again, and the job is not run again", (server) =>
    Effect.gen(function* () {
      let asked = 0
      const flaky = yield* http((_, response) => {
        response.writeHead(200, { "content-type": "image/png", "content-length": mask.length })
        if (asked++ === 0) response.write(mask.subarray(0, 20), () => response.destroy())
        else response.end(mask)
      })
      server.state.output = `${flaky.url}/mask.png`
      yield* segmentAt(server, { hosts: [new URL(flaky.url).host] })
      assert.deepStrictEqual([asked, server.executions()], [2, 1])
    }))

  test("503 for ever, with a time to come back at, to the submission is 4 requests, whatever is around them", (server) =>
    Effect.gen(function* () {
      server.state.before = (_, response) => {
        response.setHeader("retry-after", "0")
        sendJson(response, { detail: "maintenance" }, 503)
        return true
      }
      const error = yield* Effect.flip(
        segmentAt(server, {}, { policy: { retry: { times: 3, delay: "2 millis" } } })
      )
      assert.strictEqual(error._tag, "ServiceUnavailable")
      assert.strictEqual(server.requests.length, 4)
    }))

  test("503 for ever to the questions is 4 of them, one job, and an attempt to cancel it", (server) =>
    Effect.gen(function* () {
      server.state.before = (request, response) => {
        if (request.method !== "GET") return false
        sendJson(response, { detail: "maintenance" }, 503)
        return true
      }
      const error = yield* Effect.flip(segmentAt(server))
      assert.strictEqual(error._tag, "ServiceUnavailable")
      assert.strictEqual(of(server, "GET", /./).length, 4)
      assert.deepStrictEqual([server.executions(), of(server, "POST", /cancel$/).length], [1, 1])
    }))

  test("a retry of the caller's own does not start a second job", (server) =>
    Effect.gen(function* () {
      server.state.before = (request, response) => {
        if (request.method !== "GET") return false
        sendJson(response, {}, 503)
        return true
      }
      const protocol = Replicate.make({ version: "v1", job: quick })
      const transport = SegFormerHttp.layer({
        baseUrl: server.url,
        apiKey: Redacted.make(ReplicateServer.token),
        protocol,
        policy
      })
      const again = { retry: { times: 3, delay: "1 millis" } } as const
      yield* Effect.flip(segment(image, { policy: again }).pipe(Effect.provide(transport)))
      assert.strictEqual(server.executions(), 1)
      assert.strictEqual(of(server, "POST", /predictions$/).length, 1)
    }))

  it.effect("a prediction that never ends is given up at the deadline, and cancelled", () =>
    Effect.gen(function* () {
      const server = yield* start
      server.state.polls = Number.MAX_SAFE_INTEGER
      const asked = Effect.flip(segmentAt(server, { job: { deadline: "1 second" } }))
      const error = yield* passing(asked, () => (of(server, "POST", /predictions$/).length > 0 ? 5 : 0))
      assert.strictEqual(error._tag, "TimedOut")
      assert.strictEqual(server.predictions.get("p1")?.status, "canceled")
      // 5 ms apart at the closest.
      assert.isAtMost(of(server, "GET", /./).length, 200)
    }).pipe(Effect.provide([NodeHttpClient.layerUndici, Logger.layer([])]), Effect.scoped)
  )

  test("who is interrupted cancels the prediction", (server) =>
    Effect.gen(function* () {
      server.state.polls = Number.MAX_SAFE_INTEGER
      const fiber = yield* Effect.forkChild(segmentAt(server))
      yield* eventually(() => of(server, "GET", /./).length > 0)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(server.predictions.get("p1")?.status, "canceled")
      const asked = server.requests.length
      yield* Effect.sleep("30 millis")
      assert.strictEqual(server.requests.length, asked)
    }))

  it.effect("questions are never earlier than the service asks for", () =>
    Effect.gen(function* () {
      const server = yield* start
      server.state.headers = { "retry-after-ms": "60" }
      const { clock } = yield* TestClock.testClockWith((clock) => Effect.succeed({ clock }))
      const times: Array<number> = []
      server.state.before = (request) => {
        if (request.method === "GET") times.push(clock.currentTimeMillisUnsafe())
        return false
      }
      yield* Effect.forkChild(Effect.forever(TestClock.adjust("1 millis")))
      yield* segmentAt(server)
      assert.strictEqual(times.length, 2)
      assert.isAtLeast(times[1]! - times[0]!, 60)
    }).pipe(Effect.provide([NodeHttpClient.layerUndici, Logger.layer([])]), Effect.scoped)
  )

  const broken: ReadonlyArray<readonly [string, unknown, RegExp]> = [
    ["no mask", null, /`output`: there is no mask/],
    ["a number", 7, /`output`/],
    ["base64 that is none", "data:image/png;base64,%%%", /`output`: it is no base64/],
    [
      "a PNG that is none",
      `data:image/png;base64,${Buffer.from("no picture at all").toString("base64")}`,
      /no/
    ]
  ]
  for (const [name, output, message] of broken) {
    test(`an output that is ${name} is not decodable, and not paid for again`, (server) =>
      Effect.gen(function* () {
        server.state.output = output
        const error = yield* Effect.flip(segmentAt(server))
        assert.strictEqual(error._tag, "ResponseNotDecodable")
        assert.match(error.message, message)
        assert.strictEqual(server.executions(), 1)
      }))
  }

  test("a file that is too large is not read on", (server) =>
    Effect.gen(function* () {
      const endless = yield* http((_, response) => {
        response.writeHead(200, { "content-type": "image/png" })
        const more = () => {
          while (!response.destroyed && response.write(Buffer.alloc(64 * 1024)));
        }
        response.on("drain", more)
        more()
      })
      server.state.output = `${endless.url}/mask.png`
      const error = yield* Effect.flip(
        segmentAt(server, { hosts: [new URL(endless.url).host] }, { limits: { maxBodyBytes: 1_000_000 } })
      )
      assert.strictEqual(error._tag, "ResponseTooLarge")
    }))

  test("the key is in no error, and a wrong one is `Unauthorized` after one request", (server) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(segmentAt(server, {}, { apiKey: Redacted.make("r8_a-wrong-key") }))
      assert.match(String(Exit.isFailure(exit) && exit.cause), /Unauthorized/)
      assert.notInclude(JSON.stringify(exit), "r8_a-wrong-key")
      assert.strictEqual(server.requests.length, 1)
    }))

  test("ids of no class are not decodable", (server) =>
    Effect.gen(function* () {
      const classes = ClassTable.fromNames(["background"])
      const error = yield* Effect.flip(segmentAt(server, { classes }))
      assert.strictEqual(error._tag, "ResponseNotDecodable")
    }))
})
