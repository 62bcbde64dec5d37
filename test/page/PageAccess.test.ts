/** Who can use the page: by keyboard alone, by what a screen reader is told, in light and dark, on a phone and at a desk. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Page } from "playwright-core"
import * as Needs from "../support/Needs.ts"
import { longName } from "./drawn.ts"
import {
  boardOf,
  colorAt,
  desktop,
  type OnPage,
  PageServer,
  phone,
  pointAt,
  sees,
  segment,
  visit
} from "./support.ts"

const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement
    return element === null ? "" : element.id || (element.textContent ?? "").trim()
  })

/** Tabs until something has the focus, and says what had it on the way: each visibly. */
const tabTo = async (page: Page, wanted: string): Promise<ReadonlyArray<string>> => {
  const passed: Array<string> = []
  for (let step = 0; step < 80; step++) {
    await page.keyboard.press("Tab")
    const visible = await page.evaluate(() => {
      const element = document.activeElement
      const marked = element?.id === "canvas" ? document.querySelector("#frame") : element
      return marked !== null && getComputedStyle(marked).outlineStyle !== "none"
    })
    const name = await focused(page)
    if (name === "") continue
    assert.isTrue(visible, `${name} does not show that it has the focus`)
    passed.push(name)
    if (name === wanted) return passed
  }
  throw new Error(`Tab never came to ${wanted}, but to ${passed.join(", ")}`)
}

interface AxNode {
  readonly role?: { readonly value?: unknown }
  readonly name?: { readonly value?: unknown }
  readonly ignored: boolean
  readonly properties?: ReadonlyArray<{ readonly name: string; readonly value: { readonly value?: unknown } }>
}

/** The tree that a screen reader has of the page, as Chromium computes it. */
const accessible = async (
  page: Page
): Promise<ReadonlyArray<{ role: string; name: string; focusable: boolean }>> => {
  const session = await page.context().newCDPSession(page)
  const { nodes }: { nodes: ReadonlyArray<AxNode> } = await session.send("Accessibility.getFullAXTree")
  await session.detach()
  return nodes.flatMap(({ ignored, name, properties, role }) =>
    ignored
      ? []
      : [
          {
            role: String(role?.value ?? ""),
            name: String(name?.value ?? ""),
            focusable:
              properties?.some((one) => one.name === "focusable" && one.value.value === true) ?? false
          }
        ]
  )
}

/** What is wrong with the document's bones. */
const bones = (page: Page) =>
  page.evaluate(() => {
    const wrong: Array<string> = []
    const ids = Array.from(document.querySelectorAll("[id]"), ({ id }) => id)
    for (const id of ids) if (ids.filter((one) => one === id).length > 1) wrong.push(`two elements #${id}`)
    for (const name of ["for", "aria-labelledby", "aria-describedby", "aria-controls"]) {
      for (const element of document.querySelectorAll(`[${name}]`)) {
        for (const id of (element.getAttribute(name) ?? "").split(" ")) {
          if (document.getElementById(id) === null) wrong.push(`${name}="${id}" names nothing`)
        }
      }
    }
    for (const image of document.querySelectorAll("img:not([alt])"))
      wrong.push(`${image.outerHTML} has no alt`)
    for (const head of document.querySelectorAll("th:not([scope])"))
      wrong.push(`${head.outerHTML} has no scope`)
    const shown = (element: Element) => element.checkVisibility({ visibilityProperty: true })
    const headings = [...document.querySelectorAll("h1, h2")].filter(shown)
    if (headings.filter(({ tagName }) => tagName === "H1").length !== 1) wrong.push("not one h1")
    if (headings[0]?.tagName !== "H1") wrong.push("the first heading is no h1")
    for (const landmark of ["header", "main", "nav"]) {
      if (document.querySelectorAll(landmark).length !== 1) wrong.push(`not one ${landmark}`)
    }
    if (document.documentElement.lang !== "en") wrong.push("no language")
    return wrong
  })

