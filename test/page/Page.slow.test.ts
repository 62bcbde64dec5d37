/** The page with a picture as large as a camera's. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import { grey, PageServer, sees, segment, visit } from "./support.ts"

describe.skipIf(Needs.chromium === undefined)("the page", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    it.effect("shows a picture of 12 megapixels, each of which can be read", () =>
      Effect.flatMap(PageServer, ({ url }) =>
        visit(url, async (page) => {
          const large = await sharp(grey).resize(4000, 3000, { fit: "fill" }).jpeg().toBuffer()
          const status = page.locator("#status")
          await segment(page, "halves", "large.jpg", large)
          await sees(async () =>
            assert.include(await page.locator("#work-meta").textContent(), "4000 × 3000")
          )
          await page.locator("#canvas").focus()
          await page.keyboard.press("Shift+ArrowLeft")
          await sees(async () => assert.match((await status.textContent())!, /^sky, 90 %, at 1999, 1500$/))
          await page.keyboard.press("Shift+ArrowRight")
          await sees(async () => assert.match((await status.textContent())!, /^road, 50 %, at 2000, 1500$/))
        })
      )
    )
  })
})
