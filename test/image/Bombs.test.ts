/**
 * Small files that would take gigabytes: refused by every way in, before a pixel is decoded. That is seen by the count of
 * pixels that decoders were asked for, and by the memory of this process.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { NodeHttpClient } from "@effect/platform-node"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric, References, Stream } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import {
  BentoML,
  Cog,
  HuggingFace,
  Inspection,
  Replicate,
  Roboflow,
  SegFormerHttp,
  TfServing,
  TorchServe
} from "effect-segformer/http"
import { ImageCodec, ImageFormat } from "effect-segformer/image"
import { Dialects, SegFormerServer } from "effect-segformer/server"
import { SharpCodec } from "effect-segformer/sharp"
import { LargeImage } from "effect-segformer/tiled"
import { Fixtures } from "effect-segformer/testing"
import * as SharpInput from "../../src/image/SharpInput.ts"
import { run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import * as Warm from "../support/Warm.ts"
import * as bombs from "./bombs.ts"

const decoded = Effect.map(Metric.value(SharpInput.pixels), ({ count }) => Number(count))

const MOST = 64 * 2 ** 20

/** The most memory that this process has held, in bytes; 0 where a system does not say. */
const peak = (): number =>
  existsSync("/proc/self/status")
    ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) * 1024
    : 0

/** What is done with bombs costs no pixel and little memory. */
const costsNothing = Effect.fnUntraced(function* <E, R>(what: string, work: Effect.Effect<unknown, E, R>) {
  const [before, held] = [yield* decoded, peak()]
  yield* work
  assert.strictEqual((yield* decoded) - before, 0, `pixels decoded by ${what}`)
  assert.isBelow(peak() - held, MOST, `bytes held by ${what}`)
})

/** An image that is said to be small, whatever its bytes are. */
const disguised = (name: string, bytes: Uint8Array) => {
  const format = ImageFormat.ofName(name) ?? "png"
  const own = ImageSource.bytes(Fixtures.image, { name: "small.png" }).open()
  return Effect.map(own, (image) => ({
    ...image,
    name,
    format,
    mediaType: ImageFormat.table[format].mediaType,
    size: bytes.length,
    bytes: Effect.succeed(bytes),
    stream: Stream.succeed(bytes)
  }))
}

