/** Names that several downloads, other programs and links want at once. */
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createHash } from "node:crypto"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type FileSystem, Layer } from "effect"
import { Download } from "effect-segformer/jobs"
import { changed, failure } from "../files/support.ts"
import * as FileServer from "../support/FileServer.ts"
import { folder, names } from "../support/Folder.ts"
import * as WholeFile from "../../src/files/WholeFile.ts"
import { layer, quick, sha256, size, within } from "./downloads.ts"

const digestAt = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex")
const read = (...path: ReadonlyArray<string>) => readFileSync(join(...path), "utf8")

/** So many downloads at once of different files that their service calls the same, onto a file system that is changed. */
const together = (
  count: number,
  at: string,
  change: (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem> = () => ({})
) =>
  Effect.gen(function* () {
    const server = yield* FileServer.make(
      1000,
      Array.from({ length: count }, (_, seed) => ({ seed }))
    )
    const { file } = yield* Download.make({
      allowPrivate: [new URL(server.url).host],
      policy: { ...quick, concurrency: count }
    })
    return yield* Effect.all(
      Array.from({ length: count }, () => Effect.result(file(`${server.url}/scan.bin`, { folder: at }))),
      { concurrency: "unbounded" }
    )
  }).pipe(Effect.provide(Layer.merge(layer, changed(change))), Effect.scoped)

const noLinks = () => ({ link: () => Effect.fail(failure("EPERM", "link", "PermissionDenied")) })

describe("Download: a name that a service gives", () => {
  it.live.each<readonly [string, (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>]>([
    ["", () => ({})],
    [", on a disk without hard links", noLinks]
  ])("to several files at once is that of one of them%s", ([, change]) =>
    Effect.gen(function* () {
      const at = yield* folder()
      const files = (yield* together(12, at, change)).flatMap((each) =>
        each._tag === "Success" ? [each.success] : []
      )
      assert.deepStrictEqual(
        files.map(({ name }) => name).sort(),
        ["scan.bin", ...Array.from({ length: 11 }, (_, index) => `scan-${index + 2}.bin`)].sort()
      )
      for (const file of files) assert.strictEqual(digestAt(file.path), file.sha256)
      assert.strictEqual(new Set(files.map((file) => file.sha256)).size, 12)
      assert.strictEqual(readdirSync(at).length, 12)
    }).pipe(Effect.scoped)
  )

  /** Another program makes a file just before this one does. */
  const sooner = (path: string) => Effect.sync(() => writeFileSync(path, "theirs", { flag: "a" }))

  it.live.each<readonly [string, (fs: FileSystem.FileSystem) => Partial<FileSystem.FileSystem>]>([
    [
      "",
      (fs) => ({
        link: (from, to) =>
          Effect.andThen(to.endsWith("scan.bin") ? sooner(to) : Effect.void, fs.link(from, to))
      })
    ],
    [
      ", on a disk without hard links",
      (fs) => ({
        ...noLinks(),
        open: (path, options) =>
          Effect.andThen(path.endsWith("scan.bin") ? sooner(path) : Effect.void, fs.open(path, options))
      })
    ]
  ])("is another's who was sooner by a moment%s", ([, change]) =>
    Effect.gen(function* () {
      const at = yield* folder()
      const [file] = yield* together(1, at, change)
      assert.strictEqual(file?._tag === "Success" ? file.success.name : "", "scan-2.bin")
      assert.deepStrictEqual(names(at), ["scan-2.bin", "scan.bin"])
      assert.strictEqual(read(at, "scan.bin"), "theirs")
    }).pipe(Effect.scoped)
  )

  it.live("leaves no empty file where it cannot be had after all", () =>
    Effect.gen(function* () {
      const at = yield* folder()
      const [file] = yield* together(1, at, () => ({
        ...noLinks(),
        rename: () => Effect.fail(failure("EIO", "rename"))
      }))
      assert.strictEqual(file?._tag === "Failure" ? file.failure._tag : "", "NotWritten")
      assert.deepStrictEqual(names(at), [])
    }).pipe(Effect.scoped)
  )

  it.live("and that a killed process gave to a file it went on with is not written to", () =>
    within([{ cutAt: 100_000 }, { seed: 1 }], ({ download, folder }) =>
      Effect.gen(function* () {
        yield* Effect.flip(download({ keepPartial: true, policy: { retry: false } }))
        const part = readdirSync(folder).find((name) => name.endsWith(".part"))!
        const bytes = readFileSync(join(folder, part))
        linkSync(join(folder, part), join(folder, "scan.bin"))
        assert.strictEqual((yield* download({ keepPartial: true })).name, "scan-2.bin")
        assert.isTrue(readFileSync(join(folder, "scan.bin")).equals(bytes))
        assert.deepStrictEqual(names(folder), ["scan-2.bin", "scan.bin"])
      })
    )
  )
})

describe("Download: a link at its name", () => {
  it.live.each([undefined, "scan.bin"])("that leads nowhere yet leads to the file then: name %s", (name) =>
    within([{}], ({ download, folder }) =>
      Effect.gen(function* () {
        mkdirSync(join(folder, "disk"))
        symlinkSync("disk/real.bin", join(folder, "scan.bin"))
        const file = yield* download({ name })
        assert.deepStrictEqual([file.path, file.name], [join(folder, "scan.bin"), "scan.bin"])
        assert.isTrue(lstatSync(file.path).isSymbolicLink())
        assert.strictEqual(digestAt(join(folder, "disk", "real.bin")), sha256)
        assert.deepStrictEqual(
          [names(folder), names(join(folder, "disk"))],
          [["disk", "scan.bin"], ["real.bin"]]
        )
      })
    )
  )

  it.live.each([undefined, "scan.bin"])("may lead to another disk: name %s", (name) =>
    Effect.gen(function* () {
      const at = yield* folder({ "disk/x": "" })
      symlinkSync("disk/real.bin", join(at, "scan.bin"))
      const seen: Array<string> = []
      const server = yield* FileServer.make(size, [{}])
      const across = (method: "rename" | "link", fs: FileSystem.FileSystem) => (from: string, to: string) =>
        dirname(from) === dirname(to) ? fs[method](from, to) : Effect.fail(failure("EXDEV", method))
      const file = yield* Download.file(`${server.url}/scan.bin`, {
        folder: at,
        name,
        allowPrivate: [new URL(server.url).host]
      }).pipe(
        Effect.provide(
          Layer.merge(
            layer,
            changed((fs) => ({
              rename: across("rename", fs),
              link: across("link", fs),
              copyFile: (from, to) => {
                // Whoever is killed while it copies leaves no file that is empty.
                seen.push(...names(join(at, "disk")))
                return fs.copyFile(from, to)
              }
            }))
          )
        )
      )
      assert.deepStrictEqual([file.name, seen], ["scan.bin", ["x"]])
      assert.strictEqual(digestAt(join(at, "disk", "real.bin")), sha256)
      assert.deepStrictEqual(
        [names(at), names(join(at, "disk"))],
        [
          ["disk", "scan.bin"],
          ["real.bin", "x"]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.live.each([
    ["gone/real.bin", "it is a link to gone/real.bin, which is in a folder that is not there"],
    ["file/real.bin", "a file stands where a folder should be"],
    ["scan.bin", "it is a link to scan.bin, which leads in a circle"]
  ] as const)("that can lead to none stays as it is: to %s", ([target, reason]) =>
    within([{}], ({ download, folder }) =>
      Effect.gen(function* () {
        writeFileSync(join(folder, "file"), "")
        symlinkSync(target, join(folder, "scan.bin"))
        const error = yield* Effect.flip(download({ name: "scan.bin" }))
        assert.strictEqual(error._tag === "NotWritten" ? error.reason : "", reason)
        assert.deepStrictEqual(names(folder), ["file", "scan.bin"])
        // A service's name for a file is no reason to refuse it.
        assert.strictEqual((yield* download()).name, "scan-2.bin")
        assert.isTrue(lstatSync(join(folder, "scan.bin")).isSymbolicLink())
      })
    )
  )

  it.live("that leads to another disk is passed over where no file can be made there", () =>
    Effect.gen(function* () {
      const at = yield* folder({ part: "new", "disk/x": "" })
      symlinkSync("disk/real.bin", join(at, "scan.bin"))
      const full = changed(() => ({
        link: () => Effect.fail(failure("EXDEV", "link")),
        copyFile: () => Effect.fail(failure("ENOSPC", "copyFile"))
      }))
      assert.isFalse(
        yield* WholeFile.moveNew(join(at, "part"), join(at, "scan.bin")).pipe(Effect.provide(full))
      )
      assert.deepStrictEqual([names(at), names(join(at, "disk"))], [["disk", "part", "scan.bin"], ["x"]])
    }).pipe(Effect.scoped)
  )

  it.live("leads to the new file, which has the rights of what it takes the place of", () =>
    within([{}], ({ download, folder }) =>
      Effect.gen(function* () {
        writeFileSync(join(folder, "real.bin"), "old")
        chmodSync(join(folder, "real.bin"), 0o640)
        symlinkSync("real.bin", join(folder, "scan.bin"))
        assert.strictEqual((yield* download()).name, "scan-2.bin")
        yield* download({ name: "scan.bin" })
        assert.isTrue(lstatSync(join(folder, "scan.bin")).isSymbolicLink())
        assert.strictEqual(digestAt(join(folder, "real.bin")), sha256)
        assert.strictEqual(statSync(join(folder, "real.bin")).mode & 0o777, 0o640)
      })
    )
  )

  it.live.each([
    ["EXDEV", "new"],
    ["EBUSY", "old"]
  ] as const)("leads to a file that nobody may write, and moving there is %s", ([code, content]) =>
    Effect.gen(function* () {
      const at = yield* folder({ part: "new", "disk/real.bin": "old" })
      const part = join(at, "part")
      chmodSync(part, 0o644)
      chmodSync(join(at, "disk", "real.bin"), 0o444)
      symlinkSync("disk/real.bin", join(at, "scan.bin"))
      const modes: Array<number> = []
      const files = changed((fs) => ({
        rename: (from, to) => (from === part ? Effect.fail(failure(code, "rename")) : fs.rename(from, to)),
        // What is copied has the rights of what it is copied from.
        copyFile: (from, to) =>
          Effect.andThen(
            Effect.sync(() => modes.push(statSync(from).mode & 0o777)),
            fs.copyFile(from, to)
          )
      }))
      yield* WholeFile.move(part, join(at, "scan.bin")).pipe(Effect.ignore, Effect.provide(files))
      assert.strictEqual(read(at, "disk", "real.bin"), content)
      assert.strictEqual(statSync(join(at, "disk", "real.bin")).mode & 0o777, 0o444)
      if (existsSync(part)) modes.push(statSync(part).mode & 0o777)
      assert.deepStrictEqual(modes, [0o644])
    }).pipe(Effect.scoped)
  )
})
