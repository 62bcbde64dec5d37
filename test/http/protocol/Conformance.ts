/**
 * What a protocol must pass to be called supported: the same label map as in process, and the same tag for the same
 * fault. A subject is a protocol, a server that speaks it, and how that server goes wrong in the protocol's own way.
 */
import { gzipSync } from "node:zlib"
import type { ServerResponse } from "node:http"
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, References, type Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  ImageSource,
  type Policy,
  segment,
  type SegmentationError,
  type SegmentOptions,
  Transport
} from "effect-segformer"
import { type Protocol, SegFormerHttp } from "effect-segformer/http"
import type { ImageCodec } from "effect-segformer/image"
import { LabelMap } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import { SegFormerTest } from "effect-segformer/testing"
import { eventually } from "../../support/Eventually.ts"
import { passing } from "../../support/Passing.ts"
import * as TestServer from "../../support/TestServer.ts"
import * as Model from "../servers/Model.ts"

/** 64 MiB of zeros, packed once for all protocols. */
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))

/** What a server sends instead of the model's answer. */
export type Send = (response: ServerResponse) => void

export const json =
  (value: unknown, status = 200): Send =>
  (response) =>
    TestServer.sendJson(response, value, status)

export const text =
  (body: string | Uint8Array, type = "application/json", status = 200): Send =>
  (response) =>
    void response.writeHead(status, { "content-type": type }).end(body)

/** How the contents of an answer are wrong. A fault that a protocol cannot have is left out. */
export interface Contents {
  /** JSON, or what the protocol has, of another shape than it describes. */
  readonly wrongShape: Send
  /** `score: null`, where there are scores: this is well, and changes nothing. */
  readonly nullScore?: Send
  readonly notBase64?: Send
  readonly notPng?: Send
  /** Where the PNG ends early. */
  readonly cutPng?: Send
  /** A PNG of few bytes whose header promises far more pixels than the image has. */
  readonly hugePng?: Send
  readonly notANumber?: Send
  readonly outOfRange?: Send
  /** The label map at half the size. */
  readonly otherSize?: Send
}

export interface Subject {
  readonly name: string
  readonly server: Effect.Effect<Model.ModelServer, never, Scope.Scope>
  readonly protocol: Effect.Effect<Protocol, never, ImageCodec>
  /** An error's body as the protocol has it. */
  readonly errorBody: (message: string) => unknown
  readonly contents: Contents
  /** Its requests are repeated, and the job they make up counts as one attempt. */
  readonly isJob?: boolean
}

const message = "the lamp is off"

/** Fast retries, so that a test of four attempts takes milliseconds. */
const policy: Policy.PolicyOptions = {
  // What each protocol does by itself about services with a price is in Priced.test.ts.
  resend: "always",
  retry: { delay: "1 millis" },
  attemptTimeout: "5 seconds",
  breaker: false,
  retryBudget: false
}

const source = ImageSource.bytes(Model.image, { name: "panel.png" })

interface Options extends SegmentOptions {
  readonly limits?: undefined
  readonly http?: Partial<SegFormerHttp.SegFormerHttpOptions>
}

const transport = (subject: Subject, baseUrl: string, options?: Options) =>
  Layer.unwrap(
    Effect.map(subject.protocol, (protocol) =>
      SegFormerHttp.layer({ baseUrl, protocol, policy, ...options?.http })
    )
  ).pipe(Layer.provide(Layer.mergeAll(SharpCodec.layer, NodeHttpClient.layerUndici)))

const ask = (subject: Subject, baseUrl: string, options?: Options) =>
  segment(source, options).pipe(
    Effect.flatMap((segmentation) =>
      Effect.map(segmentation.labelMap, (labelMap) => ({ labelMap, segmentation }))
    ),
    Effect.provide(transport(subject, baseUrl, options)),
    // Each retry is logged as a warning, and there are hundreds.
    Effect.provideService(References.MinimumLogLevel, "None")
  )

