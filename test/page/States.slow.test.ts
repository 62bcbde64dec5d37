/** Every state of the page under axe-core, at a desk, on phones, in light, dark and forced colours, and on paper. */
import { createRequire } from "node:module"
import { readFileSync } from "node:fs"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import sharp from "sharp"
import * as Needs from "../support/Needs.ts"
import { longName } from "./drawn.ts"
import {
  desktop,
  ended,
  kept,
  PageServer,
  phone,
  png,
  pointAt,
  sees,
  segment,
  settled,
  visit
} from "./support.ts"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")

interface Violation {
  readonly id: string
  readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary?: string }>
}

/** What axe-core finds wrong. */
const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  await settled(page)
  // Colours on their way to others are none.
  await page.waitForFunction(() =>
    document.getAnimations().every((one) => !(one instanceof CSSTransition) || one.playState !== "running")
  )
  if (await page.evaluate(() => !("axe" in globalThis))) await page.evaluate(axe)
  const found = await page.evaluate((): Promise<ReadonlyArray<Violation>> =>
    Reflect.get(globalThis, "axe")
      .run(document, { resultTypes: ["violations"] })
      .then(({ violations }: { violations: ReadonlyArray<Violation> }) => violations)
  )
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ failureSummary, html }) => `${id}: ${html} ${failureSummary}`)
  )
}

/** Another half than the model says, in a palette of its colours. */
const truth = await sharp(
  Buffer.from(
    Array.from({ length: 200 * 100 }, (_, at) => (at % 200 < 50 ? [255, 0, 0] : [0, 0, 255])).flat()
  ),
  { raw: { width: 200, height: 100, channels: 3 } }
)
  .png({ palette: true })
  .toBuffer()

/** Ways to look at the page, and what each has to do with it. */
const ways = {
  "at a desk": desktop,
  "at a desk in dark": { ...desktop, colorScheme: "dark" },
  "on a phone": phone,
  "on a small phone with a fine screen, in dark": {
    ...phone,
    viewport: { width: 320, height: 568 },
    deviceScaleFactor: 3,
    colorScheme: "dark"
  },
  "in forced colours": { ...desktop, forcedColors: "active" }
} as const

