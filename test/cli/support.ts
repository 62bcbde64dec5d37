/** The command as users run it: a process of its own, over files of its own. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"

const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url))

export interface Running {
  readonly process: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  readonly ended: Promise<Ended>
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string | undefined
  readonly stdin?: Uint8Array | undefined
  readonly env?: Record<string, string> | undefined
  /** A process group of its own, as a terminal makes one for each command. */
  readonly detached?: boolean | undefined
}

/** Starts the command; it ends with the scope. */
export const start = (
  args: ReadonlyArray<string>,
  options: RunOptions = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, ["-C", "effect-segformer-source", main, ...args], {
        cwd: options.cwd,
        detached: options.detached ?? false,
        env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...options.env },
        stdio: ["pipe", "pipe", "pipe"]
      })
      const out: Array<Buffer> = []
      const err: Array<Buffer> = []
      child.stdout.on("data", (chunk) => out.push(chunk))
      child.stderr.on("data", (chunk) => err.push(chunk))
      child.stdin.on("error", () => {})
      child.stdin.end(options.stdin)
      const stdout = () => Buffer.concat(out).toString()
      const stderr = () => Buffer.concat(err).toString()
      const ended = new Promise<Ended>((resolve) => {
        child.on("close", (code, signal) => resolve({ code, signal, stdout: stdout(), stderr: stderr() }))
      })
      return { process: child, stdout, stderr, ended }
    }),
    (running) =>
      Effect.promise(() => {
        running.process.kill("SIGKILL")
        return running.ended
      })
  )

/** Runs the command to its end. */
export const run = (args: ReadonlyArray<string>, options?: RunOptions): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(args, options), (running) => Effect.promise(() => running.ended)))

/** A folder with files in it, which ends with the scope. */
export const folder = (
  files: Readonly<Record<string, Uint8Array>> = {}
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const path = mkdtempSync(join(tmpdir(), "segformer-test-"))
      for (const [name, bytes] of Object.entries(files)) writeFileSync(join(path, name), bytes)
      return path
    }),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )

/** Names in a folder, hidden ones included. */
export const names = (path: string): ReadonlyArray<string> => readdirSync(path).sort()

/** The lines of standard output as JSON. */
export const lines = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
