/** Runners as processes of their own, over a database of its own. */
import { createHash } from "node:crypto"
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, Redacted, type Scope } from "effect"
import { freePort } from "../support/TestServer.ts"
import type { Options } from "./clusterWorker.ts"

const main = fileURLToPath(new URL("clusterWorker.ts", import.meta.url))

export interface Runner {
  readonly process: ChildProcess
  /** What it has printed. */
  readonly output: () => string
  readonly ended: Promise<void>
}

/** Starts a runner; it ends with the scope, the hard way. */
export const startRunner = Effect.fnUntraced(function* (
  database: Redacted.Redacted,
  options: Omit<Options, "database" | "port">
): Effect.fn.Return<Runner, never, Scope.Scope> {
  const port = yield* freePort
  return yield* Effect.acquireRelease(
    Effect.sync(() => {
      const given: Options = { ...options, port, database: Redacted.value(database) }
      const child = spawn(process.execPath, ["-C", "effect-segformer-source", main, JSON.stringify(given)], {
        stdio: ["ignore", "pipe", "pipe"]
      })
      const printed: Array<Buffer> = []
      child.stdout.on("data", (chunk) => printed.push(chunk))
      child.stderr.on("data", (chunk) => printed.push(chunk))
      const ended = new Promise<void>((resolve) => child.on("close", () => resolve()))
      return { process: child, output: () => Buffer.concat(printed).toString(), ended }
    }),
    (runner) =>
      Effect.promise(() => {
        runner.process.kill("SIGKILL")
        return runner.ended
      })
  )
})

/** All files below a folder with the digests of their bytes. */
export const contents = (path: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map(
        (file) =>
          [
            file.slice(path.length + 1),
            createHash("sha256").update(readFileSync(file)).digest("hex")
          ] as const
      )
      .sort(([a], [b]) => (a < b ? -1 : 1))
  )
