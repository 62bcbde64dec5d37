import { execFileSync } from "node:child_process"
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, type FileSystem, Layer } from "effect"
import type { NotWritten } from "../../src/files/NotWritten.ts"
import * as WholeFile from "../../src/files/WholeFile.ts"
import { folder, names } from "../support/Folder.ts"
import { changed, changedFile, failure } from "./support.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const read = (...path: ReadonlyArray<string>) => readFileSync(join(...path), "utf8")
const onDisk = Effect.provide(NodeFileSystem.layer)

/** The real file system, whose files are changed. */
const withFiles = (change: (file: FileSystem.File, path: string) => Partial<FileSystem.File>) =>
  changed((fs) => ({
    open: (path, options) =>
      Effect.map(fs.open(path, options), (file) => changedFile(file, change(file, path)))
  }))

describe("a whole file", () => {
  it.live("takes the place of what was there, with nothing beside it", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "a.txt": "old" })
      yield* WholeFile.write(join(path, "a.txt"), bytes("new"))
      yield* WholeFile.copy(join(path, "a.txt"), join(path, "b.txt"))
      yield* WholeFile.compose(join(path, "c.txt"), (write, patch) =>
        Effect.gen(function* () {
          yield* write("0123456789")
          yield* write(bytes("x".repeat(300_000)))
          yield* patch(2, bytes("ab"))
          yield* write("end")
        })
      )
      assert.deepStrictEqual(names(path), ["a.txt", "b.txt", "c.txt"])
      assert.deepStrictEqual([read(path, "a.txt"), read(path, "b.txt")], ["new", "new"])
      assert.strictEqual(read(path, "c.txt"), `01ab456789${"x".repeat(300_000)}end`)
    }).pipe(onDisk)
  )

  it.live("goes where a link leads, with the rights of what it takes the place of", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "real/a.txt": "old" })
      chmodSync(join(path, "real", "a.txt"), 0o640)
      symlinkSync("real/a.txt", join(path, "link.txt"))
      yield* WholeFile.write(join(path, "link.txt"), bytes("new"))
      assert.strictEqual(read(path, "real", "a.txt"), "new")
      assert.isTrue(lstatSync(join(path, "link.txt")).isSymbolicLink())
      assert.strictEqual(statSync(join(path, "real", "a.txt")).mode & 0o777, 0o640)
      assert.deepStrictEqual(names(join(path, "real")), ["a.txt"])
      // The part lies where it can be moved to its place, which may be on another disk.
      mkdirSync(join(path, "parts"))
      const moved: Array<string> = []
      const noting = changed((fs) => ({
        rename: (from, to) =>
          Effect.andThen(
            Effect.sync(() => moved.push(from)),
            fs.rename(from, to)
          )
      }))
      const parts = join(path, "parts")
      for (const name of ["link.txt", join("real", "a.txt")])
        yield* Effect.provide(WholeFile.write(join(path, name), bytes("last"), { parts }), noting)
      assert.deepStrictEqual(
        moved.map((part) => basename(dirname(part))),
        ["real", "parts"]
      )
    }).pipe(onDisk)
  )

  it.live("is made where a link leads that leads nowhere yet, or refused", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "real/x": "" })
      const links = {
        near: "made.txt",
        far: "real/far.txt",
        up: `../${basename(path)}/real/up.txt`,
        whole: join(path, "real", "whole.txt"),
        twice: "near2",
        near2: "real/twice.txt"
      }
      for (const [name, target] of Object.entries(links)) symlinkSync(target, join(path, name))
      for (const name of ["near", "far", "up", "whole", "twice"])
        yield* WholeFile.write(join(path, name), bytes(name))
      for (const name of Object.keys(links)) assert.isTrue(lstatSync(join(path, name)).isSymbolicLink(), name)
      assert.strictEqual(read(path, "made.txt"), "near")
      assert.deepStrictEqual(names(join(path, "real")), ["far.txt", "twice.txt", "up.txt", "whole.txt", "x"])
      assert.strictEqual(read(path, "real/twice.txt"), "twice")
      yield* WholeFile.write(join(path, "far"), bytes("again"))
      assert.strictEqual(read(path, "real/far.txt"), "again")

      symlinkSync("gone/a.txt", join(path, "lost"))
      symlinkSync("two", join(path, "one"))
      symlinkSync("one", join(path, "two"))
      const refused = (name: string) =>
        Effect.map(Effect.flip(WholeFile.write(join(path, name), bytes("x"))), ({ reason }) => reason)
      assert.strictEqual(
        yield* refused("lost"),
        "it is a link to gone/a.txt, which is in a folder that is not there"
      )
      assert.include(yield* refused("one"), "which leads in a circle")
      assert.isTrue(lstatSync(join(path, "lost")).isSymbolicLink())
      assert.isFalse(names(path).some(WholeFile.isPart))
    }).pipe(onDisk)
  )

  it.live.skipIf(process.platform === "win32")("does not take the place of a pipe or a device", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      execFileSync("mkfifo", [join(path, "pipe")])
      const error = yield* Effect.flip(WholeFile.write(join(path, "pipe"), bytes("new")))
      assert.match(error.message, /no file, but a device or a pipe/)
      assert.isTrue(statSync(join(path, "pipe")).isFIFO())
      assert.deepStrictEqual(names(path), ["pipe"])
    }).pipe(onDisk)
  )

  it.live("is written to the disk before it has its name, and its name after that", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const calls: Array<string> = []
      const note = (call: string) => Effect.sync(() => calls.push(call))
      const noting = changed((fs) => ({
        open: (place, options) =>
          Effect.map(fs.open(place, options), (file) =>
            changedFile(file, {
              writeAll: (data) => Effect.andThen(note("write"), file.writeAll(data)),
              sync: Effect.andThen(note(place === path ? "sync folder" : "sync"), file.sync)
            })
          ),
        rename: (from, to) => Effect.andThen(note("rename"), fs.rename(from, to))
      }))
      const target = join(path, "a")
      yield* Effect.provide(WholeFile.write(target, bytes("a")), noting)
      assert.deepStrictEqual(calls.splice(0), ["write", "sync", "rename", "sync folder"])
      yield* Effect.provide(
        WholeFile.compose(target, (write) => write("b")),
        noting
      )
      assert.deepStrictEqual(calls.splice(0), ["write", "sync", "rename", "sync folder"])
      yield* Effect.provide(WholeFile.copy(target, join(path, "b"), { lasting: false }), noting)
      assert.deepStrictEqual(calls.splice(0), ["sync", "rename"])
      yield* Effect.provide(
        WholeFile.writeAll([
          { path: target, bytes: bytes("c") },
          { path: join(path, "c"), bytes: bytes("c") }
        ]),
        noting
      )
      assert.deepStrictEqual(calls, ["write", "sync", "write", "sync", "rename", "rename", "sync folder"])
    })
  )

  it.live("is not there where its body wants none, or fails", () =>
    Effect.gen(function* () {
      const path = yield* folder({ kept: "old" })
      yield* WholeFile.compose(join(path, "none"), (write) => Effect.as(write("a"), false))
      const error = yield* Effect.flip(
        WholeFile.compose(join(path, "kept"), (write) => Effect.andThen(write("a"), Effect.fail("no more")))
      )
      assert.strictEqual(error, "no more")
      assert.deepStrictEqual(names(path), ["kept"])
      assert.strictEqual(read(path, "kept"), "old")
    }).pipe(onDisk)
  )

  it.live("leaves nothing where it is interrupted, while pieces come and while they are written", () =>
    Effect.gen(function* () {
      const path = yield* folder({ kept: "old" })
      const reached = yield* Deferred.make<void>()
      const endless = WholeFile.compose(join(path, "kept"), (write) =>
        write("x".repeat(500_000)).pipe(
          Effect.andThen(Deferred.succeed(reached, undefined)),
          Effect.andThen(Effect.never)
        )
      )
      const fiber = yield* Effect.forkChild(endless)
      yield* Deferred.await(reached)
      assert.strictEqual(names(path).filter(WholeFile.isPart).length, 1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(names(path), ["kept"])

      const writing = yield* Deferred.make<void>()
      let done = 0
      const slow = withFiles((file) => ({
        writeAll: (data) =>
          Deferred.succeed(writing, undefined).pipe(
            Effect.andThen(Effect.sleep(20)),
            Effect.andThen(file.writeAll(data)),
            Effect.tap(() => Effect.sync(() => done++))
          )
      }))
      const two = ["kept", "other"].map((name) => ({ path: join(path, name), bytes: bytes("new") }))
      const second = yield* Effect.forkChild(Effect.provide(WholeFile.writeAll(two), slow))
      yield* Deferred.await(writing)
      yield* Fiber.interrupt(second)
      // The write that was under way was waited for, and no other began.
      assert.strictEqual(done, 1)
      assert.deepStrictEqual(names(path), ["kept"])
      assert.strictEqual(read(path, "kept"), "old")
    }).pipe(onDisk)
  )
})

