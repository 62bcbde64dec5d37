/** Subjects that run in a page of Chromium, each in a browser of its own. */
import { execFileSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"
import { chromium, type Page } from "playwright-core"
import { site } from "../../support/BrowserBundle.ts"
import * as Needs from "../../support/Needs.ts"
import { serveFolders } from "../../support/StaticServer.ts"
import type { Took } from "./page.ts"
import type { Running } from "./Rounds.ts"

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** A commit in which the model in the box was as PyTorch's exporter had written it. */
const exported = "4dbdf46"

/** A folder with that model, whose weights are the same; none where the clone's history does not reach so far. */
export const asExported: Effect.Effect<string | undefined, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "segformer-exported-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ),
  (folder) => {
    const bundled = path("../../../src/onnx/bundled")
    const name = "onnx/model.onnx"
    try {
      const model = execFileSync("git", ["show", `${exported}:src/onnx/bundled/${name}`], {
        cwd: bundled,
        maxBuffer: 100_000_000,
        stdio: ["ignore", "pipe", "ignore"]
      })
      cpSync(bundled, join(folder, "exported"), { recursive: true })
      writeFileSync(join(folder, "exported", name), model)
      return folder
    } catch {
      return undefined
    }
  }
)

/** Where the page is, with these pictures beside it, and a folder of models as they were. */
export const serve = (pictures: string, former?: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const modules = path("../node_modules")
    const page = yield* site(path("./page.ts"), {
      imports: {
        "onnxruntime-web/webgpu": "/ort/ort.webgpu.bundle.min.mjs",
        "onnxruntime-common": "/ort-common/index.js"
      }
    })
    return yield* serveFolders(
      {
        ...(former === undefined ? {} : { "/models/exported/": join(former, "exported") }),
        "/models/": path("../../../src/onnx/"),
        "/pictures/": pictures,
        "/transformers/": join(modules, "@huggingface/transformers/dist"),
        "/ort/": join(modules, "onnxruntime-web/dist"),
        "/ort-common/": join(modules, "onnxruntime-common/dist/esm"),
        "/": page
      },
      { isolated: true }
    )
  })

interface TraceEvent {
  readonly name: string
  readonly pid: number
  readonly tid: number
  readonly tdur?: number
  readonly args?: { readonly name?: string }
}

/** The longest of a trace's tasks on main threads of pages, in milliseconds of their processor time. */
const longestIn = (trace: Buffer): number => {
  const { traceEvents }: { readonly traceEvents: ReadonlyArray<TraceEvent> } = JSON.parse(String(trace))
  const place = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`
  const mains = new Set(
    traceEvents
      .filter(({ args, name }) => name === "thread_name" && args?.name === "CrRendererMain")
      .map((event) => place(event))
  )
  const times = traceEvents.flatMap((event) =>
    event.tdur !== undefined && event.name.endsWith("RunTask") && mains.has(place(event))
      ? [event.tdur / 1000]
      : []
  )
  if (times.length === 0) throw new Error("the trace has no task of a main thread")
  return times.reduce((most, time) => Math.max(most, time))
}

/** Each in a browser of its own. */
const inPage = async (
  origin: string,
  name: string,
  asked: Parameters<Window["bench"]["make"]>[0],
  against?: string
): Promise<Running> => {
  const browser = await chromium.launch({
    ...(Needs.chromium === undefined ? {} : { executablePath: Needs.chromium }),
    args: ["--no-sandbox", "--disable-dev-shm-usage"]
  })
  const page: Page = await browser.newPage()
  await page.goto(`${origin}/`)
  await page.waitForFunction(() => "bench" in window)
  const isolated = await page.evaluate((asked) => window.bench.make(asked), asked)
  if (!isolated) throw new Error("the page is not isolated, and has no threads")
  const session = await browser.newBrowserCDPSession()
  return {
    name: `Chromium: ${name}`,
    against,
    round: (): Promise<Took> => page.evaluate(() => window.bench.round()),
    longestTask: async () => {
      await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] })
      await page.evaluate(() => window.bench.round())
      return longestIn(await browser.stopTracing())
    },
    pid: async () => {
      const { processInfo } = await session.send("SystemInfo.getProcessInfo")
      const pages = processInfo.filter(({ type }) => type === "renderer")
      return pages.reduce((most, page) => (page.cpuTime > most.cpuTime ? page : most)).id
    },
    end: () => browser.close()
  }
}

/** Both in WebAssembly, on one thread and on two; none where there is no Chromium. */
export const subjects = (
  origin: string,
  files: ReadonlyArray<string>,
  hasFormer = false
): ReadonlyArray<() => Promise<Running>> => {
  if (Needs.chromium === undefined) return []
  const pictures = files.map((file) => `/pictures/${file}`)
  return [1, 2].flatMap((threads) => {
    const words = `WebAssembly, ${threads} thread${threads === 1 ? "" : "s"}`
    const theirs = `@huggingface/transformers, ${words}`
    const ofExporter = () =>
      inPage(
        origin,
        `${theirs}, the weights as PyTorch exports them`,
        { subject: "transformers", threads, pictures, model: "exported" },
        `Chromium: ${theirs}`
      )
    return [
      () => inPage(origin, theirs, { subject: "transformers", threads, pictures }),
      ...(hasFormer ? [ofExporter] : []),
      () =>
        inPage(
          origin,
          `effect-segformer, ${words}`,
          { subject: "ours", threads, pictures },
          `Chromium: ${theirs}`
        )
    ]
  })
}
