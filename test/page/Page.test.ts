/** The page in a real Chromium, against a real server with the model in the box. */
import { readFileSync } from "node:fs"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Exit, Redacted, Schema, Scope } from "effect"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"
import type { Page } from "playwright-core"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import * as Warm from "../support/Warm.ts"
import {
  boardOf,
  colorAt,
  desktop,
  grey,
  PageServer,
  phone,
  pointAt,
  segment,
  serve,
  visit
} from "./support.ts"

const sampleFile = readFileSync(new URL("../../src/server/page/assets/sample.jpg", import.meta.url))

/** Chromium writes a line for every answer of 400 and above. */
const expected = /Failed to load resource/

const statusOf = (page: Page) => page.locator("#status").textContent()

/** An image given to the page as a browser would by dragging or pasting. */
const give = (page: Page, how: "drop" | "paste", name: string, bytes: Uint8Array | undefined) =>
  page.evaluate(
    ({ bytes, how, name }) => {
      const data = new DataTransfer()
      if (bytes !== undefined) data.items.add(new File([Uint8Array.from(bytes)], name, { type: "image/png" }))
      const options = { bubbles: true, cancelable: true }
      if (how === "paste") {
        document.body.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: data }))
        return
      }
      document.body.dispatchEvent(new DragEvent("dragover", { ...options, dataTransfer: data }))
      document.body.dispatchEvent(new DragEvent("drop", { ...options, dataTransfer: data }))
    },
    { how, name, bytes: bytes === undefined ? undefined : [...bytes] }
  )

