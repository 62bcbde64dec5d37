/** What people met on the page, a row each: one tab goes through all of them. */
import { readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import type { Page } from "playwright-core"
import sharp from "sharp"
import { long } from "./drawn.ts"
import { boardOf, colorAt, landed, png, redPixels, sees, segment, settled, showsColor } from "./support.ts"

const flat = (width: number, height: number, format: "png" | "tiff" = "png") =>
  sharp({ create: { width, height, channels: 3, background: "#808080" } })
    .toFormat(format)
    .toBuffer()
const [board, large, thin, tiff] = await Promise.all([
  flat(1200, 900),
  flat(2000, 1100),
  flat(5000, 10),
  flat(300, 200, "tiff")
])

/** A way of looking at the page. */
export interface Way {
  readonly width: number
  readonly ratio: number
  readonly scheme: "light" | "dark" | "forced colours"
  readonly isTouch: boolean
  /** Whether the answers come from a server, which may fail in its own ways, and reads what browsers cannot. */
  readonly isServed: boolean
}

/** What each asks of the browser. */
export const schemes = {
  light: { colorScheme: "light", forcedColors: "none" },
  dark: { colorScheme: "dark", forcedColors: "none" },
  "forced colours": { colorScheme: "light", forcedColors: "active" }
} as const

const saved = async (page: Page, name: string): Promise<Buffer> => {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.locator("#details").getByRole("button", { name, exact: true }).click()
  ])
  return readFileSync(await download.path())
}

const overlay = (page: Page, percent: string) => page.getByRole("slider", { name: "Overlay" }).fill(percent)

const title = (page: Page) => page.locator("#work-title").textContent()

const alert = async (page: Page, text: RegExp) => {
  const found = page.locator(".alert", { hasText: text })
  await found.waitFor()
  await found.getByRole("button", { name: "Dismiss" }).click()
}

/** Nothing but the picture scrolls sideways. */
const fits = async (page: Page, { width }: Way) =>
  await sees(async () =>
    assert.isAtMost(await page.evaluate(() => document.documentElement.scrollWidth), width)
  )

