/** Each route of `/v1` driven into each refusal that it declares: it gives no other, and a client reads every one. */
import { connect } from "node:net"
import { deflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Redacted, Scope } from "effect"
import { NoLabelMap, type SegmentationError, UnsupportedImage } from "effect-segformer"
import { Refusal } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { check, conforms, declared, type Route } from "./contract.ts"
import { type Answer, ask, form, gate, isWeb, parsed, serve } from "./support.ts"

const file = (bytes: Uint8Array = Fixtures.image): RequestInit => ({ body: Uint8Array.from(bytes) })
const images = (...names: ReadonlyArray<string>) =>
  form("image", ...names.map((name) => [name, Fixtures.image] as const))

/** Writes a request's text, and takes the answer once the server has closed the connection. */
const written = (port: number, text: string, until: Effect.Effect<void> = Effect.void) =>
  Effect.gen(function* () {
    const chunks: Array<Buffer> = []
    let closed = false
    const socket = connect(port, "127.0.0.1")
    yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
    socket.on("data", (chunk) => chunks.push(chunk)).on("close", () => (closed = true))
    // The last line end is held back: the request is under way, and not there yet.
    socket.write(text.slice(0, -2))
    yield* until
    socket.write(text.slice(-2))
    yield* eventually(() => closed, "the connection to close")
    return parsed(Buffer.concat(chunks))
  }).pipe(Effect.scoped)

const refuses = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(false))
    socket.on("error", () => resolve(true)).on("connect", () => socket.destroy())
  })

/** The record of a job that ended before its server was started again. */
const ended = (jobId: string, failures: ReadonlyArray<number>) => ({
  [`${jobId}/job.json`]: JSON.stringify({
    jobId,
    model: "test",
    content: "",
    createdAt: Date.now(),
    images: failures.map((status) => `${status}.png`),
    ended: { at: Date.now(), status: "failed" }
  }),
  ...Object.fromEntries(
    failures.map((status, index) => [
      `${jobId}/${index}.failed`,
      JSON.stringify({ status, tag: "Failed", message: "it did" })
    ])
  )
})

