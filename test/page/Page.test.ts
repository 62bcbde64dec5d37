/** The page in a real Chromium, against a real server with the model in the box. */
import { readFileSync } from "node:fs"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Exit, Redacted, Schema, Scope } from "effect"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import type { Page } from "playwright-core"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import { freePort } from "../support/TestServer.ts"
import * as Warm from "../support/Warm.ts"
import {
  colorAt,
  desktop,
  grey,
  type OnPage,
  PageServer,
  pointAt,
  sees,
  segment,
  serve,
  visit
} from "./support.ts"
import { using } from "./using.ts"

const sampleFile = readFileSync(new URL("../../src/server/page/assets/sample.jpg", import.meta.url))

/** Chromium writes a line for every answer of 400 and above. */
const expected = /Failed to load resource/

const statusOf = (page: Page) => page.locator("#status").textContent()

describe.skipIf(Needs.chromium === undefined)("the page", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const visitHere: typeof visit = (url, use, options = desktop) =>
      visit(url, use, { ...options, sharesTab: true })
    const onPage: OnPage = (name, use, options) =>
      it.effect(name, () => Effect.flatMap(PageServer, ({ url }) => visitHere(url, use, options)))

    describe("is used", () => using(onPage))

    describe("takes an image", () => {
      onPage("from the sample, one click away, and shows what the API says of it", async (page) => {
        await page.getByRole("button", { name: "Try the sample" }).click()
        await page.locator("#details").waitFor()
        const answer: unknown = await page.evaluate(
          async (bytes) => {
            const body = Uint8Array.from(bytes)
            return (await fetch("/v1/segment", { method: "POST", body })).json()
          },
          [...sampleFile]
        )
        const Answer = Schema.Struct({
          width: Schema.Int,
          height: Schema.Int,
          classes: Schema.Array(Schema.Struct({ name: Schema.String, share: Schema.Finite })),
          regions: Schema.Array(Schema.Struct({ class: Schema.String, area: Schema.Int }))
        })
        const told = Schema.decodeUnknownSync(Answer)(answer)
        const rows = await page.locator("#classes tbody tr").allInnerTexts()
        assert.deepStrictEqual(
          rows.map((row) => row.split("\t")[0]!.trim()),
          told.classes.map(({ name }) => name)
        )
        assert.include(rows[0], `${(told.classes[0]!.share * 100).toFixed(1)} %`)
        assert.match(rows[0]!, /\d+ %\s+⋯$/)
        const regions = told.regions.filter((one) => one.class !== "background")
        await sees(async () =>
          assert.strictEqual(await page.locator("#regions tbody tr").count(), regions.length)
        )
        await sees(async () =>
          assert.strictEqual(await page.locator("#regions-count").textContent(), String(regions.length))
        )
        await sees(async () =>
          assert.include(await page.locator("#work-meta").textContent(), `${told.width} × ${told.height}`)
        )
        await sees(async () =>
          assert.match((await statusOf(page))!, /^Done: \d+ classes and \d+ regions, most of it background/)
        )
        await sees(async () => assert.strictEqual(await page.title(), "sample.jpg – SegFormer"))
      })

      onPage("and lets go of it when cancelled", async (page) => {
        await page.route("**/v1/segment*", () => {})
        await page.setInputFiles("#file", { name: "grey.png", mimeType: "image/png", buffer: grey })
        await page.locator("#progress").getByText("Segmenting grey.png with bundled").waitFor()
        await page.getByRole("button", { name: "Cancel" }).click()
        await sees(async () =>
          assert.isTrue(await page.getByRole("button", { name: "Choose an image" }).isVisible())
        )
        await sees(async () => assert.isFalse(await page.getByRole("alert").isVisible()))
      })
    })

    describe("shows", () => {
      it.effect("no column of confidence where the model does not say", () =>
        Effect.gen(function* () {
          const { url } = yield* serve({
            models: { plain: SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction)) }
          })
          yield* visitHere(url, async (page) => {
            await segment(page, "plain")
            await sees(async () =>
              assert.deepStrictEqual(await page.locator("#classes thead th").allInnerTexts(), [
                "Class",
                "Share",
                "How it is shown"
              ])
            )
            await pointAt(page, 0.02, 0.02)
            await sees(async () =>
              assert.match((await page.locator("#pill").textContent())!, /^background\d+, \d+$/)
            )
          })
        }).pipe(Effect.scoped)
      )

      onPage("an image that the browser cannot read, as the server reads it", async (page) => {
        const stripes = Buffer.from(Array.from({ length: 200 * 100 }, (_, at) => (at % 200 < 50 ? 40 : 200)))
        const tiff = await sharp(stripes, { raw: { width: 200, height: 100, channels: 1 } })
          .tiff()
          .toBuffer()
        await segment(page, "halves", "scan.tif", tiff)
        await sees(async () =>
          assert.notInclude(await page.locator("#work-meta").textContent(), "cannot show")
        )
        await page.getByRole("slider", { name: "Overlay" }).fill("0")
        await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.1, 0.5), [40, 40, 40]))
        await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.9, 0.5), [200, 200, 200]))
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.locator("#downloads").getByRole("button", { name: "Picture", exact: true }).click()
        ])
        const saved = await sharp(await download.path())
          .removeAlpha()
          .raw()
          .toBuffer()
        assert.deepStrictEqual([...saved.subarray(0, 3)], [40, 40, 40])
        // Small in the strip, once there is one.
        await segment(page, "halves", "other.png")
        await page.waitForFunction(() =>
          [...document.querySelectorAll(".thumb img")].every(
            (one) => one instanceof HTMLImageElement && one.naturalWidth > 0
          )
        )
      })

      onPage(
        "an image that nobody can show by what is on it alone",
        async (page) => {
          await page.route("**/v1/picture", (route) => route.fulfill({ status: 500, json: {} }))
          await segment(page, "halves", "scan.tif", await sharp(grey).tiff().toBuffer())
          await sees(async () =>
            assert.include(
              await page.locator("#work-meta").textContent(),
              "This browser cannot show the picture"
            )
          )
          await page.getByRole("slider", { name: "Overlay" }).fill("100")
          await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [255, 0, 0]))
        },
        { ...desktop, expected }
      )
    })

    describe("says in a sentence", () => {
      it.effect("that a file is too large, before it is sent", () =>
        Effect.gen(function* () {
          const { url } = yield* serve({ maxBytes: 10_000 })
          yield* visitHere(url, async (page) => {
            const asked: Array<string> = []
            page.on("request", (request) => asked.push(request.url()))
            await page.setInputFiles("#file", {
              name: "scan.png",
              mimeType: "image/png",
              buffer: Buffer.alloc(20_000)
            })
            await page
              .locator(".alert p", {
                hasText: "scan.png has 20 kB, and this server takes images of at most 10 kB."
              })
              .waitFor()
            assert.deepStrictEqual(
              asked.filter((url) => url.includes("/v1/")),
              []
            )
          })
        }).pipe(Effect.scoped)
      )

      it.effect("that the server has stopped, and goes on once it is back", () =>
        Effect.gen(function* () {
          const first = yield* Scope.make()
          const port = yield* freePort
          const { url } = yield* Scope.provide(serve({ port }), first)
          yield* visitHere(
            url,
            async (page) => {
              await Effect.runPromise(Scope.close(first, Exit.void))
              await page.setInputFiles("#file", {
                name: "grey.png",
                mimeType: "image/png",
                buffer: grey
              })
              await page.locator(".alert p", { hasText: "The server does not answer." }).waitFor()
              const second = Effect.andThen(serve({ port }), () =>
                Effect.promise(async () => {
                  await page.getByRole("button", { name: "Try again" }).click()
                  await page.locator("#details").waitFor()
                  await sees(async () => assert.isFalse(await page.getByRole("alert").isVisible()))
                })
              )
              await Effect.runPromise(Effect.scoped(second))
            },
            { ...desktop, expected }
          )
        })
      )

      onPage(
        "that an answer is not as agreed",
        async (page) => {
          await page.route("**/v1/segment*", (route) =>
            route.fulfill({ json: { regions: [], model: "halves" } })
          )
          await page.setInputFiles("#file", { name: "grey.png", mimeType: "image/png", buffer: grey })
          await page.locator(".alert p", { hasText: `"width" of the answer is no number.` }).waitFor()
        },
        { ...desktop, expected }
      )

      it.effect("that a token is asked for, once, and goes on with it", () =>
        Effect.gen(function* () {
          const { url } = yield* serve({ tokens: [Redacted.make("open-sesame")] })
          const browser = yield* Warm.browser
          yield* Effect.acquireUseRelease(
            Effect.promise(() => browser.newContext()),
            (context) =>
              Effect.promise(async () => {
                const page = await context.newPage()
                await page.goto(url)
                const dialog = page.getByRole("dialog", { name: "This server asks for a token" })
                await dialog.waitFor()
                await page.getByLabel("Token", { exact: true }).fill("wrong")
                await page.keyboard.press("Enter")
                await dialog.getByText("It does not know the token you gave").waitFor()
                await page.getByLabel("Token", { exact: true }).fill("open-sesame")
                await page.getByRole("button", { name: "Continue" }).click()
                await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
                await segment(page, "halves")
                await sees(async () =>
                  assert.include(await page.locator("#code").textContent(), `Config.Redacted("TOKEN")`)
                )
                assert.notInclude(await page.content(), "open-sesame")
                // Reloaded, the tab still has it; another has not.
                await page.reload()
                await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
                await sees(async () => assert.isFalse(await dialog.isVisible()))
              }),
            (context) => Effect.promise(() => context.close())
          )
        }).pipe(Effect.scoped)
      )

      it.effect("a browser that lets it keep nothing, where a token holds until the page is left", () =>
        Effect.gen(function* () {
          const { url } = yield* serve({ tokens: [Redacted.make("open-sesame")] })
          const browser = yield* Warm.browser
          yield* Effect.acquireUseRelease(
            Effect.promise(() => browser.newContext()),
            (context) =>
              Effect.promise(async () => {
                const page = await context.newPage()
                await page.addInitScript(() => {
                  for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
                    const get = () => {
                      throw new DOMException("Access is denied for this document.", "SecurityError")
                    }
                    Object.defineProperty(window, name, { get })
                  }
                })
                await page.goto(url)
                await page.getByLabel("Token", { exact: true }).fill("open-sesame")
                await page.getByRole("button", { name: "Continue" }).click()
                await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
                await segment(page, "halves")
                await sees(async () => assert.strictEqual(await page.locator(".alert").count(), 0))
              }),
            (context) => Effect.promise(() => context.close())
          )
        }).pipe(Effect.scoped)
      )
    })
  })
})
