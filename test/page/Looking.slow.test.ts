/** Looking closely: zoom and pan, what is too small to be seen, one region alone, classes as one wants them, measures. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Transport } from "effect-segformer"
import type { Page } from "playwright-core"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import { looking } from "./looking.ts"
import {
  boardOf,
  colorAt,
  desktop,
  landed,
  PageServer,
  redPixels,
  sees,
  segment,
  serve,
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

const zoomOf = async (page: Page) => {
  const { width } = await boardOf(page)
  return width
}

describe.skipIf(Needs.chromium === undefined)("looking closely", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const onPage = (name: string, use: Parameters<typeof visit>[1], options?: Parameters<typeof visit>[2]) =>
      it.effect(name, () => Effect.flatMap(PageServer, ({ url }) => visit(url, use, options)))

    describe("what it shows", () => looking(onPage))

    describe("at a picture", () => {
      it.effect("what is too small to be seen has a ring, and the next region is flown to", () =>
        withDefects(async (page) => {
          await page.getByRole("slider", { name: "Overlay" }).fill("0")
          // Four rings of 2.5 pixels and a radius of 7, whatever the scale.
          await sees(async () => assert.isAtLeast(await redPixels(page), 4 * 60))
          await page.getByRole("button", { name: "Region before" }).click()
          await landed(page)
          await sees(async () => assert.match((await statusOf(page))!, /^Only region \d+, defect is shown$/))
          const small = await zoomOf(page)
          await page.getByRole("slider", { name: "Overlay" }).fill("100")
          // Nine pixels of the picture at sixteen each of the screen.
          assert.isAtLeast(small, 4000 * 15)
          await sees(async () => assert.isAtLeast(await redPixels(page), 9 * 15 * 15))
          await page.locator("#canvas").press("0")
          await sees(async () => assert.isBelow(await zoomOf(page), 1300))
          // Marked also while it is pointed at in the table.
          await page.keyboard.press("Escape")
          await page.locator("#regions").getByRole("button").last().click()
          await sees(async () => assert.isAtLeast(await redPixels(page), 60))
        })
      )

      it.effect("one region alone is its own pixels", () =>
        withDefects(async (page) => {
          // The ring is the largest region; the spot within its box is another.
          await page.locator("#regions").getByRole("button").first().click()
          await page.mouse.move(2, 2)
          await page.locator("#measures-list dd").first().waitFor()
          await sees(async () => {
            const [red, green] = await colorAt(page, 1820 / 4000, 1320 / 3000)
            assert.isAbove(red!, green! + 40)
            const inner = await colorAt(page, 2000 / 4000, 1500 / 3000)
            assert.isBelow(inner[0]!, 80)
            assert.strictEqual(inner[0], inner[1])
          })
          await sees(async () =>
            assert.strictEqual(await page.locator("#measures-list dd").first().textContent(), "70,000 px²")
          )
          await page.getByLabel("Pixels of a millimetre").fill("100")
          await sees(async () =>
            assert.strictEqual(
              await page.locator("#measures-list dd").first().textContent(),
              "70,000 px² = 7 mm²"
            )
          )
          await sees(async () =>
            assert.match(
              (await page.locator("#measures-list").textContent())!,
              /Long axis[\d,.]+ px = [\d.]+ mm, at -?\d+°/
            )
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
          await sees(async () => assert.strictEqual(copied, page.url()))
        },
        { ...desktop, permissions: ["clipboard-read", "clipboard-write"] }
      )
    })
  })
})
