import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { connect, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Logger, type Scope, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { type Dialect, InspectionDialect, SegFormerServer } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import sharp from "sharp"
import { eventually } from "../support/Eventually.ts"
import { ask, fixture, gate, isWeb, type Predict, serve, upload } from "./support.ts"

/** A connection that sends what it is told, and collects what comes until the other side closes. */
const raw = (
  port: number
): Effect.Effect<{ socket: Socket; received: () => string; closed: () => boolean }, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const chunks: Array<Buffer> = []
      let closed = false
      const socket = connect(port, "127.0.0.1", () =>
        resume(
          Effect.succeed({ socket, received: () => Buffer.concat(chunks).toString(), closed: () => closed })
        )
      )
      socket.on("data", (chunk) => chunks.push(chunk))
      socket.on("error", () => {})
      socket.on("close", () => {
        closed = true
      })
    }),
    ({ socket }) => Effect.sync(() => socket.destroy())
  )

/** No answer to it fits into what systems keep of a connection. */
const large = { create: { width: 4000, height: 4000, channels: 3, background: "#808080" } } as const

/** Nothing is seen on an image of any size. */
const blank: Predict = ({ image: { height, width } }) =>
  Effect.sync(() => ({
    _tag: "Labels",
    classes: [{ id: 0, name: "nothing" }],
    labelMap: { width, height, data: new Uint8Array(width * height) }
  }))

const head = (length: number) =>
  `POST /upload HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: ${length}\r\n\r\n`

describe("too much at once", () => {
  it.live("is 503 with Retry-After, while what is under way goes on", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* serve(predict, { concurrency: 2, queue: 3 })
      const first = yield* Effect.forkChild(
        Effect.all(
          Array.from({ length: 5 }, () => upload(url)),
          { concurrency: 5 }
        )
      )
      yield* eventually(() => entered() === 2)
      const state = yield* ask(`${url}/api/status`)
      assert.deepInclude(state.json, { requests_present: 5, images_in_work: 2 })

      const refused = yield* Effect.all(
        Array.from({ length: 4 }, () => upload(url)),
        { concurrency: 4 }
      )
      for (const answer of refused) {
        assert.strictEqual(answer.status, 503)
        assert.isAtLeast(Number(answer.headers.get("retry-after")), 1)
        assert.strictEqual(answer.json["success"], false)
      }
      assert.strictEqual(entered(), 2)
      open()
      const answers = yield* Fiber.join(first)
      assert.deepStrictEqual(
        answers.map((answer) => answer.status),
        [200, 200, 200, 200, 200]
      )
      assert.strictEqual((yield* upload(url)).status, 200)
    }).pipe(Effect.scoped)
  )

  it.live("counts bytes as well as requests, by what they announce", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { port, url } = yield* serve(predict, {
        concurrency: 1,
        queue: 50,
        maxHeldBytes: 60_000,
        maxBytes: 100_000
      })
      const first = yield* Effect.forkChild(upload(url))
      yield* eventually(() => entered() === 1)
      const large = yield* raw(port)
      large.socket.write(head(59_000))
      yield* eventually(() => large.received() !== "")
      assert.match(large.received(), /^HTTP\/1\.1 503 /)
      open()
      yield* Fiber.join(first)
      // With nothing else held it has its chance, however large.
      assert.strictEqual((yield* upload(url, new Uint8Array(90_000))).status, 400)
    }).pipe(Effect.scoped)
  )

  it.live("gives places back when callers leave", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* serve(predict, { concurrency: 1, queue: 1 })
      const leaving = yield* Effect.forkChild(Effect.all([upload(url), upload(url)], { concurrency: 2 }))
      yield* eventually(() => entered() === 1)
      yield* Fiber.interrupt(leaving)
      let present = 2
      while (present > 0) present = Number((yield* ask(`${url}/api/status`)).json["requests_present"])
      open()
      assert.strictEqual((yield* upload(url)).status, 200)
    }).pipe(Effect.scoped)
  )
})