describe("several files", () => {
  it.live("are none where one of them cannot be", () =>
    Effect.gen(function* () {
      const path = yield* folder({ "1": "old" })
      mkdirSync(join(path, "3"))
      const files = ["1", "2", "3"].map((name) => ({ path: join(path, name), bytes: bytes("new") }))
      const error = yield* Effect.flip(WholeFile.writeAll(files))
      assert.deepInclude(error, { path: join(path, "3"), reason: "a folder stands in its place" })
      assert.deepStrictEqual(names(path), ["1", "3"])
      assert.strictEqual(read(path, "1"), "old")
    }).pipe(onDisk)
  )
})

describe("what cannot be written", () => {
  type Case = readonly [
    what: string,
    name: string,
    reason: RegExp,
    files?: Layer.Layer<FileSystem.FileSystem> | undefined
  ]
  const refusing = (error: ReturnType<typeof failure>) => changed(() => ({ open: () => Effect.fail(error) }))
  it.live.each<Case>([
    ["a missing folder", "none/a", /^there is no such folder$/],
    ["a file in the path", "file/a", /^a file stands where a folder should be$/],
    ["a folder in its place", "folder", /^a folder stands in its place$/],
    [
      "a full disk",
      "a",
      /^no space left on the disk$/,
      withFiles(() => ({ writeAll: () => Effect.fail(failure("ENOSPC")) }))
    ],
    [
      "a disk that fails when it is to be sure",
      "a",
      /EIO/,
      withFiles((file, path) => ({
        sync: path.endsWith(".part") ? Effect.fail(failure("EIO", "sync")) : file.sync
      }))
    ],
    ["another's folder", "a", /^this user may not$/, refusing(failure("EACCES", "open", "PermissionDenied"))],
    ["what can only be read", "a", /^it can only be read there$/, refusing(failure("EROFS", "open"))]
  ])("%s is a NotWritten that says so, with nothing left behind", ([, name, reason, files]) =>
    Effect.gen(function* () {
      const path = yield* folder({ file: "old" })
      mkdirSync(join(path, "folder"))
      writeFileSync(join(path, "from"), "new")
      const target = join(path, name)
      const ways: ReadonlyArray<Effect.Effect<void, NotWritten, FileSystem.FileSystem>> = [
        WholeFile.write(target, bytes("new")),
        WholeFile.compose(target, (write) => write("new"))
      ]
      for (const way of ways) {
        const error = yield* Effect.flip(Effect.provide(way, files ?? NodeFileSystem.layer))
        assert.strictEqual(error._tag, "NotWritten")
        assert.strictEqual(error.path, target)
        assert.match(error.reason, reason)
        assert.strictEqual(error.message, `Cannot write ${target}: ${error.reason}`)
        assert.deepStrictEqual(names(path), ["file", "folder", "from"])
      }
    })
  )
})

