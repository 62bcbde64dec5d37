/**
 * The same program in each runtime, from JPEG files to label maps of the model in the box, beside `@huggingface/transformers` in
 * the same runtime with as many threads: Node with the binary and in WebAssembly, Chromium in WebAssembly; Bun and Deno
 * where they are installed. All have the same model file, in Chromium theirs also the one that PyTorch exports of these weights,
 * where the clone's history has it.
 *
 * Rounds alternate between subjects, so that a noisy machine disturbs all alike; figures are medians over rounds. A round has six
 * pictures: with fewer, the first one, for which everything waits, would count for too much. Memory is
 * the peak of resident memory, of Chromium that of the page's process. What holds a page's main thread is told twice: by the
 * clock, which a busy machine makes longer, and by the processor time of its longest task, from a trace of one more round.
 */
import { spawn } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import type { Report } from "./Report.ts"
import * as Chromium from "./runtimes/Chromium.ts"
import { compare, type Running } from "./runtimes/Rounds.ts"
import type { Told } from "./runtimes/subject.ts"

const pictures = 6

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))

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

export const run = (report: Report): Promise<void> =>
  Effect.runPromise(
    Effect.scoped(
      Effect.gen(function* () {
        const folder = path("../fixtures/heldout")
        const names = readdirSync(folder).filter((file) => file.endsWith(".jpg"))
        const files = names.slice(0, pictures)
        const former = yield* Chromium.asExported
        const origin = yield* Chromium.serve(folder, former)
        const all = [...inProcesses(folder, files), ...Chromium.subjects(origin, files, former !== undefined)]
        yield* Effect.promise(() => compare(report, "runtimes", files.length, all))
      })
    )
  )

const inProcesses = (folder: string, files: ReadonlyArray<string>): ReadonlyArray<() => Promise<Running>> => {
  const told = (subject: Told["subject"], threads: number): Told => ({
    subject,
    model: path("../../src/onnx/bundled"),
    pictures: files.map((file) => join(folder, file)),
    threads
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
  return starts
}
