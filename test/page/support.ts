/** A server with three models, and a browser that visits its page. */
import { assert, vi } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Context, Effect, Exit, Layer, References } from "effect"
import { SegFormerServer, type SegFormerServerOptions } from "effect-segformer/server"
import type { BrowserContext, BrowserContextOptions, Page } from "playwright-core"
import sharp from "sharp"
import { hangs } from "../support/Eventually.ts"
import * as Warm from "../support/Warm.ts"
import { models } from "./drawn.ts"

/** The model in the box, `halves` with sky on the left and `layers` with sky above. */
export const serve = (options?: SegFormerServerOptions) =>
  SegFormerServer.make({
    port: 0,
    name: "bundled",
    models,
    ...options
  }).pipe(
    Effect.provide([Warm.model, NodeFileSystem.layer]),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

export class PageServer extends Context.Service<PageServer, SegFormerServer["Service"]>()(
  "test/page/PageServer"
) {
  static readonly layer = Layer.effect(PageServer, serve())
}

/** An even grey of 200 x 100 pixels. */
export const grey = await sharp({ create: { width: 200, height: 100, channels: 3, background: "#808080" } })
  .png()
  .toBuffer()

export const desktop: BrowserContextOptions = { viewport: { width: 1280, height: 800 } }
export const phone: BrowserContextOptions = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true
}

/** What the browser complained of, and which hosts but the page's own it asked. */
export interface Watched {
  readonly complaints: Array<string>
  readonly strangers: Array<string>
}

/** Contexts by what they were opened with: a new one starts another process of the browser. */
const contexts = new Map<string, Promise<BrowserContext>>()

const contextFor = (options: BrowserContextOptions): Effect.Effect<BrowserContext> =>
  Effect.flatMap(Warm.browser, (browser) =>
    Effect.promise(() => {
      const key = JSON.stringify(options)
      const context = contexts.get(key) ?? browser.newContext({ acceptDownloads: true, ...options })
      contexts.set(key, context)
      return context
    })
  )

/** Tabs that a visit has left, by their contexts: the next one costs a quarter of what a new tab does. */
const left = new Map<BrowserContext, Array<Page>>()

const tabIn = async (context: BrowserContext, sharesTab: boolean): Promise<Page> => {
  const found = sharesTab ? left.get(context)?.pop() : undefined
  if (found !== undefined) return found
  const page = await context.newPage()
  page.setDefaultTimeout(hangs / 2)
  // Tabs of a context share what the page keeps: a visit begins without.
  await page.addInitScript(() => {
    if (sessionStorage.getItem("begun") !== null) return
    sessionStorage.setItem("begun", "")
    localStorage.clear()
    indexedDB.deleteDatabase("segformer")
  })
  return page
}

/** Leaves a tab as if nothing had been in it. */
const leave = async (context: BrowserContext, page: Page): Promise<void> => {
  for (const event of ["console", "pageerror", "request"] as const) page.removeAllListeners(event)
  await page.unrouteAll({ behavior: "ignoreErrors" })
  await page.evaluate(() => sessionStorage.clear())
  await page.goto("about:blank")
  await page.mouse.move(0, 0)
  left.set(context, [...(left.get(context) ?? []), page])
}

/** How a visit goes. */
export interface VisitOptions extends BrowserContextOptions {
  /** Complaints that the visit provokes. */
  readonly expected?: RegExp
  /** In a tab that others have left: nothing of the tab itself is changed, such as its size, its clock or its media. */
  readonly sharesTab?: boolean
}

/**
 * A visit in a tab which is as new as a browser just opened: the page keeps what it keeps in its tab. A complaint in the
 * console or a request to another host fails it, but for those that a test provokes.
 */
export const visit = (
  url: string,
  use: (page: Page, watched: Watched) => Promise<void>,
  options: VisitOptions = desktop
) =>
  Effect.gen(function* () {
    const { expected, sharesTab = false, ...asked } = options
    const context = yield* contextFor(asked)
    const watched: Watched = { complaints: [], strangers: [] }
    yield* Effect.acquireUseRelease(
      Effect.promise(() => tabIn(context, sharesTab)),
      (page) =>
        Effect.promise(async () => {
          page.on("console", (message) => {
            // The tests read pixels back; the page does not.
            if (/willReadFrequently/.test(message.text())) return
            if (["error", "warning"].includes(message.type())) watched.complaints.push(message.text())
          })
          page.on("pageerror", (error) => watched.complaints.push(error.message))
          page.on("request", (request) => {
            const asked = new URL(request.url())
            if (/^https?:/.test(asked.protocol) && asked.origin !== url) watched.strangers.push(request.url())
          })
          await page.goto(url)
          await page.locator("#model option:not([value=''])").first().waitFor({ state: "attached" })
          await use(page, watched)
        }),
      (page, exit) =>
        Effect.promise(() => (sharesTab && Exit.isSuccess(exit) ? leave(context, page) : page.close()))
    )
    const complaints = watched.complaints.filter((text) => expected === undefined || !expected.test(text))
    if (complaints.length + watched.strangers.length > 0) {
      throw new Error(`The page complained: ${[...complaints, ...watched.strangers].join("; ")}`)
    }
  })

/** Looks until what is asserted of the page holds: what it shows follows what it was asked. */
export const sees = (look: () => Promise<void>): Promise<void> =>
  vi.waitFor(look, { timeout: hangs / 2, interval: 20 })

