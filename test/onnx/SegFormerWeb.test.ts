/** The model in WebAssembly, in Node: the same results as by the binary, in workers that end with the scope. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Worker as Thread } from "node:worker_threads"
import { NodeFileSystem, NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, Effect, Fiber, Layer, Logger } from "effect"
import { ImageSource, LabelMap, segment, Transport } from "effect-segformer"
import { PureCodec } from "effect-segformer/image"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SegFormerWeb, WebModel } from "effect-segformer/onnx/web"
import { SharpCodec } from "effect-segformer/sharp"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { serveFiles } from "../support/StaticServer.ts"
import * as Warm from "../support/Warm.ts"
import { begun, long, middling, poolOn, red } from "./pool.ts"
import * as support from "./support.ts"
import * as WebRuntime from "../../src/onnx/web/WebRuntime.ts"

const heldOut = fileURLToPath(new URL("../fixtures/heldout/", import.meta.url))

const anywhere = SegFormerWeb.layer({ threads: 1, confidence: true, uncertainty: true }).pipe(
  Layer.provide(PureCodec.layer())
)

layer(anywhere, { excludeTestServices: true })("the model in WebAssembly", (it) => {
  it.effect("gives the label maps of the binary, pixel for pixel", () =>
    Effect.gen(function* () {
      const names = readdirSync(heldOut).filter((name) => name.endsWith(".jpg"))
      const seen = new Set<number>()
      for (const name of names.slice(0, 4)) {
        const source = ImageSource.file(heldOut + name)
        const here = yield* segment(source)
        const there = yield* Effect.provide(segment(source), Warm.model)
        const found = yield* here.labelMap
        assert.isTrue(LabelMap.equals(found, yield* there.labelMap), name)
        for (const id of LabelMap.histogram(found).keys()) seen.add(id)
        assert.strictEqual(here.confidence?.data.length, found.data.length)
        for (const [id, score] of there.scores) assert.closeTo(here.scores.get(id) ?? 0, score, 1e-3)
      }
      assert.isAtLeast(seen.size, 3)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("says what it is, and how it is", () =>
    Effect.gen(function* () {
      const transport = yield* Transport
      assert.strictEqual(transport.name, "bundled")
      assert.deepStrictEqual(
        (yield* transport.describe).classes.map(({ name }) => name),
        ["background", "particle", "scratch", "stain", "fiber", "pit"]
      )
      assert.deepStrictEqual(yield* transport.health, { healthy: true, detail: "1 of 1 sessions ready" })
    })
  )
})

const failing = (source: ModelSource.ModelSource) =>
  Effect.map(
    Effect.flip(Effect.scoped(SegFormerWeb.make({ model: source, threads: 1 }))),
    ({ message }) => message
  ).pipe(Effect.provide(SharpCodec.layer))

const segmented = (source: ModelSource.ModelSource, picture = support.plain(8, 6, 0, 255, 0)) =>
  Effect.gen(function* () {
    return yield* (yield* segment(yield* support.source(picture))).labelMap
  }).pipe(
    Effect.provide(SegFormerWeb.layer({ model: source, threads: 1 }).pipe(Layer.provide(SharpCodec.layer)))
  )

const json = (value: unknown) => JSON.stringify(value)

describe("SegFormerWeb", () => {
  it.live("takes a folder of this machine, bytes in memory, and a folder of the web alike", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder({ "model.onnx": "blocks.onnx" })
      const fromFolder = yield* segmented(ModelSource.folder(path))
      assert.deepStrictEqual([...LabelMap.histogram(fromFolder).keys()], [2])
      const model = readFileSync(support.fixture("blocks.onnx"))
      const files = { config: json(support.config), preprocessor: json(support.preprocessor) }
      const fromBytes = yield* segmented(WebModel.bytes({ name: "colours", model, ...files }))
      assert.isTrue(LabelMap.equals(fromBytes, fromFolder))
      const origin = yield* serveFiles(path)
      const fetched = WebModel.url(`${origin}/`)
      const opened = yield* fetched.open("model")
      assert.deepStrictEqual(opened.bytes?.length, model.length)
      const fromWeb = yield* segmented({ ...fetched, open: () => Effect.succeed(opened) })
      assert.isTrue(LabelMap.equals(fromWeb, fromFolder))
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  it.live(
    "takes weights of the web from a folder below, by whatever name, with the query of the model's address",
    () =>
      Effect.gen(function* () {
        const name = `für B0 (1) ${"n".repeat(140)}.bin`
        const path = yield* folder({
          "config.json": json(support.config),
          "preprocessor_config.json": json(support.preprocessor),
          "onnx/model.onnx": readFileSync(support.fixture("form_outside_below.onnx")),
          [`onnx/weights/${name}`]: readFileSync(support.fixture("form_outside.onnx_data"))
        })
        const origin = yield* serveFiles(path)
        const model = yield* WebModel.url(`${origin}/?key=a`).open("model")
        const map = yield* segmented({ name: "colours", open: () => Effect.succeed(model) })
        assert.deepStrictEqual([...LabelMap.histogram(map).keys()], [2])
        // As a server answers that has one page for whatever it lacks.
        writeFileSync(join(path, "onnx", "weights", name), "<!doctype html><title>Home</title>".padEnd(4096))
        const page = yield* Effect.flip(WebModel.url(`${origin}/?key=a`).open("model"))
        assert.match(page.message, /has its weights in .* is a page in HTML/)
        rmSync(join(path, "onnx", "weights"), { recursive: true })
        const { message } = yield* Effect.flip(WebModel.url(`${origin}/?key=a`).open("model"))
        assert.include(
          message,
          `weights in weights/${name}, and there is nothing at ${origin}/onnx/weights/f%C3%BCr`
        )
        assert.include(message, ".bin?key=a")
      }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )

  it.live("says what is wrong with a model", () =>
    Effect.gen(function* () {
      const bytes = (text: string) => WebModel.bytes({ name: "mine", model: new TextEncoder().encode(text) })
      assert.match(yield* failing(bytes("no model at all")), /ONNX Runtime does not load it/)
      assert.match(yield* failing(bytes("")), /it is empty/)
      assert.match(yield* failing(bytes("<!DOCTYPE html><p>Sign in")), /it is a page in HTML/)
      const outside = { "a.onnx_data": new Uint8Array() }
      const model = readFileSync(support.fixture("form_outside.onnx"))
      assert.match(
        yield* failing(WebModel.bytes({ name: "mine", model, outside })),
        /it has its weights in a.onnx_data, which is empty/
      )
      assert.match(
        yield* failing(bytes("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")),
        /placeholder of Git LFS/
      )
      const texts = readFileSync(support.fixture("blocks.onnx"))
      assert.match(
        yield* failing(WebModel.bytes({ name: "mine", model: texts, config: "{" })),
        /config.json is no JSON/
      )
      assert.match(
        yield* failing(ModelSource.folder(yield* support.modelFolder({ "model.onnx": "text.onnx" }))),
        /it must take one float32 tensor/
      )
      const origin = yield* serveFiles(yield* folder({ "config.json": "{}" }))
      const nothing = yield* Effect.flip(WebModel.url(`${origin}/models/panels`).open("quantized"))
      assert.match(
        nothing.message,
        /panels: there is nothing at .*\/models\/panels\/onnx\/model_quantized.onnx/
      )
    }).pipe(Effect.provide(NodeHttpClient.layerUndici), Effect.scoped)
  )
})

const webPool = Effect.flatMap(WebRuntime.make(), poolOn)

describe("sessions in workers", () => {
  it.live("let an interrupted call return at once, and replace its session", () =>
    Effect.gen(function* () {
      const sessions = yield* webPool
      const given = yield* Effect.forkChild(sessions.predict(long))
      const behind = yield* Effect.forkChild(sessions.predict(red))
      yield* begun(sessions)
      yield* Fiber.interrupt(given)
      assert.isUndefined(behind.pollUnsafe(), "the call returns though its picture is still in the model")
      const { labelMap } = yield* Fiber.join(behind)
      assert.strictEqual(LabelMap.at(labelMap, 20, 15), 1)
    }).pipe(Effect.scoped)
  )

  it.live("never begin with a picture that nobody waits for", () =>
    Effect.gen(function* () {
      const sessions = yield* webPool
      const first = yield* Effect.forkChild(sessions.predict(middling))
      const second = yield* Effect.forkChild(sessions.predict(long))
      const third = yield* Effect.forkChild(sessions.predict(red))
      yield* begun(sessions)
      // It has been sent, and stands before the model.
      yield* Fiber.interrupt(second)
      yield* Fiber.join(first)
      assert.strictEqual(LabelMap.at((yield* Fiber.join(third)).labelMap, 20, 15), 1)
    }).pipe(Effect.scoped)
  )

  it.live("end with the scope in the middle of a run", () =>
    Effect.gen(function* () {
      const sessions = yield* Effect.scoped(
        Effect.gen(function* () {
          const sessions = yield* webPool
          yield* Effect.forkDetach(Effect.exit(sessions.predict(long)))
          yield* begun(sessions)
          return sessions
        })
      )
      yield* eventually(() => Effect.map(sessions.ready, (count) => count === 0), "the sessions to end")
    })
  )

  it.live("fail where no worker can be made, and say why", () =>
    Effect.gen(function* () {
      const refused = SegFormerWeb.make({
        worker: () => {
          throw new Error("a policy of the page forbids it")
        }
      })
      const error = yield* Effect.flip(Effect.provide(refused, SharpCodec.layer))
      assert.strictEqual(error._tag, "CodeNotLoaded")
      assert.match(error.message, /effect-segformer\/onnx\/web\/worker.*: a policy of the page forbids it/)
    }).pipe(Effect.scoped)
  )

  it.live("run in threads of Node that a program makes, and end with the scope", () =>
    Effect.gen(function* () {
      const threads: Array<Thread> = []
      const worker = () => {
        const thread = new Thread(new URL("../../src/onnx/web/worker.ts", import.meta.url))
        threads.push(thread)
        return thread
      }
      const path = yield* support.modelFolder({ "model.onnx": "blocks.onnx" })
      const model = ModelSource.folder(path)
      const map = yield* Effect.flatMap(support.source(support.plain(8, 6, 0, 255, 0)), (source) =>
        segment(source)
      ).pipe(
        Effect.flatMap(({ labelMap }) => labelMap),
        Effect.provide(
          SegFormerWeb.layer({ model, threads: 1, worker }).pipe(Layer.provide(SharpCodec.layer))
        )
      )
      assert.deepStrictEqual([...LabelMap.histogram(map).keys()], [2])
      assert.deepStrictEqual(
        threads.map(({ threadId }) => threadId),
        [-1, -1]
      )
    }).pipe(Effect.scoped)
  )
})

describe("threads in a page that shares no memory", () => {
  it.effect("are told to be one, where more were asked for", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const worker = () => {
        throw new Error("none here")
      }
      const told = (threads: number) =>
        SegFormerWeb.make({ threads, worker }).pipe(
          Effect.exit,
          Effect.provide([SharpCodec.layer, Logger.layer([logger])]),
          Effect.map(() => lines.splice(0).filter((line) => line.includes("one thread")).length)
        )
      const isolated = Object.getOwnPropertyDescriptor(globalThis, "crossOriginIsolated")
      yield* Effect.addFinalizer(() =>
        Effect.sync(() =>
          isolated === undefined
            ? Reflect.deleteProperty(globalThis, "crossOriginIsolated")
            : Object.defineProperty(globalThis, "crossOriginIsolated", isolated)
        )
      )
      assert.strictEqual(yield* told(2), 0)
      Object.defineProperty(globalThis, "crossOriginIsolated", { value: false, configurable: true })
      assert.deepStrictEqual([yield* told(2), yield* told(1)], [1, 0])
    }).pipe(Effect.scoped)
  )
})

describe("options that cannot be", () => {
  const counts: ReadonlyArray<number> = [0, Number.NaN, -1, 1.5, 10_000, Infinity]
  const each: ReadonlyArray<readonly [unknown, string]> = [
    ...counts.map((threads) => [{ threads }, "threads"] as const),
    ...counts.map((sessions) => [{ sessions }, "sessions"] as const),
    [{ preprocessing: { filter: "area" } }, "preprocessing.filter"],
    [{ preprocessing: { channels: "BGR" } }, "preprocessing.channels"],
    [{ preprocessing: { mean: [0.5] } }, "preprocessing.mean"],
    [{ preprocessing: { std: [1, 1, Number.NaN] } }, "preprocessing.std"]
  ]
  const web: typeof each = ["", "WebGPU", "bogus", "wasm ", "toString"].map((backend) => [
    { backend },
    "backend"
  ])
  const native: typeof each = [
    [{ provider: "gpu" }, "provider"],
    [{ graphOptimization: "most" }, "graphOptimization"]
  ]

  it.effect.each([
    ["SegFormerWeb", SegFormerWeb.make, [...each, ...web]],
    ["SegFormerOnnx", SegFormerOnnx.make, [...each, ...native]]
  ] as const)("are refused by the name of the layer that was called, %s", ([name, make, cases]) =>
    Effect.gen(function* () {
      for (const [options, option] of cases) {
        // As a program without types gives them.
        const exit = yield* Effect.exit(Effect.suspend(() => make(Object.assign({}, options))))
        const cause = exit._tag === "Failure" ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(cause, RangeError, option)
        assert.include(String(cause), `${name}: \`${option}\` must be `)
      }
    }).pipe(Effect.scoped, Effect.provide(SharpCodec.layer))
  )
})
