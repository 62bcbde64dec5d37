/**
 * What people met on the page, a row each, at every width, device pixel ratio and colour scheme: one tab goes through all
 * rows of a way of looking. What each thing does in depth is in the other tests of this room.
 */
import { describe, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { SegFormerServer } from "effect-segformer/server"
import * as Needs from "../support/Needs.ts"
import { models, specks } from "./drawn.ts"
import { goThrough, schemes, type Way } from "./rows.ts"
import { serve, visit } from "./support.ts"

class Rows extends Context.Service<Rows, SegFormerServer["Service"]>()("test/page/Rows") {
  static readonly layer = Layer.effect(Rows, serve({ models: { ...models, specks }, maxPixels: 2_000_000 }))
}

const widths = [
  [1280, 800],
  [390, 844],
  [320, 568]
] as const

const ways: ReadonlyArray<Way & { readonly height: number }> = widths.flatMap(([width, height]) =>
  [1, 3].flatMap((ratio) =>
    (["light", "dark", "forced colours"] as const).map((scheme) => ({
      width,
      height,
      ratio,
      scheme,
      isTouch: width < 1000,
      isServed: true
    }))
  )
)

describe.skipIf(Needs.chromium === undefined)("every row everywhere", () => {
  layer(Rows.layer, { excludeTestServices: true })((it) => {
    for (const way of ways) {
      const { height, isTouch, ratio, scheme, width } = way
      it.effect(`${width} pixels at ratio ${ratio}, ${scheme}`, () =>
        Effect.flatMap(Rows, ({ url }) =>
          visit(
            url,
            async (page) => {
              await page.emulateMedia(schemes[scheme])
              // The list of models fails once, and comes by itself.
              let failures = 1
              await page.route("**/v1/models", (route) =>
                failures-- > 0 ? route.fulfill({ status: 500, json: {} }) : route.continue()
              )
              await page.reload()
              await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
              await goThrough(page, way)
            },
            {
              viewport: { width, height },
              deviceScaleFactor: ratio,
              isMobile: isTouch,
              hasTouch: isTouch,
              expected: /Failed to load resource/
            }
          )
        )
      )
    }
  })
})
