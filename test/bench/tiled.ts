/**
 * A picture larger than memory, from file to file by `segformer tile`, with the bundled model: speed beside the same
 * number of windows through the model alone, the most memory that all its processes take together, and how many labels
 * differ from those of the model on the whole picture.
 *
 * 5,000 x 5,000 pixels in some fifteen seconds; `--full` takes 30,000 x 30,000, minutes, 6 GB of disk, and, for the model
 * on a whole picture of 2,000 x 2,000, 10 GB of memory.
 */
import { type ChildProcess, fork, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Report } from "./Report.ts"
import { write } from "./tiled/picture.ts"
import type { Task, Told } from "./tiled/subject.ts"

/** Memory of a process and all below it, in MiB: what several of them share (Node itself, say) is counted once. */
const treeOf = (pid: number): number => {
  const read = (path: string) => {
    try {
      return readFileSync(`/proc/${pid}/${path}`, "utf8")
    } catch {
      return ""
    }
  }
  const own = Number(/Pss:\s+(\d+)/.exec(read("smaps_rollup"))?.[1] ?? 0) / 1024
  const children = read(`task/${pid}/children`).trim().split(" ").filter(Boolean)
  return children.reduce((sum, child) => sum + treeOf(Number(child)), own)
}

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))

const condition = ["-C", "effect-segformer-source"] as const

/** The most memory that a process and those below it take until `done`. */
const watch = async <A>(child: ChildProcess, done: Promise<A>): Promise<{ told: A; peak: number }> => {
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, treeOf(child.pid!))
  }, 100)
  try {
    const told = await done
    if (child.exitCode === null) await once(child, "exit")
    return { told, peak }
  } finally {
    clearInterval(timer)
    child.kill()
  }
}

/** Runs a task in a process of its own. */
const measure = (task: Task): Promise<{ readonly told: Told; readonly peak: number }> => {
  const child = fork(path("./tiled/subject.ts"), [JSON.stringify(task)], { execArgv: [...condition] })
  return watch(
    child,
    new Promise<Told>((resolve, reject) => {
      child.on("message", (message: Told) => resolve(message))
      child.on("exit", (code) => reject(new Error(`the process of ${task.type} ended with ${code}`)))
    })
  )
}

/** Runs the command, as a user does. */
const command = (args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [...condition, path("../../src/cli/main.ts"), ...args], {
    stdio: ["ignore", "ignore", "inherit"]
  })
  return watch(
    child,
    new Promise<void>((resolve, reject) => {
      child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`segformer ended with ${code}`))))
    })
  )
}

export const run = async (report: Report): Promise<void> => {
  const isFull = process.argv.includes("--full")
  const side = isFull ? 30_000 : 5_000
  const count = 100
  const name = (value: number) => `${value.toLocaleString("en")} x ${value.toLocaleString("en")}`
  const figure = { bench: "tiled", case: name(side), subject: "effect-segformer" }

  const bare = await measure({ type: "windows", count })
  const perWindow = bare.told["milliseconds"]! / count

  const folder = mkdtempSync(join(tmpdir(), "segformer-bench-"))
  try {
    const picture = join(folder, "picture.tif")
    const labels = join(folder, "labels.tif")
    await write(picture, { width: side, height: side })
    const started = performance.now()
    const { peak } = await command(["tile", picture, "--out", labels, "--temp", folder, "--quiet"])
    const milliseconds = performance.now() - started
    const windows = (Math.floor((side - 512 + 383) / 384) + 1) ** 2
    const seconds = milliseconds / 1000
    report({ ...figure, metric: "from start to end", unit: "s", value: seconds })
    report({
      ...figure,
      metric: "windows per second",
      unit: "1/s",
      value: windows / seconds,
      against: "the model alone",
      ratio: (windows * perWindow) / milliseconds
    })
    report({ ...figure, metric: "megapixels per second", unit: "1/s", value: side ** 2 / 1e6 / seconds })
    report({ ...figure, metric: "peak memory, all processes", unit: "MiB", value: peak })
    report({ ...figure, metric: "labels, as TIFF", unit: "MB", value: statSync(labels).size / 1e6 })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }

  const wide = { width: 30_000, height: 896 }
  const many = await measure({ type: "classes", classes: 150, size: wide })
  report({
    ...figure,
    case: "30,000 x 896, 150 classes, no model",
    metric: "peak memory, all processes",
    unit: "MiB",
    value: many.peak
  })
  report({
    ...figure,
    case: "30,000 x 896, 150 classes, no model",
    metric: "megapixels per second",
    unit: "1/s",
    value: (wide.width * wide.height) / 1000 / many.told["milliseconds"]!
  })

  const whole = isFull ? 2_000 : 1_024
  const cases = [
    { crop: 512, stride: 512 },
    { crop: 512, stride: 384 },
    { crop: 512, stride: 384, weights: "distance" },
    { crop: 768, stride: 576, weights: "distance" }
  ] as const
  const { told } = await measure({ type: "seams", side: whole, cases })
  for (const [index, options] of cases.entries()) {
    const weights = "weights" in options ? ", by distance" : ""
    for (const where of ["all", "seams", "elsewhere"]) {
      report({
        ...figure,
        case: `${name(whole)}, windows of ${options.crop} every ${options.stride}${weights}`,
        metric: `labels that differ from the untiled picture's, ${where === "all" ? "everywhere" : where === "seams" ? "within 16 pixels of a seam" : "elsewhere"}`,
        unit: "%",
        value: told[`${index} ${where}`]!
      })
    }
  }
}
