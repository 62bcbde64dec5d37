/** One subject of the `protocols` benchmark: predictions through one protocol, as many as it is told. */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Layer, ManagedRuntime } from "effect"
import { ImageSource, Transport } from "../../../src/index.ts"
import {
  BentoML,
  Custom,
  HuggingFace,
  Inspection,
  OpenInference,
  type Protocol,
  Roboflow,
  SegFormerHttp,
  TfServing,
  TorchServe
} from "../../../src/http/index.ts"
import type { ImageCodec } from "../../../src/image/index.ts"
import { Palette } from "../../../src/mask/index.ts"
import { SharpCodec } from "../../../src/image/sharp.ts"
import { encode } from "fast-png"

const [subject = "", port] = process.argv.slice(2)
const concurrency = 4

const protocols: Readonly<Record<string, Effect.Effect<Protocol, never, ImageCodec>>> = {
  inspection: Effect.succeed(Inspection.make({ palette: Palette.surface })),
  huggingface: Effect.succeed(HuggingFace.make()),
  roboflow: Effect.succeed(Roboflow.make({ modelId: "m" })),
  tfserving: Effect.succeed(TfServing.make({ model: "m" })),
  torchserve: Effect.succeed(TorchServe.make({ model: "m" })),
  bentoml: Effect.succeed(BentoML.make()),
  custom: Effect.succeed(Custom.make()),
  "openinference (binary)": OpenInference.make({ model: "labels" }),
  "openinference (JSON)": OpenInference.make({ model: "labels", binary: false }),
  "logits (binary)": OpenInference.make({ model: "logits" }),
  "logits (JSON)": OpenInference.make({ model: "logits", binary: false })
}

const runtime = ManagedRuntime.make(
  Layer.unwrap(
    Effect.map(protocols[subject]!, (protocol) =>
      SegFormerHttp.layer({ baseUrl: `http://127.0.0.1:${port}`, protocol, policy: { retry: false } })
    )
  ).pipe(Layer.provide(Layer.merge(NodeHttpClient.layerUndici, SharpCodec.layer)))
)

// A file of 256 KiB: noise, of which a byte a pixel is left by its compression.
const data = new Uint8Array(randomBytes(512 * 512))
const image = Effect.runSync(
  ImageSource.bytes(encode({ width: 512, height: 512, channels: 1, depth: 8, data })).open()
)

const predict = Effect.gen(function* () {
  const transport = yield* Transport
  const { value } = yield* transport.runner.run((attempt) => transport.predict({ image }, attempt))
  if (value._tag === "Rendered") throw new Error("no label map came")
  return value
})

/** What is live in array buffers at most while one prediction is made, above what is live before. */
const peak = async (): Promise<number> => {
  const gc = () => globalThis.gc?.()
  // What earlier calls have left goes in more than one turn: counted as there before, it would hide what is held.
  for (let turn = 0; turn < 5; turn++) {
    gc()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  let done = false
  const look = () => {
    gc()
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    if (!done) setImmediate(look)
  }
  setImmediate(look)
  const held = await runtime.runPromise(predict)
  done = true
  gc()
  most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  return held._tag === "Logits" ? most / held.logits.data.byteLength : most
}

for (;;) {
  const [message] = await once(process, "message")
  if (message === "memory") {
    process.send?.(await peak())
    continue
  }
  const calls = Number(message)
  const cpu = process.cpuUsage()
  const started = performance.now()
  await runtime.runPromise(
    Effect.forEach(Array.from({ length: calls }), () => predict, { concurrency, discard: true })
  )
  const seconds = (performance.now() - started) / 1000
  const { system, user } = process.cpuUsage(cpu)
  process.send?.({ cpuMs: (system + user) / 1000, seconds })
}
