/** What is loaded later, of a page whose files a deployment has replaced since it was opened. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Logger, Redacted, References } from "effect"
import { HttpClient, HttpClientResponse } from "effect/http"
import type * as Main from "effect-segformer"
import type * as Http from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import * as esbuild from "esbuild"
import * as ExitCode from "../../src/cli/ExitCode.ts"
import { lazily } from "../../src/service/CodeNotLoaded.ts"

interface Page {
  readonly ImageSource: typeof Main.ImageSource
  readonly segment: typeof Main.segment
  readonly SegFormerHttp: typeof Http.SegFormerHttp
  readonly Custom: typeof Http.Custom
}

const root = join(import.meta.dirname, "..", "..")

/** The program, with what it loads first, and without a file that it would load later. */
const opened = async (): Promise<Page> => {
  // Within the project, so that it finds what is installed.
  const folder = mkdtempSync(join(root, "node_modules", ".segformer-page-"))
  try {
    const { metafile, outputFiles } = await esbuild.build({
      stdin: {
        contents: `export { ImageSource, segment } from "effect-segformer"
          export { SegFormerHttp, Custom } from "effect-segformer/http"`,
        resolveDir: root
      },
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      conditions: ["effect-segformer-source"],
      external: ["effect", "effect/*", "fast-png", "fflate"],
      outdir: folder,
      absWorkingDir: root,
      metafile: true,
      write: false
    })
    const first = new Set<string>()
    const take = (name: string): void => {
      if (first.has(name) || metafile.outputs[name] === undefined) return
      first.add(name)
      for (const { kind, path } of metafile.outputs[name].imports) if (kind === "import-statement") take(path)
    }
    take(Object.keys(metafile.outputs).find((name) => name.endsWith("stdin.js"))!)
    for (const { contents, path } of outputFiles) {
      if ([...first].some((name) => path.endsWith(name))) writeFileSync(path, contents)
    }
    return await import(join(folder, "stdin.js"))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

let page: Page
beforeAll(async () => {
  page = await opened()
})

/** A service that answers so, and how often it is asked. */
const answering = (
  answer: () => Response,
  options: Partial<Http.SegFormerHttp.SegFormerHttpOptions> = {}
) => {
  const count = { asked: 0 }
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      count.asked++
      return HttpClientResponse.fromWeb(request, answer())
    })
  )
  const service = page.SegFormerHttp.layer({ baseUrl: "http://service.example", ...options })
  return { count, service: Layer.provide(service, Layer.succeed(HttpClient.HttpClient, client)) }
}

const isGone = (error: { readonly _tag: string; readonly message: string }) => {
  assert.strictEqual(error._tag, "CodeNotLoaded")
  assert.match(error.message, /^A part of effect-segformer cannot be loaded \(.*Cannot find module.*\)/)
  assert.match(error.message, /reload the page or restart the program$/)
}

const json = (value: unknown, init?: ResponseInit) => () => new Response(JSON.stringify(value), init)
const rows = (width: number, height: number) =>
  Array.from({ length: height }, () => Array.from({ length: width }, () => 1))
describe("a page whose files were replaced", () => {
  it.live("says so of each source that it cannot open, and of each file whose header it cannot read", () =>
    Effect.gen(function* () {
      const gif = Buffer.from("GIF89a\x01\0\x01\0\0\0\0", "latin1")
      for (const source of [
        page.ImageSource.url("http://service.example/a.png"),
        page.ImageSource.bytes(gif),
        page.ImageSource.bytes(Buffer.from("no image"))
      ]) {
        const client = HttpClient.make((request) =>
          Effect.succeed(HttpClientResponse.fromWeb(request, new Response()))
        )
        isGone(yield* Effect.flip(Effect.provideService(source.open(), HttpClient.HttpClient, client)))
      }
    })
  )

  it.live("says so of an answer that it cannot read, after one attempt, whatever the answer", () =>
    Effect.gen(function* () {
      const mask = page.Custom.make({ mask: { at: "mask" } })
      const cases: ReadonlyArray<
        readonly [string, () => Response, Partial<Http.SegFormerHttp.SegFormerHttpOptions>?]
      > = [
        ["a success of the inspection service", json({ success: true })],
        ["a failure of the service", json({}, { status: 500 })],
        ["a failure that is to be tried again", json({}, { status: 503 })],
        ["a large answer", json({ mask: rows(400, 400) }), { protocol: mask }],
        ["a mask of another size", json({ mask: rows(24, 16) }), { protocol: mask }],
        [
          "a redirect",
          () => new Response(null, { status: 307, headers: { location: "/b" } }),
          { redirects: { max: 3 } }
        ]
      ]
      for (const [name, answer, options] of cases) {
        const { count, service } = answering(answer, options)
        const asks = page.segment(page.ImageSource.bytes(Fixtures.image))
        isGone(yield* Effect.flip(Effect.provide(asks, service)))
        assert.strictEqual(count.asked, 1, name)
      }
    })
  )

  it.live("goes on without what it can do without: the regions of a map, and the lines of a log", () =>
    Effect.gen(function* () {
      const { service } = answering(json({ mask: rows(48, 32) }), {
        protocol: page.Custom.make({ mask: { at: "mask" } }),
        logRequests: "info"
      })
      const asks = page.segment(page.ImageSource.bytes(Fixtures.image))
      const segmentation = yield* Effect.provide(asks, service)
      assert.strictEqual((yield* segmentation.labelMap).width, 48)
      isGone(yield* Effect.flip(segmentation.regions))
    }).pipe(Effect.provideService(References.MinimumLogLevel, "Info"), Effect.provide(Logger.layer([])))
  )

  it.live("says so of a service with a key, which is given to nobody", () =>
    Effect.gen(function* () {
      const { count, service } = answering(json({}), { apiKey: Redacted.make("hunter2-hunter2") })
      const cause = yield* Effect.flip(Effect.sandbox(Effect.scoped(Layer.build(service))))
      assert.match(String(Cause.squash(cause)), /reload the page or restart the program/)
      assert.strictEqual(count.asked, 0)
    })
  )

  it.effect("ends the command with the code of what cannot be used, and says why", () =>
    Effect.gen(function* () {
      const gone = ExitCode.loaded(() => Promise.reject(new Error("Cannot find module 'chunk.js'")))
      const ended = yield* Effect.flip(gone)
      assert.strictEqual(ended.code, ExitCode.unavailable)
      assert.match(ended.message, /part of effect-segformer .*chunk\.js.* restart the program/)
      assert.strictEqual(yield* ExitCode.loaded(() => Promise.resolve(1)), 1)
    })
  )

  it.effect("says so where a bundler's own handling gives nothing in the place of what is gone", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(lazily(() => Promise.resolve(undefined)))
      assert.match(error.message, /^A part of effect-segformer cannot be loaded \(nothing came\)/)
    })
  )
})