describe("too slow", () => {
  it.live("a body that dawdles is told so, and its place is free again", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(fixture, { bodyTimeout: "300 millis" })
      const slow = yield* raw(port)
      slow.socket.write(
        `${head(5000)}--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\n`
      )
      const drip = setInterval(() => slow.socket.write("x"), 50)
      yield* eventually(() => slow.received() !== "")
      clearInterval(drip)
      assert.match(slow.received(), /^HTTP\/1\.1 408 /)
      assert.match(slow.received(), /did not arrive within 300ms/)
      yield* eventually(slow.closed)
      assert.strictEqual((yield* ask(`${url}/api/status`)).json["requests_present"], 0)
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(isWeb)("headers that never end are cut off", () =>
    Effect.gen(function* () {
      const { port } = yield* serve(fixture, { headersTimeout: "300 millis" })
      const slow = yield* raw(port)
      slow.socket.write("GET /health HTTP/1.1\r\nhost: localhost\r\n")
      const drip = setInterval(() => slow.socket.write("x: y\r\n"), 50)
      yield* eventually(slow.closed)
      clearInterval(drip)
      assert.match(slow.received(), /^(HTTP\/1\.1 408 |$)/)
    }).pipe(Effect.scoped)
  )

  it.live.each(
    isWeb
      ? []
      : ([
          ["places", { queue: 1 }],
          ["connections", { maxConnections: 2 }]
        ] as const)
  )("an answer that is not taken makes room where there are no more %s", ([, limits]) =>
    Effect.gen(function* () {
      const { port, url } = yield* serve(blank, {
        concurrency: 1,
        bodyGrace: "100 millis",
        minBodyRate: 0,
        writeTimeout: "10 minutes",
        ...limits
      })
      const image = yield* Effect.promise(() => sharp(large).png().toBuffer())
      const readers = yield* Effect.all([raw(port), raw(port)])
      for (const { socket } of readers) {
        socket.once("data", () => socket.pause())
        socket.write(
          `POST /v1/segment HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\naccept: application/octet-stream\r\ncontent-length: ${image.length}\r\n\r\n`
        )
        socket.write(image)
      }
      yield* eventually(() => readers.every(({ received }) => received() !== ""))
      const others = Effect.promise(() =>
        fetch(`${url}/v1/segment`, { method: "POST", body: Buffer.from(Fixtures.image) }).then(
          async (response) => (await response.arrayBuffer()).byteLength > 0 && response.status === 200,
          () => false
        )
      )
      while (!(yield* others)) yield* Effect.sleep("20 millis")
      for (const { socket } of readers) socket.resume()
      yield* eventually(() => readers.every(({ closed }) => closed()))
      const whole = readers.filter(({ received }) => received().length > 16_000_000)
      assert.strictEqual(whole.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(isWeb)("a reader that takes nothing of its answer is cut off", () =>
    Effect.gen(function* () {
      let begun = false
      let ended = false
      const endless = Stream.fromEffectRepeat(
        Effect.sync(() => {
          begun = true
          return new Uint8Array(1024 * 1024)
        })
      ).pipe(
        Stream.ensuring(
          Effect.sync(() => {
            ended = true
          })
        )
      )
      const dialect: Dialect = {
        ...InspectionDialect.make(),
        routes: () =>
          Effect.succeed([
            {
              method: "GET",
              path: "/endless",
              handle: () => Effect.succeed(HttpServerResponse.stream(endless))
            }
          ])
      }
      const { port } = yield* serve(fixture, { dialects: [dialect], writeTimeout: "300 millis" })
      const reader = yield* raw(port)
      reader.socket.pause()
      reader.socket.write("GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n")
      yield* eventually(() => begun)
      yield* eventually(() => ended)
    }).pipe(Effect.scoped)
  )
})

describe("the log", () => {
  it.live("has a line for each request, and no query", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const log = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      const { url } = yield* Effect.provide(
        SegFormerServer.make({ port: 0 }),
        Layer.mergeAll(SharpCodec.layer, NodeFileSystem.layer, SegFormerTest.layer(fixture), log)
      )
      yield* upload(url)
      yield* ask(`${url}/health?token=secret`)
      yield* ask(`${url}/nowhere`)
      assert.strictEqual(lines.length, 3)
      assert.match(lines[0]!, /^POST \/upload 200 \d+\.\d ms$/)
      assert.match(lines[1]!, /^GET \/health 200 /)
      assert.match(lines[2]!, /^GET \/nowhere 404 /)
    }).pipe(Effect.scoped)
  )
})

describe("an address that is taken", () => {
  it.live.skipIf(isWeb)("is a failure that says so", () =>
    Effect.gen(function* () {
      const { port } = yield* serve()
      const error = yield* Effect.flip(serve(fixture, { port }))
      assert.strictEqual(error._tag, "CannotListen")
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}.*choose another port`))
    }).pipe(Effect.scoped)
  )
})
