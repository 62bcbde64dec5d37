/**
 * What a protocol must pass to be called supported: the same label map as in process, and the same tag for the same
 * fault. A subject is a protocol, a server that speaks it, and how that server goes wrong in the protocol's own way.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, References } from "effect"
import { TestClock } from "effect/testing"
import { ImageSource, segment, Transport } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { LabelMap } from "effect-segformer/mask"
import { SharpCodec } from "effect-segformer/sharp"
import { SegFormerTest } from "effect-segformer/testing"
import { eventually } from "../../support/Eventually.ts"
import { passing } from "../../support/Passing.ts"
import * as TestServer from "../../support/TestServer.ts"
import * as Model from "../servers/Model.ts"
import { faults, type Options, policy, type Subject } from "./conformanceFaults.ts"

const source = ImageSource.bytes(Model.image, { name: "panel.png" })

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
