/** The page of the guide, as it stands there: bundled, opened, and given a picture. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ImageSource, LabelMap, segment } from "effect-segformer"
import * as BrowserBundle from "../support/BrowserBundle.ts"
import { hangs } from "../support/Eventually.ts"
import * as Needs from "../support/Needs.ts"
import { serveFolders } from "../support/StaticServer.ts"
import * as Warm from "../support/Warm.ts"

const guide = readFileSync(new URL("../../docs/guides/browser.md", import.meta.url), "utf8")
const sample = fileURLToPath(new URL("../../test/fixtures/heldout/000.jpg", import.meta.url))

const block = (language: string): string =>
  new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(guide)?.[1] ??
  assert.fail(`no ${language}`)

describe.skipIf(Needs.chromium === undefined)("docs/guides/browser.md", () => {
  it.live("has a page that segments what a visitor chooses, and says so of what is no picture", () =>
    Effect.gen(function* () {
      const site = yield* BrowserBundle.site(block("ts"), { html: block("html") })
      const asked: Array<string> = []
      const origin = yield* serveFolders({ "/": site }, { onRequest: (path) => asked.push(path) })
      const page = yield* Effect.acquireRelease(
        Effect.flatMap(Warm.browser, (browser) => Effect.promise(() => browser.newPage())),
        (page) => Effect.promise(() => page.close())
      )
      page.setDefaultTimeout(hangs / 2)
      const told = yield* Effect.promise(async () => {
        await page.goto(`${origin}/`)
        await page.setInputFiles("input", sample)
        await page.waitForFunction(() => /pixels|cannot|image/.test(document.querySelector("output")!.value))
        const text = await page.textContent("output")
        await page.setInputFiles("input", {
          name: "notes.txt",
          mimeType: "text/plain",
          buffer: Buffer.from("no picture")
        })
        await page.waitForFunction((before) => document.querySelector("output")!.value !== before, text)
        return [text, await page.textContent("output")] as const
      })
      const map = yield* Effect.provide(
        Effect.flatMap(segment(ImageSource.file(sample)), ({ labelMap }) => labelMap),
        [Warm.model, NodeFileSystem.layer]
      )
      const names = ["background", "particle", "scratch", "stain", "fiber", "pit"]
      const found = [...LabelMap.histogram(map).keys()].map((id) => names[id])
      assert.strictEqual(told[0], `${map.width} x ${map.height} pixels: ${found.join(", ")}`)
      assert.match(told[1] ?? "", /^notes.txt is not an image/)
      assert.isTrue(asked.some((path) => path.endsWith(".onnx")))
      // Whatever is missing is told, and the next picture is for a model that is loaded anew.
      for (const [missing, why] of [
        [/\.onnx$/, /Cannot load the model bundled: .*\.onnx cannot be read \(404/],
        [/\.wasm$/, /Cannot load the model bundled: .*files of ONNX Runtime cannot be loaded/]
      ] as const) {
        const later = yield* Effect.promise(async () => {
          const errors: Array<string> = []
          page.on("pageerror", ({ message }) => errors.push(message))
          await page.route(missing, (route) => route.fulfill({ status: 404, body: "" }))
          await page.goto(`${origin}/`)
          const before = await page.textContent("output")
          await page.setInputFiles("input", sample)
          await page.waitForFunction((before) => document.querySelector("output")!.value !== before, before)
          const first = await page.textContent("output")
          await page.unroute(missing)
          await page.setInputFiles("input", sample)
          await page.waitForFunction((first) => document.querySelector("output")!.value !== first, first)
          return { errors, first, second: await page.textContent("output") }
        })
        assert.match(later.first ?? "", why)
        assert.strictEqual(later.second, told[0])
        assert.deepStrictEqual(later.errors, [])
      }
      // A file that does not come once is asked for again.
      const hiccup = yield* Effect.promise(async () => {
        let requests = 0
        await page.route(/\.onnx$/, (route) => (++requests === 1 ? route.abort() : route.continue()))
        await page.goto(`${origin}/`)
        const before = await page.textContent("output")
        await page.setInputFiles("input", sample)
        await page.waitForFunction((before) => document.querySelector("output")!.value !== before, before)
        return { requests, text: await page.textContent("output") }
      })
      assert.deepStrictEqual(hiccup, { requests: 2, text: told[0] })
    }).pipe(Effect.scoped)
  )
})
