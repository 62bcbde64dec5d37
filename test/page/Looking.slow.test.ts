/** Looking closely: zoom and pan, what is too small to be seen, one region alone, classes as one wants them, measures. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Transport } from "effect-segformer"
import { readFileSync } from "node:fs"
import type { Page } from "playwright-core"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import {
  boardOf,
  colorAt,
  desktop,
  grey,
  landed,
  PageServer,
  phone,
  segment,
  serve,
  settled,
  visit
} from "./support.ts"

const statusOf = (page: Page) => page.locator("#status").textContent()

const classes = [
  { id: 0, name: "background" },
  { id: 1, name: "defect", color: [255, 0, 0] }
] as const

/** Twelve megapixels with four defects of three by three pixels, and a ring around a spot. */
const defects = Transport.layer({
  name: "defects",
  describe: Effect.succeed({ name: "defects", classes }),
  predict: ({ image: { height, width } }) =>
    Effect.sync(() => {
      const data = new Uint8Array(width * height)
      const fill = (x: number, y: number, size: number, value: number) => {
        for (let row = y; row < y + size; row++) data.fill(value, row * width + x, row * width + x + size)
      }
      for (const [x, y] of [
        [1000, 500],
        [3000, 500],
        [1000, 2500],
        [3500, 2800]
      ] as const) {
        fill(x, y, 3, 1)
      }
      fill(1800, 1300, 400, 1)
      fill(1850, 1350, 300, 0)
      fill(1950, 1450, 100, 1)
      return { _tag: "Labels", classes, labelMap: { width, height, data } }
    })
})

const large = await sharp({ create: { width: 4000, height: 3000, channels: 3, background: "#808080" } })
  .png()
  .toBuffer()

const withDefects = (use: (page: Page) => Promise<void>, options = desktop) =>
  Effect.gen(function* () {
    const { url } = yield* serve({ models: { defects } })
    yield* visit(
      url,
      async (page) => {
        await segment(page, "defects", "board.png", large)
        await use(page)
      },
      options
    )
  }).pipe(Effect.scoped)

/** How many pixels of the canvas are more red than grey. */
const redPixels = async (page: Page): Promise<number> => {
  await settled(page)
  return page.evaluate(() => {
    const canvas = document.querySelector("canvas")!
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height)
    let count = 0
    for (let at = 0; at < data.length; at += 4) if (data[at]! > data[at + 1]! + 40) count++
    return count
  })
}

const zoomOf = async (page: Page) => {
  const { width } = await boardOf(page)
  return width
}

