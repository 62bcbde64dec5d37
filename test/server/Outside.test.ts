/** A server that a proxy has under a path of its own: what it says of its addresses is what callers reach. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Dialects } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { ask, form, jsonBody, serve } from "./support.ts"

const dataUrl = `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`

const cases: ReadonlyArray<readonly [headers: Record<string, string>, expected: RegExp]> = [
  [{}, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  [{ "x-forwarded-prefix": "/seg" }, /^http:\/\/127\.0\.0\.1:\d+\/seg\/v1\//],
  [{ "x-forwarded-prefix": "/a/b-c/" }, /^http:\/\/127\.0\.0\.1:\d+\/a\/b-c\/v1\//],
  [{ "x-forwarded-prefix": "/outer, /inner" }, /^http:\/\/127\.0\.0\.1:\d+\/outer\/v1\//],
  [
    { "x-forwarded-prefix": "/seg", "x-forwarded-proto": "https", "x-forwarded-host": "example.com:8443" },
    /^https:\/\/example\.com:8443\/seg\/v1\//
  ],
  [{ "x-forwarded-host": "a.example, b.internal" }, /^http:\/\/a\.example\/v1\//],
  [{ "x-forwarded-host": "[2001:db8::1]:80" }, /^http:\/\/\[2001:db8::1\]:80\/v1\//],
  // The standard header, and the older ones before it.
  [{ forwarded: "for=192.0.2.1;host=example.com;proto=https" }, /^https:\/\/example\.com\/v1\//],
  [{ forwarded: 'Proto=HTTPS; HOST="a.example:8443", host=b.internal' }, /^https:\/\/a\.example:8443\/v1\//],
  [{ forwarded: 'host="[2001:db8::1]:80"' }, /^http:\/\/\[2001:db8::1\]:80\/v1\//],
  [
    { forwarded: "host=b.example;proto=http", "x-forwarded-host": "a.example", "x-forwarded-proto": "https" },
    /^https:\/\/a\.example\/v1\//
  ],
  [{ forwarded: 'host="evil.example/path"' }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  [{ forwarded: "host=a.example, host" }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  // None of these is a path or a host.
  [{ "x-forwarded-prefix": "//evil.example" }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  [{ "x-forwarded-prefix": "seg" }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  [{ "x-forwarded-prefix": '/a"b' }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  [{ "x-forwarded-prefix": "/a?b" }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  [{ "x-forwarded-host": "evil.example/path" }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  [{ "x-forwarded-host": "user@evil.example" }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//],
  [{ "x-forwarded-proto": "javascript" }, /^http:\/\/127\.0\.0\.1:\d+\/v1\//]
]

describe("behind a proxy", () => {
  it.live("predictions and files are at the address that their caller reached", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects: yield* Dialects.load(["replicate"]) })
      for (const [headers, expected] of cases) {
        const { body, ...init } = jsonBody({ version: "segformer", input: { image: dataUrl } })
        const prediction = yield* ask(`${url}/v1/predictions`, {
          ...init,
          body: body ?? null,
          headers: { "content-type": "application/json", ...headers }
        })
        const urls = JSON.parse(JSON.stringify(prediction.json["urls"]))
        assert.match(urls.get, expected)
        assert.match(urls.cancel, expected)
        const file = yield* ask(`${url}/v1/files`, {
          ...form("content", ["a.png", Fixtures.image]),
          headers
        })
        assert.match(JSON.parse(JSON.stringify(file.json["urls"])).get, expected)
      }
    }).pipe(Effect.scoped)
  )

  it.live("a file that was sent ahead is found by the address that was told", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects: yield* Dialects.load(["replicate"]) })
      const headers = { "x-forwarded-prefix": "/seg", "x-forwarded-host": "example.com" }
      const file = yield* ask(`${url}/v1/files`, { ...form("content", ["a.png", Fixtures.image]), headers })
      const image: unknown = JSON.parse(JSON.stringify(file.json["urls"])).get
      const answer = yield* ask(`${url}/v1/predictions`, jsonBody({ version: "segformer", input: { image } }))
      assert.strictEqual(answer.status, 201)
    }).pipe(Effect.scoped)
  )

  it.live("a job is at its path there", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined)
      for (const [headers, expected] of [
        [{}, /^\/v1\/jobs\//],
        [{ "x-forwarded-prefix": "/seg/" }, /^\/seg\/v1\/jobs\//],
        [{ "x-forwarded-prefix": "//evil.example" }, /^\/v1\/jobs\//]
      ] as const) {
        const job = yield* ask(`${url}/v1/jobs`, {
          ...form("image", ["a.png", Fixtures.image]),
          headers: { ...headers }
        })
        assert.strictEqual(job.status, 202)
        assert.match(job.headers.get("location") ?? "", expected)
      }
    }).pipe(Effect.scoped)
  )

  it.live("the page asks for its parts and the API beside itself", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { page: true })
      const html = (yield* ask(url)).body.toString()
      const named = [...html.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, address = ""]) => address)
      assert.isAbove(named.length, 5)
      for (const address of named) assert.notMatch(address, /^(?:\/|\w+:)/, address)
      for (const address of named.filter((one) => one.startsWith("./page/"))) {
        assert.strictEqual((yield* ask(new URL(address, `${url}/`).href)).status, 200, address)
      }
      const api = named.find((one) => one.endsWith("/Api.js")) ?? ""
      const script = (yield* ask(new URL(api, `${url}/`).href)).body.toString()
      assert.match(script, /"v1\/models"/)
      assert.notMatch(script, /["'`]\/v1\//)
    }).pipe(Effect.scoped)
  )
})
