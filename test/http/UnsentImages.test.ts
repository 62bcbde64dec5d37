/** What is wrong with an image or an address is told before anything is sent. */
import { mkdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem } from "effect"
import { ImageSource, type SegmentationError, type SegmentOptions } from "effect-segformer"
import * as samples from "../image/samples.ts"
import { http } from "../support/TestServer.ts"
import { call, errorOf, json, platform, source } from "./calls.ts"
import { uploadAnswer } from "./servers/InspectionServer.ts"

describe("SegFormerHttp: images that are not sent", () => {
  const cases: ReadonlyArray<
    readonly [string, (folder: string) => Promise<string>, SegmentationError["_tag"], SegmentOptions?]
  > = [
    ["none there", async (folder) => join(folder, "none.png"), "ImageNotFound"],
    ["a folder", async (folder) => folder, "ImageNotReadable"],
    [
      "a text named .jpg",
      async (folder) => {
        await writeFile(join(folder, "a.jpg"), "just a text, no image")
        return join(folder, "a.jpg")
      },
      "NotAnImage"
    ],
    [
      "a PNG cut in half",
      async (folder) => {
        const bytes = await samples.png(60, 60)
        await writeFile(join(folder, "a.png"), bytes.subarray(0, bytes.length >> 1))
        return join(folder, "a.png")
      },
      "NotAnImage"
    ],
    [
      "30,000 x 30,000 pixels",
      async (folder) => {
        await writeFile(join(folder, "a.png"), samples.hugePngHeader())
        return join(folder, "a.png")
      },
      "ImageTooLarge"
    ],
    [
      "a WebP, which this service does not take",
      async (folder) => {
        await writeFile(join(folder, "a.webp"), await samples.webp.lossy())
        return join(folder, "a.webp")
      },
      "UnsupportedImage"
    ],
    [
      "more than the 50 MB that this service takes",
      async (folder) => {
        const file = Buffer.alloc(50 * 1024 * 1024 + 1)
        samples.bmp(8, 6).copy(file)
        await writeFile(join(folder, "a.bmp"), file)
        return join(folder, "a.bmp")
      },
      "ImageTooLarge"
    ]
  ]
  it.live.each(cases)("%s", ([, make, tag]) =>
    Effect.gen(function* () {
      const server = yield* http(json(uploadAnswer()))
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      yield* Effect.promise(() => mkdir(folder, { recursive: true }))
      const path = yield* Effect.promise(() => make(folder))
      const error = yield* errorOf(call(server.url, ImageSource.file(path)))
      assert.strictEqual(error._tag, tag)
      // A limit that is the service's is not told to be raised here.
      if (error._tag === "ImageTooLarge" && error.measure === "bytes")
        assert.match(error.message, /the limit of a request to this service is \d+\. Make the image smaller$/)
      assert.include(error.message, path)
      assert.strictEqual(server.requests.length, 0)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a URL that is none, for the image or for the service", () =>
    Effect.gen(function* () {
      const server = yield* http(json(uploadAnswer()))
      assert.strictEqual((yield* errorOf(call(server.url, ImageSource.url("panel.png"))))._tag, "InvalidUrl")
      for (const url of ["", "localhost:8080", "ftp://host", "http://u:p@host"]) {
        const error = yield* Effect.flip(call(url, source))
        assert.strictEqual(error._tag, "InvalidUrl")
      }
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live(
    "a file that vanishes between its header and its bytes is the image's failure, and is not tried again",
    () =>
      Effect.gen(function* () {
        const server = yield* http(json(uploadAnswer()))
        const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
        const path = join(folder, "panel.png")
        yield* Effect.promise(async () => writeFile(path, await samples.png()))
        const opened = yield* ImageSource.file(path).open()
        yield* Effect.promise(() => rm(path))
        const error = yield* errorOf(
          call(
            server.url,
            { name: "panel.png", open: () => Effect.succeed(opened) },
            { policy: { retry: { delay: "1 millis" } } }
          )
        )
        assert.strictEqual(error._tag, "ImageNotFound")
        assert.strictEqual(server.requests.length, 0)
      }).pipe(Effect.provide(platform), Effect.scoped)
  )
})
