/**
 * The same program in each runtime, from JPEG files to label maps of the model in the box, beside `@huggingface/transformers` in
 * the same runtime with as many threads: Node with the binary and in WebAssembly, Chromium in WebAssembly; Bun and Deno
 * where they are installed.
 *
 * Rounds alternate between subjects, so that a noisy machine disturbs all alike; figures are medians over rounds. Memory is
 * the peak of resident memory, of Chromium that of the page's process. What holds a page's main thread is told twice: by the
 * clock, which a busy machine makes longer, and by the processor time of its longest task, from a trace of one more round.
 */
import { spawn } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import { chromium, type Page } from "playwright-core"
import { site } from "../support/BrowserBundle.ts"
import * as Needs from "../support/Needs.ts"
import { serveFolders } from "../support/StaticServer.ts"
import { peakOf, processorTimeOf } from "./Processes.ts"
import { median, type Report } from "./Report.ts"
import type { Took } from "./runtimes/page.ts"
import type { Told } from "./runtimes/subject.ts"

const rounds = 3
const pictures = 4

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))

interface Running {
  readonly name: string
  /** Whom it is compared with: another's name in the same runtime. */
  readonly against: string | undefined
  readonly round: () => Promise<{ readonly milliseconds: number; readonly held?: number }>
  /** Processor time of the longest task of a page's main thread over one round, in milliseconds: no load of the machine is in it. */
  readonly longestTask?: () => Promise<number>
  /** The process whose memory and processor time count, with its children. */
  readonly pid: () => Promise<number>
  readonly end: () => Promise<unknown>
}

const conditions = "effect-segformer-source"

/** A program of each runtime, where there is one. */
const programs: Readonly<Record<string, ReadonlyArray<string>>> = {
  Node: [process.execPath, "--disable-warning=ExperimentalWarning", "-C", conditions],
  Deno: ["deno", "run", "-A", `--conditions=${conditions}`, "--no-lock", "--node-modules-dir=manual"],
  Bun: ["bun", `--conditions=${conditions}`, "run"]
}

const isThere = (program: string): boolean =>
  program.startsWith("/") ||
  [path("../../node_modules/.bin"), ...(process.env["PATH"] ?? "").split(":")].some((folder) =>
    existsSync(join(folder, program))
  )

const inProcess = async (runtime: string, name: string, told: Told, against?: string): Promise<Running> => {
  const [program = "", ...flags] = programs[runtime] ?? []
  const child = spawn(program, [...flags, path("./runtimes/subject.ts"), JSON.stringify(told)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, PATH: `${path("../../node_modules/.bin")}:${process.env["PATH"] ?? ""}` }
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { done, value } = await lines.next()
    if (done === true) throw new Error(`${runtime} ended`)
    return JSON.parse(value)
  }
  await next()
  return {
    name: `${runtime}: ${name}`,
    against,
    round: () => {
      child.stdin.write("go\n")
      return next()
    },
    pid: async () => child.pid ?? 0,
    end: async () => child.kill("SIGKILL")
  }
}

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

export const run = (report: Report): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const folder = path("../fixtures/heldout")
        const names = readdirSync(folder).filter((file) => file.endsWith(".jpg"))
        const files = names.slice(0, pictures)
        const modules = path("./node_modules")
        const page = yield* site(path("./runtimes/page.ts"), {
          imports: {
            "onnxruntime-web/webgpu": "/ort/ort.webgpu.bundle.min.mjs",
            "onnxruntime-common": "/ort-common/index.js"
          }
        })
        const origin = yield* serveFolders(
          {
            "/models/": path("../../src/onnx/"),
            "/pictures/": folder,
            "/transformers/": join(modules, "@huggingface/transformers/dist"),
            "/ort/": join(modules, "onnxruntime-web/dist"),
            "/ort-common/": join(modules, "onnxruntime-common/dist/esm"),
            "/": page
          },
          { isolated: true }
        )
        yield* Effect.promise(() => compare(report, folder, files, origin))
      })
    )
  )

