/** The pictures of the page in docs/images, made anew with `PAGE_SCREENSHOTS=1`; look at them before they are committed. */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Locator, Page } from "playwright-core"
import sharp from "sharp"
import {
  desktop,
  ended,
  kept,
  landed,
  phone,
  pointAt,
  serve,
  settled,
  visit,
  type VisitOptions
} from "./support.ts"

const images = fileURLToPath(new URL("../../docs/images/", import.meta.url))
const high: VisitOptions = { ...desktop, viewport: { width: 1280, height: 960 } }

const keep = async (what: Pick<Locator, "screenshot">, name: string) => {
  const file = await sharp(await what.screenshot())
    .png({ palette: true, quality: 90, effort: 10 })
    .toFile(`${images}${name}.png`)
  assert.isAtMost(file.size, 300_000)
}

const save = async (page: Page, name: string): Promise<string> => {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("#downloads").getByRole("button", { name, exact: true }).click()
  ])
  return download.path()
}

/** Hands the page a mask of what is true. */
const compareWith = async (page: Page, mask: Buffer) => {
  const [chooser] = await Promise.all([
    page.waitForEvent("filechooser"),
    page.getByRole("combobox", { name: "Compare with" }).selectOption("truth")
  ])
  await chooser.setFiles({ name: "truth.png", mimeType: "image/png", buffer: mask })
  await page.locator("#faults button").first().waitFor()
}

/** What the model says in its colours, with a part moved by hand. */
const moved = async (page: Page): Promise<{ width: number; height: number; rgb: Buffer }> => {
  const { data, info } = await sharp(await save(page, "PNG"))
    .toColourspace("srgb")
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  assert.strictEqual(info.channels, 3)
  const { height, width } = info
  const rgb = Buffer.alloc(data.length)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (Math.max(0, y - 4) * width + Math.max(0, x - 6)) * 3
      data.copy(rgb, (y * width + x) * 3, at, at + 3)
    }
  }
  return { width, height, rgb }
}

/** Files of docs/images, and one that is no image. */
const several = [
  ...["labels.jpg", "cut-out.png"].map((name) => ({
    name,
    mimeType: "image/*",
    buffer: readFileSync(images + name)
  })),
  { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("to do") }
]

const shots: Readonly<Record<string, readonly [VisitOptions, (page: Page) => Promise<void>]>> = {
  "at a desk": [
    desktop,
    async (page) => {
      await page.getByRole("combobox", { name: "Compare with" }).selectOption("picture")
      await pointAt(page, 0.39, 0.818)
      await keep(page, "page-desktop")
    }
  ],
  "on a phone": [{ ...phone, colorScheme: "dark" }, (page) => keep(page, "page-phone")],
  "a region that was flown to, and its measures": [
    high,
    async (page) => {
      await page.getByLabel("Pixels of a millimetre").evaluate((input: HTMLInputElement) => {
        input.value = "40"
        input.dispatchEvent(new Event("input"))
      })
      for (let step = 0; step < 3; step++) await page.getByRole("button", { name: "Next region" }).click()
      await page.locator("#measures-list dd").first().waitFor()
      await page.locator("#status", { hasText: "Only region" }).waitFor()
      await landed(page)
      await settled(page)
      await keep(page, "page-region")
    }
  ],
  "the pixels of a region, zoomed in": [
    desktop,
    async (page) => {
      for (let step = 0; step < 3; step++) await page.getByRole("button", { name: "Next region" }).click()
      await landed(page)
      await page.locator("#canvas").press("Escape")
      const box = (await page.locator("#canvas").boundingBox())!
      await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2)
      for (let step = 0; step < 4; step++) await page.mouse.wheel(0, -240)
      await landed(page)
      // At a pit on a part of the board.
      await page.mouse.move(box.x + 712, box.y + 256, { steps: 3 })
      await settled(page)
      await keep(page.locator(".scene"), "page-zoom")
    }
  ],
  "several pictures, and what is sure": [
    desktop,
    async (page) => {
      await page.setInputFiles("#file", several)
      await page.waitForFunction(() => document.querySelectorAll(".thumb").length === 4)
      await ended(page)
      await page.locator(".thumb").first().click()
      await page.getByRole("heading", { name: "sample.jpg" }).waitFor()
      await page.getByRole("slider", { name: "Least confidence" }).fill("95")
      await page.locator("#classes .unsure").waitFor()
      await page.getByRole("button", { name: "How scratch is shown" }).click()
      await keep(page, "page-many")
    }
  ],
  "a queue that goes on after a reload": [
    desktop,
    async (page) => {
      await page.route("**/v1/segment*", () => {})
      await page.setInputFiles("#file", several.slice(0, 2))
      await page.locator(".thumb[data-state=working]").waitFor()
      await kept(page)
      await page.reload()
      await page.locator(".thumb[data-state=working]").waitFor()
      await page.locator(".thumb[data-state=waiting]").last().waitFor()
      await page.locator(".thumb img").nth(2).waitFor()
      await page.locator("#progress").waitFor()
      await settled(page)
      const { height } = (await page.locator("#strip").boundingBox())!
      await page.setViewportSize({ width: 1280, height: Math.round(height) + 420 })
      await settled(page)
      await keep(page, "page-queue")
    }
  ],
  "what differs from a mask of what is true": [
    high,
    async (page) => {
      const { height, rgb, width } = await moved(page)
      const truth = sharp(rgb, { raw: { width, height, channels: 3 } })
      await compareWith(page, await truth.png().toBuffer())
      await page.getByLabel("as", { exact: true }).selectOption("difference")
      await page.locator("#comparison").scrollIntoViewIfNeeded()
      await settled(page)
      await keep(page, "page-truth")
    }
  ],
  "a palette at other indexes, and what it is taken for": [
    high,
    async (page) => {
      const { height, rgb, width } = await moved(page)
      const truth = sharp(rgb, { raw: { width, height, channels: 3 } })
      await compareWith(page, await truth.png({ palette: true, dither: 0 }).toBuffer())
      await page.locator("#comparison-text", { hasText: "goes by its colours" }).waitFor()
      await page.mouse.move(0, 0)
      await keep(page.locator("#comparison-text"), "page-palette")
    }
  ],
  "what can be taken home": [
    { ...high, viewport: { width: 1280, height: 2400 } },
    async (page) => {
      await page.setInputFiles("#file", several.slice(0, 2))
      await page.waitForFunction(() => document.querySelectorAll(".thumb").length === 3)
      await ended(page)
      await page.locator("#summary-table tbody tr").first().waitFor()
      await page.getByLabel("Only what is shown").check()
      await page.getByLabel("All pictures, as a zip").check()
      await page.mouse.move(0, 0)
      const top = (await page.locator("#summary").boundingBox())!
      const end = (await page.locator("section[aria-labelledby=downloads-title]").boundingBox())!
      const clip = {
        x: top.x - 12,
        y: top.y - 12,
        width: top.width + 24,
        height: end.y + end.height - top.y + 24
      }
      await keep({ screenshot: () => page.screenshot({ clip }) }, "page-export")
    }
  ]
}

describe.skipIf(process.env["PAGE_SCREENSHOTS"] !== "1")("as docs/images shows the page", () => {
  for (const [name, [options, use]] of Object.entries(shots)) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { url } = yield* serve({ models: {} })
        yield* visit(
          url,
          async (page) => {
            await page.getByRole("button", { name: "Try the sample" }).click()
            await page.locator("#details").waitFor()
            await use(page)
          },
          { ...options, expected: /Failed to load resource/ }
        )
      }).pipe(Effect.scoped)
    )
  }
})
