import { createHash } from "node:crypto"
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { NodeFileSystem, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Fiber, FileSystem, Layer, Logger, PlatformError } from "effect"
import { segment } from "effect-segformer"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import * as HubServer from "./HubServer.ts"
import * as support from "./support.ts"

const onnx = readFileSync(support.fixture("blocks.onnx"))
/** Large enough to be broken in the middle; what it holds does not matter. */
const large = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24))

const below = `weights/für B0 (1) ${"n".repeat(140)}.bin`

const files = {
  "config.json": Buffer.from(JSON.stringify(support.config)),
  "preprocessor_config.json": Buffer.from(JSON.stringify(support.preprocessor)),
  "onnx/model.onnx": onnx,
  "onnx/model_large.onnx": large,
  "onnx/model_quantized.onnx": readFileSync(support.fixture("blocks_quantized.onnx")),
  "onnx/model_outside.onnx": readFileSync(support.fixture("form_outside.onnx")),
  "onnx/form_outside.onnx_data": readFileSync(support.fixture("form_outside.onnx_data")),
  "onnx/model_below.onnx": readFileSync(support.fixture("form_outside_below.onnx")),
  [`onnx/${below}`]: readFileSync(support.fixture("form_outside.onnx_data"))
}

const environment = (variables: Readonly<Record<string, string>>) =>
  Layer.mergeAll(
    NodeHttpClient.layerUndici,
    NodeFileSystem.layer,
    ConfigProvider.layer(ConfigProvider.fromEnv({ env: variables })),
    // Each retry is logged as a warning.
    Logger.layer([])
  )

/** A server, an empty cache, and the environment that leads to both. */
const setUp = Effect.gen(function* () {
  const server = yield* HubServer.make(files)
  const cache = yield* folder()
  const variables = { HF_ENDPOINT: `${server.hub.url}/`, SEGFORMER_CACHE: cache }
  const open = (variant = "model", more: Readonly<Record<string, string>> = {}, revision?: string) =>
    ModelSource.hub("owner/model", { revision })
      .open(variant)
      .pipe(Effect.provide(environment({ ...variables, ...more })))
  const asked = (method: string) =>
    [...server.hub.requests, ...server.store.requests].filter((request) => request.method === method).length
  return { ...server, cache, open, asked, variables }
})

/** What there is of a file that is under way. */
const partBytes = (folder: string): number =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".part"))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)

const everything = (folder: string): Array<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)
    .sort()