/** The label map that the model gives in this process, without any protocol. */
const inProcess = Effect.flatMap(segment(source), (found) => found.labelMap).pipe(
  Effect.provide(
    SegFormerTest.layer(() =>
      Effect.succeed({ _tag: "Logits", logits: Model.logits, classes: Model.classes })
    )
  )
)

type Tag = SegmentationError["_tag"]

interface Fault {
  readonly name: string
  readonly send: (subject: Subject) => Send | undefined
  readonly tag: Tag
  /** Requests for a prediction that reach the service. */
  readonly requests: number
  readonly options?: Options
  /** Time stands still until it has been sent, and then passes. */
  readonly stalls?: boolean
  readonly check?: (error: SegmentationError) => void
}

const status =
  (code: number, headers: Record<string, string> = {}): Fault["send"] =>
  (subject) =>
  (response) =>
    TestServer.sendJson(response, subject.errorBody(message), code, headers)

const says = (error: SegmentationError) =>
  assert.include("detail" in error ? error.detail : "", message, "the service's own words")

const names = (error: SegmentationError) => {
  assert.isTrue(error._tag === "ResponseNotDecodable" && error.excerpt.length <= 200)
  assert.isFalse(error.isRetryable)
}

/** Besides, it names the field, unless it is the whole body that is wrong. */
const faults: ReadonlyArray<Fault> = [
  {
    name: "a reset before headers",
    send: () => (response) => response.destroy(),
    tag: "ConnectionFailed",
    requests: 4
  },
  {
    name: "a reset in the middle of the body",
    send: () => (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 10_000 })
      response.write("[{", () => response.destroy())
    },
    tag: "ConnectionFailed",
    requests: 4
  },
  {
    name: "a body that stalls",
    send: () => (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-length": 10_000 })
      response.write("[{")
    },
    tag: "TimedOut",
    requests: 1,
    stalls: true,
    options: { http: { policy: { ...policy, retry: false, attemptTimeout: "1 second" } } }
  },
  {
    name: "truncated JSON",
    send: () => text('{"predictions": [{"a'),
    tag: "ResponseNotDecodable",
    requests: 1,
    check: names
  },
  { name: "an empty body", send: () => text(""), tag: "ResponseNotDecodable", requests: 1, check: names },
  {
    name: "an HTML page with status 200",
    send: () => text(`<!doctype html><title>Sign in</title>${" ".repeat(2000)}`, "text/html"),
    tag: "ResponseNotDecodable",
    requests: 1,
    check: names
  },
  {
    name: "another shape",
    send: ({ contents }) => contents.wrongShape,
    tag: "ResponseNotDecodable",
    requests: 1,
    check: names
  },
  {
    name: "base64 that is none",
    send: ({ contents }) => contents.notBase64,
    tag: "ResponseNotDecodable",
    requests: 1,
    check: names
  },
  {
    name: "a PNG that is none",
    send: ({ contents }) => contents.notPng,
    tag: "ResponseNotDecodable",
    requests: 1,
    check: names
  },
  {
    name: "a PNG that is cut off",
    send: ({ contents }) => contents.cutPng,
    tag: "ResponseNotDecodable",
    requests: 1,
    check: names
  },
  {
    name: "a PNG of 81 million pixels for an image of 1,536",
    send: ({ contents }) => contents.hugePng,
    tag: "ResponseNotDecodable",
    requests: 1,
    check: (error) => {
      names(error)
      assert.include(error.message, "9000 x 9000 pixels are more than")
    }
  },
  {
    name: "NaN",
    send: ({ contents }) => contents.notANumber,
    tag: "ResponseNotDecodable",
    requests: 1,
    check: names
  },
  {
    name: "class ids out of range",
    send: ({ contents }) => contents.outOfRange,
    tag: "ResponseNotDecodable",
    requests: 1,
    check: names
  },
  {
    name: "a mask of another size, where that is refused",
    send: ({ contents }) => contents.otherSize,
    tag: "MaskNotDecodable",
    requests: 1,
    options: { otherSize: "refuse" },
    check: (error) => assert.include(error.message, "24 x 16")
  },
  { name: "401", send: status(401), tag: "Unauthorized", requests: 1, check: says },
  { name: "403", send: status(403), tag: "Unauthorized", requests: 1, check: says },
  { name: "404", send: status(404), tag: "NotFound", requests: 1, check: says },
  { name: "413", send: status(413), tag: "RequestRejected", requests: 1, check: says },
  { name: "422", send: status(422), tag: "RequestRejected", requests: 1, check: says },
  {
    name: "429 that asks to wait longer than the cap",
    send: status(429, { "retry-after": "120" }),
    tag: "RateLimited",
    requests: 1,
    check: (error) => {
      says(error)
      assert.isTrue(
        error._tag === "RateLimited" &&
          error.retryAfter !== undefined &&
          Duration.toSeconds(error.retryAfter) === 120
      )
    }
  },
  { name: "429 for ever", send: status(429), tag: "RateLimited", requests: 4, check: says },
  { name: "500", send: status(500), tag: "ServiceFailed", requests: 4, check: says },
  {
    name: "503 for ever",
    send: (subject) => (subject.name === "inspection" ? undefined : status(503)(subject)),
    tag: "ServiceUnavailable",
    requests: 4,
    check: says
  },
  {
    // Its word for a model that is not there yet.
    name: "503 for ever of the inspection service",
    send: (subject) => (subject.name === "inspection" ? status(503)(subject) : undefined),
    tag: "ModelLoading",
    requests: 4,
    check: says
  },
  { name: "504 for ever", send: status(504), tag: "ServiceUnavailable", requests: 4, check: says },
  {
    name: "a redirect",
    send: () => (response) =>
      void response.writeHead(307, { location: "http://127.0.0.1:9/elsewhere" }).end(),
    tag: "RedirectRefused",
    requests: 1
  },
  {
    name: "a body larger than the limit",
    send: () => (response) => {
      response.writeHead(200, { "content-type": "application/json" })
      response.end(Buffer.alloc(300_000, " "))
    },
    tag: "ResponseTooLarge",
    requests: 1,
    options: { http: { limits: { maxBodyBytes: 100_000 } } }
  },
  {
    name: "a gzip bomb",
    send: () => (response) => {
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
      response.end(bomb)
    },
    tag: "ResponseTooLarge",
    requests: 1,
    options: { http: { limits: { maxDecodedBytes: 1024 * 1024 } } }
  }
]

