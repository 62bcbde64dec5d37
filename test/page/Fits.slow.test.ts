/** What is long, wide or thin, on every width of screen. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Transport } from "effect-segformer"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import { boardOf, desktop, phone, pointAt, sees, segment, serve, visit } from "./support.ts"

const long = "a class of a name that goes on and on, as those of product catalogues do, with 2 numbers: 31-B"
const classes = [
  { id: 0, name: "background" },
  { id: 1, name: long, color: [200, 0, 0] }
] as const

const wordy = Transport.layer({
  name: "wordy",
  describe: Effect.succeed({ name: "wordy", classes }),
  predict: ({ image: { height, width } }) =>
    Effect.sync(() => ({
      _tag: "Labels" as const,
      classes,
      labelMap: {
        width,
        height,
        data: Uint8Array.from({ length: width * height }, (_, at) => (at % width < width / 2 ? 1 : 0))
      },
      confidence: { width, height, data: new Float32Array(width * height).fill(0.75) }
    }))
})

const screens = {
  "a desk": desktop,
  "a phone": { ...phone, deviceScaleFactor: 3 },
  "a small phone, in dark": { ...phone, viewport: { width: 320, height: 568 }, colorScheme: "dark" },
  "a desk, in forced colours": { ...desktop, forcedColors: "active" }
} as const

const flat = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "#557799" } })
    .png()
    .toBuffer()

describe.skipIf(Needs.chromium === undefined)("the page fits", () => {
  layer(Layer.empty, { excludeTestServices: true })((it) => {
    for (const [name, options] of Object.entries(screens)) {
      it.effect(
        `long names on ${name}: what is measured stays in sight, the whole name is there on demand`,
        () =>
          Effect.gen(function* () {
            const { url } = yield* serve({ models: { wordy } })
            yield* visit(
              url,
              async (page) => {
                await segment(page, "wordy", "long.png", await flat(300, 200))
                const { width } = page.viewportSize()!
                for (const table of ["#classes", "#regions"]) {
                  const row = page.locator(`${table} tbody tr`, { hasText: "a class of a name" })
                  const right = await row
                    .locator("td.number")
                    .evaluateAll((cells) =>
                      Math.max(...cells.map((cell) => cell.getBoundingClientRect().right))
                    )
                  assert.isAtMost(right, width, table)
                  await sees(async () => assert.include((await row.textContent())!, "75 %"))
                  await sees(async () =>
                    assert.strictEqual(await row.locator(".name").getAttribute("title"), long)
                  )
                }
                await pointAt(page, 0.2, 0.5)
                if (await page.locator("#pill").isVisible()) {
                  const pill = (await page.locator("#pill").boundingBox())!
                  assert.isAtLeast(pill.x, 0)
                  assert.isAtMost(pill.x + pill.width, width)
                }
                await sees(async () =>
                  assert.isAtMost(await page.evaluate(() => document.documentElement.scrollWidth), width)
                )
              },
              options
            )
          }).pipe(Effect.scoped)
      )

      it.effect(`a picture of 5,000 by 10 on ${name}: it can be looked at`, () =>
        Effect.gen(function* () {
          const { url } = yield* serve({ models: { wordy } })
          yield* visit(
            url,
            async (page) => {
              await segment(page, "wordy", "strip.png", await flat(5000, 10))
              await sees(async () =>
                assert.isAtLeast((await page.locator("#frame").boundingBox())!.height, 240)
              )
              await page.getByRole("button", { name: "Actual pixels" }).click()
              const ratio = options.deviceScaleFactor ?? 1
              await sees(async () => assert.closeTo((await boardOf(page)).height * ratio, 10, 0.5))
              for (let step = 0; step < 8; step++) await page.getByRole("button", { name: "Zoom in" }).click()
              await sees(async () => assert.isAtLeast((await boardOf(page)).height, 80))
            },
            options
          )
        }).pipe(Effect.scoped)
      )
    }
  })
})
