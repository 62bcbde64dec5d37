/**
 * How long it takes to import each entry of the package, built as it is published, in a process of its own: beside Node with
 * nothing to do, and beside `effect` alone. Medians of alternating rounds, after one that does not count.
 */
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { median, type Report } from "./Report.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const rounds = 3

export const run = async (report: Report): Promise<void> => {
  if (!existsSync(join(root, "dist/index.js")))
    execFileSync("npm", ["run", "build"], { cwd: root, stdio: "ignore" })
  const { exports }: { exports: Record<string, unknown> } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8")
  )
  const entries = Object.entries(exports).flatMap(([entry, target]) =>
    typeof target === "object"
      ? [entry === "." ? "effect-segformer" : `effect-segformer/${entry.slice(2)}`]
      : []
  )
  const subjects = ["nothing", "effect", ...entries]
  const taken = new Map(subjects.map((name) => [name, [] as Array<number>]))
  for (let round = -1; round < rounds; round++) {
    for (const name of subjects) {
      const code = name === "nothing" ? "" : `await import(${JSON.stringify(name)})`
      const started = performance.now()
      const { status, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
        cwd: root
      })
      if (status !== 0) throw new Error(`${name} ended with ${status}: ${String(stderr)}`)
      if (round >= 0) taken.get(name)!.push(performance.now() - started)
    }
  }
  const effect = median(taken.get("effect")!)
  for (const [subject, values] of taken) {
    const value = median(values)
    report({
      bench: "imports",
      case: `${rounds} rounds, in turns`,
      subject,
      metric: "wall time",
      unit: "ms",
      value,
      ...(subject === "effect" ? {} : { against: "effect", ratio: value / effect })
    })
  }
}
