/** The page that describes the API, in a real Chromium: nothing of it comes from elsewhere. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { hangs } from "../support/Eventually.ts"
import * as Needs from "../support/Needs.ts"
import * as Warm from "../support/Warm.ts"
import { serve } from "./support.ts"

describe("/docs", () => {
  it.live.skipIf(Needs.chromium === undefined)(
    "describes every route, asks only this server, and lets a reader try one",
    () =>
      Effect.gen(function* () {
        const { url } = yield* serve()
        const browser = yield* Warm.browser
        const asked = new Set<string>()
        const complaints: Array<string> = []
        yield* Effect.promise(async () => {
          const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
          context.setDefaultTimeout(hangs / 2)
          const page = await context.newPage()
          page.on("request", (request) => {
            const { origin, protocol } = new URL(request.url())
            if (/^https?:/.test(protocol)) asked.add(origin)
          })
          page.on("pageerror", (error) => complaints.push(error.message))
          await page.goto(`${url}/docs`)
          for (const path of ["/v1/segment", "/v1/models", "/v1/jobs", "/health", "/metrics"]) {
            await page.locator(`.opblock-summary-path[data-path="${path}"]`).first().waitFor()
          }
          await page.locator('.opblock-summary-path[data-path="/health"]').click()
          await page.getByRole("button", { name: "Try it out" }).click()
          await page.getByRole("button", { name: "Execute" }).click()
          await page.locator(".live-responses-table").getByText('"status"').first().waitFor()
          await context.close()
        })
        assert.deepStrictEqual([...asked], [url])
        assert.deepStrictEqual(complaints, [])
      }).pipe(Effect.scoped)
  )
})
