import { chmod, mkdir, rm, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { userInfo } from "node:os"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { ByteSize, Effect, FileSystem, Layer, Logger, PlatformError, Stream } from "effect"
import { ImageSource, type SourceError } from "effect-segformer"
import * as samples from "./samples.ts"
import { cut, failure, isAbout } from "./support.ts"

const platform = Layer.mergeAll(NodeFileSystem.layer, Logger.layer([]))

/** A folder that is gone after the test. */
const folder = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())

const promise = <A>(make: () => Promise<A>) => Effect.promise(make)

/** A file with these bytes, and its path. */
const fileOf = (name: string, bytes: Uint8Array | string) =>
  Effect.gen(function* () {
    const path = join(yield* folder, name)
    yield* promise(() => writeFile(path, bytes))
    return path
  })

describe("ImageSource.file", () => {
  it.live("knows name, type, size and pixels, and gives the same bytes at once and as a stream", () =>
    Effect.gen(function* () {
      const bytes = yield* promise(() => samples.largePng(700, 500))
      const path = yield* fileOf("panel.png", bytes)
      const image = yield* ImageSource.file(path).open()
      assert.deepInclude(image, {
        source: path,
        name: "panel.png",
        format: "png",
        mediaType: "image/png",
        width: 700,
        height: 500,
        size: bytes.length,
        inMemory: false
      })
      assert.deepStrictEqual(Buffer.from(yield* image.bytes), bytes)
      const chunks = yield* Stream.runCollect(image.stream)
      assert.isAbove(chunks.length, 1)
      assert.deepStrictEqual(Buffer.concat(chunks), bytes)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  const kinds: ReadonlyArray<readonly [string, string, () => Buffer | Promise<Buffer>, string]> = [
    ["a JPEG named .png", "a.png", samples.jpeg, "a.png.jpg"],
    ["a PNG without an ending", "panel", samples.png, "panel.png"],
    ["a JPEG named .JPEG", "b.JPEG", samples.jpeg, "b.JPEG"],
    ["a TIFF", "c.tiff", samples.tiff, "c.tiff"]
  ]
  it.live.each(kinds)("%s is sent under a name that ends as its type does", ([, name, make, sent]) =>
    Effect.gen(function* () {
      const path = yield* fileOf(name, yield* promise(async () => make()))
      assert.strictEqual((yield* ImageSource.file(path).open()).name, sent)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("width and height are those that a person sees", () =>
    Effect.gen(function* () {
      const image = yield* ImageSource.file(yield* fileOf("a.jpg", yield* promise(samples.turnedJpeg))).open()
      assert.deepInclude(image, { width: 6, height: 8, orientation: 6 })
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("the size is found wherever it stands: behind 300 kB of metadata, or of pixels", () =>
    Effect.gen(function* () {
      const files = [yield* promise(() => samples.farJpeg(300_000)), samples.farTiff(300_000)]
      for (const bytes of files) {
        const image = yield* ImageSource.file(yield* fileOf("far", bytes)).open()
        assert.strictEqual(image.width * image.height, 48)
      }
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that is not there", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "none.png")
      isAbout(yield* failure(ImageSource.file(path)), "ImageNotFound", path)
      const below = join(yield* fileOf("a.png", "x"), "b.png")
      assert.include(["ImageNotFound", "ImageNotReadable"], (yield* failure(ImageSource.file(below)))._tag)
      assert.strictEqual((yield* failure(ImageSource.file("a\0b.png")))._tag, "ImageNotReadable")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that is a folder, or a device", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "folder.png")
      yield* promise(() => mkdir(path))
      isAbout(yield* failure(ImageSource.file(path)), "ImageNotReadable", path, "it is a folder")
      isAbout(yield* failure(ImageSource.file("/dev/null")), "ImageNotReadable", "no regular file")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that is empty", () =>
    Effect.gen(function* () {
      isAbout(yield* failure(ImageSource.file(yield* fileOf("a.png", ""))), "NotAnImage", "it is empty")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that is text, or something else, though its name ends in .jpg", () =>
    Effect.gen(function* () {
      const text = yield* fileOf("notes.jpg", "Dear all,\nplease find the images below.")
      isAbout(
        yield* failure(ImageSource.file(text)),
        "NotAnImage",
        text,
        'text, which starts "Dear all, plea'
      )
      const other = yield* fileOf("a.jpg", new Uint8Array(40).fill(0xee))
      isAbout(yield* failure(ImageSource.file(other)), "NotAnImage", "ee ee ee ee")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that is a PNG cut in half, or one with something behind it", () =>
    Effect.gen(function* () {
      const bytes = yield* promise(() => samples.png(60, 60))
      isAbout(yield* failure(ImageSource.file(yield* fileOf("a.png", cut(bytes)))), "NotAnImage", "cut off")
      const trailed = yield* fileOf("a.png", Buffer.concat([bytes, Buffer.from("made with love")]))
      assert.strictEqual((yield* ImageSource.file(trailed).open()).width, 60)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that is cut off before its size is told", () =>
    Effect.gen(function* () {
      const far = yield* promise(() => samples.farJpeg(300_000))
      for (const bytes of [
        far.subarray(0, 20),
        far.subarray(0, 150_000),
        samples.farTiff(100).subarray(0, 90)
      ]) {
        isAbout(
          yield* failure(ImageSource.file(yield* fileOf("a.jpg", bytes))),
          "NotAnImage",
          "before its size"
        )
      }
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that has more bytes or pixels than allowed, of which none is decoded", () =>
    Effect.gen(function* () {
      const huge = yield* fileOf("huge.png", samples.hugePngHeader())
      isAbout(yield* failure(ImageSource.file(huge)), "ImageTooLarge", "900000000 pixels", "limits.maxPixels")
      assert.strictEqual((yield* ImageSource.file(huge).open({ maxPixels: 1e9 })).width, 30_000)
      isAbout(
        yield* failure(ImageSource.file(huge), { maxBytes: 50 }),
        "ImageTooLarge",
        "57 bytes",
        "maxBytes"
      )
      const sparse = yield* fileOf("sparse.png", samples.hugePngHeader())
      yield* promise(() => truncate(sparse, 101 * 1024 * 1024))
      isAbout(yield* failure(ImageSource.file(sparse)), "ImageTooLarge", "maxBytes")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live.skipIf(userInfo().uid === 0)(
    "that this user may not read (skipped for root, who may read all)",
    () =>
      Effect.gen(function* () {
        const path = yield* fileOf("a.png", yield* promise(samples.png))
        yield* promise(() => chmod(path, 0))
        isAbout(yield* failure(ImageSource.file(path)), "ImageNotReadable", "may not read it")
      }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.effect.each([
    ["PermissionDenied", "ImageNotReadable", "may not read it"],
    ["NotFound", "ImageNotFound", "a.png"],
    ["Busy", "ImageNotReadable", "Busy"]
  ] as const)("that the system refuses with %s", ([reason, tag, part]) =>
    Effect.gen(function* () {
      isAbout(yield* failure(ImageSource.file("a.png")), tag, part)
    }).pipe(
      Effect.provide(
        FileSystem.layerNoop({
          stat: () =>
            Effect.fail(PlatformError.systemError({ _tag: reason, module: "FileSystem", method: "stat" }))
        })
      )
    )
  )

  it.live("that vanishes, shrinks or grows after it was opened", () =>
    Effect.gen(function* () {
      const bytes = yield* promise(() => samples.png(60, 60))
      const changes: ReadonlyArray<readonly [(path: string) => Promise<void>, SourceError["_tag"]]> = [
        [(path) => rm(path), "ImageNotFound"],
        [(path) => truncate(path, bytes.length - 1), "ImageNotReadable"],
        [(path) => truncate(path, 0), "ImageNotReadable"],
        [(path) => truncate(path, bytes.length + 1), "ImageNotReadable"]
      ]
      for (const [change, tag] of changes) {
        const path = yield* fileOf("a.png", bytes)
        const image = yield* ImageSource.file(path).open()
        yield* promise(() => change(path))
        assert.strictEqual((yield* Effect.flip(image.bytes))._tag, tag)
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(image.stream)))._tag, tag)
      }
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("that shrinks while its header is read ends all the same", () =>
    Effect.gen(function* () {
      const path = yield* fileOf(
        "far.jpg",
        (yield* promise(() => samples.farJpeg(300_000))).subarray(0, 100_000)
      )
      const fs = yield* FileSystem.FileSystem
      // As it was when its size was asked for.
      const before = {
        ...fs,
        stat: (path: string) =>
          Effect.map(fs.stat(path), (info) => ({ ...info, size: ByteSize.bytes(300_000) }))
      }
      const error = yield* Effect.provideService(
        failure(ImageSource.file(path)),
        FileSystem.FileSystem,
        before
      )
      isAbout(error, "ImageNotReadable", "300000 bytes long, and is 100000 now")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it("is called by the last part of its path", () => {
    assert.strictEqual(ImageSource.file("a/b c/panel.png").name, "panel.png")
    assert.strictEqual(ImageSource.file("C:\\images\\panel.png").name, "panel.png")
    assert.strictEqual(ImageSource.file("folder/").name, "folder")
  })
})

describe("ImageSource.bytes", () => {
  it.effect("is what it holds, under the name it is given", () =>
    Effect.gen(function* () {
      const bytes = yield* promise(samples.gif)
      const image = yield* ImageSource.bytes(bytes, { name: "frame" }).open()
      assert.deepInclude(image, {
        name: "frame.gif",
        mediaType: "image/gif",
        size: bytes.length,
        inMemory: true
      })
      assert.strictEqual(yield* image.bytes, bytes)
      assert.deepStrictEqual(yield* Stream.runCollect(image.stream), [bytes])
    })
  )

  it.effect("that are none, text, cut off or too large", () =>
    Effect.gen(function* () {
      const png = yield* promise(() => samples.png(60, 60))
      isAbout(yield* failure(ImageSource.bytes(new Uint8Array(0))), "NotAnImage", "it is empty")
      isAbout(
        yield* failure(ImageSource.bytes(Buffer.from("hello"), { name: "x" })),
        "NotAnImage",
        "x",
        '"hello"'
      )
      isAbout(yield* failure(ImageSource.bytes(cut(png))), "NotAnImage", "cut off")
      isAbout(yield* failure(ImageSource.bytes(samples.hugePngHeader())), "ImageTooLarge", "pixels")
      isAbout(yield* failure(ImageSource.bytes(png), { maxBytes: 100 }), "ImageTooLarge", "bytes")
    })
  )
})

describe("ImageSource.stream", () => {
  it.effect("is collected each time it is opened", () =>
    Effect.gen(function* () {
      const bytes = yield* promise(samples.png)
      const source = ImageSource.stream("camera", Stream.make(bytes.subarray(0, 10), bytes.subarray(10)))
      for (let i = 0; i < 2; i++) {
        assert.deepStrictEqual(Buffer.from(yield* (yield* source.open()).bytes), bytes)
      }
      assert.strictEqual((yield* source.open()).name, "camera.png")
    })
  )

  it.effect("that never ends is stopped at the limit", () =>
    Effect.gen(function* () {
      let pulled = 0
      const endless = Stream.forever(
        Stream.fromEffect(
          Effect.sync(() => {
            pulled += 1000
            return new Uint8Array(1000)
          })
        )
      )
      isAbout(
        yield* failure(ImageSource.stream("pipe", endless), { maxBytes: 50_000 }),
        "ImageTooLarge",
        "pipe"
      )
      assert.isBelow(pulled, 10 * 50_000)
    })
  )

  it.effect("that fails, or is empty", () =>
    Effect.gen(function* () {
      const broken = Stream.concat(Stream.make(new Uint8Array(10)), Stream.fail(new Error("lens is covered")))
      isAbout(
        yield* failure(ImageSource.stream("camera", broken)),
        "ImageNotReadable",
        "camera",
        "lens is covered"
      )
      isAbout(yield* failure(ImageSource.stream("camera", Stream.empty)), "NotAnImage", "it is empty")
    })
  )
})
