/**
 * One process at a time works in a folder. The lock is a file that names its process; it is void once that process is
 * gone, whatever ended it: on this machine that is looked up (by number and start, since numbers come again), of another
 * machine it is known by a file that is no longer touched.
 */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import { Effect, FileSystem, Option, type PlatformError, Schema, type Scope } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import { randomHex } from "../randomHex.ts"
import { type NotWritten, notWritten } from "./NotWritten.ts"

/** Another process works in this folder. */
export class Locked extends ErrorKind.forNow<Locked>()("Locked", {
  folder: Schema.String,
  pid: Schema.Int,
  host: Schema.String
}) {
  override get message(): string {
    return `Process ${this.pid} on ${this.host} is at work in ${this.folder}. Wait until it has ended, or use another folder`
  }
}

const Holder = Schema.Struct({ pid: Schema.Int, host: Schema.String, started: Schema.String })
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Holder))

/** How often the file is touched, in milliseconds; after six times as long without it, the lock is void. */
const beat = 5_000

/**
 * When a process began, in words that no other one of its number shares; undefined where there is none. Processes are
 * those of this machine, whatever file system the program is given.
 */
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

/** Whether a process of this machine has that number. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

type Io<A> = Effect.Effect<A, PlatformError.PlatformError>

const short = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12)

/** A process in a word that can be part of a file's name: no other one has it, on this machine or elsewhere. */
export const markOf = (pid: number): string | undefined => {
  const started = startOf(pid)
  return started === undefined ? undefined : `${short(hostname())}-${pid}-${short(started)}`
}

/** Whether a mark is that of a process of this machine that is gone. Of another machine's nobody here can say. */
export const isGone = (mark: string): boolean => {
  const [, host, pid] = /^([\da-f]{12})-(\d{1,10})-[\da-f]{12}$/.exec(mark) ?? []
  return host === short(hostname()) && markOf(Number(pid)) !== mark
}

/** Takes the lock of a folder, or the one of that name in it, until the scope ends. */
export const acquire = Effect.fnUntraced(function* (
  folder: string,
  name = "lock"
): Effect.fn.Return<void, Locked | NotWritten, Scope.Scope | FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const path = join(folder, name)
  const candidate = join(folder, `${name}-${process.pid}-${randomHex(8)}`)

  const read: Io<string | undefined> = ifThere(fs.readFileString(path))

  /** Of one that does not say whose it is, which may be just being written, its age tells. */
  const isVoid = (holder: typeof Holder.Type | undefined): Io<boolean> =>
    holder?.host === hostname()
      ? Effect.sync(() => startOf(holder.pid) !== holder.started)
      : // Both times are those of the file system that holds the files.
        Effect.zipWith(
          Effect.map(fs.stat(candidate), touched),
          Effect.map(ifThere(fs.stat(path)), (info) => (info === undefined ? 0 : touched(info))),
          (now, last) => now - last > 6 * beat
        )

  /** A link is made by one process only, and the file is whole when it appears. Not every file system has links (exFAT). */
  const put = (from: string, text: string): Io<void> =>
    Effect.catchIf(
      fs.link(from, path),
      ({ reason }) => reason._tag !== "AlreadyExists",
      () => fs.writeFileString(path, text, { flag: "wx" })
    )

  /** Removes a void lock, unless another process was faster and has put its own in its place. */
  const discard = (text: string): Io<void> => {
    const aside = `${path}-${process.pid}-${randomHex(8)}`
    const isFaster = ({ reason }: PlatformError.PlatformError) =>
      reason._tag === "NotFound" || reason._tag === "AlreadyExists"
    return fs.rename(path, aside).pipe(
      Effect.andThen(fs.readFileString(aside)),
      Effect.flatMap((found) => (found === text ? Effect.void : put(aside, found))),
      Effect.andThen(fs.remove(aside, { force: true })),
      Effect.catchIf(isFaster, () => Effect.void)
    )
  }

  const take = Effect.gen(function* () {
    const holder = { pid: process.pid, host: hostname(), started: startOf(process.pid) ?? "" }
    const own = JSON.stringify({ ...holder, nonce: randomHex(8) })
    yield* fs.writeFileString(candidate, own, { flag: "wx" })
    for (let tries = 0; ; tries++) {
      const linked = yield* Effect.result(put(candidate, own))
      if (linked._tag === "Success") return own
      if (linked.failure.reason._tag !== "AlreadyExists" || tries === 10) return yield* linked.failure
      const text = yield* read
      if (text === undefined) continue
      const holder = Option.getOrUndefined(decode(text))
      if (!(yield* isVoid(holder))) {
        return yield* new Locked({
          folder,
          pid: holder?.pid ?? 0,
          host: holder?.host ?? "a machine that it does not name"
        })
      }
      yield* discard(text)
    }
  }).pipe(
    Effect.catchTag("PlatformError", (error) => Effect.fail(notWritten(path)(error))),
    Effect.ensuring(Effect.ignore(fs.remove(candidate, { force: true })))
  )

  yield* Effect.acquireRelease(take, (own) =>
    // A lock that was void for too long may be another's by now.
    Effect.ignore(
      Effect.flatMap(read, (text) => (text === own ? fs.remove(path, { force: true }) : Effect.void))
    )
  )
  // A folder that is gone shows when something is written there.
  const touch = Effect.suspend(() => Effect.ignore(fs.utimes(path, new Date(), new Date())))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(beat), touch)))
})

const ifThere = <A>(work: Io<A>): Io<A | undefined> =>
  Effect.catchIf(
    work,
    ({ reason }) => reason._tag === "NotFound",
    () => Effect.succeed(undefined)
  )

const touched = ({ mtime }: FileSystem.File.Info): number =>
  Option.match(mtime, { onNone: () => 0, onSome: (time) => time.getTime() })
