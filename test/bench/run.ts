/**
 * `npm run bench -- NAME [--json]`: runs one benchmark beside its peers. The peers are installed on first use, into
 * this folder and from its own lock file.
 */
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Figure, Report } from "./Report.ts"

const here = dirname(fileURLToPath(import.meta.url))
const names = readdirSync(here)
  .filter((file) => /^[a-z]+\.ts$/.test(file) && file !== "run.ts")
  .map((file) => file.slice(0, -3))

const name = process.argv.slice(2).find((argument) => !argument.startsWith("--"))
const json = process.argv.includes("--json")

if (name === undefined || !names.includes(name)) {
  console.error(`Which benchmark? npm run bench -- NAME [--json], where NAME is one of: ${names.join(", ")}`)
  process.exit(2)
}
if (!existsSync(join(here, "node_modules"))) {
  console.error("Installing the peers to compare with (once) ...")
  execFileSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: here,
    stdio: ["ignore", "ignore", "inherit"]
  })
}

const figures: Array<Figure> = []
const report: Report = (figure) => {
  figures.push(figure)
  if (json) console.log(JSON.stringify(figure))
}
const module: { readonly run: (report: Report) => Promise<void> } = await import(`./${name}.ts`)
await module.run(report)

if (!json) {
  const rows = figures.map((figure) => [
    figure.case,
    figure.subject,
    figure.metric,
    `${figure.value >= 100 ? figure.value.toFixed(0) : figure.value.toPrecision(3)} ${figure.unit}`,
    figure.ratio === undefined ? "" : `${figure.ratio.toFixed(2)} x ${figure.against}`
  ])
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd()
    )
}
