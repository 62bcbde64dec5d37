/**
 * The command as one bundle of these sources, made once for a whole run of tests: a process of it starts in a tenth of
 * the time that the sources take.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { rolldown } from "rolldown"
import { bundle } from "../../rolldown.config.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

/** What sessions and workers load, compiled in a process that they have in common. */
const compiled = async (): Promise<void> => {
  const main = join(root, "test", "support", "compiled.ts")
  const child = spawn(process.execPath, ["-C", "effect-segformer-source", main], {
    stdio: ["ignore", "ignore", "ignore", "pipe"]
  })
  await once(child, "close")
}

/** Vitest's global set-up: `SEGFORMER_TEST_COMMAND` is where the bundle is. */
const setup = async (): Promise<void> => {
  // Within the project, so that it finds what is installed.
  const folder = mkdtempSync(join(root, "node_modules", ".segformer-command-"))
  const { output, ...input } = bundle(folder, undefined)
  const built = await rolldown(input)
  await built.write(output)
  await built.close()
  process.env["SEGFORMER_TEST_COMMAND"] = join(folder, "main.js")
  // Processes that run from sources find there what others have compiled.
  process.env["NODE_COMPILE_CACHE"] = join(folder, "compiled")
  await compiled()
  // Not in the teardown: workers write there what they have compiled when they end, which is later.
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
}
export default setup