/** Texts whose contrast with what is behind them is below WCAG's AA. Over the picture anything may be behind. */
const faint = (page: Page) =>
  page.evaluate(() => {
    type Color = readonly [r: number, g: number, b: number, a: number]
    const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true })!
    const parse = (css: string): Color => {
      brush.clearRect(0, 0, 1, 1)
      brush.fillStyle = css
      brush.fillRect(0, 0, 1, 1)
      const [r = 0, g = 0, b = 0, a = 0] = brush.getImageData(0, 0, 1, 1).data
      return [r, g, b, a / 255]
    }
    const over = (top: Color, under: Color): Color => [
      top[0] * top[3] + under[0] * (1 - top[3]),
      top[1] * top[3] + under[1] * (1 - top[3]),
      top[2] * top[3] + under[2] * (1 - top[3]),
      1
    ]
    const light = (color: Color) => {
      const [r, g, b] = color.slice(0, 3).map((value) => {
        const part = value / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
    }
    const contrast = (a: Color, b: Color) => {
      const [low, high] = [light(a), light(b)].sort((x, y) => x - y)
      return (high! + 0.05) / (low! + 0.05)
    }
    const behind = (element: Element | null, bottom: Color): Color => {
      if (element === null || element.id === "board") return bottom
      const own = parse(getComputedStyle(element).backgroundColor)
      return own[3] === 1 ? own : over(own, behind(element.parentElement, bottom))
    }
    const wrong: Array<string> = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement!
      const text = node.textContent!.trim()
      if (text === "" || element.closest(".hidden, .skip, noscript, script") !== null) continue
      if (!element.checkVisibility({ visibilityProperty: true })) continue
      const style = getComputedStyle(element)
      const size = Number.parseFloat(style.fontSize)
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700)
      const bottoms: ReadonlyArray<Color> =
        element.closest("#board") === null
          ? [[255, 255, 255, 1]]
          : [
              [255, 255, 255, 1],
              [0, 0, 0, 1]
            ]
      for (const bottom of bottoms) {
        const under = behind(element, bottom)
        const ratio = contrast(over(parse(style.color), under), under)
        if (ratio < (large ? 3 : 4.5)) wrong.push(`"${text.slice(0, 30)}" ${ratio.toFixed(2)}`)
      }
    }
    return wrong
  })

/** Controls too small for a finger, and whether the page is wider than the window. */
const misfits = (page: Page) =>
  page.evaluate(() => {
    const wrong: Array<string> = []
    if (document.documentElement.scrollWidth > innerWidth) {
      wrong.push(`${document.documentElement.scrollWidth} pixels wide in ${innerWidth}`)
    }
    for (const element of document.querySelectorAll("button, select, input, a[href]")) {
      if (!element.checkVisibility() || element.closest(".hidden, .skip") !== null) continue
      const { height, width } = element.getBoundingClientRect()
      if (width > 1 && element.tagName !== "INPUT" && (height < 24 || width < 24)) {
        wrong.push(`${element.id || element.textContent} is ${width} x ${height}`)
      }
      if (element.tagName === "BUTTON" && element.scrollWidth > element.clientWidth) {
        wrong.push(`${element.textContent} is wider than its button`)
      }
    }
    // A name may end in an ellipsis; what hangs below its line is not cut.
    const brush = document.createElement("canvas").getContext("2d")!
    for (const element of document.querySelectorAll(".name")) {
      if (!element.checkVisibility()) continue
      brush.font = getComputedStyle(element).font
      const { fontBoundingBoxAscent, fontBoundingBoxDescent } = brush.measureText("g")
      if (fontBoundingBoxAscent + fontBoundingBoxDescent > element.clientHeight + 0.5) {
        wrong.push(`${element.textContent} is cut at its foot`)
      }
    }
    return wrong
  })