const predictions = (server: Model.ModelServer): number =>
  server.requests.filter(({ method }) => method === "POST" || method === "PUT").length

/** The layer has ended, and so must have every connection that it opened. */
const nothingLeft = (server: Model.ModelServer) =>
  eventually(() => server.sockets.size === 0, "the last connection to end")

/** The suite, for one protocol. */
export const conformance = (subject: Subject) =>
  describe(subject.name, () => {
    it.live("gives the same label map as the model in this process", () =>
      Effect.gen(function* () {
        const server = yield* subject.server
        const expected = yield* inProcess
        const { labelMap, segmentation } = yield* ask(subject, server.url)
        assert.isTrue(LabelMap.equals(labelMap, expected))
        assert.deepStrictEqual([...LabelMap.histogram(labelMap).keys()], [0, 1, 2])
        assert.strictEqual(predictions(server), 1)
        assert.strictEqual(segmentation.cost.attempts, 1)
        assert.deepStrictEqual(
          segmentation.classes.slice(0, 3).map(({ id, name }) => [id, name]),
          Model.classes.map(({ id, name }) => [id, name])
        )
      }).pipe(Effect.scoped)
    )

    it.live("sends a call's ids, and the service's address without its query in errors", () =>
      Effect.gen(function* () {
        const server = yield* subject.server
        server.state.fault = (_, response) => TestServer.sendJson(response, {}, 404)
        const error = yield* Effect.flip(ask(subject, `${server.url}/?token=secret`))
        assert.notInclude(error.message, "secret")
        const ids = new Set(server.requests.map(({ headers }) => headers["x-request-id"]))
        assert.strictEqual(ids.size, 1)
      }).pipe(Effect.scoped)
    )

    it.live("nobody listening is ConnectionFailed, after four attempts", () =>
      Effect.gen(function* () {
        const port = yield* TestServer.closedPort
        const error = yield* Effect.flip(ask(subject, `http://127.0.0.1:${port}`))
        assert.strictEqual(error._tag, "ConnectionFailed")
        assert.isTrue(error._tag === "ConnectionFailed" && error.sent === "no")
      })
    )

    for (const fault of faults) {
      const send = fault.send(subject)
      if (send === undefined) continue
      const test = fault.stalls === true ? it.effect : it.live
      test(`${fault.name} is ${fault.tag}`, () =>
        Effect.gen(function* () {
          const server = yield* subject.server
          server.state.fault = (_, response) => send(response)
          const asked = Effect.flip(ask(subject, server.url, fault.options))
          const error = yield* fault.stalls === true
            ? passing(asked, () => (predictions(server) === fault.requests ? 25 : 0))
            : asked
          assert.strictEqual(error._tag, fault.tag, error.message)
          assert.strictEqual(predictions(server), fault.requests)
          fault.check?.(error)
          yield* nothingLeft(server)
        }).pipe(Effect.scoped))
    }

    const { nullScore, otherSize } = subject.contents
    if (otherSize !== undefined) {
      it.live("a mask of another size is resized by nearest neighbours", () =>
        Effect.gen(function* () {
          const server = yield* subject.server
          server.state.fault = (_, response) => otherSize(response)
          const { labelMap } = yield* ask(subject, server.url)
          assert.isTrue(LabelMap.equals(labelMap, Model.resized))
        }).pipe(Effect.scoped)
      )
    }
    if (nullScore !== undefined) {
      it.live("a score of null is as good as none", () =>
        Effect.gen(function* () {
          const server = yield* subject.server
          server.state.fault = (_, response) => nullScore(response)
          const { labelMap, segmentation } = yield* ask(subject, server.url)
          assert.isTrue(LabelMap.equals(labelMap, Model.labels))
          assert.strictEqual(segmentation.scores.size, 0)
        }).pipe(Effect.scoped)
      )
    }

    it.live("a service that breaks off once is asked again", () =>
      Effect.gen(function* () {
        const server = yield* subject.server
        server.state.fault = (_, response) => {
          server.state.fault = undefined
          response.destroy()
        }
        const { labelMap, segmentation } = yield* ask(subject, server.url)
        assert.isTrue(LabelMap.equals(labelMap, Model.labels))
        assert.strictEqual(segmentation.cost.attempts, subject.isJob === true ? 1 : 2)
      }).pipe(Effect.scoped)
    )

    it.live("tells whether the service is ready, and which model it has", () =>
      Effect.gen(function* () {
        const server = yield* subject.server
        yield* Effect.gen(function* () {
          const { describe, health } = yield* Transport
          assert.isTrue((yield* health).healthy)
          assert.isNotEmpty((yield* describe).name)
          server.state.ready = false
          const unready = yield* health
          assert.isFalse(unready.healthy)
          assert.isNotEmpty(unready.detail)
        }).pipe(Effect.provide(transport(subject, server.url)))
        assert.strictEqual(predictions(server), 0)
      }).pipe(Effect.scoped)
    )

    // On the test clock: a job that is being submitted has five seconds to say what there is to cancel.
    it.effect("an interrupted call leaves no request behind", () =>
      Effect.gen(function* () {
        const server = yield* subject.server
        let closed = false
        server.state.fault = (_, response) =>
          response.on("close", () => {
            closed = true
          })
        const call = yield* Effect.forkChild(ask(subject, server.url))
        yield* eventually(() => predictions(server) === 1, "the request to arrive")
        const leaving = yield* Effect.forkChild(Fiber.interrupt(call))
        yield* Effect.forkChild(Effect.forever(TestClock.adjust("1 second")))
        yield* eventually(() => closed, "the request to end")
        // Whoever leaves cancels the job, for a time of this clock: it must not stand still before.
        yield* Fiber.join(leaving)
        assert.strictEqual(predictions(server), 1)
      }).pipe(Effect.scoped)
    )
  })
