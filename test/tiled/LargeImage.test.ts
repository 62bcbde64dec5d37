import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer } from "effect"
import { ImageCodec, ImageSource } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import { LargeImage } from "effect-segformer/tiled"
import sharp, { type Sharp } from "sharp"
import * as support from "./support.ts"

const layer = Layer.merge(NodeFileSystem.layer, SharpCodec.layer)

const size = { width: 700, height: 530 }
const raw = () =>
  sharp(support.draw({ x: 0, y: 0, ...size }, support.waves).data, { raw: { ...size, channels: 3 } })

/** A picture in a folder that goes with the scope. */
const written = Effect.fnUntraced(function* (name: string, pipeline: Sharp) {
  const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
  const path = join(folder, name)
  yield* Effect.promise(() => pipeline.toFile(path))
  return { folder, path }
})

const decoded = (image: ImageSource.Image) => Effect.flatMap(ImageCodec, (codec) => codec.decode(image))

/** Windows of a file are what the same pixels of the decoded file are. */
const agree = Effect.fnUntraced(function* (path: string, options?: LargeImage.FileOptions) {
  const picture = yield* LargeImage.file(path, options)
  const whole = yield* decoded(yield* ImageSource.file(path).open())
  assert.deepStrictEqual([picture.width, picture.height], [whole.width, whole.height])
  const right = picture.width - 100
  const bottom = picture.height - 90
  for (const [x, y] of [
    [0, 0],
    [right, 0],
    [0, bottom],
    [right, bottom],
    [201, 133]
  ] as const) {
    const window = yield* decoded(yield* picture.window({ x, y, width: 100, height: 90 }))
    for (let row = 0; row < 90; row++) {
      const start = ((y + row) * whole.width + x) * 3
      assert.deepStrictEqual(
        window.data.subarray(row * 300, row * 300 + 300),
        whole.data.subarray(start, start + 300)
      )
    }
  }
  return picture
})

describe("windows of a file", () => {
  it.live.each([
    [100, 80],
    [1, 1],
    [513, 7]
  ] as const)("may be all of a small one, %i x %i", ([width, height]) =>
    Effect.gen(function* () {
      const small = raw().resize(width, height, { fit: "fill" })
      const { path } = yield* written("small.png", small)
      const picture = yield* LargeImage.file(path)
      const window = yield* decoded(yield* picture.window({ x: 0, y: 0, width, height }))
      assert.deepStrictEqual(window, yield* decoded(yield* ImageSource.file(path).open()))
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "are those of the picture as it is seen, orientation %i",
    (orientation) =>
      Effect.gen(function* () {
        const { path } = yield* written("a.jpg", raw().withMetadata({ orientation }).jpeg({ quality: 90 }))
        const picture = yield* agree(path)
        assert.strictEqual(picture.width, orientation >= 5 ? size.height : size.width)
      }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live.each<readonly [string, () => Sharp]>([
    ["png", () => raw().png()],
    ["16-bit.png", () => raw().toColourspace("rgb16").png()],
    ["grey.png", () => raw().greyscale().png()],
    ["transparent.png", () => raw().ensureAlpha(0.5).png()],
    ["interlaced.png", () => raw().png({ progressive: true })],
    ["strips.tif", () => raw().tiff({ compression: "lzw" })],
    ["tiles.tif", () => raw().tiff({ tile: true })],
    ["cmyk.jpg", () => raw().toColourspace("cmyk").jpeg()],
    ["webp", () => raw().webp()]
  ])("are the same as decoding it whole: %s", ([name, make]) =>
    Effect.gen(function* () {
      const { path } = yield* written(`a.${name}`, make())
      yield* agree(path)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("are the same from tiles that are deflated", () =>
    Effect.gen(function* () {
      const { path } = yield* written("a.png", raw().png())
      yield* agree(path, { compression: "deflate" })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("are the same of a BigTIFF", () =>
    Effect.gen(function* () {
      const { path } = yield* written("a.tif", raw().tiff({ bigtiff: true, tile: true, compression: "lzw" }))
      const picture = yield* LargeImage.file(path)
      const box = { x: 300, y: 270, width: 90, height: 80 }
      const window = yield* decoded(yield* picture.window(box))
      assert.deepStrictEqual(window.data, Buffer.from(support.draw(box, support.waves).data))
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("are read from a folder that goes with the scope", () =>
    Effect.gen(function* () {
      const { folder, path } = yield* written("a.png", raw().png())
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* LargeImage.file(path, { folder })
          assert.strictEqual(readdirSync(folder).length, 2)
        })
      )
      assert.deepStrictEqual(readdirSync(folder), ["a.png"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})

describe("a file that cannot be read in windows", () => {
  it.live("says why, and leaves nothing behind", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const { folder, path } = yield* written("a.png", raw().png({ progressive: true }))
      const fail = (path: string, options?: LargeImage.FileOptions) =>
        Effect.flip(Effect.scoped(LargeImage.file(path, { folder, ...options })))
      const whole = yield* fail(path, { maxWholePixels: 1000 })
      assert.strictEqual(whole._tag, "UnsupportedImage")
      assert.match(
        whole.message,
        /interlaced, so that its decoder holds all of its 371000 pixels.*limit is 1000/
      )
      assert.strictEqual((yield* fail(path, { limits: { maxPixels: 9 } }))._tag, "ImageTooLarge")
      assert.strictEqual((yield* fail(join(folder, "none.png")))._tag, "ImageNotFound")
      const cut = join(folder, "cut.jpg")
      const jpeg = yield* Effect.promise(() => raw().jpeg().toBuffer())
      yield* fs.writeFile(cut, jpeg.subarray(0, jpeg.length / 2))
      assert.strictEqual((yield* fail(cut))._tag, "NotAnImage")
      const text = join(folder, "a.svg")
      yield* fs.writeFileString(text, '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
      assert.strictEqual((yield* fail(text))._tag, "UnsupportedImage")
      assert.match((yield* fail(folder)).message, /no regular file/)
      const nowhere = yield* fail(path, { folder: join(folder, "missing") })
      assert.include(nowhere.message, "there is no place for its tiles")
      assert.isTrue(existsSync(path))
      assert.deepStrictEqual(readdirSync(folder).sort(), ["a.png", "a.svg", "cut.jpg"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
