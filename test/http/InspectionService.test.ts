import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Result } from "effect"
import { ImageSource } from "effect-segformer"
import * as samples from "../image/samples.ts"
import { http, sendJson, tcp, type TestServer } from "../support/TestServer.ts"
import * as InspectionServer from "./servers/InspectionServer.ts"
import { platform, connect, image, tagOf } from "./inspections.ts"

setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")

/** Bytes in buffers that are still in use. */
const held = () => {
  if (typeof collect === "function") collect()
  return process.memoryUsage().arrayBuffers
}

describe("InspectionService: uploads", () => {
  it.live("one image becomes pictures and regions", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const service = yield* connect(server)
      const prediction = yield* service.upload(image("panel.png"))
      assert.strictEqual(prediction._tag, "Rendered")
      assert.deepStrictEqual(
        prediction.regions?.map(({ area, box, className }) => [className, area, box.width]),
        [["1_PI_Particle", 24, 6]]
      )
      assert.deepStrictEqual(
        prediction.classes.map(({ id, name }) => [id, name]),
        [
          [1, "1_PI_Particle"],
          [2, "2_Scratch"]
        ]
      )
      assert.deepStrictEqual(Object.keys(prediction.pictures ?? {}).toSorted(), [
        "combined",
        "mask",
        "overlay"
      ])
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("many images in one request each have their own result; those that failed say why", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const service = yield* connect(server)
      const batch = yield* service.uploadBatch([image("a.png"), image("bad.png"), image("c.png")])
      assert.deepInclude(batch, { batchId: "b1", processed: 2, failed: 1 })
      assert.deepStrictEqual(
        batch.items.map(({ fileName, result }) => [
          fileName,
          Result.match(result, { onSuccess: ({ _tag }) => _tag, onFailure: (error) => error.detail })
        ]),
        [
          ["a.png", "Rendered"],
          ["bad.png", "cannot identify image file"],
          ["c.png", "Rendered"]
        ]
      )
      assert.strictEqual(server.requests.length, 1)
      assert.deepStrictEqual(
        server.uploads.map(({ name, part, type }) => [part, name.replace(/-[0-9a-f]{16}/, ""), type]),
        ["a.png", "bad.png", "c.png"].map((name) => ["images", name, "image/png"])
      )
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a batch that is wrong names the field, and one that failed whole says why", () =>
    Effect.gen(function* () {
      const answers = [
        {
          success: true,
          total_images: 1,
          processed: 1,
          failed: 0,
          batch_id: "b",
          results: [{ success: true }]
        },
        {
          success: true,
          total_images: 1,
          processed: 1,
          failed: 0,
          batch_id: "b",
          results: [InspectionServer.uploadAnswer({ mask_image: "???" })]
        },
        { success: false, error: "disk full" }
      ]
      const server: TestServer = yield* http((_, response) =>
        sendJson(response, answers[server.requests.length - 1])
      )
      const service = yield* connect(server)
      const send = () => service.uploadBatch([image("a.png")])
      // What cannot be read of one image costs none of the others.
      const one = yield* send()
      const failure = one.items.flatMap(({ result }) => (Result.isFailure(result) ? result.failure : []))[0]
      assert.strictEqual(failure?._tag, "ResponseNotDecodable")
      assert.include(failure?.message, "results.0.analysis_results")
      const other = yield* send()
      assert.deepInclude(other, { processed: 1, failed: 0 })
      const whole = yield* Effect.flip(send())
      assert.strictEqual(whole._tag, "ReportedFailure")
      assert.include(whole.message, "disk full")
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a file is streamed from disk with its real type, name and length, in little memory", () =>
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const path = join(folder, 'left "1" ä.dat')
      const file = samples.bmp(4096, 3800)
      yield* Effect.promise(() => writeFile(path, file))
      let length = ""
      let received = 0
      let head = ""
      let most = Number.NEGATIVE_INFINITY
      // It reads slowly and keeps nothing, as a large upload to a busy service goes.
      const server: TestServer = yield* tcp((socket, first) => {
        head = first.toString("latin1")
        length = /content-length: (\d+)/i.exec(head)?.[1] ?? ""
        received = first.length - head.indexOf("\r\n\r\n") - 4
        const answer = JSON.stringify(InspectionServer.uploadAnswer())
        const before = held()
        let next = 8_000_000
        socket.on("data", (chunk: Buffer) => {
          received += chunk.length
          if (received > next) {
            next += 8_000_000
            most = Math.max(most, held() - before)
          }
          socket.pause()
          setTimeout(() => socket.resume(), 0)
          if (received === Number(length)) {
            socket.end(
              `HTTP/1.1 200 OK\r\ncontent-length: ${answer.length}\r\nconnection: close\r\n\r\n${answer}`
            )
          }
        })
      })
      // However long it takes on a busy machine: an attempt that is given up would be counted with the next.
      const service = yield* connect(server, {
        policy: { retry: false, attemptTimeout: false, breaker: false }
      })
      yield* service.upload(ImageSource.file(path))
      assert.isAbove(Number(length), file.length)
      assert.strictEqual(received, Number(length))
      assert.notMatch(head, /transfer-encoding/i)
      // 47 MB of file, of which both ends of the socket hold some chunks.
      assert.isTrue(Number.isFinite(most))
      assert.isBelow(most / file.length, 0.6)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("the parts of a streamed form are those of the file", () =>
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const bytes = yield* Effect.promise(() => samples.jpeg())
      const path = join(folder, "Ansicht ä 漢.png")
      yield* Effect.promise(() => writeFile(path, bytes))
      const server = yield* InspectionServer.make
      yield* (yield* connect(server)).upload(ImageSource.file(path))
      const [upload] = server.uploads
      assert.match(upload?.name ?? "", /^Ansicht_png-[0-9a-f]{16}\.jpg$/)
      assert.strictEqual(upload?.type, "image/jpeg")
      assert.deepStrictEqual(Buffer.from(upload?.bytes ?? []), bytes)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a file is sent again whole when an attempt is repeated", () =>
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const path = join(folder, "panel.png")
      yield* Effect.promise(async () => writeFile(path, await samples.largePng(300, 300)))
      const server: TestServer = yield* http((_, response) =>
        server.requests.length < 3
          ? sendJson(response, { error: "busy" }, 503)
          : sendJson(response, InspectionServer.uploadAnswer())
      )
      yield* (yield* connect(server)).upload(ImageSource.file(path))
      const lengths = server.requests.map(({ body }) => body.length)
      assert.strictEqual(lengths.length, 3)
      assert.strictEqual(new Set(lengths).size, 1)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("a file of a batch that vanishes fails as that file", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const service = yield* connect(server)
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const error = yield* Effect.flip(service.uploadBatch([ImageSource.file(`${folder}/a.png`)]))
      assert.strictEqual(error._tag, "ImageNotFound")
      assert.strictEqual(server.requests.length, 0)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )

  it.live("limits on images hold before anything is sent", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const service = yield* connect(server, { imageLimits: { maxPixels: 10 } })
      assert.strictEqual(yield* tagOf(service.upload(image("a.png"))), "ImageTooLarge")
      assert.strictEqual(server.requests.length, 0)
    }).pipe(Effect.provide(platform), Effect.scoped)
  )
})
