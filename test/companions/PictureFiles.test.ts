/** Which pictures a path of a request reaches, and which it never does. */
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, PlatformError } from "effect"
import { PictureFiles } from "effect-segformer/companions"
import { Fixtures } from "effect-segformer/testing"
import { folder } from "../support/Folder.ts"

const platform = Layer.merge(NodeFileSystem.layer, NodePath.layer)

/** A folder `pictures` with `panel.png` and `inner/`, beside a file that is nobody's business. */
const folders = Effect.map(
  folder({
    "pictures/panel.png": Fixtures.image,
    "pictures/inner/panel.png": Fixtures.image,
    "secret.png": Fixtures.image,
    "pictures-of-others/panel.png": Fixtures.image
  }),
  (home) => {
    const root = join(home, "pictures")
    symlinkSync(join(home, "secret.png"), join(root, "link.png"))
    symlinkSync(home, join(root, "up"))
    symlinkSync(join(root, "panel.png"), join(root, "inner", "same.png"))
    return { home, root }
  }
)

const files = (root: string) =>
  Effect.provide(PictureFiles, Layer.provide(PictureFiles.layerFolder(root), platform))

const name = { name: "panel", extension: "png", mediaType: "image/png" }

describe("PictureFiles.layerFolder", () => {
  it.live("opens what is below the folder, by a relative path or a whole one", () =>
    Effect.gen(function* () {
      const { root } = yield* folders
      const pictures = yield* files(root)
      for (const path of ["panel.png", "inner/panel.png", "./inner/../panel.png", "inner/same.png"]) {
        const image = yield* pictures.open(path)
        assert.deepStrictEqual([image.width, image.height, image.source], [48, 32, path])
      }
      assert.strictEqual((yield* pictures.open(join(root, "panel.png"))).width, 48)
      assert.deepStrictEqual(yield* (yield* pictures.open("panel.png")).bytes, Buffer.from(Fixtures.image))
    }).pipe(Effect.scoped)
  )

  it.live("refuses every path that leads out of it", () =>
    Effect.gen(function* () {
      const { home, root } = yield* folders
      const pictures = yield* files(root)
      for (const path of [
        "../secret.png",
        "inner/../../secret.png",
        join(home, "secret.png"),
        "../pictures-of-others/panel.png",
        "/etc/passwd",
        "link.png",
        "up/secret.png",
        "panel.png\0.png",
        "../nothing-here.png"
      ]) {
        const error = yield* Effect.flip(pictures.open(path))
        assert.strictEqual(error._tag, "Forbidden", path)
      }
    }).pipe(Effect.scoped)
  )

  it.live("says what is wrong with a path below it, without saying where the folder is", () =>
    Effect.gen(function* () {
      const { home, root } = yield* folders
      writeFileSync(join(root, "text.png"), "no image")
      writeFileSync(join(root, "empty.png"), "")
      const pictures = yield* files(root)
      for (const [path, tag] of [
        ["nothing.png", "ImageNotFound"],
        ["inner", "ImageNotReadable"],
        ["", "ImageNotReadable"],
        ["text.png", "NotAnImage"],
        ["empty.png", "NotAnImage"],
        ["https://example.org/a.png", "ImageNotFound"]
      ] as const) {
        const error = yield* Effect.flip(pictures.open(path))
        assert.strictEqual(error._tag, tag, path)
        assert.notInclude(error.message, home)
      }
      const tooLarge = yield* Effect.flip(pictures.open("panel.png", { maxPixels: 10 }))
      assert.strictEqual(tooLarge._tag, "ImageTooLarge")
    }).pipe(Effect.scoped)
  )

  it.live("leaves results whole, under names of its own, and the same result once", () =>
    Effect.gen(function* () {
      const { root } = yield* folders
      const pictures = yield* files(root)
      const odd = { ...name, name: "../../evil name\0" }
      const path = yield* pictures.write(odd, Fixtures.image)
      assert.match(path, /^processed[\\/]evil_name-[0-9a-f]{16}\.png$/)
      assert.strictEqual(yield* pictures.write(odd, Fixtures.image), path)
      assert.notStrictEqual(yield* pictures.write(odd, Uint8Array.of(1)), path)
      assert.strictEqual((yield* pictures.open(path)).width, 48)
      assert.deepStrictEqual(readFileSync(join(root, path)), Buffer.from(Fixtures.image))
      assert.lengthOf(readdirSync(join(root, "processed")), 2)
    }).pipe(Effect.scoped)
  )

  it.live("leaves nothing where it cannot write", () =>
    Effect.gen(function* () {
      const { root } = yield* folders
      const full = Layer.effect(
        FileSystem.FileSystem,
        Effect.map(FileSystem.FileSystem, (fs) => ({
          ...fs,
          rename: () =>
            Effect.fail(
              PlatformError.systemError({
                _tag: "Unknown",
                module: "FileSystem",
                method: "rename",
                description: "ENOSPC"
              })
            )
        }))
      ).pipe(Layer.provide(NodeFileSystem.layer))
      const pictures = yield* Effect.provide(
        PictureFiles,
        Layer.provide(PictureFiles.layerFolder(root), Layer.merge(full, NodePath.layer))
      )
      const error = yield* Effect.flip(pictures.write(name, Fixtures.image))
      assert.strictEqual(error._tag, "PictureNotWritten")
      assert.include(error.message, "ENOSPC")
      assert.deepStrictEqual(readdirSync(join(root, "processed")), [])
    }).pipe(Effect.scoped)
  )
})

describe("PictureFiles.layerInline", () => {
  const inline = Effect.provide(PictureFiles, PictureFiles.layerInline)
  const url = `data:image/png;base64,${Buffer.from(Fixtures.image).toString("base64")}`

  it.live("takes data URLs, and nothing else", () =>
    Effect.gen(function* () {
      const pictures = yield* inline
      const image = yield* pictures.open(url)
      assert.deepStrictEqual([image.width, image.source], [48, "data:image/png;base64,…"])
      assert.strictEqual(yield* pictures.write(name, Fixtures.image), url)
      for (const [path, tag] of [
        ["panel.png", "InputInvalid"],
        ["/etc/passwd", "InputInvalid"],
        ["data:image/png,abc", "InputInvalid"],
        ["data:image/png;base64,???", "NotAnImage"],
        ["data:image/png;base64,AAAA", "NotAnImage"],
        ["data:text/html;base64,", "NotAnImage"]
      ] as const) {
        assert.strictEqual((yield* Effect.flip(pictures.open(path)))._tag, tag, path)
      }
    })
  )

  it.live("a data URL beyond the limit is not decoded", () =>
    Effect.gen(function* () {
      const pictures = yield* inline
      const error = yield* Effect.flip(pictures.open(url, { maxBytes: 100 }))
      assert.strictEqual(error._tag, "ImageTooLarge")
      assert.isBelow(error.message.length, 300)
    })
  )
})