describe.skipIf(Needs.chromium === undefined)("in every state axe-core finds nothing", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    for (const [name, options] of Object.entries(ways)) {
      it.effect(name, () =>
        Effect.flatMap(PageServer, ({ url }) =>
          visit(
            url,
            async (page) => {
              const clean = async (state: string) => {
                const found = await violations(page)
                assert.isEmpty(found, `${name}, ${state}: ${found.join("; ")}`)
              }
              await clean("empty")
              await page.route("**/v1/segment*", () => {})
              await page.setInputFiles("#file", png("slow.png"))
              await page.locator("#progress").waitFor()
              await clean("while the first picture is segmented")
              await page.locator("#cancel").click()
              await page.unroute("**/v1/segment*")
              await segment(page, "halves")
              await clean("with a result")
              await pointAt(page, 0.25, 0.5)
              await page.locator("#pill").waitFor()
              await clean("while a pixel is read")
              for (let step = 0; step < 6; step++) await page.getByRole("button", { name: "Zoom in" }).click()
              await page.getByRole("button", { name: "Ruler" }).click()
              await clean("zoomed in, with the ruler in hand")
              await page.getByRole("button", { name: "Ruler" }).click()
              await page.getByRole("button", { name: "Fit" }).click()
              await page.route("**/v1/segment*", (route) =>
                route.fulfill({ status: 503, json: {}, headers: { "retry-after": "50" } })
              )
              await page.setInputFiles("#file", png("refused.png"))
              await page.locator("#progress").waitFor()
              await clean("while a server that is busy is waited for")
              await page.locator("#cancel").click()
              await page.unroute("**/v1/segment*")
              await page.route("**/v1/segment*", (route) => route.fulfill({ status: 500, json: {} }))
              await page.setInputFiles("#file", png("broken.png"))
              await page.locator(".alert").getByRole("button", { name: "Try again" }).waitFor()
              await clean("with what went wrong, and a way to try again")
              await page.unroute("**/v1/segment*")
              await page.setInputFiles("#file", [
                png("a.png"),
                { ...png("b.txt"), buffer: Buffer.from("no") }
              ])
              await page.getByRole("heading", { name: "a.png" }).waitFor()
              await page.locator(".thumb[data-state=failed]").first().click()
              await page.locator(".alert").waitFor()
              await clean("with a strip and an alert")
              await page.locator(".thumb[data-state=done]").last().click()
              await page.getByRole("heading", { name: "a.png" }).waitFor()
              await page.getByLabel("All pictures, as a zip").check()
              await page.locator("#summary-scroll").focus()
              await clean("with a table of all pictures, and all of them to be saved")
              let isHeld = true
              await page.route("**/v1/segment*", (route) => (isHeld ? undefined : route.continue()))
              await page.setInputFiles("#file", [png("next.png"), png("waits.png")])
              await page.locator(".thumb[data-state=waiting]").last().waitFor()
              await kept(page)
              await page.reload()
              await page.locator(".thumb[data-state=working]").waitFor()
              await page.locator(".thumb[data-state=waiting]").last().waitFor()
              await clean("with a queue that goes on after a reload")
              // Not by `unroute`, which lets go of what is held: it may be answered before the page is left.
              isHeld = false
              await page.reload()
              await page.locator(".thumb[aria-label='waits.png, done']").waitFor()
              await page.locator(".thumb[aria-label='next.png, done']").click()
              await page.getByRole("heading", { name: "next.png" }).waitFor()
              await page.locator("#details").waitFor()
              await ended(page)
              await page.locator("#regions").getByRole("button").first().click()
              await page.locator("#measures-list dd").first().waitFor()
              await page.getByRole("button", { name: "How sky is shown" }).click()
              await page.getByRole("slider", { name: "Least confidence" }).fill("60")
              await clean("with a region alone, its measures and a class's settings")
              await page.getByRole("combobox", { name: "Compare with" }).selectOption(`model:${longName}`)
              await page.locator("#agreement").waitFor()
              await clean("with a comparison")
              await page.getByLabel("as", { exact: true }).selectOption("beside")
              await clean("side by side")
              const [chooser] = await Promise.all([
                page.waitForEvent("filechooser"),
                page.getByRole("combobox", { name: "Compare with" }).selectOption("truth")
              ])
              await chooser.setFiles({ ...png("truth.png"), buffer: truth })
              await page.locator("#faults button").first().waitFor()
              await page.getByLabel("as", { exact: true }).selectOption("difference")
              await page.locator("#faults button").first().click()
              await clean("with what differs from a mask of what is true")
              for (const id of ["drop", "drop-truth"]) {
                await page.evaluate((id) => (document.getElementById(id)!.hidden = false), id)
              }
              await clean("while a file hovers")
              await page.evaluate(() => (document.getElementById("drop")!.hidden = true))
              for (const id of ["token", "camera-dialog"]) {
                await page.evaluate(
                  (id) => document.querySelector<HTMLDialogElement>(`#${id}`)?.showModal(),
                  id
                )
                await clean(`asked by ${id}`)
                await page.evaluate((id) => document.querySelector<HTMLDialogElement>(`#${id}`)?.close(), id)
              }
            },
            { ...options, expected: /Failed to load resource/ }
          )
        )
      )
    }

    it.effect("forced colours and paper keep what stands for a class", () =>
      Effect.flatMap(PageServer, ({ url }) =>
        visit(
          url,
          async (page) => {
            await segment(page, "halves")
            const swatch = page.locator("#classes .swatch").first()
            const color = () => swatch.evaluate((one) => getComputedStyle(one).backgroundColor)
            await sees(async () => assert.include(["rgb(255, 0, 0)", "rgb(0, 0, 255)"], await color()))
            await page.emulateMedia({ media: "print" })
            await sees(async () => assert.include(["rgb(255, 0, 0)", "rgb(0, 0, 255)"], await color()))
            // All rows are on the paper: nothing scrolls there.
            const hidden = await page
              .locator("#details .scroll")
              .evaluateAll((all) => all.filter((one) => one.scrollHeight > one.clientHeight + 1).length)
            assert.strictEqual(hidden, 0)
          },
          { ...desktop, forcedColors: "active" }
        )
      )
    )

    it.effect("the Tab key goes through it as one reads it", () =>
      Effect.flatMap(PageServer, ({ url }) =>
        visit(url, async (page) => {
          await segment(page, "halves")
          await page.setInputFiles("#file", png("second.png"))
          await page.getByRole("heading", { name: "second.png" }).waitFor()
          await page.evaluate(() => document.querySelector<HTMLElement>(".skip")?.focus())
          const stops: Array<string> = []
          for (let at = 0; at < 60; at++) {
            const stop = await page.evaluate(() => {
              const element = document.activeElement
              const table = element?.closest("table")?.id
              return table ?? (element?.id || element?.className || element?.tagName || "")
            })
            if (stop === "BODY") break
            stops.push(stop)
            await page.keyboard.press("Tab")
          }
          assert.deepStrictEqual(stops, [
            "skip",
            "mark",
            "model",
            "again",
            "A",
            "thumb",
            "clear-history",
            "canvas",
            "zoom-out",
            "zoom-in",
            "zoom-fit",
            "zoom-pixels",
            "region-back",
            "region-next",
            "ruler",
            "link",
            "opacity",
            "least",
            "compare",
            "classes",
            "regions",
            "summary-scroll",
            "summary-table",
            "download-shown",
            "download-all",
            ...Array.from({ length: 12 }, () => "button small"),
            "palette",
            ...Array.from({ length: 3 }, () => "BUTTON"),
            "copy",
            "code"
          ])
        })
      )
    )

    it.effect("text follows the size that a person asks the browser for", () =>
      Effect.flatMap(PageServer, ({ url }) =>
        visit(url, async (page) => {
          await segment(page, "halves")
          const size = () =>
            page.locator("#work-meta").evaluate((one) => Number.parseFloat(getComputedStyle(one).fontSize))
          const before = await size()
          const session = await page.context().newCDPSession(page)
          await session.send("Page.enable")
          await session.send("Page.setFontSizes", { fontSizes: { standard: 32 } })
          await sees(async () => assert.closeTo((await size()) / before, 2, 0.01))
        })
      )
    )
  })
})
