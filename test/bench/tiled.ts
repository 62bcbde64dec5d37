/**
 * A picture larger than memory, from file to file, with the bundled model: speed beside the same number of windows
 * through the model alone, the most memory that this process's children take together, and how many labels differ
 * from those of the model on the whole picture.
 *
 * 5,000 x 5,000 pixels in some fifteen seconds; `--full` takes 30,000 x 30,000, minutes, 6 GB of disk, and, for the model
 * on a whole picture of 2,000 x 2,000, 10 GB of memory.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Report } from "./Report.ts"
import { write } from "./tiled/picture.ts"
import type { Task, Told } from "./tiled/subject.ts"

/** Resident memory of a process and all below it, in MiB. */
const treeOf = (pid: number): number => {
  const read = (path: string) => {
    try {
      return readFileSync(`/proc/${pid}/${path}`, "utf8")
    } catch {
      return ""
    }
  }
  const own = Number(/VmRSS:\s+(\d+)/.exec(read("status"))?.[1] ?? 0) / 1024
  const children = read(`task/${pid}/children`).trim().split(" ").filter(Boolean)
  return children.reduce((sum, child) => sum + treeOf(Number(child)), own)
}

const subject = fileURLToPath(new URL("./tiled/subject.ts", import.meta.url))

/** What docs/guides/large-images.md advises where memory is short. */
const lean = { MALLOC_ARENA_MAX: "2", NODE_OPTIONS: "--max-semi-space-size=2" }

/** Runs a task in a process of its own. */
const measure = async (task: Task): Promise<{ readonly told: Told; readonly peak: number }> => {
  const child = fork(subject, [JSON.stringify(task)], {
    execArgv: ["-C", "effect-segformer-source"],
    env: { ...process.env, ...lean }
  })
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, treeOf(child.pid!))
  }, 50)
  try {
    const told = await new Promise<Told>((resolve, reject) => {
      child.on("message", (message: Told) => resolve(message))
      child.on("exit", (code) => reject(new Error(`the process of ${task.type} ended with ${code}`)))
    })
    if (child.exitCode === null) await once(child, "exit")
    return { told, peak }
  } finally {
    clearInterval(timer)
    child.kill()
  }
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
    const path = join(folder, "picture.tif")
    await write(path, { width: side, height: side })
    const { peak, told } = await measure({ type: "file", path, out: join(folder, "labels.tif"), folder })
    const windows = (Math.floor((side - 512 + 383) / 384) + 1) ** 2
    const seconds = told["segment"]! / 1000
    report({ ...figure, metric: "making the tiled copy", unit: "s", value: told["open"]! / 1000 })
    report({ ...figure, metric: "segmenting and writing", unit: "s", value: seconds })
    report({
      ...figure,
      metric: "windows per second",
      unit: "1/s",
      value: windows / seconds,
      against: "the model alone",
      ratio: (windows * perWindow) / told["segment"]!
    })
    report({ ...figure, metric: "megapixels per second", unit: "1/s", value: side ** 2 / 1e6 / seconds })
    report({ ...figure, metric: "peak memory, all processes", unit: "MiB", value: peak })
    report({ ...figure, metric: "labels, as TIFF", unit: "MB", value: told["bytes"]! / 1e6 })
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