describe("the contract of /v1", () => {
  it.live("declares what each route answers, and nothing that it never does", () =>
    Effect.gen(function* () {
      const seen = new Map<Route, Set<number>>(declared.map(({ route }) => [route, new Set()]))
      const note = Effect.fnUntraced(function* (route: Route, status: number, answer: Answer) {
        assert.strictEqual(answer.status, status, `${route}: ${answer.body}`)
        yield* conforms(route, answer)
        if (status >= 400) seen.get(route)!.add(status)
        return answer
      })
      const expect = (route: Route, status: number, url: string, init: RequestInit = {}, path?: string) => {
        const [method = "", own = ""] = route.split(" ")
        const place = path ?? own.replace(":jobId", "none").replace(":index", "0")
        return Effect.flatMap(ask(url + place, { method, ...init }), (answer) => note(route, status, answer))
      }

      // Who asks, and how.
      const said = new Map<string, Effect.Effect<boolean, Refusal>>([
        ["stranger", Effect.succeed(false)],
        ["banned", new Refusal({ status: 403, detail: "not you" })],
        ["eager", new Refusal({ status: 429, detail: "not so often" })],
        // None of those that a token may be refused with.
        ["lost", new Refusal({ status: 404, detail: "no such account" })],
        ["bug", Effect.die("a bug")],
        ["friend", Effect.succeed(true)]
      ])
      const guarded = yield* serve(undefined, {
        dialects: [],
        authorize: (token) => said.get(Redacted.value(token)) ?? Effect.succeed(false)
      })
      const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
      for (const { route, statuses } of declared) {
        yield* expect(route, 405, guarded.url, { method: "PUT", ...as("friend") })
        if (!statuses.has(401)) continue
        yield* expect(route, 401, guarded.url)
        yield* expect(route, 401, guarded.url, as("stranger"))
        yield* expect(route, 403, guarded.url, as("banned"))
        yield* expect(route, 429, guarded.url, as("eager"))
        yield* expect(route, 503, guarded.url, as("lost"))
        yield* expect(route, 500, guarded.url, as("bug"))
      }

      // Segmenting.
      let fails: Effect.Effect<typeof Fixtures.prediction, SegmentationError> = Effect.succeed(
        Fixtures.prediction
      )
      const { url } = yield* serve(() => fails, { dialects: [], maxBytes: 20_000 })
      // Of what comes to the one, and of the answers of the other, nothing comes in time, on a slow machine either.
      const slow = yield* serve(() => Effect.never, { dialects: [], bodyTimeout: "100 millis" })
      const busy = yield* serve(() => Effect.never, { dialects: [], timeout: "500 millis" })
      const segment = "POST /v1/segment"
      yield* expect(segment, 200, url, file())
      yield* expect(segment, 400, url, file(new Uint8Array(9)))
      yield* expect(segment, 404, url, file(), "/v1/segment?model=other")
      yield* expect(segment, 406, url, { ...file(), headers: { accept: "video/mp4" } })
      yield* expect(segment, 413, url, file(new Uint8Array(30_000)))
      yield* expect(segment, 415, url, { ...file(), headers: { "content-encoding": "compress" } })
      // Connections are not a web handler's: whoever asks says that it is the last time.
      const leaving = isWeb ? "connection: close\r\n" : ""
      const head = `HTTP/1.1\r\nhost: localhost\r\n${leaving}content-length: 1000\r\n`
      yield* note(segment, 408, yield* written(slow.port, `POST /v1/segment ${head}\r\nabc`))
      fails = new UnsupportedImage({ source: "a.png", format: "bmp", detail: "convert it" })
      yield* expect(segment, 415, url, file())
      fails = new NoLabelMap({ source: "a.png", transport: "behind" })
      yield* expect(segment, 502, url, file())
      fails = Effect.die("a bug")
      yield* expect(segment, 500, url, file())
      fails = Effect.never
      yield* expect(segment, 504, busy.url, file())

      // A map in another form.
      const convert = "POST /v1/export"
      const map = (width: number, bytes: Uint8Array): RequestInit => ({
        body: JSON.stringify({
          classes: [{ id: 1, name: "one" }],
          labels: { width, height: 1, bits: 8, deflate: deflateSync(bytes).toString("base64") }
        }),
        headers: { "content-type": "application/json" }
      })
      const small = map(2, Uint8Array.of(0, 1))
      yield* expect(convert, 200, url, small)
      yield* expect(convert, 400, url, map(3, Uint8Array.of(0, 1)))
      yield* expect(convert, 406, url, { ...small, headers: { accept: "video/mp4" } })
      yield* expect(convert, 413, url, { ...small, body: new Uint8Array(2_000_000) })
      yield* expect(convert, 415, url, { ...small, headers: { "content-type": "text/plain" } })
      yield* note(convert, 408, yield* written(slow.port, `POST /v1/export ${head}\r\nabc`))

      // An image as browsers show it.
      const picture = "POST /v1/picture"
      yield* expect(picture, 200, url, file())
      yield* expect(picture, 400, url, file(new Uint8Array(9)))
      yield* expect(picture, 413, url, file(new Uint8Array(30_000)))
      yield* expect(picture, 415, url, { ...file(), headers: { "content-encoding": "compress" } })
      yield* note(picture, 408, yield* written(slow.port, `POST /v1/picture ${head}\r\nabc`))

      // Jobs: this one never ends.
      const submit = "POST /v1/jobs"
      const key = { headers: { "idempotency-key": "one" } }
      const { jobId } = (yield* expect(submit, 202, url, { ...images("a.png"), ...key })).json
      yield* expect(submit, 409, url, { ...images("b.png"), ...key })
      yield* expect(submit, 400, url, form("image"))
      yield* expect(submit, 404, url, images("a.png"), "/v1/jobs?model=other")
      yield* expect(submit, 413, url, form("image", ["a.png", new Uint8Array(30_000)]))
      const parts = "content-type: multipart/form-data; boundary=x\r\n"
      yield* note(submit, 408, yield* written(slow.port, `POST /v1/jobs ${head}${parts}\r\n--x\r\n`))
      const full = yield* serve(undefined, { dialects: [], jobs: { maxStoredBytes: 10 } })
      yield* expect(submit, 507, full.url, images("a.png"))
      const result = "GET /v1/jobs/:jobId/result"
      const image = "GET /v1/jobs/:jobId/images/:index"
      yield* expect("GET /v1/jobs/:jobId", 200, url, {}, `/v1/jobs/${jobId}`)
      for (const route of ["GET /v1/jobs/:jobId", "DELETE /v1/jobs/:jobId", result, image] as const) {
        yield* expect(route, 404, url)
        // No path at all.
        yield* ask(`${url}${route.split(" ")[1]!.replace(":jobId", "%zz")}`, { method: route.split(" ")[0]! })
      }
      yield* expect(result, 409, url, {}, `/v1/jobs/${jobId}/result`)
      yield* expect(image, 409, url, {}, `/v1/jobs/${jobId}/images/0`)
      yield* expect(image, 406, url, { headers: { accept: "video/mp4" } }, `/v1/jobs/${jobId}/images/0`)
      yield* expect("DELETE /v1/jobs/:jobId", 200, url, {}, `/v1/jobs/${jobId}`)
      // What has kept an image is told later, too.
      const failures = [400, 404, 413, 415, 500, 502, 503, 504]
      const old = "0123456789abcdef0123456789abcdef"
      const restarted = yield* serve(undefined, {
        dialects: [],
        jobs: { folder: yield* folder(ended(old, failures)) }
      })
      for (const [index, status] of failures.entries()) {
        yield* expect(image, status, restarted.url, {}, `/v1/jobs/${old}/images/${index}`)
      }

      // What keeps a server running.
      for (const [status, health] of [
        [503, Effect.succeed({ healthy: false, detail: "loading" })],
        [500, Effect.die("a bug")]
      ] as const) {
        const ill = yield* serve(undefined, { dialects: [] }, { health })
        yield* expect("GET /ready", status, ill.url)
      }
      const scope = yield* Scope.make()
      const { entered, open, predict } = gate()
      const stopped = yield* Scope.provide(serve(predict, { dialects: [], drain: "1 hour" }), scope)
      const working = yield* Effect.forkChild(ask(`${stopped.url}/v1/segment`, { method: "POST", ...file() }))
      yield* eventually(() => entered() === 1)
      const stopping = Effect.andThen(
        Effect.forkChild(Scope.close(scope, Exit.void)),
        // It goes on taking connections, and says that it stops.
        isWeb
          ? eventually(async () => (await fetch(`${stopped.url}/health`)).status === 503, "it to stop")
          : eventually(() => refuses(stopped.port), "the server to take no new connection")
      )
      const asked = `GET /health HTTP/1.1\r\nhost: localhost\r\n${leaving}\r\n`
      const late = yield* written(stopped.port, asked, stopping)
      yield* note("GET /health", 503, late)
      open()
      assert.strictEqual((yield* Fiber.join(working)).status, 200)

      for (const { route, statuses } of declared) {
        // Nothing in it can fail; it declares what any route may.
        if (route === "GET /health") seen.get(route)!.add(500)
        const sorted = (of: Iterable<number>) => [...of].toSorted((a, b) => a - b)
        assert.deepStrictEqual(sorted(seen.get(route)!), sorted(statuses), route)
      }
    }).pipe(Effect.scoped)
  )

  it.effect(
    "is broken by a status that a route does not declare, and by a body that a client cannot read",
    () =>
      Effect.gen(function* () {
        const broken = (status: number, body: unknown) =>
          Effect.exit(
            check("POST", "http://localhost/v1/jobs", {
              status,
              headers: new Headers({ "content-type": "application/json" }),
              body: Buffer.from(JSON.stringify(body))
            })
          )
        const error = { tag: "Odd", message: "odd" }
        assert.isTrue(Exit.isSuccess(yield* broken(507, { error })))
        for (const [status, body] of [
          [418, { error }],
          [507, { error: "odd" }],
          [507, { message: "odd" }],
          [202, { jobId: 1 }],
          [200, {}]
        ] as const) {
          assert.isTrue(Exit.isFailure(yield* broken(status, body)), `${status} ${JSON.stringify(body)}`)
        }
      })
  )
})