describe("a small file that would take gigabytes", () => {
  it.live("is refused by the codec and by tiles", () =>
    Effect.gen(function* () {
      const codec = yield* ImageCodec
      yield* codec.decode(yield* ImageSource.bytes(Fixtures.image).open())
      const files = yield* Effect.promise(bombs.all)
      const root = yield* folder(files)
      for (const [name, bytes] of Object.entries(files)) {
        yield* costsNothing(name, Effect.flip(ImageSource.bytes(bytes).open()))
        yield* costsNothing(
          `tiles of ${name}`,
          Effect.flip(
            Effect.scoped(LargeImage.file(join(root, name), { limits: { maxPixels: 100_000_000 } }))
          )
        )
        // Where the header is believed to be another, the decoder itself knows better.
        const image = yield* disguised(name, bytes)
        const error = yield* Effect.flip(codec.decode(image))
        assert.notStrictEqual(error._tag, "DependencyMissing", name)
        yield* costsNothing(`a disguised ${name}`, Effect.flip(codec.decode(image)))
      }
    }).pipe(Effect.scoped, Effect.provide([SharpCodec.layer, NodeFileSystem.layer]))
  )

  it.live("is refused by segment, batch and tile, and the next image goes well", () =>
    Effect.gen(function* () {
      const files = yield* Effect.promise(bombs.all)
      const cwd = yield* folder({ ...files, "good.png": Fixtures.image })
      const count = Object.keys(files).length
      for (const args of [
        ["segment", "."],
        ["batch", ".", "--out", "done"]
      ]) {
        // What is loaded for any image is no part of what a bomb costs.
        const warm = yield* folder({ "good.png": Fixtures.image })
        assert.strictEqual((yield* run([...args, "--json"], { cwd: warm })).code, 0)
        const [before, held] = [yield* decoded, peak()]
        const { code, stderr, stdout } = yield* run([...args, "--json"], { cwd })
        assert.isBelow(peak() - held, MOST, `bytes held by ${args[0]}`)
        assert.strictEqual(code, 1, stderr)
        const errors = stdout.split("\n").filter((line) => line.includes('"error"'))
        assert.strictEqual(errors.length, count, stdout)
        assert.isAtMost(
          (yield* decoded) - before,
          3 * 48 * 32,
          "no more than the good one, for the model and an overlay"
        )
      }
      // Streamed pictures may be so large there; those that are held as a whole, and those that say two things, may not.
      for (const name of Object.keys(files).filter((file) => !/^(huge\.png|plain|stray|hidden)/.test(file))) {
        const tiled = run(["tile", name, "--out", "x.png"], { cwd })
        yield* costsNothing(
          `tile ${name}`,
          Effect.map(tiled, ({ code }) => assert.strictEqual(code, 1, name))
        )
      }
    }).pipe(Effect.scoped)
  )

  it.live("is refused by a server in every protocol", () =>
    Effect.gen(function* () {
      const { classes } = yield* (yield* Transport).describe
      const dialects = yield* Dialects.load(Dialects.names)
      const server = yield* SegFormerServer.make({ port: 0, page: false, dialects })
      const protocols = {
        inspection: Inspection.make(),
        huggingface: HuggingFace.make({ classes }),
        roboflow: Roboflow.make({ modelId: "segformer/3" }),
        tfserving: TfServing.make({ model: "segformer", classes }),
        torchserve: TorchServe.make({ model: "segformer" }),
        bentoml: BentoML.protocol,
        cog: Cog.make({ classes }),
        replicate: Replicate.make({ version: "segformer", classes, wait: "30 seconds" })
      }
      const files = yield* Effect.promise(bombs.all)
      const small = yield* ImageSource.bytes(Fixtures.image, { name: "small.png" }).open()
      for (const [name, protocol] of Object.entries(protocols)) {
        const client = SegFormerHttp.layer({
          baseUrl: server.url,
          protocol,
          policy: { retry: false, breaker: false }
        })
        const layer = Layer.provide(client, NodeHttpClient.layerUndici)
        yield* Effect.provide(segment(small), layer)
        for (const [file, bytes] of Object.entries(files)) {
          const image = yield* disguised(file, bytes)
          yield* costsNothing(`${name} of ${file}`, Effect.flip(Effect.provide(segment(image), layer)))
        }
      }
      const post = (path: string, body: string) =>
        Effect.promise(async () => {
          const headers = { "content-type": "application/json" }
          const response = await fetch(server.url + path, { method: "POST", headers, body })
          return { status: response.status, text: await response.text() }
        })
      for (const { body, path } of Object.values(bombs.json(Fixtures.image))) {
        const { status, text } = yield* post(path, body)
        assert.strictEqual(status, 200, text.slice(0, 300))
      }
      for (const [file, bytes] of Object.entries(files)) {
        for (const [name, { body, path }] of Object.entries(bombs.json(bytes))) {
          yield* costsNothing(
            `${name} of ${file}`,
            Effect.map(post(path, body), ({ status, text }) =>
              assert.isTrue(
                status >= 400 && status < 500,
                `${status}, ${name} of ${file}: ${text.slice(0, 300)}`
              )
            )
          )
        }
      }
      for (const [file, body] of Object.entries(files)) {
        yield* costsNothing(
          `/v1 of ${file}`,
          Effect.promise(async () => {
            const response = await fetch(`${server.url}/v1/segment`, {
              method: "POST",
              headers: { "content-type": "application/octet-stream" },
              body: new Uint8Array(body)
            })
            assert.isAtLeast(response.status, 400, file)
            await response.arrayBuffer()
          })
        )
      }
    }).pipe(
      Effect.scoped,
      Effect.provideService(References.MinimumLogLevel, "None"),
      Effect.provide([Warm.model, NodeFileSystem.layer])
    )
  )
})