const compare = async (
  report: Report,
  folder: string,
  files: ReadonlyArray<string>,
  origin: string
): Promise<void> => {
  const told = (subject: Told["subject"], threads: number): Told => ({
    subject,
    model: path("../../src/onnx/bundled"),
    pictures: files.map((file) => join(folder, file)),
    threads
  })
  const asked = (subject: "ours" | "transformers", threads: number) => ({
    subject,
    threads,
    pictures: files.map((file) => `/pictures/${file}`)
  })
  const starts: Array<() => Promise<Running>> = [
    () => inProcess("Node", "@huggingface/transformers, binary", told("transformers", 1)),
    () =>
      inProcess(
        "Node",
        "effect-segformer, binary",
        told("native", 1),
        "Node: @huggingface/transformers, binary"
      ),
    () =>
      inProcess(
        "Node",
        "effect-segformer, WebAssembly",
        told("wasm", 1),
        "Node: @huggingface/transformers, binary"
      )
  ]
  for (const runtime of ["Deno", "Bun"]) {
    if (isThere(runtime.toLowerCase()))
      starts.push(() => inProcess(runtime, "effect-segformer, WebAssembly", told("wasm", 1)))
  }
  if (Needs.chromium !== undefined) {
    for (const threads of [1, 2]) {
      const words = `${threads} thread${threads === 1 ? "" : "s"}`
      const theirs = `@huggingface/transformers, WebAssembly, ${words}`
      starts.push(
        () => inPage(origin, theirs, asked("transformers", threads)),
        () =>
          inPage(
            origin,
            `effect-segformer, WebAssembly, ${words}`,
            asked("ours", threads),
            `Chromium: ${theirs}`
          )
      )
    }
  }
  const subjects: Array<Running> = []
  try {
    for (const start of starts) subjects.push(await start())
    const took = new Map<string, Array<number>>()
    const held = new Map<string, Array<number>>()
    const spent = new Map<string, Array<number>>()
    const note = (figures: Map<string, Array<number>>, { name }: Running, value: number) =>
      figures.set(name, [...(figures.get(name) ?? []), value])
    for (let round = 0; round <= rounds; round++) {
      for (const subject of subjects) {
        const pid = await subject.pid()
        const before = processorTimeOf(pid)
        const found = await subject.round()
        // The first one warms up.
        if (round === 0) continue
        note(spent, subject, (processorTimeOf(pid) - before) / files.length)
        note(took, subject, found.milliseconds)
        if (found.held !== undefined) note(held, subject, found.held)
      }
    }
    const speed = (name: string) => (files.length * 1000) / median(took.get(name) ?? [])
    for (const subject of subjects) {
      const [runtime = "", ...rest] = subject.name.split(": ")
      const figure = { bench: "runtimes", case: runtime, subject: rest.join(": ") }
      const compared = (
        value: number,
        of: (name: string) => number
      ): { readonly value: number; readonly against?: string; readonly ratio?: number } =>
        subject.against === undefined
          ? { value }
          : { value, against: subject.against.split(": ")[1]!, ratio: value / of(subject.against) }
      const cost = (name: string) => median(spent.get(name) ?? [])
      report({
        ...figure,
        metric: "pictures per second",
        unit: "1/s",
        ...compared(speed(subject.name), speed)
      })
      report({
        ...figure,
        metric: "processor time a picture",
        unit: "ms",
        ...compared(cost(subject.name), cost)
      })
      report({
        ...figure,
        metric: "peak memory",
        unit: "MiB",
        value: peakOf(await subject.pid())
      })
      const longest = held.get(subject.name)
      if (longest !== undefined)
        report({ ...figure, metric: "main thread held at most", unit: "ms", value: median(longest) })
      if (subject.longestTask !== undefined)
        report({
          ...figure,
          metric: "longest task of the main thread, processor time",
          unit: "ms",
          value: await subject.longestTask()
        })
    }
  } finally {
    await Promise.all(subjects.map((subject) => subject.end()))
  }
}
