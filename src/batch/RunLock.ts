/**
 * One process at a time works on a run. The lock is a file that names its process; it is void once that process is gone,
 * whatever ended it: on this machine that is looked up (by number and start, since numbers come again), of another
 * machine it is known by a file that is no longer touched.
 */
import { execFileSync } from "node:child_process"
import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { Effect, Option, Schema, type Scope } from "effect"
import { randomHex } from "../randomHex.ts"
import { RunFolderFailed, RunLocked } from "./BatchError.ts"

const Holder = Schema.Struct({ pid: Schema.Int, host: Schema.String, started: Schema.String })
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Holder))

/** How often the file is touched, in milliseconds; after six times as long without it, the lock is void. */
const beat = 5_000

/** When a process began, in words that no other one of its number shares; undefined where there is none. */
const startOf = (pid: number): string | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    // The name of the program stands in parentheses and may hold anything; the start is the 20th word after it.
    const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? ""
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${start}`
  } catch {
    return process.platform === "linux" ? undefined : startByPs(pid)
  }
}

const startByPs = (pid: number): string | undefined => {
  try {
    return execFileSync("ps", ["-p", String(pid), "-o", "lstart="], { encoding: "utf8" }).trim() || undefined
  } catch {
    // Without `ps`, a number that is taken is taken by the process that took the lock.
    return isAlive(pid) ? "" : undefined
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined

/** Takes the lock of a folder until the scope ends. */
export const acquire = (folder: string): Effect.Effect<void, RunLocked | RunFolderFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const path = join(folder, "lock")
    const candidate = join(folder, `lock-${process.pid}-${randomHex(8)}`)
    yield* Effect.acquireRelease(
      Effect.suspend((): Effect.Effect<string, RunLocked | RunFolderFailed> => {
        try {
          return take(folder, path, candidate)
        } catch (error) {
          return Effect.fail(
            new RunFolderFailed({ folder, detail: error instanceof Error ? error.message : String(error) })
          )
        } finally {
          rmSync(candidate, { force: true })
        }
      }),
      // A lock that was void for too long may be another's by now.
      (own) => Effect.sync(() => void (read(path) === own && rmSync(path, { force: true })))
    )
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const timer = setInterval(() => touch(path), beat)
        return timer.unref()
      }),
      (timer) => Effect.sync(() => clearInterval(timer))
    )
  })

const touch = (path: string): void => {
  try {
    utimesSync(path, new Date(), new Date())
  } catch {
    // A folder that is gone shows when results are noted.
  }
}

/** A link is made by one process only, and the file is whole when it appears. */
const take = (folder: string, path: string, candidate: string): Effect.Effect<string, RunLocked> => {
  const holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) ?? "" }
  const own = JSON.stringify({ ...holder, nonce: randomHex(8) })
  writeFileSync(candidate, own, { flag: "wx" })
  for (let tries = 0; ; tries++) {
    try {
      linkSync(candidate, path)
      return Effect.succeed(own)
    } catch (error) {
      if (codeOf(error) !== "EEXIST" || tries === 10) throw error
    }
    const text = read(path)
    if (text === undefined) continue
    const holder = Option.getOrUndefined(decode(text))
    if (holder !== undefined && !isVoid(holder, path, candidate)) {
      return Effect.fail(new RunLocked({ folder, pid: holder.pid, host: holder.host }))
    }
    discard(path, text)
  }
}

const read = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    throw error
  }
}

const isVoid = (holder: typeof Holder.Type, path: string, candidate: string): boolean =>
  holder.host === hostname()
    ? startOf(holder.pid) !== holder.started
    : // Both times are those of the file system that holds the files.
      statSync(candidate).mtimeMs - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 6 * beat

/** Removes a void lock, unless another process was faster and has put its own in its place. */
const discard = (path: string, text: string): void => {
  const aside = `${path}-${process.pid}-${randomHex(8)}`
  try {
    renameSync(path, aside)
    if (readFileSync(aside, "utf8") !== text) linkSync(aside, path)
    rmSync(aside, { force: true })
  } catch (error) {
    if (codeOf(error) !== "ENOENT" && codeOf(error) !== "EEXIST") throw error
  }
}
