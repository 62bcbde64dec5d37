/**
 * The page of `segformer serve` in Chromium: what a first visit loads and how soon it shows something, what zooming costs
 * the page's thread with a picture of 50 megapixels and 150 classes, and what memory many pictures take. The model is a
 * stub, so that what is measured is the page. Beside it, visit by visit, stands the page as it was in 0.1.0, where the
 * clone's history has it.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Exit, References, Scope } from "effect"
import { NodeFileSystem } from "@effect/platform-node"
import { type Browser, chromium, type Page } from "playwright-core"
import sharp from "sharp"
import { SegFormerServer } from "../../src/server/index.ts"
import * as SharpCodec from "../../src/image/SharpCodec.ts"
import { Transport } from "../../src/Transport.ts"
import * as Needs from "../support/Needs.ts"
import { median, type Report } from "./Report.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
/** The last commit with the page of 0.1.0. */
const before = "12cc3b6"
const rounds = 5

const classes = Array.from({ length: 150 }, (_, id) => ({ id, name: `class ${id}` }))

/** Blocks of all classes, with the confidence of each pixel. */
const predict = ({
  image: { height, width }
}: {
  readonly image: { readonly width: number; readonly height: number }
}) =>
  Effect.sync(() => {
    const data = new Uint8Array(width * height)
    const confidence = new Float32Array(width * height).fill(0.9)
    const side = Math.ceil(width / 40)
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x += side) {
        data.fill(
          (Math.floor(x / side) * 7 + Math.floor(y / side) * 11) % 150,
          y * width + x,
          y * width + Math.min(width, x + side)
        )
      }
    }
    return {
      _tag: "Labels" as const,
      classes,
      labelMap: { width, height, data },
      confidence: { width, height, data: confidence }
    }
  })

/** A server of these sources or of earlier ones, by the modules of their folder. */
const serve = async (src: string, scope: Scope.Closeable): Promise<string> => {
  const { SegFormerServer: Server }: { readonly SegFormerServer: typeof SegFormerServer } = await import(
    join(src, "server/index.ts")
  )
  const seam: { readonly Transport: typeof Transport } = await import(join(src, "Transport.ts"))
  const codec: typeof SharpCodec = await import(join(src, "image/SharpCodec.ts"))
  const layer = seam.Transport.layer({
    name: "stub",
    describe: Effect.succeed({ name: "stub", classes }),
    predict
  })
  const { url } = await Effect.runPromise(
    Server.make({ port: 0, maxPixels: 50_000_000, maxBytes: 100_000_000, timeout: "1 minute" }).pipe(
      Effect.provide([layer, codec.layer, NodeFileSystem.layer]),
      Effect.provideService(References.MinimumLogLevel, "None"),
      Scope.provide(scope)
    )
  )
  return url
}

/** What the page was; undefined where the history does not reach so far. */
const earlier = (): string | undefined => {
  try {
    // Ignored by git, and where Node takes types out of modules.
    const within = join(root, "test", ".blocks")
    mkdirSync(within, { recursive: true })
    const folder = mkdtempSync(join(within, ".segformer-page-"))
    const archive = execFileSync("git", ["archive", before, "src", "package.json"], {
      cwd: root,
      maxBuffer: 100_000_000,
      stdio: ["ignore", "pipe", "ignore"]
    })
    execFileSync("tar", ["-x", "-C", folder], { input: archive })
    return folder
  } catch {
    return undefined
  }
}

const visit = async <A>(browser: Browser, url: string, use: (page: Page) => Promise<A>): Promise<A> => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  try {
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    await page.goto(url)
    await page.locator("#model option[value=stub]").waitFor({ state: "attached" })
    return await use(page)
  } finally {
    await context.close()
  }
}

const first = (page: Page) =>
  page.evaluate(() => {
    const entries = performance
      .getEntries()
      .filter((one): one is PerformanceResourceTiming => one instanceof PerformanceResourceTiming)
      .filter(({ name }) => !name.includes("/v1/"))
    return {
      bytes: entries.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
      requests: entries.length,
      paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0
    }
  })

const untilResult = async (page: Page): Promise<number> => {
  const started = performance.now()
  await page.getByRole("button", { name: "Try the sample" }).click()
  await page.locator("#details").waitFor()
  return performance.now() - started
}

/** The longest turn of the page's own thread while `work` goes on, in milliseconds, from the browser's trace. */
const longestTurn = async (page: Page, work: () => Promise<void>): Promise<number> => {
  const session = await page.context().newCDPSession(page)
  const events: Array<Readonly<Record<string, unknown>>> = []
  session.on("Tracing.dataCollected", ({ value }) => void events.push(...value))
  await session.send("Tracing.start", {
    categories: "toplevel,disabled-by-default-devtools.timeline,__metadata"
  })
  await work()
  const done = new Promise((resolve) => session.once("Tracing.tracingComplete", resolve))
  await session.send("Tracing.end")
  await done
  const threadOf = ({ pid, tid }: (typeof events)[number]) => `${pid}/${tid}`
  const main = new Set(
    events
      .filter(({ args, name }) => name === "thread_name" && JSON.stringify(args).includes("CrRendererMain"))
      .map(threadOf)
  )
  return Math.max(
    0,
    ...events.map((event) =>
      String(event["name"]).endsWith("RunTask") && main.has(threadOf(event))
        ? Number(event["dur"] ?? 0) / 1000
        : 0
    )
  )
}

