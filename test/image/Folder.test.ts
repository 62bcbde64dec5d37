import { symlinkSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, PlatformError, Stream } from "effect"
import { ImageFormat } from "effect-segformer/image"
import * as Folder from "../../src/image/Folder.ts"
import { folder } from "../support/Folder.ts"

const found = (root: string, isWanted = Folder.isPicture) =>
  Folder.files(root, isWanted).pipe(
    Stream.runCollect,
    Effect.map((all) => all.map(({ name, problem }) => (problem === undefined ? name : `${name}!`)).sort())
  )

describe("the files of a folder", () => {
  it.live("are those that any row of the table of formats names, whatever their case", () =>
    Effect.gen(function* () {
      const wanted = ImageFormat.endings().flatMap((ending) => [`a.${ending}`, `b.${ending.toUpperCase()}`])
      const others = [
        "notes.txt",
        "png",
        "a.png.bak",
        ".c.png",
        "a.overlay.png",
        "a.jpg.overlay.jpg",
        "a.labels.png"
      ]
      const root = yield* folder(Object.fromEntries([...wanted, ...others].map((name) => [name, "x"])))
      assert.deepStrictEqual(yield* found(root), wanted.sort())
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.live("come once from each real folder: links to the root, to a neighbour and out of it end", () =>
    Effect.gen(function* () {
      const elsewhere = yield* folder({ "far/d.png": "x", "e.png": "x" })
      const root = yield* folder({ "a.png": "x", "deep/b.png": "x", "deep/er/c.png": "x" })
      symlinkSync(root, join(root, "deep", "up"))
      symlinkSync(join(root, "deep"), join(root, "again"))
      symlinkSync(elsewhere, join(root, "away"))
      symlinkSync(root, join(elsewhere, "back"))
      symlinkSync(join(root, "nowhere.png"), join(root, "gone.png"))
      symlinkSync(join(root, "a.png"), join(root, "same.png"))
      assert.deepStrictEqual(yield* found(root), [
        "a.png",
        "away/e.png",
        "away/far/d.png",
        "deep/b.png",
        "deep/er/c.png",
        "gone.png",
        "same.png"
      ])
      assert.deepStrictEqual(yield* found(`${root}/`, (name) => name === "a.png"), ["a.png"])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect(
    "are read from the file system that is provided; a folder that cannot be read is among them",
    () => {
      const tree: Readonly<Record<string, ReadonlyArray<FileSystem.DirectoryEntry>>> = {
        "/in": [
          { name: "a.png", type: "File" },
          { name: "b", type: "Directory" },
          { name: "locked", type: "Directory" }
        ],
        "/in/b": [{ name: "c.jpg", type: "File" }]
      }
      const layer = FileSystem.layerNoop({
        readDirectoryEntries: (path) =>
          Effect.fromNullishOr(tree[path]).pipe(
            Effect.mapError(() =>
              PlatformError.systemError({
                _tag: "PermissionDenied",
                module: "FileSystem",
                method: "readDirectoryEntries",
                pathOrDescriptor: path
              })
            )
          )
      })
      return Effect.gen(function* () {
        assert.deepStrictEqual(yield* found("/in"), ["a.png", "b/c.jpg", "locked!"])
        const error = yield* Effect.flip(found("/no"))
        assert.strictEqual(error.reason._tag, "PermissionDenied")
      }).pipe(Effect.provide(layer))
    }
  )
})