describe("ModelSource.hub", () => {
  it.live("downloads a model on first use, checks it, and segments with it", () =>
    Effect.gen(function* () {
      const { cache, variables } = yield* setUp
      const model = ModelSource.hub("owner/model")
      yield* Effect.gen(function* () {
        const segmentation = yield* segment(yield* support.source(support.plain(9, 9, 0, 255, 0)))
        assert.strictEqual((yield* segmentation.labelMap).data[0], 2)
      }).pipe(
        Effect.provide(
          SegFormerOnnx.layer({ model, threads: 1 }).pipe(
            Layer.provide([SharpCodec.layer, environment(variables)])
          )
        )
      )
      assert.deepStrictEqual(everything(cache), [
        "config.json",
        "main",
        "model.onnx",
        "preprocessor_config.json"
      ])
    }).pipe(Effect.scoped)
  )

  it.live(
    "asks only for the commit when the model is in the cache, and nobody when the commit is given",
    () =>
      Effect.gen(function* () {
        const { asked, open, store } = yield* setUp
        const first = yield* open()
        assert.strictEqual(first.name, "owner/model")
        assert.deepStrictEqual(readFileSync(first.file), onnx)
        assert.strictEqual(store.requests.length, 1)
        const [heads, gets] = [asked("HEAD"), asked("GET")]
        assert.deepStrictEqual(yield* open(), first)
        assert.deepStrictEqual([asked("HEAD"), asked("GET")], [heads + 1, gets])
        assert.deepStrictEqual((yield* open("model", {}, HubServer.commit)).file, first.file)
        assert.deepStrictEqual([asked("HEAD"), asked("GET")], [heads + 1, gets])
      }).pipe(Effect.scoped)
  )

  it.live(
    "fetches the files that hold a model's weights, checks for them in the cache, and segments with both",
    () =>
      Effect.gen(function* () {
        const { asked, cache, open, variables } = yield* setUp
        const model = ModelSource.hub("owner/model")
        yield* Effect.gen(function* () {
          const segmentation = yield* segment(yield* support.source(support.plain(9, 9, 0, 255, 0)))
          assert.strictEqual((yield* segmentation.labelMap).data[0], 2)
        }).pipe(
          Effect.provide(
            SegFormerOnnx.layer({ model, variant: "outside", threads: 1 }).pipe(
              Layer.provide([SharpCodec.layer, environment(variables)])
            )
          )
        )
        const weights = readdirSync(cache, { recursive: true, encoding: "utf8" }).find((name) =>
          name.endsWith("_data")
        )
        assert.match(weights ?? "", /onnx.form_outside\.onnx_data$/)
        const gets = asked("GET")
        yield* open("outside")
        assert.strictEqual(asked("GET"), gets)
        rmSync(join(cache, weights!))
        yield* open("outside")
        assert.strictEqual(asked("GET"), gets + 1)
      }).pipe(Effect.scoped)
  )

  it.live("fetches weights from a folder below, by whatever name it has there", () =>
    Effect.gen(function* () {
      const { open } = yield* setUp
      const model = yield* open("below")
      const weights = readFileSync(join(dirname(model.file), below))
      assert.deepStrictEqual(weights, files["onnx/form_outside.onnx_data"])
    }).pipe(Effect.scoped)
  )

  it.live("asks for a precision by each name that it goes by, and says which it asked for", () =>
    Effect.gen(function* () {
      const { open } = yield* setUp
      assert.match((yield* open("int8")).file, /model_quantized\.onnx$/)
      const { message } = yield* Effect.flip(open("q4"))
      assert.include(message, "onnx/model_q4.onnx")
    }).pipe(Effect.scoped)
  )

  it.live("takes up a broken download where it ended, and checks the whole", () =>
    Effect.gen(function* () {
      const { faults, store } = yield* Effect.gen(function* () {
        const all = yield* setUp
        all.faults.breaks = 2
        all.faults.breakAfter = 100_000
        const { file } = yield* ModelSource.hub("owner/model")
          .open("large")
          .pipe(Effect.provide(environment(all.variables)))
        assert.deepStrictEqual(readFileSync(file), large)
        assert.notInclude(everything(all.cache).join(), ".part")
        return all
      })
      assert.strictEqual(faults.breaks, 0)
      const ranges = store.requests.map(({ headers }) => headers["range"])
      assert.strictEqual(ranges.length, 3)
      assert.isUndefined(ranges[0])
      // What had arrived when the connection broke is up to the sockets' buffers, but it was not nothing.
      assert.match(ranges[2] ?? "", /^bytes=[1-9]\d*-$/)
    }).pipe(Effect.scoped)
  )

  it.live("starts over where the store knows no ranges", () =>
    Effect.gen(function* () {
      const { faults, open } = yield* setUp
      faults.breaks = 1
      faults.breakAfter = 50_000
      faults.noRanges = true
      const { file } = yield* open("large")
      assert.deepStrictEqual(readFileSync(file), large)
    }).pipe(Effect.scoped)
  )

  it.live("goes on in another run with what an interrupted one has left", () =>
    Effect.gen(function* () {
      const { cache, faults, open, store } = yield* setUp
      faults.breaks = 1
      faults.breakAfter = 120_000
      const fiber = yield* Effect.forkChild(open("large"))
      yield* eventually(() => partBytes(cache) > 0 && faults.breaks === 0, "part of the model to arrive")
      yield* Fiber.interrupt(fiber)
      assert.notInclude(everything(cache), "model_large.onnx")
      const { file } = yield* open("large")
      assert.deepStrictEqual(readFileSync(file), large)
      assert.match(store.requests.at(-1)?.headers["range"] ?? "", /^bytes=[1-9]\d*-$/)
    }).pipe(Effect.scoped)
  )

  it.live("keeps nothing of a file whose digest is wrong", () =>
    Effect.gen(function* () {
      const { cache, faults, open } = yield* setUp
      faults.digest = createHash("sha256").update("something else").digest("hex")
      const error = yield* Effect.flip(open())
      assert.strictEqual(error._tag, "ModelNotLoadable")
      assert.include(error.message, "digest")
      assert.notInclude(everything(cache).join(), "model.onnx")
    }).pipe(Effect.scoped)
  )

  it.live("does not trust a part that went bad on disk", () =>
    Effect.gen(function* () {
      const { cache, open } = yield* setUp
      const digest = createHash("sha256").update(large).digest("hex")
      const { file } = yield* open()
      const part = join(file, `../model_large.onnx.${digest.slice(0, 16)}.part`)
      writeFileSync(part, Buffer.alloc(1000))
      const found = yield* open("large")
      assert.deepStrictEqual(readFileSync(found.file), large)
      assert.notInclude(everything(cache).join(), ".part")
    }).pipe(Effect.scoped)
  )

  it.live("leaves a part alone that a process of another machine is at", () =>
    Effect.gen(function* () {
      const { cache, open } = yield* setUp
      const digest = createHash("sha256").update(large).digest("hex")
      const { file } = yield* open()
      const part = join(file, `../model_large.onnx.${digest.slice(0, 16)}.part`)
      writeFileSync(part, "theirs")
      writeFileSync(`${part}.lock`, JSON.stringify({ pid: 1, host: "elsewhere", started: "" }))
      const found = yield* open("large")
      assert.deepStrictEqual(readFileSync(found.file), large)
      assert.strictEqual(readFileSync(part, "utf8"), "theirs")
      assert.lengthOf(
        everything(cache).filter((name) => name.includes(".part")),
        2
      )
    }).pipe(Effect.scoped)
  )

  it.live("leaves a part or a lock alone that another user has left", () =>
    Effect.gen(function* () {
      const { cache, variables } = yield* setUp
      const fs = yield* FileSystem.FileSystem
      const digest = createHash("sha256").update(large).digest("hex")
      const theirs = (path: string) =>
        path.endsWith(`${digest.slice(0, 16)}.part`) || path.endsWith(".part.lock")
      const denied = PlatformError.systemError({
        _tag: "PermissionDenied",
        module: "FileSystem",
        method: "open",
        description: "EACCES: permission denied"
      })
      const guarded: FileSystem.FileSystem = {
        ...fs,
        access: (path, options) => (theirs(path) ? Effect.fail(denied) : fs.access(path, options)),
        open: (path, options) => (theirs(path) ? Effect.fail(denied) : fs.open(path, options)),
        link: (from, to) => (theirs(to) ? Effect.fail(denied) : fs.link(from, to)),
        writeFileString: (path, text, options) =>
          theirs(path) ? Effect.fail(denied) : fs.writeFileString(path, text, options)
      }
      const { file } = yield* ModelSource.hub("owner/model")
        .open("large")
        .pipe(Effect.provideService(FileSystem.FileSystem, guarded), Effect.provide(environment(variables)))
      assert.deepStrictEqual(readFileSync(file), large)
      assert.notInclude(everything(cache).join(), ".part")
    }).pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))
  )

  it.live("sends the token to the Hub and to nobody else", () =>
    Effect.gen(function* () {
      const { faults, hub, open, store } = yield* setUp
      faults.token = "hf_secret"
      const refused = yield* Effect.flip(open())
      assert.strictEqual(refused._tag, "ModelNotLoadable")
      assert.include(refused.message, "HF_TOKEN")
      const wrong = yield* Effect.flip(open("model", { HF_TOKEN: "hf_wrong" }))
      assert.notInclude(wrong.message, "hf_wrong")
      yield* open("model", { HF_TOKEN: "hf_secret" })
      assert.strictEqual(hub.requests.at(-1)?.headers["authorization"], "Bearer hf_secret")
      assert.strictEqual(store.requests.length, 1)
      assert.isUndefined(store.requests[0]?.headers["authorization"])
    }).pipe(Effect.scoped)
  )

  it.live("works offline from the cache, asking nobody, and says what is missing otherwise", () =>
    Effect.gen(function* () {
      const { asked, open } = yield* setUp
      const error = yield* Effect.flip(open("model", { HF_HUB_OFFLINE: "1" }))
      assert.include(error.message, "HF_HUB_OFFLINE")
      assert.deepStrictEqual([asked("HEAD"), asked("GET")], [0, 0])
      const online = yield* open()
      const before = asked("HEAD")
      assert.deepStrictEqual(yield* open("model", { HF_HUB_OFFLINE: "1" }), online)
      assert.strictEqual(asked("HEAD"), before)
      // The Hub is away, which the cache need not mind.
      assert.deepStrictEqual(yield* open("model", { HF_ENDPOINT: "http://127.0.0.1:9" }), online)
    }).pipe(Effect.scoped)
  )

  it.live("downloads the same model for two at once without mixing them up", () =>
    Effect.gen(function* () {
      const { cache, open } = yield* setUp
      const found = yield* Effect.all([open("large"), open("large"), open("large")], { concurrency: 3 })
      for (const { file } of found) assert.deepStrictEqual(readFileSync(file), large)
      const left = everything(cache).filter((name) => name.includes("part"))
      assert.deepStrictEqual(left, [])
    }).pipe(Effect.scoped)
  )

  it.live(
    "names the file or the model that is not there, and takes no name that leads out of the cache",
    () =>
      Effect.gen(function* () {
        const { open, variables } = yield* setUp
        const error = yield* Effect.flip(open("fp16"))
        assert.include(error.message, "onnx/model_fp16.onnx")
        for (const id of ["../../etc", "a/../b", "model", "a/b/c", "a/b?x"]) {
          const refused = yield* Effect.flip(
            ModelSource.hub(id)
              .open("model")
              .pipe(Effect.provide(environment(variables)))
          )
          assert.include(refused.message, "OWNER/NAME", id)
        }
      }).pipe(Effect.scoped)
  )
})
