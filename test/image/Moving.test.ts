/** Animations, and files of several pictures: the first is taken, and that there are others is known wherever it is opened. */
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource } from "effect-segformer"
import { ImageCodec } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import { LargeImage } from "effect-segformer/tiled"
import { folder } from "../support/Folder.ts"
import * as samples from "./samples.ts"

const decode = (bytes: Uint8Array) =>
  Effect.flatMap(ImageCodec, (codec) => Effect.flatMap(ImageSource.bytes(bytes).open(), codec.decode))

layer(Layer.mergeAll(SharpCodec.layer, NodeFileSystem.layer), { excludeTestServices: true })(
  "images",
  (it) => {
    it.effect(
      "of what moves, or has other pictures beside it, the first is taken and more is known to be there",
      () =>
        Effect.gen(function* () {
          const [png, avif, jpeg] = yield* Effect.promise(() =>
            Promise.all([samples.png(), samples.avif(), samples.jpeg()])
          )
          const brand = Buffer.from(avif)
          brand.write("msf1", 16, "latin1")
          const of = (making: Promise<Buffer>) => Effect.promise(() => making)
          const one = {
            "a GIF": yield* of(samples.gifOf(1)),
            "a WebP": yield* of(samples.webpOf(1)),
            "a turned WebP": yield* of(samples.turnedWebp()),
            "a PNG of one frame": samples.apngOf(1, png),
            "a turned PNG": yield* of(samples.turnedPng()),
            "a JPEG": jpeg,
            "an AVIF": avif,
            "an AVIF with what is hidden": samples.withItem(avif, "av01", 1),
            "an AVIF with a layer": samples.withItem(avif, "av01", 0, "auxl"),
            "an AVIF with a preview": samples.withItem(avif, "av01", 0, "thmb"),
            "an AVIF with EXIF": samples.withItem(avif, "Exif")
          }
          const gif = yield* of(samples.gifOf(3))
          const more = {
            "a GIF of two frames": yield* of(samples.gifOf(2)),
            "a GIF that is cut off behind its second": gif.subarray(0, gif.length - 40),
            "a WebP of two frames": yield* of(samples.webpOf(2)),
            "a turned WebP of two": yield* of(samples.webpOf(2, 6)),
            "a PNG of two frames": samples.apngOf(2, png),
            "a turned PNG of two": samples.apngOf(2, yield* of(samples.turnedPng())),
            "an AVIF with a sequence": brand,
            "an AVIF of two pictures": samples.withItem(avif, "av01"),
            "an AVIF with a picture of tiles": samples.withItem(avif, "grid")
          }
          const path = yield* folder({ ...one, ...more })
          for (const [name, bytes] of Object.entries({ ...one, ...more })) {
            const expected = name in more ? true : undefined
            for (const source of [ImageSource.bytes(bytes), ImageSource.file(join(path, name))])
              assert.strictEqual((yield* source.open()).hasMore, expected, name)
          }
          // Of a file, as much is read as tells: more than what holds the size of most.
          const large = yield* of(samples.gifOf(2, 400, 300))
          assert.isAbove(large.length, 200_000)
          const single = yield* of(samples.gifOf(1, 400, 300))
          const files = yield* folder({ "two.gif": large, "one.gif": single })
          const hasMore = (name: string) =>
            Effect.map(ImageSource.file(join(files, name)).open(), (image) => image.hasMore)
          assert.deepStrictEqual([yield* hasMore("two.gif"), yield* hasMore("one.gif")], [true, undefined])
          // Frames that a decoder numbers can be asked for; of others it is said.
          const second = yield* ImageSource.view(ImageSource.bytes(gif), { page: 2 }).open()
          const codec = yield* ImageCodec
          const [two, first] = [yield* codec.decode(second), yield* decode(gif)]
          assert.notDeepEqual(two.data, first.data)
          const moving = ImageSource.bytes(more["a PNG of two frames"])
          assert.match(
            (yield* Effect.flip(ImageSource.view(moving, { page: 2 }).open())).message,
            /of its frames only the first is read here, and page 2/
          )
          for (const page of [1, 2]) {
            const picture = yield* LargeImage.file(join(files, "two.gif"), { page })
            assert.strictEqual(picture.hasMore, page === 1)
          }
        }).pipe(Effect.scoped)
    )
  }
)
