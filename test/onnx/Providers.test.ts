/** By what a model runs: providers of a binary that is played here, and those of the real one. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import { Fixtures } from "effect-segformer/testing"
import type { InferenceSession } from "onnxruntime-common"
import type { Provider } from "../../src/onnx/native/Provider.ts"
import * as Providers from "../../src/onnx/native/Providers.ts"
import type { Graph } from "../../src/onnx/session/Graph.ts"
import * as support from "./support.ts"

/** What a provider does: how long it takes, and what is wrong with it. */
interface Played {
  readonly milliseconds?: number
  readonly fails?: string
  readonly lies?: boolean
}

const choose = (provider: Provider, played: Readonly<Record<string, Played>>) => {
  let time = 0
  const released: Array<string> = []
  const sessions = new Map<InferenceSession, string>()
  return Providers.choose(provider, {
    supported: Object.keys(played).map((name) => ({ name })),
    machine: "linux x64",
    now: () => time,
    create: async (backend) => {
      const fails = played[backend]?.fails
      if (fails !== undefined) throw new Error(fails)
      // Nothing of it is called but by what `graphOf` makes of it.
      const session: InferenceSession = Object.create(null)
      sessions.set(session, backend)
      return session
    },
    graphOf: (session): Graph => {
      const backend = sessions.get(session)!
      const { lies = false, milliseconds = 80 } = played[backend] ?? {}
      return {
        height: 32,
        width: 32,
        run: async (input) => {
          time += milliseconds
          const data = input.slice(0, 3 * 32 * 32)
          return {
            data: lies ? data.toReversed() : data,
            dims: [1, 3, 32, 32],
            kind: "float32",
            dispose: () => {}
          }
        },
        release: async () => void released.push(backend)
      }
    }
  }).then(({ reason }) => ({ reason, released }))
}

const refusal = (provider: Provider, played: Readonly<Record<string, Played>>) =>
  choose(provider, played).then(
    () => "taken",
    (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))
  )

describe("the provider of a model", () => {
  it("is the processor, without a word", async () => {
    assert.deepStrictEqual(await choose("cpu", { cpu: {} }), { reason: undefined, released: [] })
  })

  it("that is asked for by name is taken", async () => {
    assert.strictEqual((await choose("cuda", { cpu: {}, cuda: {} })).reason, "cuda")
    assert.strictEqual((await choose("directml", { cpu: {}, dml: {} })).reason, "directml")
  })

  it("that the binary does not hold is refused, with those that it holds", async () => {
    const why = await refusal("coreml", { cpu: {}, dml: {} })
    assert.include(why, "onnxruntime-node for linux x64 does not hold the execution provider coreml")
    assert.include(why, "cpu, directml")
  })

  it("that cannot be used is refused, with what it needs and without signatures", async () => {
    const fails =
      "/onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:1988 onnxruntime::Provider& onnxruntime::ProviderLibrary::Get() Failed to load library"
    const why = await refusal("cuda", { cpu: {}, cuda: { fails } })
    assert.include(why, "Failed to load library")
    assert.include(why, "CUDA 12 and cuDNN 9")
    assert.notMatch(why, /::|\.cc/)
  })

  it("is the accelerator by `auto` where that is right and faster", async () => {
    const { reason, released } = await choose("auto", { cpu: {}, cuda: { milliseconds: 5 } })
    assert.strictEqual(reason, "cuda: the same labels, 5 ms a picture, where the processor takes 80 ms")
    assert.deepStrictEqual(released, ["cpu"])
  })

  it("is the processor by `auto` where the accelerator is wrong, slow or broken, and says so once for each", async () => {
    const { reason, released } = await choose("auto", {
      cpu: {},
      cuda: { milliseconds: 5, lies: true },
      coreml: { milliseconds: 500 },
      dml: { fails: "no adapter" }
    })
    assert.match(reason ?? "", /the processor and not cuda: .*labels are wrong/)
    assert.include(reason, "the processor and not coreml: it takes 500 ms")
    assert.include(reason, "the processor and not directml: no adapter")
    assert.deepStrictEqual(released, ["cuda", "cpu", "coreml", "cpu", "cpu"])
  })

  it("is WebGPU only where its labels are right, though it is asked for", async () => {
    const { reason } = await choose("webgpu", { cpu: {}, webgpu: { milliseconds: 5, lies: true } })
    assert.match(reason ?? "", /the processor and not webgpu: .*labels are wrong/)
  })
})

const run = (options: SegFormerOnnx.SegFormerOnnxOptions, env: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const segmentation = yield* segment(ImageSource.bytes(Fixtures.image))
    const transport = yield* Transport
    return { map: yield* segmentation.labelMap, health: yield* transport.health }
  }).pipe(
    Effect.provide(SegFormerOnnx.layer({ threads: 1, ...options }).pipe(Layer.provide(SharpCodec.layer))),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
  )

describe("the binary of this machine", () => {
  it.live("says what it lacks for an accelerator that is not here, and `auto` goes on without", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run({ provider: "directml" }))
      assert.strictEqual(error._tag, "ModelNotLoadable")
      assert.include(error.message, "does not hold the execution provider directml")
      const plain = yield* run({})
      const { health, map } = yield* run({}, { SEGFORMER_PROVIDER: "auto" })
      assert.deepStrictEqual(map, plain.map)
      assert.match(health.detail ?? "", /1 of 1 sessions ready; .+/)
      const wrong = yield* Effect.flip(run({}, { SEGFORMER_PROVIDER: "gpu" }))
      assert.include(wrong.message, "SEGFORMER_PROVIDER must be one of cpu, cuda")
    })
  )

  it.live("writes the graph that it has rewritten, which is a model that gives the same", () =>
    Effect.gen(function* () {
      const path = yield* support.modelFolder({ "model.onnx": "blocks.onnx" })
      const optimizedModel = join(path, "onnx", "model_optimized.onnx")
      const model = ModelSource.folder(path)
      const first = yield* run({ model, optimizedModel, memoryArena: false })
      assert.isTrue(existsSync(optimizedModel))
      const second = yield* run({ model, variant: "optimized", graphOptimization: "disabled" })
      assert.deepStrictEqual(second.map, first.map)
    }).pipe(Effect.scoped)
  )
})