describe("a folder", () => {
  it.live("is made with those that it lies in, beside others that make them, and may be there", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const deep = join(path, "a", "b", "c")
      yield* Effect.all(
        [deep, join(deep, "d"), deep, join(path, "a", "b")].map((each) => WholeFile.makeFolder(each)),
        { concurrency: "unbounded" }
      )
      assert.isTrue(statSync(join(deep, "d")).isDirectory())
      symlinkSync(deep, join(path, "link"))
      yield* WholeFile.makeFolder(join(path, "link", "e"))
      assert.isTrue(statSync(join(deep, "e")).isDirectory())
      writeFileSync(join(path, "file"), "")
      for (const place of ["file", "file/x", "file/x/y"]) {
        const { reason } = yield* Effect.flip(WholeFile.makeFolder(join(path, place)))
        assert.strictEqual(reason, "a file stands where a folder should be")
      }
    }).pipe(onDisk)
  )

  it.live("is not made where a link leads nowhere, which is said", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      symlinkSync("gone", join(path, "link"))
      symlinkSync(join(path, "link"), join(path, "twice"))
      for (const [place, target] of [
        ["link", "gone"],
        ["link/below", "gone"],
        ["link/deep/below", "gone"],
        ["twice", join(path, "link")]
      ] as const) {
        const { reason } = yield* Effect.flip(WholeFile.makeFolder(join(path, place)))
        assert.strictEqual(reason, `it is a link to ${target}, which is not there`, place)
      }
      assert.deepStrictEqual(names(path), ["link", "twice"])
    }).pipe(onDisk)
  )

  it.live.skipIf(process.platform !== "linux")("fails where one is there that takes none", () =>
    Effect.gen(function* () {
      for (const place of ["/proc/none", "/proc/none/of/them"]) {
        assert.strictEqual((yield* Effect.flip(WholeFile.makeFolder(place)))._tag, "NotWritten")
      }
    }).pipe(onDisk)
  )
})