describe.skipIf(Needs.chromium === undefined)("the page", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const onPage = (name: string, use: Parameters<typeof visit>[1], options?: Parameters<typeof visit>[2]) =>
      it.effect(name, () => Effect.flatMap(PageServer, ({ url }) => visit(url, use, options)))

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
        assert.strictEqual(await page.locator("#regions tbody tr").count(), regions.length)
        assert.strictEqual(await page.locator("#regions-count").textContent(), String(regions.length))
        assert.include(await page.locator("#work-meta").textContent(), `${told.width} × ${told.height}`)
        assert.match((await statusOf(page))!, /^Done: \d+ classes and \d+ regions, most of it background/)
        assert.strictEqual(await page.title(), "sample.jpg – SegFormer")
      })

      onPage("that is chosen", async (page) => {
        const [chooser] = await Promise.all([
          page.waitForEvent("filechooser"),
          page.getByRole("button", { name: "Choose an image" }).click()
        ])
        await chooser.setFiles({ name: "chosen.png", mimeType: "image/png", buffer: grey })
        await page.getByRole("heading", { name: "chosen.png" }).waitFor()
        await page.locator("#details").waitFor()
      })

      onPage(
        "that is photographed, on a phone",
        async (page) => {
          const [chooser] = await Promise.all([
            page.waitForEvent("filechooser"),
            page.getByRole("button", { name: "Take a photo" }).click()
          ])
          assert.strictEqual(await chooser.element().getAttribute("capture"), "environment")
          await chooser.setFiles({ name: "photo.png", mimeType: "image/png", buffer: grey })
          await page.locator("#details").waitFor()
        },
        phone
      )

      onPage("that is dropped, and says so while it hovers", async (page) => {
        await page.evaluate(() => {
          const dataTransfer = new DataTransfer()
          dataTransfer.items.add(new File(["x"], "x.png"))
          document.body.dispatchEvent(new DragEvent("dragover", { bubbles: true, dataTransfer }))
        })
        assert.isTrue(await page.getByText("Drop it to segment it").isVisible())
        await give(page, "drop", "dropped.png", grey)
        await page.getByRole("heading", { name: "dropped.png" }).waitFor()
        assert.isFalse(await page.getByText("Drop it to segment it").isVisible())
        await page.locator("#details").waitFor()
      })

      onPage("that is pasted; what is no image is told apart", async (page) => {
        await give(page, "paste", "", undefined)
        assert.match((await page.getByRole("alert").textContent())!, /There is no image in the clipboard/)
        await give(page, "paste", "pasted.png", grey)
        await page.getByRole("heading", { name: "pasted.png" }).waitFor()
        await page.locator("#details").waitFor()
        assert.isFalse(await page.getByRole("alert").isVisible())
      })

      onPage("with any name, which stays text", async (page) => {
        const name = `<img src=x onerror="document.title='broken'">.png`
        await segment(page, "halves", name)
        assert.strictEqual(await page.locator("#work-title").textContent(), name)
        assert.strictEqual(await page.locator("#work img").count(), 0)
      })

      onPage("one after the other, and frees the one before", async (page) => {
        await page.evaluate(() => {
          const { close } = ImageBitmap.prototype
          const open = globalThis.createImageBitmap
          const count = (name: string) => {
            document.body.dataset[name] = String(Number(document.body.dataset[name] ?? 0) + 1)
          }
          ImageBitmap.prototype.close = function () {
            count("closed")
            close.call(this)
          }
          globalThis.createImageBitmap = async (image: ImageBitmapSource) => {
            count("opened")
            return open(image)
          }
        })
        for (const name of ["one.png", "two.png", "three.png"]) await segment(page, "halves", name)
        const { closed, opened } = await page.evaluate(() => ({ ...document.body.dataset }))
        assert.isAtLeast(Number(opened), 3)
        assert.strictEqual(Number(opened) - Number(closed), 1)
      })

      onPage("and lets go of it when cancelled", async (page) => {
        await page.route("**/v1/segment*", () => {})
        await page.setInputFiles("#file", { name: "grey.png", mimeType: "image/png", buffer: grey })
        await page.locator("#progress").getByText("Segmenting grey.png with bundled").waitFor()
        await page.getByRole("button", { name: "Cancel" }).click()
        assert.isTrue(await page.getByRole("button", { name: "Choose an image" }).isVisible())
        assert.isFalse(await page.getByRole("alert").isVisible())
      })
    })

    describe("shows", () => {
      onPage("class and confidence under the pointer", async (page) => {
        await segment(page, "halves")
        await pointAt(page, 0.25, 0.5)
        assert.match((await page.locator("#pill").textContent())!, /^sky, 90 %\s*(49|50), 50$/)
        await pointAt(page, 0.75, 0.5)
        assert.match((await page.locator("#pill").textContent())!, /^road, 50 %/)
        await page.mouse.move(2, 2)
        assert.isFalse(await page.locator("#pill").isVisible())
      })

      it.effect("no column of confidence where the model does not say", () =>
        Effect.gen(function* () {
          const { url } = yield* serve({
            models: { plain: SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction)) }
          })
          yield* visit(url, async (page) => {
            await segment(page, "plain")
            assert.deepStrictEqual(await page.locator("#classes thead th").allInnerTexts(), [
              "Class",
              "Share",
              "How it is shown"
            ])
            await pointAt(page, 0.02, 0.02)
            assert.match((await page.locator("#pill").textContent())!, /^background\d+, \d+$/)
          })
        }).pipe(Effect.scoped)
      )

      onPage("the overlay as strongly as one wants", async (page) => {
        await segment(page, "halves")
        const slider = page.getByRole("slider", { name: "Overlay" })
        await slider.fill("0")
        assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [128, 128, 128])
        await slider.fill("100")
        assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [255, 0, 0])
        assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [0, 0, 255])
        await slider.fill("50")
        const [red, , blue] = await colorAt(page, 0.25, 0.5)
        assert.closeTo(red!, 192, 2)
        assert.closeTo(blue!, 64, 2)
      })

      onPage("one class alone, picked in the table or in the picture, until Escape", async (page) => {
        await segment(page, "halves")
        const before = await colorAt(page, 0.75, 0.5)
        const sky = page.locator("#classes").getByRole("button", { name: "sky", exact: true })
        await sky.click()
        await page.mouse.move(2, 2)
        assert.strictEqual(await sky.getAttribute("aria-pressed"), "true")
        assert.strictEqual(await statusOf(page), "Only sky is shown")
        const dimmed = await colorAt(page, 0.75, 0.5)
        assert.deepStrictEqual([dimmed[0], dimmed[1]], [dimmed[1], dimmed[2]])
        assert.isBelow(dimmed[0]!, 64)
        await page.keyboard.press("Escape")
        assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), before)
        assert.strictEqual(await sky.getAttribute("aria-pressed"), "false")
        await pointAt(page, 0.75, 0.5)
        await page.mouse.down()
        await page.mouse.up()
        assert.strictEqual(await statusOf(page), "Only road is shown")
        await page.getByRole("button", { name: "Show all" }).click()
        assert.strictEqual(await statusOf(page), "All classes are shown")
      })

      onPage("a region while its row is pointed at", async (page) => {
        await segment(page, "halves")
        const before = await colorAt(page, 0.25, 0.5)
        await page.mouse.move(2, 2)
        await page.locator("#regions").getByRole("button", { name: /^road/ }).hover()
        const during = await colorAt(page, 0.25, 0.5)
        assert.isBelow(during[0]!, before[0]!)
        await page.mouse.move(2, 2)
        assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), before)
      })

      onPage("an image that the browser cannot read, as the server reads it", async (page) => {
        const stripes = Buffer.from(Array.from({ length: 200 * 100 }, (_, at) => (at % 200 < 50 ? 40 : 200)))
        const tiff = await sharp(stripes, { raw: { width: 200, height: 100, channels: 1 } })
          .tiff()
          .toBuffer()
        await segment(page, "halves", "scan.tif", tiff)
        assert.notInclude(await page.locator("#work-meta").textContent(), "cannot show")
        await page.getByRole("slider", { name: "Overlay" }).fill("0")
        assert.deepStrictEqual(await colorAt(page, 0.1, 0.5), [40, 40, 40])
        assert.deepStrictEqual(await colorAt(page, 0.9, 0.5), [200, 200, 200])
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
          assert.include(
            await page.locator("#work-meta").textContent(),
            "This browser cannot show the picture"
          )
          await page.getByRole("slider", { name: "Overlay" }).fill("100")
          assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [255, 0, 0])
        },
        { ...desktop, expected }
      )

      onPage("a picture turned as its file says", async (page) => {
        const turned = await sharp(grey).withMetadata({ orientation: 6 }).jpeg().toBuffer()
        await segment(page, "halves", "turned.jpg", turned)
        assert.include(await page.locator("#work-meta").textContent(), "100 × 200")
      })
    })

    describe("compares", () => {
      const compare = (page: Page) => page.getByRole("combobox", { name: "Compare with" })

      onPage("two models, side by side at a divider that is dragged or moved by keys", async (page) => {
        await segment(page, "halves")
        await page.getByRole("slider", { name: "Overlay" }).fill("100")
        await compare(page).selectOption("model:layers")
        const divider = page.getByRole("slider", { name: "Divider between halves and layers" })
        await divider.waitFor()
        // Sky above and road below on the right, where `halves` has road.
        assert.deepStrictEqual(await colorAt(page, 0.75, 0.25), [255, 0, 0])
        assert.deepStrictEqual(await colorAt(page, 0.25, 0.75), [255, 0, 0])
        assert.match((await page.locator("#agreement").textContent())!, /agree on 50\.0 %/)
        assert.deepStrictEqual(await page.locator("#classes thead th").allInnerTexts(), [
          "Class",
          "halves",
          "layers",
          "How it is shown"
        ])
        await divider.press("End")
        assert.deepStrictEqual(await colorAt(page, 0.75, 0.25), [0, 0, 255])
        await divider.press("Home")
        assert.deepStrictEqual(await colorAt(page, 0.25, 0.75), [0, 0, 255])
        await divider.press("PageUp")
        assert.strictEqual(await divider.getAttribute("aria-valuenow"), "10")
        const box = await boardOf(page)
        await page.mouse.move(box.x + box.width * 0.1, box.y + 30)
        await page.mouse.down()
        await page.mouse.move(box.x + box.width * 0.8, box.y + 30, { steps: 5 })
        await page.mouse.up()
        assert.strictEqual(await divider.getAttribute("aria-valuenow"), "80")
        await compare(page).selectOption("")
        assert.isFalse(await divider.isVisible())
        assert.deepStrictEqual(await colorAt(page, 0.75, 0.25), [0, 0, 255])
      })

      onPage("a model with the picture alone", async (page) => {
        await segment(page, "halves")
        await compare(page).selectOption("picture")
        assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [128, 128, 128])
        await pointAt(page, 0.75, 0.4)
        assert.isFalse(await page.locator("#pill").isVisible())
      })

      onPage("another model when one is picked, with the same image", async (page) => {
        await segment(page, "halves")
        await page.getByRole("combobox", { name: "Model" }).selectOption("layers")
        await page.locator("#work-meta", { hasText: "layers" }).waitFor()
        await pointAt(page, 0.75, 0.25)
        assert.match((await page.locator("#pill").textContent())!, /^sky/)
      })
    })

    describe("says in a sentence", () => {
      onPage(
        "that a file is no image",
        async (page) => {
          await page.setInputFiles("#file", {
            name: "notes.txt",
            mimeType: "text/plain",
            buffer: Buffer.from("to do")
          })
          await page.locator(".alert p", { hasText: "notes.txt is not an image" }).waitFor()
          assert.match((await page.locator(".alert p").textContent())!, /\.$/)
          assert.isFalse(await page.getByRole("button", { name: "Try again" }).isVisible())
          await page.getByRole("button", { name: "Dismiss" }).click()
          assert.isFalse(await page.getByRole("alert").isVisible())
          assert.isTrue(await page.getByRole("button", { name: "Choose an image" }).isVisible())
        },
        { expected }
      )

      it.effect("that a file is too large, before it is sent", () =>
        Effect.gen(function* () {
          const { url } = yield* serve({ maxBytes: 10_000 })
          yield* visit(url, async (page) => {
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
          const { port, url } = yield* Scope.provide(serve(), first)
          yield* visit(
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
                  assert.isFalse(await page.getByRole("alert").isVisible())
                })
              )
              await Effect.runPromise(Effect.scoped(second))
            },
            { expected }
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
        { expected }
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
                assert.include(await page.locator("#code").textContent(), `Config.Redacted("TOKEN")`)
                assert.notInclude(await page.content(), "open-sesame")
                // Reloaded, the tab still has it; another has not.
                await page.reload()
                await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
                assert.isFalse(await dialog.isVisible())
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
                assert.strictEqual(await page.locator(".alert").count(), 0)
              }),
            (context) => Effect.promise(() => context.close())
          )
        }).pipe(Effect.scoped)
      )
    })
  })
})
