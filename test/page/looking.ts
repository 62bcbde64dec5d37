/** Looking closely, wherever the answers come from: zoom and pan, links, a ruler, confidence, classes as one wants them. */
import { readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import type { Page } from "playwright-core"
import sharp from "sharp"
import { boardOf, colorAt, grey, kept, type OnPage, phone, png, sees, segment, settled } from "./support.ts"

const statusOf = (page: Page) => page.locator("#status").textContent()

export const looking = (onPage: OnPage): void => {
  onPage(
    "zooms by wheel at the pointer, by double click, by keys and by buttons, and drags",
    async (page) => {
      await segment(page, "halves")
      const before = await boardOf(page)
      const at = { x: before.x + before.width * 0.6, y: before.y + before.height * 0.5 }
      await page.mouse.move(at.x, at.y)
      await page.mouse.wheel(0, -240)
      await sees(async () => assert.isAbove((await boardOf(page)).width, before.width))
      const after = await boardOf(page)
      // What is under the pointer stays there.
      assert.closeTo((at.x - after.x) / after.width, 0.6, 0.01)
      await page.mouse.down()
      await page.mouse.move(at.x + 30, at.y - 10, { steps: 4 })
      await page.mouse.up()
      await sees(async () => assert.closeTo((await boardOf(page)).x, after.x + 30, 1))
      // A drag picks nothing.
      await sees(async () => assert.notInclude(await statusOf(page), "Only"))
      await page.getByRole("button", { name: "Fit" }).click()
      await sees(async () => assert.closeTo((await boardOf(page)).width, before.width, 1))
      await page.mouse.dblclick(at.x, at.y)
      await sees(async () => assert.closeTo((await boardOf(page)).width, before.width * 2, 2))
      await page.locator("#canvas").press("-")
      await sees(async () => assert.isBelow((await boardOf(page)).width, before.width * 2))
      await page.getByRole("button", { name: "Actual pixels" }).click()
      await sees(async () => assert.strictEqual(await page.locator("#zoom-value").textContent(), "320 %"))
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
      await sees(async () => assert.closeTo((await boardOf(page)).width / before.width, 3, 0.4))
      const after = await boardOf(page)
      await touch("touchStart", [x, y])
      for (const far of [10, 20, 30]) await touch("touchMove", [x + far, y])
      await touch("touchEnd")
      await sees(async () => assert.closeTo((await boardOf(page)).x, after.x + 30, 2))
    },
    phone
  )

  onPage("keeps the view when another model looks at the same picture", async (page) => {
    await segment(page, "halves")
    for (let step = 0; step < 3; step++) await page.getByRole("button", { name: "Zoom in" }).click()
    const before = await boardOf(page)
    await page.getByRole("combobox", { name: "Model" }).selectOption("layers")
    await page.locator("#work-meta", { hasText: "layers" }).waitFor()
    await sees(async () => assert.closeTo((await boardOf(page)).width, before.width, 1))
  })

  onPage("passes a view on by the page's address", async (page) => {
    await segment(page, "halves")
    for (let step = 0; step < 3; step++) await page.getByRole("button", { name: "Zoom in" }).click()
    await page.locator("#regions").getByRole("button").first().click()
    const before = await boardOf(page)
    await page.waitForFunction(() => location.hash.includes("region=0"))
    const address = page.url()
    const isThere = async () => {
      await page.locator("#status", { hasText: "Only region 0" }).waitFor()
      await sees(async () => {
        const after = await boardOf(page)
        assert.closeTo(after.width, before.width, 1)
        assert.closeTo(after.x, before.x, 2)
      })
    }
    await kept(page)
    await page.reload()
    await isThere()
    await sees(async () => assert.strictEqual(page.url(), address))
    // Somebody else has to bring the picture.
    await page.evaluate(() => sessionStorage.clear())
    await page.goto(new URL("?", address).href)
    await page.goto(address)
    await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
    await page.selectOption("#model", "halves")
    await page.setInputFiles("#file", { name: "grey.png", mimeType: "image/png", buffer: grey })
    await isThere()
  })

  onPage("goes back and forward by the pictures that were looked at", async (page) => {
    const shows = (name: string) => page.getByRole("heading", { name }).waitFor()
    await segment(page, "halves", "one.png")
    for (let step = 0; step < 3; step++) await page.getByRole("button", { name: "Zoom in" }).click()
    const before = await boardOf(page)
    await page.waitForFunction(
      (width) => Math.abs(Number(new URLSearchParams(location.hash).get("zoom")) * 200 - width) < 1,
      before.width
    )
    // Pictures that are pasted have one name.
    await page.setInputFiles("#file", png("two.png"))
    await shows("two.png")
    await page.setInputFiles("#file", png("one.png"))
    await shows("one.png")
    await page.waitForFunction(() => location.hash.includes("picture=one.png"))
    await page.goBack()
    await shows("two.png")
    await page.goBack()
    await shows("one.png")
    await page.waitForFunction(
      (width) => document.querySelector("#board")!.getBoundingClientRect().width === width,
      before.width
    )
    await sees(async () =>
      assert.strictEqual(await page.locator(".thumb").first().getAttribute("aria-current"), "true")
    )
    await page.goBack()
    await page.getByRole("button", { name: "Choose an image" }).waitFor()
    await sees(async () => assert.strictEqual(new URL(page.url()).hash, ""))
    await page.goForward()
    await shows("one.png")
    await kept(page)
    // Left, and come back to.
    await page.goto(new URL("?", page.url()).href)
    await page.goBack()
    await shows("one.png")
    await page.locator("#details").waitFor()
    await sees(async () =>
      assert.strictEqual(await page.locator(".thumb").first().getAttribute("aria-current"), "true")
    )
  })

  onPage("goes to the start where the picture of an entry is gone", async (page) => {
    await segment(page, "halves", "one.png")
    await page.setInputFiles("#file", png("two.png"))
    await page.getByRole("heading", { name: "two.png" }).waitFor()
    await page.getByRole("button", { name: "Remove one.png" }).click()
    await page.goBack()
    await page.getByRole("button", { name: "Choose an image" }).waitFor()
    await page.locator(".thumb").click()
    await page.getByRole("heading", { name: "two.png" }).waitFor()
    // What is no picture is no way away from one.
    await page.evaluate(() => (location.hash = "#main"))
    await settled(page)
    assert.isTrue(await page.locator("#details").isVisible())
  })

  onPage("measures by a ruler", async (page) => {
    await segment(page, "halves")
    await page.getByRole("button", { name: "Ruler" }).click()
    const box = await boardOf(page)
    await page.mouse.move(box.x + box.width * 0.25, box.y + box.height * 0.5)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.75, box.y + box.height * 0.5, { steps: 4 })
    await page.mouse.up()
    await sees(async () =>
      assert.match(
        (await page.locator("#measures-list").textContent())!,
        /^Ruler(?:99|100|101)(?:\.\d+)? px$/
      )
    )
    await page.getByLabel("Pixels of a millimetre").fill("50")
    await sees(async () =>
      assert.match((await page.locator("#measures-list").textContent())!, /= (?:2|1\.99\d*|2\.00\d*) mm$/)
    )
    await page.getByRole("button", { name: "Ruler" }).click()
    await sees(async () => assert.isFalse(await page.locator("#measures").isVisible()))
  })

  onPage("hatches what is less sure than one wants, and counts it", async (page) => {
    await segment(page, "halves")
    await page.getByRole("slider", { name: "Overlay" }).fill("100")
    // Sky is sure by 90 %, road by 50.
    await page.getByRole("slider", { name: "Least confidence" }).fill("60")
    const unsure = page.locator("#classes .unsure")
    await unsure.waitFor()
    await sees(async () => assert.match((await unsure.textContent())!, /unsure50\.0 %/))
    await sees(async () =>
      assert.match((await page.locator("#classes tr", { hasText: "road" }).textContent())!, /road0 %/)
    )
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [255, 0, 0]))
    await sees(async () => assert.notDeepEqual(await colorAt(page, 0.75, 0.5), [0, 0, 255]))
    await page.getByRole("slider", { name: "Least confidence" }).fill("0")
    await sees(async () => assert.strictEqual(await unsure.count(), 0))
    await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [0, 0, 255]))
  })

  onPage(
    "shows a class as one wants it, in every picture and after a reload, and in what is saved",
    async (page) => {
      await segment(page, "halves")
      await page.getByRole("slider", { name: "Overlay" }).fill("100")
      await page.getByRole("button", { name: "How sky is shown" }).click()
      await page.getByRole("group", { name: "How sky is shown" }).getByLabel("Colour").fill("#00ff00")
      await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [0, 255, 0]))
      await page.getByRole("button", { name: "How road is shown" }).click()
      await page.getByRole("group", { name: "How road is shown" }).getByLabel("Shown").uncheck()
      await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.75, 0.5), [128, 128, 128]))
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
      const shown = String(await saved("CSV"))
      assert.include(shown, "sky")
      assert.notMatch(shown, /road|class \d/)
      assert.notInclude(String(await saved("JSON")), '"road"')
      await page.getByLabel("Only what is shown").uncheck()
      assert.include(String(await saved("CSV")), "road")
      await page.reload()
      await page.locator("#model option[value=halves]").waitFor({ state: "attached" })
      await segment(page, "halves", "other.png")
      await page.getByRole("slider", { name: "Overlay" }).fill("100")
      await sees(async () => assert.deepStrictEqual(await colorAt(page, 0.25, 0.5), [0, 255, 0]))
    }
  )
}
