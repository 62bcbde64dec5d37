import { spawnSync } from "node:child_process"
import { utimesSync, writeFileSync } from "node:fs"
import { hostname } from "node:os"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, PlatformError } from "effect"
import * as Lock from "../../src/files/Lock.ts"
import { folder, names } from "../support/Folder.ts"

const onDisk = Effect.provide(NodeFileSystem.layer)
const taken = (path: string) => Effect.scoped(Lock.acquire(path))

describe("the lock of a folder", () => {
  it.live("belongs to one at a time, and is free when its scope ends", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const error = yield* Effect.scoped(Effect.andThen(Lock.acquire(path), Effect.flip(Lock.acquire(path))))
      assert.deepInclude(error, { _tag: "Locked", folder: path, pid: process.pid, host: hostname() })
      yield* taken(path)
      assert.deepStrictEqual(names(path), [])
    }).pipe(onDisk)
  )

  it.live("is had by one of many who want it at once", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const all = Array.from({ length: 20 }, () => Effect.option(Lock.acquire(path)))
      const got = yield* Effect.scoped(Effect.all(all, { concurrency: "unbounded" }))
      assert.strictEqual(got.filter(({ _tag }) => _tag === "Some").length, 1)
      assert.deepStrictEqual(names(path), [])
    }).pipe(onDisk)
  )

  it.live("of a process that is gone is void, whatever ended it", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const { pid } = spawnSync(process.execPath, ["-e", ""])
      writeFileSync(join(path, "lock"), JSON.stringify({ pid, host: hostname(), started: "then" }))
      yield* taken(path)
      // Numbers come again: this process has the number, and began at another time.
      const other = { pid: process.pid, host: hostname(), started: "then" }
      writeFileSync(join(path, "lock"), JSON.stringify(other))
      yield* taken(path)
    }).pipe(onDisk)
  )

  it.live("of another machine is void once it is no longer touched", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const lock = join(path, "lock")
      writeFileSync(lock, JSON.stringify({ pid: 1, host: "elsewhere", started: "" }))
      const error = yield* Effect.flip(taken(path))
      assert.match(error.message, /Process 1 on elsewhere is at work/)
      const long = new Date(Date.now() - 60_000)
      utimesSync(lock, long, long)
      yield* taken(path)
    }).pipe(onDisk)
  )

  it.live("that does not say whose it is, is void once it is no longer touched", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const lock = join(path, "lock")
      // As one that is being written, or of a disk that was full.
      writeFileSync(lock, "")
      assert.strictEqual((yield* Effect.flip(taken(path)))._tag, "Locked")
      const long = new Date(Date.now() - 60_000)
      utimesSync(lock, long, long)
      yield* taken(path)
      assert.deepStrictEqual(names(path), [])
    }).pipe(onDisk)
  )

  it.live("is had by one of many on a disk without links, and void when its process is gone", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const fs = yield* FileSystem.FileSystem
      const none = PlatformError.systemError({
        _tag: "Unknown",
        module: "FileSystem",
        method: "link",
        description: "EPERM: operation not permitted"
      })
      const without = Effect.provideService(FileSystem.FileSystem, { ...fs, link: () => Effect.fail(none) })
      const all = Array.from({ length: 20 }, () => Effect.option(Lock.acquire(path)))
      const got = yield* without(Effect.scoped(Effect.all(all, { concurrency: "unbounded" })))
      assert.strictEqual(got.filter(({ _tag }) => _tag === "Some").length, 1)
      assert.deepStrictEqual(names(path), [])
      const gone = { pid: process.pid, host: hostname(), started: "then" }
      writeFileSync(join(path, "lock"), JSON.stringify(gone))
      yield* without(taken(path))
      assert.deepStrictEqual(names(path), [])
    }).pipe(onDisk)
  )

  it.live("cannot be had where nothing can be written", () =>
    Effect.gen(function* () {
      const path = join(yield* folder(), "none")
      const error = yield* Effect.flip(taken(path))
      assert.deepInclude(error, { _tag: "NotWritten", reason: "there is no such folder" })
    }).pipe(onDisk)
  )
})
