/** Many pictures, failures between them, and what the page remembers of them. */
import { readFileSync } from "node:fs"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Route } from "playwright-core"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import { drop } from "./drop.ts"
import {
  colorAt,
  desktop,
  ended,
  expected,
  names,
  PageServer,
  png,
  sees,
  segment,
  serve,
  settled,
  visit
} from "./support.ts"

const refusing =
  (status: number, message: string, headers: Record<string, string> = {}) =>
  (route: Route) =>
    route.fulfill({ status, headers, json: { error: { tag: "No", message } } })

describe.skipIf(Needs.chromium === undefined)("the page with many pictures", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const onPage = (name: string, use: Parameters<typeof visit>[1], options?: Parameters<typeof visit>[2]) =>
      it.effect(name, () => Effect.flatMap(PageServer, ({ url }) => visit(url, use, options)))

    onPage("asks for one at a time, whatever is taken away meanwhile", async (page) => {
      const held: Array<Route> = []
      let isOpen = false
      await page.route("**/v1/segment*", (route) => {
        if (!isOpen) held.push(route)
        return isOpen ? route.continue() : undefined
      })
      const asked = async (count: number) => {
        while (held.length < count) await settled(page)
        await settled(page)
        assert.lengthOf(held, count)
        await sees(async () =>
          assert.strictEqual(await page.locator(".thumb[data-state=working]").count(), 1)
        )
      }
      await page.selectOption("#model", "halves")
      await page.setInputFiles(
        "#file",
        ["one", "two", "three", "four"].map((name) => png(`${name}.png`))
      )
      await asked(1)
      await page.locator(".thumb").nth(0).locator("xpath=../button[2]").click()
      await asked(2)
      // It is under way, and can be taken away as well.
      await page.locator(".thumb").nth(0).locator("xpath=../button[2]").click()
      await asked(3)
      isOpen = true
      await held[2]!.continue()
      await ended(page)
      await sees(async () =>
        assert.deepStrictEqual(
          (await names(page)).map((name) => name?.split(",")[0]),
          ["three.png", "four.png"]
        )
      )
    })

    onPage(
      "takes several at once, in turn, and one that fails is no other's matter",
      async (page) => {
        await page.selectOption("#model", "halves")
        await page.setInputFiles("#file", [
          png("one.png"),
          png("two.png", Buffer.from("no image")),
          png("three.png")
        ])
        await page.locator("#details").waitFor()
        await ended(page)
        await sees(async () =>
          assert.deepStrictEqual(
            (await names(page)).map((name) => name?.split(",")[0]),
            ["one.png", "two.png", "three.png"]
          )
        )
        await sees(async () => assert.match((await names(page))[1]!, /^two\.png, .*not an image/))
        await sees(async () => assert.strictEqual(await page.locator("#work-title").textContent(), "one.png"))
        await page.locator(".thumb").nth(2).click()
        await page.getByRole("heading", { name: "three.png" }).waitFor()
        await sees(async () => assert.strictEqual(await page.locator("#summary-table tbody tr").count(), 3))
        await sees(async () =>
          assert.match(
            (await page.locator("#summary-table tbody tr").first().textContent())!,
            /one\.png250\.0 %/
          )
        )
        // What failed says why, and what was looked at stays.
        await page.locator(".thumb").nth(1).click()
        await page.locator(".alert p", { hasText: "two.png" }).waitFor()
        await sees(async () =>
          assert.strictEqual(await page.locator("#work-title").textContent(), "three.png")
        )
        const current = page.locator(".thumb[aria-current=true]")
        await sees(async () =>
          assert.strictEqual(await current.getAttribute("aria-label"), "three.png, done")
        )
        // Once it is tried again it is what is waited for.
        await page.route("**/v1/segment*", () => {})
        await page.getByRole("button", { name: "Try again" }).click()
        await sees(async () =>
          assert.strictEqual(await current.getAttribute("aria-label"), "two.png, being segmented")
        )
      },
      { ...desktop, expected }
    )

    onPage("walks the strip by keys, and removes by Delete", async (page) => {
      await page.setInputFiles("#file", [png("one.png"), png("two.png"), png("three.png")])
      await page.locator("#details").waitFor()
      await ended(page)
      await page.locator(".thumb").first().focus()
      await page.keyboard.press("End")
      await page.keyboard.press("Enter")
      await page.getByRole("heading", { name: "three.png" }).waitFor()
      await sees(async () =>
        assert.strictEqual(
          await page.locator(".thumb[aria-current=true]").getAttribute("aria-label"),
          "three.png, done"
        )
      )
      await page.locator(".thumb").nth(1).focus()
      await page.keyboard.press("Delete")
      await sees(async () => assert.deepStrictEqual(await names(page), ["one.png, done", "three.png, done"]))
    })

    onPage("takes a dropped folder's images", async (page) => {
      await drop(page, ["b.png", "notes.txt", "inner/c.png", ".hidden.png", "a.png"])
      await page.locator("#details").waitFor()
      await ended(page)
      await sees(async () =>
        assert.deepStrictEqual(await names(page), ["a.png, done", "b.png, done", "c.png, done"])
      )
    })

    onPage("says so where a folder has more images than it takes", async (page) => {
      await page.route("**/v1/segment*", () => {})
      await drop(
        page,
        Array.from({ length: 501 }, (_, at) => `${at}.png`)
      )
      await page
        .locator(".alert", { hasText: "The first 500 images are taken, and there are more" })
        .waitFor()
      await sees(async () => assert.strictEqual(await page.locator(".thumb").count(), 500))
    })

    for (const [what, provoke, said] of [
      ["a file that is no image", undefined, /notes\.txt is not an image/],
      ["a refusal for now", refusing(503, "It restarts"), /It restarts\./],
      [
        "an answer that is not as agreed",
        (route: Route) => route.fulfill({ json: {} }),
        /no text|no number|no list/
      ],
      ["a server that is gone", (route: Route) => route.abort(), /The server does not answer/]
    ] as const) {
      onPage(
        `keeps the last result after ${what}`,
        async (page) => {
          await segment(page, "halves")
          const before = await colorAt(page, 0.25, 0.5)
          if (provoke !== undefined) await page.route("**/v1/segment*", provoke)
          await page.setInputFiles("#file", {
            name: "notes.txt",
            mimeType: "text/plain",
            buffer: Buffer.from("to do")
          })
          const alert = page.locator(".alert p", { hasText: said })
          await alert.waitFor()
          await sees(async () =>
            assert.strictEqual(await page.locator("#work-title").textContent(), "grey.png")
          )
          await sees(async () => assert.isTrue(await page.locator("#details").isVisible()))
          await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), before))
        },
        { ...desktop, expected }
      )
    }

    onPage(
      "keeps the last result after Cancel, by button and by Escape, and when another model fails",
      async (page) => {
        await segment(page, "halves")
        await page.route("**/v1/segment*", () => {})
        await page.setInputFiles("#file", png("slow.png"))
        await page.locator("#progress").waitFor()
        await page.getByRole("button", { name: "Cancel" }).click()
        await sees(async () => assert.strictEqual(await page.locator("#status").textContent(), "Cancelled"))
        await sees(async () => assert.isFalse(await page.locator("#progress").isVisible()))
        await sees(async () =>
          assert.strictEqual(await page.locator("#work-title").textContent(), "grey.png")
        )
        await page.getByRole("combobox", { name: "Model" }).selectOption("layers")
        await page.locator("#progress").waitFor()
        await page.keyboard.press("Escape")
        await sees(async () => assert.isFalse(await page.locator("#progress").isVisible()))
        await sees(async () => assert.strictEqual(await page.locator("#model").inputValue(), "halves"))
        await page.unroute("**/v1/segment*")
        await page.route("**/v1/segment*", refusing(500, "It broke"))
        await page.getByRole("combobox", { name: "Model" }).selectOption("layers")
        await page.locator(".alert p", { hasText: "It broke." }).waitFor()
        await sees(async () => assert.strictEqual(await page.locator("#model").inputValue(), "halves"))
        await sees(async () => assert.isTrue(await page.locator("#details").isVisible()))
      },
      { ...desktop, expected }
    )

    onPage(
      "waits as long as a busy server wants, and asks again by itself",
      async (page) => {
        let asked = 0
        await page.route("**/v1/segment*", (route) =>
          asked++ === 0
            ? refusing(503, "All places are taken", { "retry-after": "1" })(route)
            : route.continue()
        )
        await page.setInputFiles("#file", png("grey.png"))
        await page
          .locator("#progress", { hasText: "All places are taken. grey.png is sent again in" })
          .waitFor()
        await page.locator("#details").waitFor()
        assert.strictEqual(asked, 2)
      },
      { ...desktop, expected }
    )

    onPage("says of a file that was changed that it is the file", async (page) => {
      await page.evaluate(() => {
        const broken = new File(["x"], "moved.png", { type: "image/png" })
        Object.defineProperty(broken, "slice", {
          value: () => ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError")) })
        })
        globalThis.fetch = () => Promise.reject(new TypeError("Failed to fetch"))
        const event = new Event("drop", { bubbles: true, cancelable: true })
        Object.assign(event, {
          clientX: 1,
          clientY: 1,
          dataTransfer: { items: [{ kind: "file", webkitGetAsEntry: () => null, getAsFile: () => broken }] }
        })
        document.body.dispatchEvent(event)
      })
      await page.locator(".alert p", { hasText: "moved.png cannot be read any more" }).waitFor()
      await sees(async () =>
        assert.isFalse(await page.getByRole("button", { name: "Try again" }).isVisible())
      )
    })

    it.effect("asks for the models again when they did not come, and works without them", () =>
      Effect.flatMap(PageServer, ({ url }) =>
        visit(
          url,
          async (page) => {
            let failures = 2
            await page.route("**/v1/models", (route) =>
              failures-- > 0 ? route.fulfill({ status: 500, json: {} }) : route.continue()
            )
            await page.reload()
            const alert = page.locator(".alert[data-about=models]")
            await alert.waitFor()
            await page.setInputFiles("#file", png("grey.png"))
            await page.locator("#details").waitFor()
            await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
            await sees(async () => assert.strictEqual(await page.locator("#model").inputValue(), "bundled"))
            await sees(async () => assert.strictEqual(await alert.count(), 0))
          },
          { ...desktop, expected }
        )
      )
    )

    it.effect("offers to send a smaller copy of what is too large", () =>
      Effect.gen(function* () {
        const { url } = yield* serve({ maxPixels: 10_000 })
        yield* visit(
          url,
          async (page) => {
            await page.selectOption("#model", "halves")
            await page.setInputFiles("#file", png("large.png"))
            await page.getByRole("button", { name: "Send a smaller copy" }).click()
            await page.getByRole("heading", { name: "large (smaller).jpg" }).waitFor()
            await page.locator("#work-meta", { hasText: "140 × 70" }).waitFor()
          },
          { ...desktop, expected }
        )
      }).pipe(Effect.scoped)
    )

    onPage("says that a part of the picture is transparent", async (page) => {
      const pixels = Buffer.alloc(200 * 100 * 4, 90)
      for (let at = 0; at < 200 * 100; at++) pixels[at * 4 + 3] = at % 200 < 100 ? 0 : 255
      const clear = await sharp(pixels, { raw: { width: 200, height: 100, channels: 4 } })
        .png()
        .toBuffer()
      await segment(page, "halves", "clear.png", clear)
      await page.locator("#work-meta", { hasText: /(?:49|50)\.\d % of it is transparent/ }).waitFor()
    })

    onPage("gives all of them away as one archive", async (page) => {
      await page.selectOption("#model", "halves")
      await page.setInputFiles("#file", [png("one.png"), png("two.png")])
      await page.locator("#details").waitFor()
      await ended(page)
      await page.getByLabel("All pictures, as a zip").check()
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.locator("#downloads").getByRole("button", { name: "PNG", exact: true }).click()
      ])
      assert.strictEqual(download.suggestedFilename(), "pictures.labels-png.zip")
      const bytes = readFileSync(await download.path())
      const text = bytes.toString("latin1")
      for (const name of ["pictures.csv", "one.labels.png", "two.labels.png"]) assert.include(text, name)
      assert.include(text, "picture,model,width,height,regions,share of")
      assert.include(text, "one.png,halves,200,100,2,0.5,0.5")
    })

    onPage(
      "photographs by the machine's camera",
      async (page) => {
        await page.evaluate(() => {
          const canvas = document.createElement("canvas")
          canvas.width = 64
          canvas.height = 48
          const paint = () => canvas.getContext("2d")!.fillRect(0, 0, 64, 48)
          setInterval(paint, 50)
          Object.defineProperty(navigator, "mediaDevices", {
            value: { getUserMedia: () => Promise.resolve(canvas.captureStream(20)) }
          })
        })
        await page.getByRole("button", { name: "Take a photo" }).click()
        await page.waitForFunction(() => document.querySelector("video")!.videoWidth > 0)
        await page.getByRole("button", { name: "Take the photo" }).click()
        await page.locator("#work-meta", { hasText: "64 × 48" }).waitFor()
        await sees(async () =>
          assert.match((await page.locator("#work-title").textContent())!, /^photo-\d{8}-\d{6}\.jpg$/)
        )
      },
      desktop
    )

    onPage("says why there is no camera", async (page) => {
      await page.evaluate(() =>
        Object.defineProperty(navigator, "mediaDevices", {
          value: { getUserMedia: () => Promise.reject(new DOMException("no", "NotFoundError")) }
        })
      )
      await page.getByRole("button", { name: "Take a photo" }).click()
      await page.locator(".alert p", { hasText: "This machine has no camera" }).waitFor()
    })

    onPage("holds few pictures unpacked, however many there are", async (page) => {
      const large = await sharp({
        create: { width: 1500, height: 1000, channels: 3, background: "#557799" }
      })
        .png()
        .toBuffer()
      await page.selectOption("#model", "halves")
      await page.evaluate(() => {
        const open = globalThis.createImageBitmap
        const { close } = ImageBitmap.prototype
        const all = { open: 0, most: 0 }
        Object.assign(globalThis, { bitmaps: all })
        ImageBitmap.prototype.close = function () {
          all.open--
          close.call(this)
        }
        const counted = async (...given: Parameters<typeof open>) => {
          const made = await open(...given)
          all.most = Math.max(all.most, ++all.open)
          return made
        }
        Object.assign(globalThis, { createImageBitmap: counted })
      })
      await page.setInputFiles(
        "#file",
        Array.from({ length: 12 }, (_, at) => png(`${at}.png`, large))
      )
      await page.locator("#details").waitFor()
      await ended(page)
      const bitmaps = () =>
        page.evaluate((): { most: number; open: number } => Reflect.get(globalThis, "bitmaps"))
      await sees(async () => assert.isAtMost((await bitmaps()).open, 2))
      assert.isAtMost((await bitmaps()).most, 5)
    })
  })
})