describe.skipIf(Needs.chromium === undefined)("looking closely", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const onPage = (name: string, use: Parameters<typeof visit>[1], options?: Parameters<typeof visit>[2]) =>
      it.effect(name, () => Effect.flatMap(PageServer, ({ url }) => visit(url, use, options)))

    describe("at a picture", () => {
      it.effect("what is too small to be seen has a ring, and the next region is flown to", () =>
        withDefects(async (page) => {
          await page.getByRole("slider", { name: "Overlay" }).fill("0")
          // Four rings of 2.5 pixels and a radius of 7, whatever the scale.
          assert.isAtLeast(await redPixels(page), 4 * 60)
          await page.getByRole("button", { name: "Region before" }).click()
          await landed(page)
          assert.match((await statusOf(page))!, /^Only region \d+, defect is shown$/)
          const small = await zoomOf(page)
          await page.getByRole("slider", { name: "Overlay" }).fill("100")
          // Nine pixels of the picture at sixteen each of the screen.
          assert.isAtLeast(small, 4000 * 15)
          assert.isAtLeast(await redPixels(page), 9 * 15 * 15)
          await page.locator("#canvas").press("0")
          assert.isBelow(await zoomOf(page), 1300)
          // Marked also while it is pointed at in the table.
          await page.keyboard.press("Escape")
          await page.locator("#regions").getByRole("button").last().click()
          assert.isAtLeast(await redPixels(page), 60)
        })
      )

      it.effect("one region alone is its own pixels", () =>
        withDefects(async (page) => {
          // The ring is the largest region; the spot within its box is another.
          await page.locator("#regions").getByRole("button").first().click()
          await page.mouse.move(2, 2)
          await page.locator("#measures-list dd").first().waitFor()
          const [red, green] = await colorAt(page, 1820 / 4000, 1320 / 3000)
          assert.isAbove(red!, green! + 40)
          const inner = await colorAt(page, 2000 / 4000, 1500 / 3000)
          assert.isBelow(inner[0]!, 80)
          assert.strictEqual(inner[0], inner[1])
          assert.strictEqual(await page.locator("#measures-list dd").first().textContent(), "70,000 px²")
          await page.getByLabel("Pixels of a millimetre").fill("100")
          assert.strictEqual(
            await page.locator("#measures-list dd").first().textContent(),
            "70,000 px² = 7 mm²"
          )
          assert.match(
            (await page.locator("#measures-list").textContent())!,
            /Long axis[\d,.]+ px = [\d.]+ mm, at -?\d+°/
          )
        })
      )

      it.effect("the picture's own pixels are shown, not those of a preview", () =>
        Effect.gen(function* () {
          const { url } = yield* serve({ models: { defects } })
          yield* visit(url, async (page) => {
            // A chessboard of single pixels is grey in every preview.
            const board = Buffer.alloc(4000 * 3000)
            for (let at = 0; at < board.length; at++)
              board[at] = ((at % 4000) + Math.floor(at / 4000)) % 2 === 0 ? 0 : 255
            const bytes = await sharp(board, { raw: { width: 4000, height: 3000, channels: 1 } })
              .png()
              .toBuffer()
            await segment(page, "defects", "chess.png", bytes)
            await page.getByRole("slider", { name: "Overlay" }).fill("0")
            for (let step = 0; step < 12; step++) await page.getByRole("button", { name: "Zoom in" }).click()
            await page.waitForFunction(() => {
              const canvas = document.querySelector("canvas")!
              const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, 40)
              const values = new Set<number>()
              for (let at = 0; at < data.length; at += 4) values.add(data[at]!)
              return values.has(0) && values.has(255)
            })
          })
        }).pipe(Effect.scoped)
      )

      onPage(
        "zooms by wheel at the pointer, by double click, by keys and by buttons, and drags",
        async (page) => {
          await segment(page, "halves")
          const before = await boardOf(page)
          const at = { x: before.x + before.width * 0.6, y: before.y + before.height * 0.5 }
          await page.mouse.move(at.x, at.y)
          await page.mouse.wheel(0, -240)
          const after = await boardOf(page)
          assert.isAbove(after.width, before.width)
          // What is under the pointer stays there.
          assert.closeTo((at.x - after.x) / after.width, 0.6, 0.01)
          await page.mouse.down()
          await page.mouse.move(at.x + 30, at.y - 10, { steps: 4 })
          await page.mouse.up()
          const dragged = await boardOf(page)
          assert.closeTo(dragged.x, after.x + 30, 1)
          // A drag picks nothing.
          assert.notInclude(await statusOf(page), "Only")
          await page.getByRole("button", { name: "Fit" }).click()
          assert.closeTo((await boardOf(page)).width, before.width, 1)
          await page.mouse.dblclick(at.x, at.y)
          assert.closeTo((await boardOf(page)).width, before.width * 2, 2)
          await page.locator("#canvas").press("-")
          assert.isBelow((await boardOf(page)).width, before.width * 2)
          await page.getByRole("button", { name: "Actual pixels" }).click()
          assert.strictEqual(await page.locator("#zoom-value").textContent(), "320 %")
        }
      )

      onPage("lets the page scroll where the wheel has nothing to do", async (page) => {
        await segment(page, "halves")
        await page.setViewportSize({ width: 800, height: 500 })
        const box = await boardOf(page)
        await page.mouse.move(box.x + 20, box.y + 20)
        await page.mouse.wheel(0, 200)
        await page.waitForFunction(() => scrollY > 0)
      })

      onPage(
        "zooms by two fingers, and pans by one once it is large",
        async (page) => {
          await segment(page, "halves")
          const before = await boardOf(page)
          const session = await page.context().newCDPSession(page)
          const touch = (
            type: "touchStart" | "touchMove" | "touchEnd",
            ...points: ReadonlyArray<readonly [number, number]>
          ) =>
            session.send("Input.dispatchTouchEvent", {
              type,
              touchPoints: points.map(([x, y], id) => ({ x, y, id }))
            })
          const [x, y] = [before.x + before.width / 2, before.y + before.height / 2]
          await touch("touchStart", [x - 20, y], [x + 20, y])
          for (const far of [30, 40, 50, 60]) await touch("touchMove", [x - far, y], [x + far, y])
          await touch("touchEnd")
          const after = await boardOf(page)
          assert.closeTo(after.width / before.width, 3, 0.4)
          await touch("touchStart", [x, y])
          for (const far of [10, 20, 30]) await touch("touchMove", [x + far, y])
          await touch("touchEnd")
          assert.closeTo((await boardOf(page)).x, after.x + 30, 2)
        },
        phone
      )

      onPage("keeps the view when another model looks at the same picture", async (page) => {
        await segment(page, "halves")
        for (let step = 0; step < 3; step++) await page.getByRole("button", { name: "Zoom in" }).click()
        const before = await boardOf(page)
        await page.getByRole("combobox", { name: "Model" }).selectOption("layers")
        await page.locator("#work-meta", { hasText: "layers" }).waitFor()
        assert.closeTo((await boardOf(page)).width, before.width, 1)
      })

      onPage("passes a view on by the page's address", async (page) => {
        await segment(page, "halves")
        for (let step = 0; step < 3; step++) await page.getByRole("button", { name: "Zoom in" }).click()
        await page.locator("#regions").getByRole("button").first().click()
        const before = await boardOf(page)
        await page.waitForFunction(() => location.hash.includes("region=0"))
        const address = page.url()
        await page.reload()
        assert.strictEqual(page.url(), address)
        await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
        await page.selectOption("#model", "halves")
        await page.setInputFiles("#file", { name: "grey.png", mimeType: "image/png", buffer: grey })
        await page.locator("#status", { hasText: "Only region 0" }).waitFor()
        const after = await boardOf(page)
        assert.closeTo(after.width, before.width, 1)
        assert.closeTo(after.x, before.x, 2)
      })

      onPage(
        "copies a link to what is looked at now, also while it flies there",
        async (page) => {
          await segment(page, "halves")
          await page.clock.install()
          await page.evaluate(() => {
            const [link, next] = ["link", "region-next"].map((id) =>
              document.querySelector<HTMLElement>(`#${id}`)!
            )
            next!.click()
            link!.click()
          })
          await page.locator("#status", { hasText: "copied" }).waitFor()
          const copied = await page.evaluate(() => navigator.clipboard.readText())
          assert.include(copied, "region=0")
          // The address is noted anew a moment after it has landed.
          await landed(page)
          await page.clock.runFor(1000)
          assert.strictEqual(copied, page.url())
        },
        { ...desktop, permissions: ["clipboard-read", "clipboard-write"] }
      )

      onPage("measures by a ruler", async (page) => {
        await segment(page, "halves")
        await page.getByRole("button", { name: "Ruler" }).click()
        const box = await boardOf(page)
        await page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.5)
        await page.mouse.down()
        await page.mouse.move(box.x + box.width * 0.75, box.y + box.height * 0.5, { steps: 4 })
        await page.mouse.up()
        assert.match(
          (await page.locator("#measures-list").textContent())!,
          /^Ruler(?:99|100|101)(?:\.\d+)? px$/
        )
        await page.getByLabel("Pixels of a millimetre").fill("50")
        assert.match((await page.locator("#measures-list").textContent())!, /= (?:2|1\.99\d*|2\.00\d*) mm$/)
        await page.getByRole("button", { name: "Ruler" }).click()
        assert.isFalse(await page.locator("#measures").isVisible())
      })

      onPage("hatches what is less sure than one wants, and counts it", async (page) => {
        await segment(page, "halves")
        await page.getByRole("slider", { name: "Overlay" }).fill("100")
        // Sky is sure by 90 %, road by 50.
        await page.getByRole("slider", { name: "Least confidence" }).fill("60")
        const unsure = page.locator("#classes .unsure")
        await unsure.waitFor()
        assert.match((await unsure.textContent())!, /unsure50\.0 %/)
        assert.match((await page.locator("#classes tr", { hasText: "road" }).textContent())!, /road0 %/)
        assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [255, 0, 0])
        assert.notDeepEqual(await colorAt(page, 0.75, 0.5), [0, 0, 255])
        await page.getByRole("slider", { name: "Least confidence" }).fill("0")
        assert.strictEqual(await unsure.count(), 0)
        assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [0, 0, 255])
      })

      onPage(
        "shows a class as one wants it, in every picture and after a reload, and in what is saved",
        async (page) => {
          await segment(page, "halves")
          await page.getByRole("slider", { name: "Overlay" }).fill("100")
          await page.getByRole("button", { name: "How sky is shown" }).click()
          await page.getByRole("group", { name: "How sky is shown" }).getByLabel("Colour").fill("#00ff00")
          assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [0, 255, 0])
          await page.getByRole("button", { name: "How road is shown" }).click()
          await page.getByRole("group", { name: "How road is shown" }).getByLabel("Shown").uncheck()
          assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [128, 128, 128])
          const saved = async (name: string) => {
            const [download] = await Promise.all([
              page.waitForEvent("download"),
              page.getByRole("button", { name, exact: true }).click()
            ])
            return readFileSync(await download.path())
          }
          assert.include(String(await saved("Palette")), '"#00ff00"')
          const { data } = await sharp(await saved("Picture"))
            .removeAlpha()
            .raw()
            .toBuffer({ resolveWithObject: true })
          assert.deepStrictEqual([...data.subarray(0, 3)], [0, 255, 0])
          assert.deepStrictEqual([...data.subarray(-3)], [128, 128, 128])
          // Hidden classes are in no file that holds what is shown.
          await page.getByLabel("Only what is shown").check()
          assert.notInclude(String(await saved("CSV")), "road")
          assert.notInclude(String(await saved("JSON")), '"road"')
          await page.getByLabel("Only what is shown").uncheck()
          assert.include(String(await saved("CSV")), "road")
          await page.reload()
          await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
          await segment(page, "halves", "other.png")
          await page.getByRole("slider", { name: "Overlay" }).fill("100")
          assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [0, 255, 0])
        }
      )
    })
  })
})
