/** Where pictures of tasks are fetched from, what goes along, and what becomes of tasks whose pictures cannot be had. */
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, Logger, Redacted } from "effect"
import type { Prediction } from "effect-segformer"
import { LabelStudioDialect, SegFormerServer } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import * as TestServer from "../../support/TestServer.ts"
import { eventually } from "../../support/Eventually.ts"
import { passing } from "../../support/Passing.ts"
import { ask, gate, type Predict } from "../support.ts"
import {
  config,
  connected,
  key,
  predictBody,
  predicted,
  studio,
  type Task,
  task,
  uploads
} from "./support.ts"

const brush = config("BrushLabels")
const counts = (results: ReadonlyArray<{ readonly result: ReadonlyArray<unknown> }>) =>
  results.map(({ result }) => (result.length > 0 ? "found" : "empty"))

/** A host that hands out a picture to everybody. */
const host = TestServer.http((_, response) => {
  response.writeHead(200).end(Fixtures.image)
})

const unsigned = (payload: object) =>
  `${Buffer.from('{"alg":"HS256"}').toString("base64url")}.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.c2ln`

describe("a picture", () => {
  it.live("of Label Studio is asked for with the key, its storage by a signed address without", () =>
    Effect.gen(function* () {
      const storage = yield* host
      const place = new URL(storage.url).host
      const signed = `/tasks/3/presign/?fileuri=${Buffer.from("s3://b/3.png").toString("base64url")}`
      const { asked, url } = yield* studio({
        ...uploads("1.png"),
        "/data/local-files/?d=a/2.png": Fixtures.image,
        "/storage-data/uploaded/?filepath=upload%2F1%2F4.png": Fixtures.image,
        [signed]: { location: `${storage.url}/3.png?signature=x` }
      })
      const ours = yield* connected(url, { hosts: [place] })
      const tasks = [
        task(1),
        task(2, "/data/local-files/?d=a/2.png"),
        task(3, "s3://b/3.png"),
        task(4, "upload/1/4.png"),
        task(5, `${storage.url}/5.png`),
        task(6, `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`)
      ]
      const { results } = yield* ours.predict(tasks, brush)
      assert.deepStrictEqual(
        counts(results),
        tasks.map(() => "found")
      )
      for (const [path, authorization] of asked()) assert.strictEqual(authorization, `Token ${key}`, path)
      assert.deepStrictEqual(storage.requests.map(({ path }) => path).sort(), [
        "/3.png?signature=x",
        "/5.png"
      ])
      for (const { headers } of storage.requests) {
        assert.isUndefined(headers["authorization"])
        assert.notInclude(JSON.stringify(headers), key)
      }
    }).pipe(Effect.scoped)
  )

  it.live("is not fetched from where nobody allowed it, not by a redirect either", () =>
    Effect.gen(function* () {
      const inner = yield* host
      const { url } = yield* studio({
        ...uploads("1.png"),
        "/data/local-files/?d=a": { location: `${inner.url}/secret.png` },
        "/data/local-files/?d=b": { location: "http://169.254.169.254/latest" },
        "/data/local-files/?d=c": { location: "file:///etc/passwd" }
      })
      // All public hosts are allowed, and none of this machine is.
      const ours = yield* connected(url, { hosts: ["*"] })
      const { port } = new URL(inner.url)
      const wrong = [
        `${inner.url}/secret.png`,
        `http://localhost:${port}/secret.png`,
        `http://[::1]:${port}/secret.png`,
        `http://[::ffff:127.0.0.1]:${port}/secret.png`,
        `http://2130706433:${port}/secret.png`,
        `http://0.0.0.0:${port}/secret.png`,
        `//127.0.0.1:${port}/secret.png`,
        `/\\127.0.0.1:${port}/secret.png`,
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "/data/local-files/?d=a",
        "/data/local-files/?d=b",
        "/data/local-files/?d=c"
      ]
      const { results } = yield* ours.predict([task(1), ...wrong.map((at, i) => task(i + 2, at))], brush)
      assert.deepStrictEqual(counts(results), ["found", ...wrong.map(() => "empty")])
      assert.deepStrictEqual(inner.requests, [])
    }).pipe(Effect.scoped)
  )

  it.live("is not fetched from a Label Studio that a request names, nor does the key go there", () =>
    Effect.gen(function* () {
      const stranger = yield* host
      const { asked, url } = yield* studio(uploads("1.png"))
      const body = {
        project: "1.1",
        schema: brush,
        hostname: stranger.url,
        access_token: "a-token",
        extra_params: JSON.stringify({ hostname: stranger.url })
      }
      const json = (what: object): RequestInit => ({
        method: "POST",
        body: JSON.stringify(what),
        headers: { "content-type": "application/json" }
      })
      const known = yield* connected(url)
      yield* ask(`${known.url}/setup`, json(body))
      const { results } = yield* known.predict([task(1)], brush)
      assert.deepStrictEqual(counts(results), ["found"])
      const unknown = yield* connected(undefined)
      yield* ask(`${unknown.url}/setup`, json(body))
      const none = yield* unknown.predict([task(1)], brush)
      assert.deepStrictEqual(counts(none.results), ["empty"])
      assert.deepStrictEqual(stranger.requests, [])
      assert.isAbove(asked().length, 0)
    }).pipe(Effect.scoped)
  )

  it.live("is asked for with a key that was copied with its scheme", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png"))
      for (const written of [`Token ${key}`, `token  ${key}`]) {
        const ours = yield* connected(url, { key: Redacted.make(written) })
        assert.deepStrictEqual(counts((yield* ours.predict([task(1)], brush)).results), ["found"])
      }
    }).pipe(Effect.scoped)
  )

  it.live("is asked for by a personal access token's own short one, which is fetched once", () =>
    Effect.gen(function* () {
      const access = unsigned({ token_type: "access", exp: Math.floor(Date.now() / 1000) + 300 })
      const refresh = unsigned({ token_type: "refresh", exp: 4_000_000_000 })
      const server = yield* TestServer.http(({ body, headers, method, path }, response) => {
        if (method === "POST" && path === "/api/token/refresh/") {
          const good = JSON.parse(body.toString()).refresh === refresh
          return TestServer.sendJson(response, good ? { access } : { detail: "no" }, good ? 200 : 401)
        }
        const good = headers["authorization"] === `Bearer ${access}` && path.startsWith("/data/upload/")
        response.writeHead(good ? 200 : 404).end(good ? Fixtures.image : "")
      })
      const ours = yield* connected(server.url, { key: Redacted.make(refresh) })
      const { results } = yield* ours.predict([task(1), task(2), task(3)], brush)
      assert.deepStrictEqual(counts(results), ["found", "found", "found"])
      assert.lengthOf(
        server.requests.filter(({ method }) => method === "POST"),
        1
      )
    }).pipe(Effect.scoped)
  )
})

