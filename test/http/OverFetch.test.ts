/** The same over `fetch`, where files travel and break in other ways. */
import { rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Logger } from "effect"
import { FetchHttpClient } from "effect/http"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import * as samples from "../image/samples.ts"
import { eventually } from "../support/Eventually.ts"
import { tcp } from "../support/TestServer.ts"
import * as InspectionServer from "./servers/InspectionServer.ts"

const platform = Layer.mergeAll(FetchHttpClient.layer, NodeFileSystem.layer, Logger.layer([]))
const policy = { retry: { delay: "1 millis" } } as const

const file = Effect.gen(function* () {
  const path = join(yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped(), "panel.png")
  const bytes = yield* Effect.promise(() => samples.largePng(400, 300))
  yield* Effect.promise(() => writeFile(path, bytes))
  return { path, bytes }
})

describe("SegFormerHttp over fetch", () => {
  it.live.each(["", "/", "?site=3"])("an image in memory, at a base URL that ends in %j", (suffix) =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const url = server.url + suffix
      const segmentation = yield* segment(ImageSource.bytes(Fixtures.image, { name: "panel.png" })).pipe(
        Effect.provide(SegFormerHttp.layer({ baseUrl: url, policy: { retry: false } })),
        // The stand-in knows no query, and answers 404: what was asked is what counts here.
        Effect.option
      )
      assert.strictEqual(server.requests[0]?.path, suffix.startsWith("?") ? `/upload${suffix}` : "/upload")
      assert.strictEqual(segmentation._tag, suffix.startsWith("?") ? "None" : "Some")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a file arrives whole, with its name and type", () =>
    Effect.gen(function* () {
      const { bytes, path } = yield* file
      const server = yield* InspectionServer.make
      yield* segment(ImageSource.file(path)).pipe(
        Effect.provide(SegFormerHttp.layer({ baseUrl: server.url, policy }))
      )
      const [upload] = server.uploads
      assert.match(upload?.name ?? "", /^panel-[0-9a-f]{16}\.png$/)
      assert.strictEqual(upload?.type, "image/png")
      assert.deepStrictEqual(Buffer.from(upload?.bytes ?? []), bytes)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a file that vanishes is the image's failure, and is not tried again", () =>
    Effect.gen(function* () {
      const { path } = yield* file
      const server = yield* InspectionServer.make
      const opened = yield* ImageSource.file(path).open()
      yield* Effect.promise(() => rm(path))
      const error = yield* segment(opened).pipe(
        Effect.provide(SegFormerHttp.layer({ baseUrl: server.url, policy })),
        Effect.flip
      )
      assert.strictEqual(error._tag, "ImageNotFound")
      assert.strictEqual(server.uploads.length, 0)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("an upload that stalls ends with its attempt, and its connection is closed", () =>
    Effect.gen(function* () {
      const { path } = yield* file
      const server = yield* tcp((socket) => void socket.pause())
      const error = yield* segment(ImageSource.file(path)).pipe(
        Effect.provide(
          SegFormerHttp.layer({ baseUrl: server.url, policy: { attemptTimeout: "150 millis", retry: false } })
        ),
        Effect.flip
      )
      assert.strictEqual(error._tag, "TimedOut")
      for (const socket of server.sockets) socket.resume()
      yield* eventually(() => server.sockets.size === 0)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )
})
