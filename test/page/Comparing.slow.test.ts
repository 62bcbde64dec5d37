/** Comparing: a result with a mask of what is true, and with another model's. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Transport } from "effect-segformer"
import * as Needs from "../support/Needs.ts"
import { comparing } from "./comparing.ts"
import { colorAt, PageServer, pointAt, sees, segment, serve, settled, visit } from "./support.ts"

/** Sky on the left, road on the right. */
const halves = Transport.layer({
  name: "halves",
  describe: Effect.succeed({
    name: "halves",
    classes: [
      { id: 1, name: "sky", color: [255, 0, 0] },
      { id: 2, name: "road", color: [0, 0, 255] }
    ]
  }),
  predict: ({ image: { height, width } }) =>
    Effect.succeed({
      _tag: "Labels",
      classes: [
        { id: 1, name: "sky", color: [255, 0, 0] },
        { id: 2, name: "road", color: [0, 0, 255] }
      ],
      labelMap: {
        width,
        height,
        data: Uint8Array.from({ length: width * height }, (_, at) => (at % width < width / 2 ? 1 : 2))
      }
    })
})

describe.skipIf(Needs.chromium === undefined)("the page", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const onPage = (name: string, use: Parameters<typeof visit>[1]) =>
      it.effect(name, () => Effect.flatMap(PageServer, ({ url }) => visit(url, use)))

    comparing(onPage)

    describe("compares", () => {
      it.effect("classes of other names and colours: paired, said, and in one palette", () =>
        Effect.gen(function* () {
          const other = [
            { id: 0, name: "Background" },
            { id: 4, name: "1_SKY", color: [0, 255, 255] },
            { id: 5, name: "street", color: [255, 255, 0] }
          ] as const
          const strange = Transport.layer({
            name: "strange",
            describe: Effect.succeed({ name: "strange", classes: other }),
            predict: ({ image: { height, width } }) =>
              Effect.succeed({
                _tag: "Labels",
                classes: other,
                labelMap: {
                  width,
                  height,
                  data: Uint8Array.from({ length: width * height }, (_, at) =>
                    at % width < width / 2 ? 4 : 5
                  )
                }
              })
          })
          const { url } = yield* serve({ models: { strange, halves } })
          yield* visit(url, async (page) => {
            await segment(page, "halves")
            await page.getByRole("slider", { name: "Overlay" }).fill("100")
            await page.getByRole("combobox", { name: "Compare with" }).selectOption("model:strange")
            await page.locator("#agreement", { hasText: "agree on 50.0 %" }).waitFor()
            await page.getByText("Taken for the same: sky and 1_SKY.").waitFor()
            await page.getByRole("combobox", { name: /^street is/ }).selectOption("road")
            await page.locator("#agreement", { hasText: "agree on 100 %" }).waitFor()
            await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [0, 0, 255]))
            await page.getByLabel("as", { exact: true }).selectOption("beside")
            await settled(page)
            await sees(async () => assert.isFalse(await page.locator("#divider").isVisible()))
            await pointAt(page, 0.25, 0.5)
            await sees(async () => assert.match((await page.locator("#pill").textContent())!, /^sky/))
          })
        }).pipe(Effect.scoped)
      )
    })
  })
})