/** By what each says, to be gone through in turn. What only a server does is left out where there is none. */
const rows: Readonly<Record<string, (page: Page, way: Way) => Promise<void>>> = {
  "what is small can be seen, and is flown to": async (page, { ratio }) => {
    await segment(page, "specks", "board.png", board)
    await overlay(page, "0")
    await sees(async () => assert.isAtLeast(await redPixels(page), 2 * 30 * ratio))
    await page.getByRole("button", { name: "Region before" }).click()
    await landed(page)
    await overlay(page, "100")
    // Nine pixels of the picture, at eight of the screen each and more.
    await sees(async () => assert.isAtLeast(await redPixels(page), 9 * 8 * 8))
    await page.keyboard.press("Escape")
    await page.getByRole("button", { name: "Fit" }).click()
  },
  "one region alone is its own pixels": async (page) => {
    await page.locator("#regions").getByRole("button").first().click()
    await page.locator("#measures-list dd").first().waitFor()
    await page.getByRole("button", { name: "Fit" }).click()
    await landed(page)
    await sees(async () => {
      const [red, green] = await colorAt(page, 515 / 1200, 450 / 900)
      assert.isAbove(red!, green! + 40)
      const inner = await colorAt(page, 600 / 1200, 450 / 900)
      assert.strictEqual(inner[0], inner[1])
    })
    await page.keyboard.press("Escape")
  },
  "the last result stays after what failed, which says whose fault it is": async (page, { isServed }) => {
    await segment(page, "halves")
    await overlay(page, "100")
    const before = await colorAt(page, 0.25, 0.5)
    await page.setInputFiles("#file", { ...png("notes.txt"), buffer: Buffer.from("to do") })
    await alert(page, /notes\.txt is not an image/)
    if (isServed) {
      await page.route("**/v1/segment*", (route) =>
        route.fulfill({ status: 500, json: { error: { tag: "No", message: "It broke" } } })
      )
      await page.setInputFiles("#file", png("other.png"))
      await alert(page, /It broke/)
      await page.unroute("**/v1/segment*")
    }
    await sees(async () => assert.strictEqual(await title(page), "grey.png"))
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), before))
  },
  "Cancel by Escape leaves what was there, and says so": async (page, { isServed }) => {
    if (!isServed) return
    await page.route("**/v1/segment*", () => {})
    await page.setInputFiles("#file", png("slow.png"))
    await page.locator("#progress").waitFor()
    await page.keyboard.press("Escape")
    await sees(async () => assert.strictEqual(await page.locator("#status").textContent(), "Cancelled"))
    await sees(async () => assert.strictEqual(await title(page), "grey.png"))
    await page.unroute("**/v1/segment*")
  },
  "several are done in turn, with a strip and a table": async (page, way) => {
    await page.setInputFiles("#file", [
      png("a.png"),
      { ...png("b.txt"), buffer: Buffer.from("no") },
      png("c.png")
    ])
    await page.locator(".thumb[aria-label='c.png, done']").waitFor()
    await page.locator(".thumb[data-state=failed][aria-label^='b.txt']").waitFor()
    await page.locator(".thumb[aria-label='c.png, done']").click()
    await page.getByRole("heading", { name: "c.png" }).waitFor()
    await sees(async () => assert.isAtLeast(await page.locator("#summary-table tbody tr").count(), 3))
    await fits(page, way)
  },
  "long names leave measures in sight, whole on demand": async (page, way) => {
    await segment(page, "specks", "long.png", await flat(300, 200))
    for (const table of ["#classes", "#regions"]) {
      const row = page.locator(`${table} tbody tr`, { hasText: "a class of a name" })
      const right = await row
        .locator("td.number")
        .evaluateAll((cells) => Math.max(...cells.map((cell) => cell.getBoundingClientRect().right)))
      assert.isAtMost(right, way.width, table)
      await sees(async () => assert.strictEqual(await row.locator(".name").getAttribute("title"), long))
    }
    await fits(page, way)
  },
  "a tap reads, a button isolates; a click isolates": async (page, { isTouch }) => {
    await page.locator("#canvas").scrollIntoViewIfNeeded()
    const { height, width, x, y } = await boardOf(page)
    const status = page.locator("#status")
    if (isTouch) {
      await page.touchscreen.tap(x + width / 4, y + height / 2)
      await page.locator("#reading-text", { hasText: "a class of a name" }).waitFor()
      await sees(async () => assert.isTrue(await page.locator("#all").isHidden()))
      await page.getByRole("button", { name: "Show it alone" }).click()
    } else {
      await page.mouse.move(x + width / 4, y + height / 2)
      const pill = (await page.locator("#pill").boundingBox())!
      assert.isAtLeast(pill.x, 0)
      assert.isAtMost(pill.x + pill.width, page.viewportSize()!.width)
      await page.mouse.click(x + width / 4, y + height / 2)
    }
    await sees(async () => assert.match((await status.textContent())!, /^Only a class of a name/))
    await page.getByRole("button", { name: "Show all" }).click()
  },
  "every corner of the picture can be read": async (page) => {
    await settled(page)
    const hit = await page.evaluate(() => {
      const board = document.querySelector("#board")!
      return ["top", "bottom"].flatMap((edge) => {
        const at = () => {
          const { bottom, left, right, top } = board.getBoundingClientRect()
          return { left: left + 1, right: right - 1, y: edge === "top" ? top + 0.5 : bottom - 0.5 }
        }
        scrollBy({ top: at().y - innerHeight / 2, behavior: "instant" })
        const { left, right, y } = at()
        return [left, right].map((x) => document.elementFromPoint(x, y)?.closest("#frame")?.id)
      })
    })
    assert.deepStrictEqual(hit, ["frame", "frame", "frame", "frame"])
  },
  "what is saved is what is seen, and nothing is sent again": async (page) => {
    let asked = 0
    const count = (request: { url: () => string }) => {
      if (request.url().includes("/v1/segment")) asked++
    }
    page.on("request", count)
    await segment(page, "halves", "half.png")
    asked = 0
    await overlay(page, "100")
    await page.locator("#classes").getByRole("button", { name: "sky", exact: true }).click()
    await page.getByLabel("Only what is shown").check()
    const csv = String(await saved(page, "CSV"))
    assert.include(csv, "sky")
    assert.notInclude(csv, "road")
    assert.match(csv, /mean_confidence\r\n/)
    const { data } = await sharp(await saved(page, "Picture"))
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    assert.deepStrictEqual([...data.subarray(0, 3)], [255, 0, 0])
    assert.isBelow(data.at(-1)!, 100)
    await page.getByLabel("Only what is shown").uncheck()
    await page.keyboard.press("Escape")
    page.off("request", count)
    assert.strictEqual(asked, 0)
  },
  "two models at a divider and side by side": async (page, way) => {
    await page.getByRole("combobox", { name: "Compare with" }).selectOption("model:layers")
    await page.locator("#agreement", { hasText: "agree on 50.0 %" }).waitFor()
    await page.getByLabel("as", { exact: true }).selectOption("beside")
    await settled(page)
    await fits(page, way)
    await page.getByRole("combobox", { name: "Compare with" }).selectOption("")
  },
  "the document's links are whole, and text is in rem": async (page, { isServed, width }) => {
    const link = isServed ? await page.getByRole("link", { name: "API" }).boundingBox() : null
    if (link !== null) assert.isAtMost(link.x + link.width, width)
    const sizes = await page.locator("#work-meta").evaluate((one) => {
      const size = () => Number.parseFloat(getComputedStyle(one).fontSize)
      const before = size()
      const root = document.documentElement
      root.style.fontSize = `${2 * Number.parseFloat(getComputedStyle(root).fontSize)}px`
      const after = size()
      root.style.fontSize = ""
      return after / before
    })
    assert.closeTo(sizes, 2, 0.01)
  },
  "paper and forced colours keep the legend's colours, and all rows": async (page) => {
    await page.emulateMedia({ media: "print" })
    const color = await page
      .locator("#classes .swatch")
      .first()
      .evaluate((one) => getComputedStyle(one).backgroundColor)
    assert.include(["rgb(255, 0, 0)", "rgb(0, 0, 255)"], color)
    const hidden = await page
      .locator("#details .scroll")
      .evaluateAll((all) => all.filter((one) => one.scrollHeight > one.clientHeight + 1).length)
    assert.strictEqual(hidden, 0)
    await page.emulateMedia({ media: "screen" })
  },
  "a TIFF is shown; where nobody can read it, that is said": async (page, { isServed }) => {
    if (!isServed) {
      await segment(page, "halves", "scan.tif", tiff)
      await page.locator("#work-meta", { hasText: "cannot show the picture" }).waitFor()
      return
    }
    await segment(page, "halves", "scan.tif", tiff)
    await overlay(page, "0")
    await showsColor(page, 0.75, 0.5, [128, 128, 128])
  },
  "what is 5,000 by 10 can be looked at": async (page, { ratio }) => {
    await segment(page, "halves", "thin.png", thin)
    await page.getByRole("button", { name: "Actual pixels" }).click()
    await sees(async () => assert.closeTo((await boardOf(page)).height * ratio, 10, 0.5))
    await sees(async () => assert.isAtLeast((await page.locator("#frame").boundingBox())!.height, 200))
  },
  "what is too large comes with an offer; PDF and SVG are called by their names": async (page) => {
    await page.setInputFiles("#file", png("large.png", large))
    await page.getByRole("button", { name: "Send a smaller copy" }).click()
    await page.getByRole("heading", { name: "large (smaller).jpg" }).waitFor()
    for (const [name, content] of [
      ["paper.pdf", "%PDF-1.7\n1 0 obj"],
      ["drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"]
    ] as const) {
      await page.setInputFiles("#file", { ...png(name), buffer: Buffer.from(content) })
      await alert(page, name.endsWith("pdf") ? /PDF/ : /SVG/)
    }
  },
  "what is transparent is said": async (page) => {
    const clear = await sharp({ create: { width: 60, height: 40, channels: 4, background: "#80808000" } })
      .png()
      .toBuffer()
    await segment(page, "halves", "clear.png", clear)
    await page.locator("#work-meta", { hasText: "is transparent" }).waitFor()
  }
}

/** Goes through all of them; one that fails is named. */
export const goThrough = async (page: Page, way: Way): Promise<void> => {
  for (const [row, act] of Object.entries(rows)) {
    await act(page, way).catch((error: unknown) => {
      throw new Error(`${row}: ${error instanceof Error ? error.message : String(error)}`)
    })
  }
}