describe("a task that fails", () => {
  it.live("has an empty result in its place, and the log says why", () => {
    const lines: Array<string> = []
    const logger = Logger.make(({ message }) => lines.push(String(message)))
    return Effect.gen(function* () {
      const { url } = yield* studio({
        ...uploads("1.png", "5.png"),
        "/data/upload/1/3.png": new TextEncoder().encode("<html>no picture</html>")
      })
      const dialect = LabelStudioDialect.make({ url: new URL(url), key: Redacted.make(key), proxy: false })
      const ours = yield* SegFormerServer.make({ port: 0, page: false, dialects: [dialect] })
      const ask = (tasks: ReadonlyArray<Task>) =>
        Effect.promise(async () => {
          const response = await fetch(`${ours.url}/predict`, predictBody(tasks, brush))
          return predicted(Buffer.from(await response.arrayBuffer())).results
        })
      const tasks = [
        task(1),
        task(2),
        task(3),
        { id: 4, data: { other: "x" } },
        task(5),
        task(6, 7),
        task(7, "")
      ]
      const results = yield* ask(tasks)
      assert.deepStrictEqual(counts(results), ["found", "empty", "empty", "empty", "found", "empty", "empty"])
      const versions = new Set(results.map(({ model_version }) => model_version))
      assert.strictEqual(versions.size, 1)
      assert.strictEqual(results[1]?.score, 0)
      for (const id of [2, 3, 4, 6, 7])
        assert.isTrue(
          lines.some((line) => line.includes(`task ${id} gets no regions: `)),
          `${id}: ${lines.join("\n")}`
        )
      assert.notInclude(lines.join("\n"), key)
      assert.deepStrictEqual(counts(yield* ask([task(2)])), ["empty"])
    }).pipe(
      Effect.scoped,
      Effect.provide([
        Logger.layer([logger]),
        SharpCodec.layer,
        NodeFileSystem.layer,
        SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
      ])
    )
  })

  it.effect("for a reason that is that of all tasks fails the request, so that nothing is kept of it", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png", "2.png"))
      const wrongKey = yield* connected(url, { key: Redacted.make("another") })
      const refused = yield* wrongKey.ask([task(1), task(2)], brush)
      assert.strictEqual(refused.status, 502)
      assert.notInclude(refused.body.toString(), "another")
      const noKey = yield* connected(url, { key: undefined })
      assert.strictEqual((yield* noKey.ask([task(1)], brush)).status, 502)
      const closed = yield* TestServer.closedPort
      const gone = yield* connected(`http://127.0.0.1:${closed}`)
      assert.strictEqual((yield* passing(gone.ask([task(1)], brush))).status, 503)
    }).pipe(Effect.scoped)
  )

  it.live("for such a reason in the midst of others breaks the answer off", () =>
    Effect.gen(function* () {
      let requests = 0
      const server = yield* TestServer.http(({ path }, response) => {
        if (!path.startsWith("/data/upload/")) response.writeHead(404).end()
        else if (requests++ < 2) response.writeHead(200).end(Fixtures.image)
        else response.writeHead(401).end()
      })
      const ours = yield* connected(server.url)
      const tasks = Array.from({ length: 8 }, (_, i) => task(i + 1))
      const whole = yield* Effect.promise(async () => {
        try {
          const response = await fetch(`${ours.url}/predict`, predictBody(tasks, brush))
          return JSON.parse(await response.text()) as unknown
        } catch {
          return undefined
        }
      })
      assert.isUndefined(whole)
    }).pipe(Effect.scoped)
  )
})

