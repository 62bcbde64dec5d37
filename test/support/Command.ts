/**
 * The `segformer` command for tests, over files of their own: `run` in this process, with what it prints caught, and
 * `start` as a process of its own, for what only a process has (signals, pipes, a kill).
 */
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import {
  ConfigProvider,
  Effect,
  Exit,
  Fiber,
  type FileSystem,
  Layer,
  type Scope,
  Semaphore,
  Stdio,
  Stream
} from "effect"
import * as ExitCode from "../../src/cli/ExitCode.ts"
import { program } from "../../src/cli/Program.ts"
import { eventually } from "./Eventually.ts"

const sources = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url))

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
}

export interface StartOptions extends RunOptions {
  /** A process group of its own, as a terminal makes one for each command. */
  readonly detached?: boolean | undefined
  /** KiB that no file may grow beyond: what is longer ends in an error in the middle, as on a disk that is full. */
  readonly fileSize?: number | undefined
}

/** What is set for a command besides its own variables. */
const environment = (own: Record<string, string> = {}): Record<string, string> => {
  const { HOME = "", NODE_COMPILE_CACHE = "", PATH = "" } = process.env
  return { PATH, HOME, NODE_COMPILE_CACHE, ...own }
}

/** Starts the command; it ends with the scope. */
export const start = (
  args: ReadonlyArray<string>,
  options: StartOptions = {}
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const main = process.env["SEGFORMER_TEST_COMMAND"] ?? sources
      const command = [process.execPath, "-C", "effect-segformer-source", main, ...args]
      const [program = "", ...words] =
        options.fileSize === undefined
          ? command
          : ["bash", "-c", `ulimit -f ${options.fileSize} && exec "$@"`, "bash", ...command]
      const child = spawn(program, words, {
        cwd: options.cwd,
        detached: options.detached ?? false,
        env: environment(options.env),
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

/** Runs the command to its end in a process of its own. */
export const runProcess = (args: ReadonlyArray<string>, options?: StartOptions): Effect.Effect<Ended> =>
  Effect.scoped(Effect.flatMap(start(args, options), (running) => Effect.promise(() => running.ended)))

type Write = typeof process.stdout.write

/** Keeps what is written to a stream of this process, until it is let go. */
const caught = (stream: NodeJS.WriteStream) => {
  const { write } = stream
  const chunks: Array<Buffer> = []
  const keep = (chunk: string | Uint8Array, ...rest: ReadonlyArray<unknown>): boolean => {
    chunks.push(Buffer.from(chunk))
    const done = rest.at(-1)
    if (typeof done === "function") queueMicrotask(() => done())
    return true
  }
  stream.write = keep as Write
  return {
    text: () => Buffer.concat(chunks).toString(),
    release: () => {
      stream.write = write
    }
  }
}

/** The world of a command in this process: its folder, its environment and what it prints, for as long as the scope. */
const world = (options: RunOptions) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { env } = process
      const cwd = process.cwd()
      const log = console.log
      if (options.cwd !== undefined) process.chdir(options.cwd)
      process.env = environment(options.env)
      Object.assign(ExitCode.stop, { terminated: false, unread: false, served: false, told: false })
      const out = caught(process.stdout)
      const err = caught(process.stderr)
      console.log = (...parts: ReadonlyArray<unknown>) =>
        void process.stdout.write(`${parts.map(String).join(" ")}\n`)
      return {
        out,
        err,
        leave: () => {
          console.log = log
          out.release()
          err.release()
          process.env = env
          process.chdir(cwd)
        }
      }
    }),
    ({ leave }) => Effect.sync(leave)
  )

/** A process has one folder, one environment and one standard output. */
const turn = Semaphore.makeUnsafe(1)

export interface RunHereOptions extends RunOptions {
  /** Files in the place of the real ones. */
  readonly files?: Layer.Layer<FileSystem.FileSystem> | undefined
  /** Interrupts it, as Ctrl-C does, once this is done. */
  readonly until?: Effect.Effect<unknown> | undefined
}

const interruptedAfter = <A, E, R>(until: Effect.Effect<unknown>, command: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const running = yield* Effect.forkScoped(command)
    yield* Effect.raceFirst(Fiber.await(running), until)
    yield* Fiber.interrupt(running)
    return yield* Fiber.await(running)
  })

/** Runs the command to its end in this process. */
export const run = (args: ReadonlyArray<string>, options: RunHereOptions = {}): Effect.Effect<Ended> =>
  turn.withPermit(
    Effect.scoped(
      Effect.gen(function* () {
        const { err, out } = yield* world(options)
        const stdio = Layer.effect(
          Stdio.Stdio,
          Effect.map(Stdio.Stdio, (real) => ({
            ...real,
            args: Effect.succeed(args),
            stdin: Stream.succeed(options.stdin ?? new Uint8Array())
          }))
        )
        const { until } = options
        const command = program.pipe(
          Effect.provide(
            Layer.provideMerge(Layer.merge(stdio, options.files ?? Layer.empty), NodeServices.layer)
          ),
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv()))
        )
        const exit =
          until === undefined ? yield* Effect.exit(command) : yield* interruptedAfter(until, command)
        return { code: ExitCode.of(Exit.asVoid(exit)), signal: null, stdout: out.text(), stderr: err.text() }
      })
    )
  )

/** The lines of standard output as JSON. */
export const lines = (text: string): ReadonlyArray<Record<string, unknown>> =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))

/** Starts `segformer serve` and waits until it listens. */
export const serving = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const running = yield* start(["serve", "--port", "0", ...args])
  yield* eventually(() => / at http:\/\/\S+/.test(running.stderr()) || running.process.exitCode !== null)
  const url = / at (http:\/\/\S+)/.exec(running.stderr())?.[1]
  if (url === undefined) return yield* Effect.die(new Error(running.stderr()))
  return { running, url }
})
