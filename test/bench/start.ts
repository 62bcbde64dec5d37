/**
 * How long a person waits for the command to say something, in wall time from the start of a process to its end: beside
 * Node with nothing to do, TypeScript's compiler, and what `npx --no-install` makes of two commands that are installed.
 * The command is bundled from these sources, as `npm run build` bundles it, and started without npm.
 *
 * Figures are medians of alternating rounds, each after one that does not count.
 */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import { bundle } from "../../rolldown.config.ts"
import { median, type Report } from "./Report.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const rounds = 15
const refused = "segformer, a flag refused"

/** Bundled within the project, where it finds what is installed. */
const withCommand = async (use: (main: string) => void): Promise<void> => {
  const folder = mkdtempSync(join(root, "node_modules", ".segformer-command-"))
  try {
    const { output, ...input } = bundle(folder, undefined)
    const built = await rolldown(input)
    await built.write(output)
    await built.close()
    use(join(folder, "main.js"))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const time = (command: string, args: ReadonlyArray<string>, ends: number): number => {
  const started = performance.now()
  const { status, stderr } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
  const milliseconds = performance.now() - started
  if (status !== ends) throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${String(stderr)}`)
  return milliseconds
}

export const run = (report: Report): Promise<void> =>
  withCommand((main) => {
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
    const { execPath } = process
    const subjects: Readonly<Record<string, readonly [command: string, args: ReadonlyArray<string>]>> = {
      node: [execPath, ["-e", "0"]],
      "segformer --version": [execPath, [main, "--version"]],
      "segformer --help": [execPath, [main, "--help"]],
      "segformer segment --help": [execPath, [main, "segment", "--help"]],
      "segformer --completions bash": [execPath, [main, "--completions", "bash"]],
      [refused]: [execPath, [main, "segment", "a.png", "--max-pixels", "0"]],
      "tsc --version": [execPath, [tsc, "--version"]],
      "npx --no-install oxlint --version": ["npx", ["--no-install", "oxlint", "--version"]],
      "npx --no-install vitest --version": ["npx", ["--no-install", "vitest", "--version"]]
    }
    const taken = new Map(Object.keys(subjects).map((name) => [name, [] as Array<number>]))
    for (let round = -1; round < rounds; round++) {
      for (const [name, [command, args]] of Object.entries(subjects)) {
        const milliseconds = time(command, args, name === refused ? 2 : 0)
        if (round >= 0) taken.get(name)!.push(milliseconds)
      }
    }
    const node = median(taken.get("node")!)
    for (const [subject, values] of taken) {
      const value = median(values)
      report({
        bench: "start",
        case: `${rounds} rounds, in turns`,
        subject,
        metric: "wall time",
        unit: "ms",
        value,
        ...(subject === "node" ? {} : { against: "node", ratio: value / node })
      })
    }
  })