describe("many tasks", () => {
  it.live("are answered in their order, and a picture that comes again is not segmented again", () =>
    Effect.gen(function* () {
      let runs = 0
      const predict: Predict = () =>
        Effect.sync((): Prediction => {
          runs++
          return Fixtures.prediction
        })
      const { url } = yield* studio(uploads("even.png"))
      const ours = yield* connected(url, { predict, server: { maxCacheBytes: 1 << 24, concurrency: 4 } })
      const tasks = Array.from({ length: 100 }, (_, i) =>
        task(i, i % 2 === 0 ? "/data/upload/1/even.png" : `/data/upload/1/none-${i}.png`)
      )
      yield* ours.predict([tasks[0]!], brush)
      const { results } = yield* ours.predict(tasks, brush)
      assert.deepStrictEqual(
        counts(results),
        tasks.map((_, i) => (i % 2 === 0 ? "found" : "empty"))
      )
      assert.strictEqual(runs, 1)
    }).pipe(Effect.scoped)
  )

  it.live("are answered one by one, so that nobody who waits for them gives up", () =>
    Effect.gen(function* () {
      const { entered, open, predict } = gate()
      const { url } = yield* studio(uploads("1.png", "2.png", "3.png"))
      const first: Predict = () => Effect.succeed(Fixtures.prediction)
      let runs = 0
      const ours = yield* connected(url, {
        pulse: "20 millis",
        predict: (...given) => (runs++ === 0 ? first : predict)(...given)
      })
      const response = yield* Effect.promise(() =>
        fetch(`${ours.url}/predict`, predictBody([task(1), task(2), task(3)], brush))
      )
      const reader = response.body?.getReader()
      const decoder = new TextDecoder()
      const read = async () => decoder.decode((await reader?.read())?.value, { stream: true })
      let text = ""
      // Its result is there while the others are still worked on.
      while (!text.trimEnd().endsWith("]}")) text += yield* Effect.promise(read)
      assert.match(text, /^\{"results":\[\{"model_version"/)
      yield* eventually(() => entered() === 2)
      const spaces = yield* Effect.promise(async () => (await read()) + (await read()))
      assert.match(spaces, /^ +$/)
      text += spaces
      open()
      for (;;) {
        const more = yield* Effect.promise(read)
        if (more === "") break
        text += more
      }
      assert.deepStrictEqual(counts(predicted(Buffer.from(text)).results), ["found", "found", "found"])
    }).pipe(Effect.scoped)
  )

  it.live("may bring what was predicted and drawn before", () =>
    Effect.gen(function* () {
      const { url } = yield* studio(uploads("1.png"))
      const ours = yield* connected(url)
      const rle = Array.from({ length: 20_000 }, (_, i) => i % 256)
      const points = Array.from({ length: 5000 }, (_, i) => [i / 70, 100 - i / 70])
      const before = {
        ...task(1),
        predictions: [{ result: [{ type: "brushlabels", value: { rle } }] }],
        annotations: [{ result: [{ type: "polygonlabels", value: { points } }] }]
      }
      const tasks = Array.from({ length: 20 }, () => before)
      const { body } = yield* ask(`${ours.url}/predict`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ tasks, label_config: brush, params: { context: null } })
      })
      assert.lengthOf(JSON.parse(body.toString()).results, 20)
    }).pipe(Effect.scoped)
  )
})