/** Opens an image with a model, and waits for the result: another one's may be there until then. */
export const segment = async (page: Page, model: string, name = "grey.png", image: Buffer = grey) => {
  await page.selectOption("#model", model)
  await page.setInputFiles("#file", { name, mimeType: "image/png", buffer: image })
  await sees(async () => assert.strictEqual(await page.locator("#work-title").textContent(), name))
  await page.locator("#details").waitFor()
  await page.locator("#work-meta", { hasText: model }).waitFor()
  await settled(page)
}

/** Two frames, after which what was asked for is drawn. */
export const settled = (page: Page) =>
  page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        requestAnimationFrame(() => requestAnimationFrame(() => resolve()))
      })
  )

/** The view has come to rest after a flight, which moves it in every frame but its first ones. */
export const landed = (page: Page) =>
  page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const board = document.querySelector<HTMLElement>("#board")!
        let before = ""
        let frames = 0
        const look = () => {
          frames = before === board.style.cssText ? frames + 1 : 0
          before = board.style.cssText
          if (frames === 5) resolve()
          else requestAnimationFrame(look)
        }
        requestAnimationFrame(look)
      })
  )

/** The colour of the picture at parts of its width and height, with everything on it, as red, green and blue. */
export const colorAt = async (page: Page, x: number, y: number): Promise<ReadonlyArray<number>> => {
  await settled(page)
  return page.evaluate(
    ([x, y]) => {
      const canvas = document.querySelector("canvas")!
      const frame = canvas.getBoundingClientRect()
      const board = document.querySelector("#board")!.getBoundingClientRect()
      const scale = canvas.width / frame.width
      const { data } = canvas
        .getContext("2d")!
        .getImageData(
          Math.floor((board.left - frame.left + x! * board.width) * scale),
          Math.floor((board.top - frame.top + y! * board.height) * scale),
          1,
          1
        )
      return [data[0]!, data[1]!, data[2]!]
    },
    [x, y]
  )
}

/** Waits until the picture has this colour there: one that the server decodes comes when it is there, and the map may be there before. */
export const showsColor = (page: Page, x: number, y: number, color: ReadonlyArray<number>): Promise<void> =>
  sees(async () => assert.deepStrictEqual(await colorAt(page, x, y), color))

/** How many pixels of the canvas that are more red than grey. */
export const redPixels = async (page: Page): Promise<number> => {
  await settled(page)
  return page.evaluate(() => {
    const canvas = document.querySelector("canvas")!
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height)
    let count = 0
    for (let at = 0; at < data.length; at += 4) if (data[at]! > data[at + 1]! + 40) count++
    return count
  })
}

/** Where the picture is on the screen. */
export const boardOf = async (page: Page) => {
  await settled(page)
  return (await page.locator("#board").boundingBox())!
}

/** Points with the mouse at parts of the picture's width and height. */
export const pointAt = async (page: Page, x: number, y: number) => {
  const box = await boardOf(page)
  await page.mouse.move(box.x + box.width * x, box.y + box.height * y, { steps: 3 })
}

/** Chromium writes a line for every answer of 400 and above, and for every request that fails. */
export const expected = /Failed to load resource/

export const png = (name: string, buffer: Buffer = grey) => ({ name, mimeType: "image/png", buffer })

export const names = (page: Page) =>
  page.locator(".thumb").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")))

/** All pictures have come to their end. */
export const ended = (page: Page) =>
  page.waitForFunction(
    () => document.querySelector(".thumb[data-state=waiting], .thumb[data-state=working]") === null
  )

/** The browser's own store has all pictures of the strip, with what became of each: it is written beside the page's work. Some may have been taken away. */
export const kept = (page: Page, taken = 0) =>
  // Not by `waitForFunction`: a promise is as good as `true` there.
  sees(async () => {
    const [stored, shown] = await page.evaluate(
      () =>
        new Promise<ReadonlyArray<{ all: number; done: number; failed: number }>>((resolve) => {
          const thumbs = (state = "") => document.querySelectorAll(`.thumb${state}`).length
          const shown = {
            all: thumbs(),
            done: thumbs("[data-state=done]"),
            failed: thumbs("[data-state=failed]")
          }
          const tell = (stored: ReadonlyArray<{ problem?: string; results: ReadonlyMap<string, unknown> }>) =>
            resolve([
              {
                all: stored.length,
                done: stored.filter(({ results }) => results.size > 0).length,
                failed: stored.filter(({ problem }) => problem !== undefined).length
              },
              shown
            ])
          const request = indexedDB.open("segformer")
          // The page has not made it yet: it is the page's to make.
          request.addEventListener("upgradeneeded", () => request.transaction?.abort())
          request.addEventListener("error", () => tell([]))
          request.addEventListener("success", () => {
            const db = request.result
            const all = db.transaction("pictures").objectStore("pictures").getAll()
            all.addEventListener("success", () => {
              db.close()
              tell(all.result)
            })
          })
        })
    )
    assert.strictEqual(stored!.all + taken, shown!.all)
    assert.isAtLeast(stored!.done + taken, shown!.done)
    assert.isAtLeast(stored!.failed, shown!.failed)
  })

/** A test of the page. */
export type OnPage = (
  name: string,
  use: Parameters<typeof visit>[1],
  options?: Parameters<typeof visit>[2]
) => void
