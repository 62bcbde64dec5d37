/** What is of the web handler alone: where it is mounted, how it begins and ends. The rest is in the project `web` of the tests. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, References } from "effect"
import { type SegmentationError, type Prediction } from "effect-segformer"
import { PureCodec } from "effect-segformer/image"
import { Lambda, WebHandler } from "effect-segformer/server"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"

const quiet = Layer.succeed(References.MinimumLogLevel)("None")

const over = (
  predict: () => Effect.Effect<Prediction, SegmentationError>,
  options: WebHandler.WebHandlerOptions = {},
  log: Layer.Layer<never> = quiet
) =>
  WebHandler.toWebHandler(
    Layer.mergeAll(SegFormerTest.layer(predict), PureCodec.layer(), NodeFileSystem.layer, log),
    { allowAnyone: true, page: false, jobs: false, ...options }
  )

const post = (path = "/v1/segment", init: RequestInit = {}) =>
  new Request(`http://app.example${path}`, { method: "POST", body: Uint8Array.from(Fixtures.image), ...init })

describe("a web handler", () => {
  it.live("interrupts the work where the request is aborted", () =>
    Effect.promise(async () => {
      let began = false
      let interrupted = false
      const { dispose, handler } = over(() =>
        Effect.onInterrupt(
          Effect.andThen(
            Effect.sync(() => (began = true)),
            Effect.never
          ),
          () => Effect.sync(() => (interrupted = true))
        )
      )
      const leaving = new AbortController()
      const answer = handler(post("/v1/segment", { signal: leaving.signal }))
      await Effect.runPromise(eventually(() => began))
      leaving.abort()
      await Effect.runPromise(eventually(() => interrupted))
      // Nobody sees it but the platform's log, which is told of no fault: as Effect and nginx have it.
      assert.strictEqual((await answer).status, 499)
      await dispose()
    })
  )

  it.live(
    "says in words what became of a request that was cut off, and of one that it stops before it is done",
    () =>
      Effect.promise(async () => {
        const image = Uint8Array.from(Fixtures.image)
        const sent = (start: (controller: ReadableStreamDefaultController<unknown>) => void, more = {}) => {
          const init = { method: "POST", body: new ReadableStream({ start }), duplex: "half", ...more }
          return new Request("http://app.example/v1/segment", init)
        }
        const half = (controller: ReadableStreamDefaultController<unknown>) =>
          controller.enqueue(image.subarray(0, 9))
        const { dispose, handler } = over(() => Effect.never, { drain: 0 })
        const leaving = new AbortController()
        const asked = [
          handler(sent((body) => body.error(new Error("cut")))),
          handler(post("/v1/segment", { signal: AbortSignal.abort() })),
          handler(sent(half, { signal: leaving.signal })),
          handler(post("/v1/segment", { signal: leaving.signal }))
        ]
        const kept = [handler(sent(half)), handler(post())]
        leaving.abort()
        const said = async (answer: Promise<Response>) => {
          const response = await answer
          return [
            response.status,
            response.headers.get("retry-after"),
            JSON.parse(await response.text()).error
          ]
        }
        const [cut, ...aborted] = await Promise.all(asked.map(said))
        assert.deepStrictEqual([cut?.[0], cut?.[2].tag], [400, "BadRequest"])
        assert.match(cut?.[2].message, /did not arrive whole/)
        for (const [status, , error] of aborted) {
          assert.deepStrictEqual([status, error.tag], [499, "RequestAborted"])
          assert.match(error.message, /was aborted before/)
        }
        const head = await handler(new Request("http://app.example/v1/segment", { method: "HEAD" }))
        assert.deepStrictEqual([head.status, await head.text()], [405, ""])
        await dispose()
        for (const answer of kept) {
          const [status, wait, error] = await said(answer)
          assert.deepStrictEqual([status, wait, error.tag], [503, "5", "ServiceUnavailable"])
        }
      })
  )

  it.live("has in its log what it answers whoever is gone, and whoever has no time left", () =>
    Effect.promise(async () => {
      const lines: Array<string> = []
      const log = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      const { dispose, handler } = over(() => Effect.never, {}, log)
      for (const why of [undefined, new DOMException("out of time", "TimeoutError")]) {
        const leaving = new AbortController()
        const answer = handler(post("/v1/segment", { signal: leaving.signal }))
        leaving.abort(why)
        await answer
      }
      const told = lines.filter((line) => line.startsWith("POST")).map((line) => line.split(" ")[2])
      assert.deepStrictEqual(told, ["499", "504"])
      await dispose()
    })
  )

  it.live("answers what its platform has no time left for as late, and not as a fault of the request", () =>
    Effect.promise(async () => {
      const { dispose, handler } = over(() => Effect.never)
      const late = new AbortController()
      const answer = handler(post("/v1/segment", { signal: late.signal }))
      late.abort(new DOMException("out of time", "TimeoutError"))
      const response = await answer
      assert.deepStrictEqual([response.status, (await response.json()).error.tag], [504, "TimedOut"])
      const event = {
        rawPath: "/v1/segment",
        body: Buffer.from(Fixtures.image).toString("base64"),
        isBase64Encoded: true,
        requestContext: { http: { method: "POST" }, domainName: "app.example" }
      }
      const { statusCode } = await Lambda.buffered(handler)(event, { getRemainingTimeInMillis: () => 501 })
      assert.strictEqual(statusCode, 504)
      await dispose()
    })
  )

  it.live("does not cancel a body that it refuses: platforms take that for a client that is gone", () =>
    Effect.promise(async () => {
      const { dispose, handler } = over(() => Effect.succeed(Fixtures.prediction), { maxBytes: 1000 })
      let cancelled = false
      let sent = 0
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          controller.enqueue(new Uint8Array(600))
          if (++sent === 100) controller.close()
        },
        cancel: () => void (cancelled = true)
      })
      const init = { method: "POST", body, duplex: "half" }
      const request = new Request("http://app.example/v1/segment", init)
      assert.strictEqual((await handler(request)).status, 413)
      assert.isFalse(cancelled)
      assert.isBelow(sent, 10)
      assert.isFalse(request.signal.aborted)
      await dispose()
    })
  )

  it.live("takes a body from whoever's class the request is of, and no part of one", () =>
    Effect.promise(async () => {
      const { dispose, handler } = over(() => Effect.succeed(Fixtures.prediction))
      const image = Uint8Array.from(Fixtures.image)
      const pieces = (...chunks: ReadonlyArray<unknown>) =>
        new ReadableStream<unknown>({
          start: (controller) => {
            for (const chunk of chunks) controller.enqueue(chunk)
            controller.close()
          }
        })
      const streamed = (body: ReadableStream<unknown>, headers: Record<string, string> = {}) =>
        new Request("http://app.example/v1/segment", {
          method: "POST",
          body,
          headers,
          duplex: "half"
        } as RequestInit)
      const given = post()
      const own = {
        body: given.body,
        bodyUsed: false,
        headers: given.headers,
        method: "POST",
        signal: given.signal,
        url: given.url
      }
      Object.setPrototypeOf(own, { [Symbol.toStringTag]: "Request" })
      const read = post()
      await read.arrayBuffer()
      const locked = post()
      locked.body?.getReader()
      const rows: ReadonlyArray<readonly [string, unknown, number]> = [
        ["of another class", own, 200],
        ["in two pieces", streamed(pieces(image.subarray(0, 9), image.subarray(9))), 200],
        [
          "shorter than announced",
          streamed(pieces(image), { "content-length": String(image.length + 1) }),
          400
        ],
        ["of texts", streamed(pieces("not bytes")), 400],
        ["of buffers", streamed(pieces(image.buffer)), 400],
        ["that was read", read, 500],
        ["that somebody reads", locked, 500]
      ]
      for (const [what, request, status] of rows) {
        assert.strictEqual((await handler(request as Request)).status, status, what)
      }
      await dispose()
    })
  )

  it.live("stays disposed of, and builds nothing anew", () =>
    Effect.promise(async () => {
      let built = 0
      let released = 0
      const counted = Layer.effectDiscard(
        Effect.acquireRelease(
          Effect.sync(() => built++),
          () => Effect.sync(() => released++)
        )
      )
      const one = () =>
        WebHandler.toWebHandler(
          Layer.mergeAll(
            SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction)),
            counted,
            PureCodec.layer(),
            NodeFileSystem.layer,
            quiet
          ),
          { allowAnyone: true, page: false, jobs: false }
        )
      const used = one()
      // One that is under way while it is let go is answered.
      const first = used.handler(post())
      await Promise.all([used.dispose(), used.dispose()])
      assert.strictEqual((await first).status, 200)
      const unused = one()
      await unused.dispose()
      for (const { handler } of [used, unused]) {
        const after = await handler(post())
        assert.deepStrictEqual([after.status, after.headers.get("retry-after")], [503, "5"])
        assert.match(await after.text(), /shutting down/)
      }
      await used.dispose()
      assert.deepStrictEqual([built, released], [1, 1])
    })
  )

  it.live("leads on below where it is mounted", () =>
    Effect.promise(async () => {
      const { dispose, handler } = over(() => Effect.succeed(Fixtures.prediction), {
        prefix: "/deep/down/",
        jobs: {}
      })
      const form = new FormData()
      form.append("image", new Blob([Uint8Array.from(Fixtures.image)]), "a.png")
      const job = await handler(
        new Request("http://app.example/deep/down/v1/jobs", { method: "POST", body: form })
      )
      assert.strictEqual(job.status, 202)
      const location = job.headers.get("location") ?? ""
      assert.match(location, /^\/deep\/down\/v1\/jobs\//)
      assert.strictEqual((await handler(new Request(`http://app.example${location}`))).status, 200)
      for (const path of ["/deep/downs/health", "/health", "/deep"]) {
        const other = await handler(new Request(`http://app.example${path}`))
        assert.strictEqual(other.status, 404, path)
        assert.match(await other.text(), /mounted at \/deep\/down/)
      }
      assert.strictEqual((await handler(new Request("http://app.example/deep/down/health?x=1"))).status, 200)
      await dispose()
    })
  )

  it.live("wants to be told who may come", () =>
    Effect.promise(async () => {
      const { handler } = over(() => Effect.succeed(Fixtures.prediction), { allowAnyone: false })
      const refused = await handler(post()).then(
        () => "it answered",
        (error: unknown) => String(error)
      )
      assert.match(refused, /A web handler answers all that its framework hands to it/)
    })
  )

  it.live("lets in by the address that its platform gives, and counts none as one of them", () =>
    Effect.promise(async () => {
      const { dispose, handler } = over(() => Effect.succeed(Fixtures.prediction), {
        allowAnyone: false,
        allowFrom: ["10.0.0.0/8"]
      })
      const asked = (address?: string) =>
        handler(new Request("http://10.0.0.1/v1/models"), { address }).then(({ status }) => status)
      assert.deepStrictEqual(
        [await asked("10.1.2.3"), await asked("203.0.113.7"), await asked()],
        [200, 403, 403]
      )
      await dispose()
    })
  )

  it.live("tries again where what it needs could not be had", () =>
    Effect.promise(async () => {
      let tries = 0
      const segmenter = Layer.unwrap(
        Effect.suspend(() =>
          ++tries === 1
            ? Effect.fail(new Error("the model is not there yet"))
            : Effect.succeed(SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction)))
        )
      )
      const { dispose, handler } = WebHandler.toWebHandler(
        Layer.mergeAll(segmenter, PureCodec.layer(), NodeFileSystem.layer, quiet),
        { allowAnyone: true, page: false, jobs: false }
      )
      const first = await handler(post()).then(
        () => "it answered",
        (error: unknown) => String(error)
      )
      assert.match(first, /not there yet/)
      assert.strictEqual((await handler(post())).status, 200)
      await dispose()
    })
  )

  it.live("finishes what it has begun before it goes, and lets its scope go", () =>
    Effect.promise(async () => {
      let open = () => {}
      const opened = new Promise<void>((resolve) => (open = resolve))
      let began = false
      const { dispose, handler } = over(() =>
        Effect.promise(async () => {
          began = true
          await opened
          return Fixtures.prediction
        })
      )
      const answer = handler(post())
      await Effect.runPromise(eventually(() => began))
      let gone = false
      const going = dispose().then(() => (gone = true))
      open()
      assert.strictEqual((await answer).status, 200)
      await going
      assert.isTrue(gone)
    })
  )
})
