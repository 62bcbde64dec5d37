/** How the page is served: what it weighs, how it is kept, and what it may load. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { get } from "node:http"
import { brotliCompressSync, gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, References } from "effect"
import { Exports } from "effect-segformer/mask"
import { Page, SegFormerServer } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import { rolldown } from "rolldown"
import { page } from "../../rolldown.config.ts"

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
}

/** As it came: `fetch` would unpack it. */
const ask = (url: string, headers: Record<string, string> = {}, method = "GET"): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const request = get(url, { headers, method, agent: false }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () =>
        resume(
          Effect.succeed({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks)
          })
        )
      )
    })
    request.on("error", (error) => resume(Effect.die(error)))
    request.end()
  })

const serve = Effect.gen(function* () {
  const segmenter = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
  return yield* Effect.provide(SegFormerServer.make({ port: 0, maxBytes: 12_345 }), [
    segmenter,
    SharpCodec.layer,
    NodeFileSystem.layer
  ])
}).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

/** What the document names: all that a browser ever asks for. */
const partsOf = (html: string) => [...new Set(html.match(/\/page\/[\w./-]+/g) ?? [])]

describe("the page's routes", () => {
  it.live("give a page of at most 75 kB compressed as it is published, the sample and all", () =>
    Effect.gen(function* () {
      const { url } = yield* serve
      const html = (yield* ask(url)).body.toString()
      const paths = ["/", ...partsOf(html)]
      // The package has the modules as one; from the sources they come one by one, comments and all.
      const scripts = yield* Effect.forEach(page("unwritten"), ({ output, ...input }) =>
        Effect.promise(async () => {
          const [script, ...rest] = (await (await rolldown(input)).generate(output)).output
          assert.isEmpty(rest)
          return script.code
        })
      )
      for (const [encoding, compress] of [
        ["br", brotliCompressSync],
        ["gzip", gzipSync]
      ] as const) {
        const answers = yield* Effect.forEach(paths, (path) =>
          ask(url + path, { "accept-encoding": encoding })
        )
        assert.isTrue(answers.every(({ status }) => status === 200))
        const others = answers.filter((_, at) => !paths[at]!.endsWith(".js"))
        const sizes = [...others.map(({ body }) => body), ...scripts.map((code) => compress(code))]
        assert.isAtMost(
          sizes.reduce((sum, { length }) => sum + length, 0),
          75_000
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("answer with the encoding that was asked for, and 304 for what the browser has", () =>
    Effect.gen(function* () {
      const { url } = yield* serve
      const plain = yield* ask(url)
      assert.isUndefined(plain.headers["content-encoding"])
      assert.isUndefined(
        (yield* ask(url, { "accept-encoding": "br;q=0, gzip;q=0.0" })).headers["content-encoding"]
      )
      const compressed = yield* ask(url, { "accept-encoding": "gzip, deflate, br" })
      assert.strictEqual(compressed.headers["content-encoding"], "br")
      assert.strictEqual(compressed.headers["vary"], "accept-encoding")
      assert.notStrictEqual(compressed.headers["etag"], plain.headers["etag"])
      assert.strictEqual(plain.headers["cache-control"], "no-cache")
      const known = { "accept-encoding": "br", "if-none-match": String(compressed.headers["etag"]) }
      const again = yield* ask(url, known)
      assert.deepStrictEqual([again.status, again.body.length], [304, 0])
      assert.strictEqual(again.headers["etag"], compressed.headers["etag"])
      const head = yield* ask(url, {}, "HEAD")
      assert.deepStrictEqual([head.status, head.body.length], [200, 0])
      for (const path of partsOf(plain.body.toString())) {
        const part = yield* ask(url + path)
        assert.strictEqual(part.headers["cache-control"], "public, max-age=31536000, immutable")
        assert.strictEqual(part.headers["x-content-type-options"], "nosniff")
        assert.match(String(part.headers["content-type"]), /^(?:text\/(?:css|javascript)|image\/)/)
      }
    }).pipe(Effect.scoped)
  )

  it.live("allow the page nothing but its own server", () =>
    Effect.gen(function* () {
      const { url } = yield* serve
      const { body, headers } = yield* ask(url)
      const policy = new Map(
        String(headers["content-security-policy"])
          .split("; ")
          .map((one) => [one.split(" ")[0], one.split(" ").slice(1).join(" ")])
      )
      assert.deepInclude(Object.fromEntries(policy), {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "connect-src": "'self'",
        "frame-ancestors": "'none'"
      })
      const html = body.toString()
      assert.notMatch(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*src=)|https?:\/\//)
    }).pipe(Effect.scoped)
  )

  it.live("tell the page what the server takes", () =>
    Effect.gen(function* () {
      const { url } = yield* serve
      const document = (yield* ask(url)).body.toString()
      assert.include(document, `data-max-bytes="12345"`)
      const told = /data-formats="([^"]*)"/.exec(document)?.[1]?.replaceAll("&quot;", '"') ?? ""
      assert.deepStrictEqual(
        JSON.parse(told).map(({ mediaType }: { mediaType: string }) => mediaType),
        Exports.names.map((name) => Exports.formats[name].mediaType)
      )
    }).pipe(Effect.scoped)
  )

  it.live("have the files of the page and no others", () =>
    Effect.gen(function* () {
      const { url } = yield* serve
      const [first = ""] = partsOf((yield* ask(url)).body.toString())
      const folder = first.slice(0, first.lastIndexOf("/"))
      for (const path of [
        `${folder}/../../package.json`,
        `${folder}/..%2f..%2fPage.ts`,
        `${folder}/Api.ts`,
        `${folder}/tsconfig.json`,
        `${folder}/`,
        "/page/main.js",
        "/assets/index.html"
      ]) {
        assert.strictEqual((yield* ask(url + path)).status, 404, path)
      }
    }).pipe(Effect.scoped)
  )

  it.live("name files by what is in them: the same twice", () =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([Page.routes(), Page.routes({ maxBytes: 1 })])
      assert.deepStrictEqual(
        one.map(({ path }) => path),
        two.map(({ path }) => path)
      )
      assert.strictEqual(one[0]?.path, "/")
    })
  )
})
