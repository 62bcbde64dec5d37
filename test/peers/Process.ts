/** Programs of others on loopback: started, waited for until they answer, and ended with all that they started. */
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { Effect, type Scope } from "effect"
import { hangs } from "../support/Eventually.ts"
import * as Python from "../support/Python.ts"
import * as TestServer from "../support/TestServer.ts"

/** Where `test/peers/` is: scripts are named from there. */
export const here = fileURLToPath(new URL("./", import.meta.url))

export interface Started {
  /** Such as http://127.0.0.1:41234, without a trailing slash. */
  readonly url: string
  readonly port: number
  readonly process: ChildProcess
  /** All that it wrote, to either stream. */
  readonly output: () => string
}

export interface ProcessOptions {
  readonly command: string
  /** With the port to listen on. */
  readonly args: (port: number) => ReadonlyArray<string>
  readonly env?: ((port: number) => Readonly<Record<string, string>>) | undefined
  readonly cwd?: string | undefined
  /** A path that is answered, with whatever status, once it is up; or a question of one's own. */
  readonly ready: string | ((url: string) => Promise<boolean>)
}

/**
 * Starts a server on a port that was free a moment ago, and again on another where somebody took it meanwhile. Its process
 * group ends with the scope.
 */
export const start = (options: ProcessOptions): Effect.Effect<Started, Error, Scope.Scope> =>
  Effect.gen(function* () {
    for (let tries = 1; ; tries++) {
      const port = yield* TestServer.freePort
      const started = yield* spawned(options, port)
      const failure = yield* Effect.promise(() => answered(options, started))
      if (failure === undefined) return started
      if (tries < 3 && /address already in use|EADDRINUSE|errno 98/i.test(failure)) continue
      return yield* Effect.fail(new Error(`${options.command} ${failure}`))
    }
  })

export interface PythonOptions extends Omit<ProcessOptions, "command"> {
  /** A program that a package of the list brings. Python itself, with a script or a module, by default. */
  readonly program?: string | undefined
}

/** Starts a server of the environment of a list. */
export const python = (
  list: string,
  { program, ...options }: PythonOptions
): Effect.Effect<Started, Error, Scope.Scope> =>
  Effect.suspend(() => {
    const { executable } = Python.environment(list)
    const bin = dirname(executable)
    return start({
      ...options,
      command: program === undefined ? executable : join(bin, program),
      // Some start workers as "python", whichever that is.
      env: (port) => ({
        PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
        PYTHONPATH: join(here, "servers"),
        ...options.env?.(port)
      })
    })
  })

/** A folder that goes with the scope. */
export const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "segformer-peers-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const spawned = (options: ProcessOptions, port: number): Effect.Effect<Started, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { HOME = "", PATH = "" } = process.env
      const child = spawn(options.command, options.args(port), {
        cwd: options.cwd ?? here,
        // A process group of its own, so that workers end with it.
        detached: true,
        env: { PATH, HOME, PYTHONUNBUFFERED: "1", PYTHONDONTWRITEBYTECODE: "1", ...options.env?.(port) },
        stdio: ["ignore", "pipe", "pipe"]
      })
      const chunks: Array<Buffer> = []
      child.on("error", (error) => chunks.push(Buffer.from(error.message)))
      child.stdout.on("data", (chunk) => chunks.push(chunk))
      child.stderr.on("data", (chunk) => chunks.push(chunk))
      return {
        url: `http://127.0.0.1:${port}`,
        port,
        process: child,
        output: () => Buffer.concat(chunks).toString()
      }
    }),
    ({ process: child }) => Effect.sync(() => end(child))
  )

/** Ends a process, its group, and what it started in groups of their own. */
const end = ({ pid }: ChildProcess): void => {
  if (pid === undefined) return
  for (const each of [-pid, ...descendants(pid)]) {
    try {
      process.kill(each, "SIGKILL")
    } catch {
      // It has ended.
    }
  }
}

const descendants = (pid: number): ReadonlyArray<number> => {
  const parents = new Map<number, number>()
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each))) {
    try {
      // The name of a process stands in parentheses, and may have any character in it.
      const [, parent] = readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1)!.split(" ")
      parents.set(Number(name), Number(parent))
    } catch {
      // It has ended meanwhile.
    }
  }
  const found = [pid]
  for (const each of found)
    for (const [child, parent] of parents) if (parent === each && !found.includes(child)) found.push(child)
  return found
}

const hasEnded = ({ exitCode, pid, signalCode }: ChildProcess): boolean =>
  pid === undefined || exitCode !== null || signalCode !== null

/** Waits until it answers; gives what it wrote where it ends, or does not answer. */
const answered = async ({ ready }: ProcessOptions, started: Started): Promise<string | undefined> => {
  const asks =
    typeof ready === "string"
      ? async () => {
          await (await fetch(started.url + ready)).arrayBuffer()
          return true
        }
      : () => ready(started.url)
  // Less than the whole of its start may take: what it wrote is told.
  const until = performance.now() + 4 * hangs
  while (performance.now() < until) {
    if (hasEnded(started.process)) return `ended at once: ${started.output().slice(-2000)}`
    if (await asks().catch(() => false)) return undefined
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return `does not answer: ${started.output().slice(-2000)}`
}

/** Runs a program to its end and gives what it prints; fails with what it complains of. It ends with the scope. */
export const output = (
  command: string,
  args: ReadonlyArray<string>,
  own: Readonly<Record<string, string>> = {}
): Effect.Effect<string, Error> =>
  Effect.callback((resume) => {
    const { HOME = "", PATH = "" } = process.env
    const child = spawn(command, args, {
      cwd: here,
      env: { PATH, HOME, PYTHONDONTWRITEBYTECODE: "1", ...own },
      stdio: ["ignore", "pipe", "pipe"]
    })
    const [out, complaints]: [Array<Buffer>, Array<Buffer>] = [[], []]
    child.stdout.on("data", (chunk) => out.push(chunk))
    child.stderr.on("data", (chunk) => complaints.push(chunk))
    child.on("error", (error) => resume(Effect.fail(error)))
    child.on("close", (status) =>
      resume(
        status === 0
          ? Effect.succeed(Buffer.concat(out).toString())
          : Effect.fail(new Error(`${command} ended with ${status}: ${Buffer.concat(complaints).toString()}`))
      )
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })
