/** Services with a price: what may have been paid for already is not sent again. Each over a real socket. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Redacted } from "effect"
import type { HttpClient } from "effect/http"
import { ImageSource, type Policy, segment } from "effect-segformer"
import {
  HuggingFace,
  Inspection,
  type Protocol,
  Replicate,
  Roboflow,
  SegFormerHttp
} from "effect-segformer/http"
import { NodeAddressGuard, NodeHttp } from "effect-segformer/service/node"
import { Fixtures } from "effect-segformer/testing"
import * as Faulty from "../../../src/testing/FaultyService.ts"
import { hangs } from "../../support/Eventually.ts"

const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
const apiKey = Redacted.make("secret")
const quick: Policy.PolicyOptions = { retry: { delay: "10 millis" } }

interface Service {
  readonly protocol: Protocol
  readonly host?: string
}

/** The name leads to the service of the test. */
const named = (host: string): Layer.Layer<HttpClient.HttpClient> =>
  NodeAddressGuard.layer({
    allowPrivate: [host],
    lookup: (_, options, callback) => {
      if (options.all === true) callback(null, [{ address: "127.0.0.1", family: 4 }])
      else callback(null, "127.0.0.1", 4)
    }
  })

const call = (server: Faulty.FaultyService, service: Service, policy: Policy.PolicyOptions = {}) => {
  const host = service.host === undefined ? undefined : `${service.host}:${server.port}`
  const transport = SegFormerHttp.layer({
    baseUrl: host === undefined ? server.url : `http://${host}`,
    protocol: service.protocol,
    policy: { ...quick, ...policy }
  })
  return segment(image).pipe(
    Effect.provide(Layer.provide(transport, host === undefined ? NodeHttp.layer() : named(host))),
    Effect.flip,
    Effect.provide(Logger.layer([]))
  )
}

const priced: ReadonlyArray<readonly [string, Service]> = [
  ["Roboflow", { protocol: Roboflow.make({ modelId: "panels/3", apiKey }) }],
  ["Replicate", { protocol: Replicate.make({ version: "5c7d5dc6" }) }],
  ["Hugging Face's router", { protocol: HuggingFace.protocol, host: "router.huggingface.co" }]
]

describe.each(priced)("%s", (_, service) => {
  it.live("executes a POST whose answer is lost once", () =>
    Effect.gen(function* () {
      const server = yield* Faulty.make([Faulty.lostAnswer])
      const error = yield* call(server, service)
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.strictEqual(server.executions, 1)
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("is not asked again after a gateway's 502, behind which the work may go on", () =>
    Effect.gen(function* () {
      const server = yield* Faulty.make([Faulty.refuse(502)])
      assert.strictEqual((yield* call(server, service))._tag, "ServiceUnavailable")
      assert.strictEqual(server.requests.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("is asked again where it turned the request away, and where nobody listened", () =>
    Effect.gen(function* () {
      const server = yield* Faulty.make([Faulty.refuse(429, "0")])
      assert.strictEqual((yield* call(server, service))._tag, "RateLimited")
      server.behave([Faulty.refuse(503, "0")])
      assert.strictEqual((yield* call(server, service))._tag, "ServiceUnavailable")
      assert.strictEqual(server.requests.length, 4 + 4)
      yield* server.down
      const late = Effect.andThen(Effect.sleep("30 millis"), server.up)
      yield* Effect.forkChild(late)
      server.behave([Faulty.refuse(401)])
      const error = yield* call(server, service, { retry: { delay: "50 millis", factor: 1, times: hangs } })
      assert.strictEqual(error._tag, "Unauthorized")
    }).pipe(Effect.scoped)
  )

  it.live("repeats it all the same for whoever wants that", () =>
    Effect.gen(function* () {
      const server = yield* Faulty.make([Faulty.lostAnswer])
      yield* call(server, service, { resend: "always" })
      assert.strictEqual(server.executions, 4)
    }).pipe(Effect.scoped)
  )
})

describe("Replicate", () => {
  it.live("asks again how a job is, whose answer was lost: a question costs nothing", () =>
    Effect.gen(function* () {
      const job = (status: string) => Faulty.json({ id: "1", status, error: "no light" })
      const server = yield* Faulty.make([
        job("starting"),
        Faulty.lostAnswer,
        Faulty.refuse(502),
        job("failed")
      ])
      const error = yield* call(server, {
        protocol: Replicate.make({ version: "5c7d5dc6", job: { interval: 5 } })
      })
      assert.strictEqual(error._tag, "JobFailed")
      assert.deepStrictEqual(
        server.requests.map(({ method }) => method),
        ["POST", "GET", "GET", "GET"]
      )
    }).pipe(Effect.scoped)
  )
})

describe("services without a price", () => {
  const free: ReadonlyArray<readonly [string, Service]> = [
    ["the inspection service", { protocol: Inspection.protocol }],
    ["an endpoint of one's own that speaks like Hugging Face", { protocol: HuggingFace.protocol }]
  ]
  it.live.each(free)("%s is asked again: a prediction is pure", ([, service]) =>
    Effect.gen(function* () {
      const server = yield* Faulty.make([Faulty.lostAnswer])
      yield* call(server, service)
      assert.strictEqual(server.requests.length, 4)
    }).pipe(Effect.scoped)
  )
})