describe.skipIf(Needs.chromium === undefined)("everybody can use the page", () => {
  layer(PageServer.layer, { excludeTestServices: true })((it) => {
    const onPage: OnPage = (name, use, options = desktop) =>
      it.effect(name, () =>
        Effect.flatMap(PageServer, ({ url }) => visit(url, use, { ...options, sharesTab: true }))
      )

    onPage("by keyboard alone", async (page) => {
      const status = page.locator("#status")
      assert.deepStrictEqual((await tabTo(page, "sample")).slice(0, 1), ["Skip to the picture"])
      await page.keyboard.press("Enter")
      await page.locator("#details").waitFor()
      assert.strictEqual(await focused(page), "work-title")

      await page.locator("#main").focus()
      await tabTo(page, "canvas")
      await sees(async () => assert.match((await status.textContent())!, /, at 448, 298$/))
      await page.keyboard.press("ArrowRight")
      await sees(async () => assert.match((await status.textContent())!, /, at 466, 298$/))
      await page.keyboard.press("Shift+ArrowUp")
      await sees(async () => assert.match((await status.textContent())!, /, at 466, 297$/))
      await page.keyboard.press("Enter")
      await sees(async () => assert.match((await status.textContent())!, /^Only \w+ is shown$/))
      await page.keyboard.press("Escape")
      await sees(async () => assert.strictEqual(await status.textContent(), "All classes are shown"))

      await tabTo(page, "opacity")
      await page.keyboard.press("ArrowRight")
      await sees(async () => assert.strictEqual(await page.locator("#opacity-value").textContent(), "65 %"))
      await tabTo(page, "compare")
      await page.keyboard.press("ArrowDown")
      await page.locator("#divider").waitFor()
      await page.locator("#canvas").focus()
      await tabTo(page, "divider")
      await page.keyboard.press("ArrowLeft")
      await sees(async () =>
        assert.strictEqual(await page.locator("#divider").getAttribute("aria-valuenow"), "48")
      )

      await tabTo(page, "background")
      await page.keyboard.press("ArrowDown")
      await page.keyboard.press("Space")
      await sees(async () =>
        assert.strictEqual(await status.textContent(), `Only ${await focused(page)} is shown`)
      )
      // A table is one stop: a thousand regions are not in the way.
      assert.isAtMost((await tabTo(page, "CSV")).length, 8)
      const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")])
      assert.strictEqual(download.suggestedFilename(), "sample.csv")
      await tabTo(page, "copy")
    })

    onPage("through a screen reader: everything has a name, and tables are tables", async (page) => {
      assert.deepStrictEqual(await bones(page), [])
      await segment(page, "halves")
      await page.getByRole("combobox", { name: "Compare with" }).selectOption("model:layers")
      await page.locator("#agreement").waitFor()
      assert.deepStrictEqual(await bones(page), [])
      const nodes = await accessible(page)
      assert.deepStrictEqual(
        nodes.filter(
          ({ focusable, name, role }) => focusable && name === "" && !/RootWebArea|main/.test(role)
        ),
        []
      )
      const named = nodes.map(({ name, role }) => `${role} ${name}`)
      assert.includeMembers(named, [
        "application Segmented picture",
        "slider Divider between halves and layers",
        "slider Overlay",
        "combobox Model",
        "combobox Compare with",
        "table Classes",
        "table Regions",
        "columnheader layers",
        "rowheader sky",
        "button sky",
        "button sky, region 0",
        "heading Download",
        "button GeoJSON",
        "navigation Documents"
      ])
      await sees(async () =>
        assert.strictEqual(await page.locator("#status").getAttribute("aria-live"), "polite")
      )
    })

    for (const colorScheme of ["light", "dark"] as const) {
      onPage(
        `in ${colorScheme}: every text stands out by WCAG's AA`,
        async (page) => {
          assert.deepStrictEqual(await faint(page), [])
          await page.setInputFiles("#file", {
            name: "notes.txt",
            mimeType: "text/plain",
            buffer: Buffer.from("no image")
          })
          await page.locator(".alert p", { hasText: "notes.txt" }).waitFor()
          assert.deepStrictEqual(await faint(page), [])
          await segment(page, "halves")
          await page.getByRole("combobox", { name: "Compare with" }).selectOption("model:layers")
          await page.locator("#agreement").waitFor()
          await page.locator("#classes").getByRole("button", { name: "road", exact: true }).click()
          await pointAt(page, 0.2, 0.6)
          assert.deepStrictEqual(await faint(page), [])
          await page.evaluate(() => document.querySelector<HTMLDialogElement>("#token")?.showModal())
          assert.deepStrictEqual(await faint(page), [])
        },
        { ...desktop, colorScheme, expected: /Failed to load resource/ }
      )
    }

    for (const [name, options] of Object.entries({
      "a desk": desktop,
      "a phone": phone,
      "a small phone": { ...phone, viewport: { width: 320, height: 568 } }
    })) {
      onPage(
        `at ${name}: nothing is cut off, and everything can be hit`,
        async (page) => {
          assert.deepStrictEqual(await misfits(page), [])
          await segment(page, longName, "a-name-as-cameras-give-them-20260731_142233_HDR-Edited-final.png")
          await page.getByRole("combobox", { name: "Compare with" }).selectOption("model:halves")
          await page.locator("#agreement").waitFor()
          assert.deepStrictEqual(await misfits(page), [])
        },
        options
      )
    }

    onPage(
      "by touch: a tap reads, a button shows it alone, the divider is dragged",
      async (page) => {
        await segment(page, "halves")
        const box = await boardOf(page)
        await page.touchscreen.tap(box.x + box.width * 0.25, box.y + box.height * 0.5)
        await sees(async () => assert.match((await page.locator("#pill").textContent())!, /^sky, 90 %/))
        await sees(async () =>
          assert.match((await page.locator("#status").textContent())!, /^sky, 90 %, at \d+, \d+$/)
        )
        await page.getByRole("button", { name: "Show it alone" }).tap()
        await sees(async () =>
          assert.strictEqual(await page.locator("#status").textContent(), "Only sky is shown")
        )
        await sees(async () => assert.isBelow((await colorAt(page, 0.75, 0.5))[2]!, 64))
        await page.getByRole("combobox", { name: "Compare with" }).selectOption("picture")
        const session = await page.context().newCDPSession(page)
        const touch = (type: "touchStart" | "touchMove", x: number) =>
          session.send("Input.dispatchTouchEvent", {
            type,
            touchPoints: [{ x: box.x + box.width * x, y: box.y + 40 }]
          })
        await touch("touchStart", 0.5)
        await touch("touchMove", 0.4)
        await touch("touchMove", 0.2)
        await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] })
        await sees(async () =>
          assert.strictEqual(await page.locator("#divider").getAttribute("aria-valuenow"), "20")
        )
      },
      phone
    )

    onPage("without a module that waits until another names it", async (page) => {
      const [asked, named] = await page.evaluate(() => [
        performance.getEntriesByType("resource").flatMap(({ name }) => (name.endsWith(".js") ? [name] : [])),
        Array.from(document.querySelectorAll<HTMLLinkElement>("link[rel=modulepreload]"), ({ href }) => href)
      ])
      assert.isNotEmpty(named)
      assert.sameMembers([...new Set(asked)], named!)
    })
  })
})