const heap = async (page: Page): Promise<number> => {
  const session = await page.context().newCDPSession(page)
  await session.send("HeapProfiler.collectGarbage")
  const { backingStorageSize, usedSize } = await session.send("Runtime.getHeapUsage")
  return usedSize + backingStorageSize
}

const flat = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: "#7799aa" } })
    .jpeg()
    .toBuffer()

export const run = async (report: Report): Promise<void> => {
  const scope = Effect.runSync(Scope.make())
  const old = earlier()
  const browser = await chromium.launch({
    ...(Needs.chromium === undefined ? {} : { executablePath: Needs.chromium }),
    args: ["--no-sandbox", "--disable-dev-shm-usage"]
  })
  try {
    const pages = new Map([["this page", await serve(join(root, "src"), scope)]])
    if (old !== undefined) pages.set("the page of 0.1.0", await serve(join(old, "src"), scope))
    const seen = new Map(
      [...pages.keys()].map((name) => [
        name,
        { paint: [] as Array<number>, result: [] as Array<number>, bytes: 0, requests: 0 }
      ])
    )
    for (let round = -1; round < rounds; round++) {
      for (const [name, url] of pages) {
        await visit(browser, url, async (page) => {
          const { bytes, paint, requests } = await first(page)
          const result = await untilResult(page)
          const own = seen.get(name)!
          Object.assign(own, { bytes, requests })
          if (round < 0) return
          own.paint.push(paint)
          own.result.push(result)
        })
      }
    }
    const was = seen.get("the page of 0.1.0")
    const figure = (metric: string, unit: string, value: (of: NonNullable<typeof was>) => number) => {
      for (const [subject, own] of seen) {
        report({
          bench: "page",
          case: "first visit, from the sources",
          subject,
          metric,
          unit,
          value: value(own),
          ...(was === undefined || own === was
            ? {}
            : { against: "the page of 0.1.0", ratio: value(own) / value(was) })
        })
      }
    }
    figure("bytes", "B", ({ bytes }) => bytes)
    figure("requests", "requests", ({ requests }) => requests)
    figure("first paint", "ms", ({ paint }) => median(paint))
    figure("sample to result", "ms", ({ result }) => median(result))

    const large = await flat(8600, 5800)
    const url = pages.get("this page")!
    await visit(browser, url, async (page) => {
      await page.setInputFiles("#file", { name: "large.jpg", mimeType: "image/jpeg", buffer: large })
      await page.locator("#details").waitFor()
      await page.waitForTimeout(1000)
      const box = (await page.locator("#canvas").boundingBox())!
      const value = await longestTurn(page, async () => {
        await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2)
        for (let step = 0; step < 24; step++) {
          await page.mouse.wheel(0, step < 12 ? -120 : 120)
          await page.waitForTimeout(30)
        }
      })
      report({
        bench: "page",
        case: "zooming, 50 megapixels, 150 classes",
        subject: "this page",
        metric: "longest turn of the thread",
        unit: "ms",
        value
      })
    })
    await visit(browser, url, async (page) => {
      await page.setInputFiles("#file", { name: "large.jpg", mimeType: "image/jpeg", buffer: large })
      await page.locator("#details").waitFor()
      await page.waitForTimeout(1000)
      const value = await longestTurn(page, async () => {
        const saved = page.waitForEvent("download")
        await page.locator("#downloads").getByRole("button", { name: "Picture", exact: true }).click()
        await saved
      })
      report({
        bench: "page",
        case: "saving the picture, 50 megapixels",
        subject: "this page",
        metric: "longest turn of the thread",
        unit: "ms",
        value
      })
    })
    const twelve = await flat(4000, 3000)
    await visit(browser, url, async (page) => {
      const rest = await heap(page)
      const files = (from: number, to: number) =>
        Array.from({ length: to - from }, (_, at) => ({
          name: `${from + at}.jpg`,
          mimeType: "image/jpeg",
          buffer: twelve
        }))
      for (const [from, to] of [
        [0, 10],
        [10, 30]
      ] as const) {
        await page.setInputFiles("#file", files(from, to))
        await page.waitForFunction(
          (count) => document.querySelectorAll(".thumb[data-state=done]").length === count,
          to
        )
        report({
          bench: "page",
          case: `${to} pictures of 12 megapixels`,
          subject: "this page",
          metric: "memory of scripts",
          unit: "MB",
          value: ((await heap(page)) - rest) / 1e6
        })
      }
    })
  } finally {
    await browser.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
    if (old !== undefined) rmSync(old, { recursive: true, force: true })
  }
}
