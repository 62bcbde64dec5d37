/**
 * What it costs to list a folder of 10,000 and of 100,000 images, as each command does: time, and memory beside that of a
 * process that lists none. Each is a process of its own, with the flags that the command starts it over with, the same number of times; beside it what Node's own `readdir` takes.
 */
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { flagsOf } from "../../src/cli/LeanProcess.ts"
import { median, type Report } from "./Report.ts"

const subject = fileURLToPath(new URL("names/subject.ts", import.meta.url))
const subjects = ["readdir", "segment", "batch", "export", "eval"] as const
const rounds = 3

interface Listed {
  readonly count: number
  readonly milliseconds: number
  /** Mebibytes more than before: at most, and of what is kept. */
  readonly peak: number
  readonly held: number
}

const list = (name: string, folder: string): Listed =>
  JSON.parse(
    execFileSync(
      process.execPath,
      ["--expose-gc", ...flagsOf(name), "-C", "effect-segformer-source", subject, name, folder],
      { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }
    )
  )

export const run = async (report: Report): Promise<void> => {
  const root = mkdtempSync(join(tmpdir(), "segformer-names-"))
  try {
    for (const count of [10_000, 100_000]) {
      const folder = join(root, String(count))
      mkdirSync(folder)
      for (let i = 0; i < count; i++) writeFileSync(join(folder, `panel-${i}.png`), "")
      const taken = new Map<string, Array<Listed>>(subjects.map((name) => [name, []]))
      for (let round = 0; round < rounds; round++) {
        for (const name of subjects) taken.get(name)!.push(list(name, folder))
      }
      const own = median(taken.get("readdir")!.map(({ milliseconds }) => milliseconds))
      for (const [name, all] of taken) {
        if (all.some((one) => one.count !== count))
          throw new Error(`${name} lists ${all[0]!.count} of ${count}`)
        const value = median(all.map(({ milliseconds }) => milliseconds))
        const common = { bench: "names", case: `${count} names`, subject: name }
        const beside = name === "readdir" ? {} : { against: "readdir", ratio: value / own }
        report({ ...common, metric: "time", unit: "ms", value, ...beside })
        const memory = (metric: "peak" | "held") =>
          report({
            ...common,
            metric: `memory, ${metric}`,
            unit: "MiB",
            value: median(all.map((one) => one[metric]))
          })
        memory("peak")
        memory("held")
      }
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
