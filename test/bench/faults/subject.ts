/** One subject of the `faults` benchmark, in a process of its own: one call, however it ends, and what it took. */
import { once } from "node:events"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { peakMemory } from "../../support/PeakMemory.ts"

const [subject = "", baseUrl = "", mode = "plain"] = process.argv.slice(2)

const require = createRequire(new URL("../package.json", import.meta.url))
/** A peer, from this folder's own package.json; each has the type that is used of it here. */
const peer = async (name: string) => await import(pathToFileURL(require.resolve(name)).href)

const isStall = mode === "stall"
const inputs = new Blob([new Uint8Array(1000)], { type: "image/png" })

interface HuggingFace {
  readonly imageSegmentation: (options: object) => Promise<unknown>
}
interface OpenAi {
  readonly default: new (options: object) => {
    post(path: string, options: object): Promise<unknown>
  }
}
interface Replicate {
  readonly default: new (options: object) => {
    readonly predictions: { create(options: object): Promise<unknown> }
  }
}
interface PRetry {
  readonly default: (run: () => Promise<unknown>, options: object) => Promise<unknown>
}

const subjects: Record<string, () => Promise<() => Promise<unknown>>> = {
  huggingface: async () => {
    const { imageSegmentation }: HuggingFace = await peer("@huggingface/inference")
    return () => imageSegmentation({ endpointUrl: `${baseUrl}/predict`, accessToken: "hf_none", inputs })
  },
  openai: async () => {
    const { default: OpenAi }: OpenAi = await peer("openai")
    const client = new OpenAi({
      baseURL: baseUrl,
      apiKey: "sk-none",
      ...(isStall ? { timeout: 2000, maxRetries: 0 } : {})
    })
    return async () => await client.post("/segment", { body: { image: "" } })
  },
  replicate: async () => {
    const { default: Replicate }: Replicate = await peer("replicate")
    const client = new Replicate({ auth: "r8_none", baseUrl })
    return () => client.predictions.create({ version: "0", input: { image: "" } })
  },
  "fetch with p-retry": async () => {
    const { default: pRetry }: PRetry = await peer("p-retry")
    const attempt = async () => {
      const signal = AbortSignal.timeout(isStall ? 2000 : 30_000)
      const response = await fetch(`${baseUrl}/segment`, { method: "POST", body: inputs, signal })
      if (!response.ok) throw new Error(`status ${response.status}`)
      return await response.json()
    }
    return () => pRetry(attempt, { retries: isStall ? 0 : 3 })
  },
  "effect-segformer": async () => {
    const { Effect, Layer, Logger, ManagedRuntime } = await import("effect")
    const NodeHttpClient = await import("@effect/platform-node/NodeHttpClient")
    const { ImageSource, segment } = await import("../../../src/index.ts")
    const { SegFormerHttp } = await import("../../../src/http/index.ts")
    const { Fixtures } = await import("../../../src/testing/index.ts")
    const runtime = ManagedRuntime.make(
      SegFormerHttp.layer({
        baseUrl,
        limits: mode === "bomb" ? { maxDecodedBytes: 16 * 1024 * 1024 } : {},
        policy: isStall
          ? { attemptTimeout: "2 seconds", retry: false }
          : mode === "unless-sent"
            ? { resend: "unless-sent" }
            : {}
      }).pipe(Layer.provide(NodeHttpClient.layerUndici), Layer.provideMerge(Logger.layer([])))
    )
    const call = segment(ImageSource.bytes(Fixtures.image, { name: "a.png" }))
    await runtime.runPromise(Effect.void)
    return () => runtime.runPromise(call)
  }
}

const call = await subjects[subject]!()
process.send?.("ready")
await once(process, "message")
globalThis.gc?.()
const start = process.memoryUsage().rss
const peakBefore = peakMemory()
let sampled = start
const sampler = setInterval(() => (sampled = Math.max(sampled, process.memoryUsage().rss)), 5)
const started = performance.now()
// However it ends: what counts is what it did on the way.
await call().catch(() => {})
const millis = performance.now() - started
clearInterval(sampler)
const peak = peakMemory()
process.send?.({ millis, memory: Math.max(0, (peak > peakBefore ? peak : sampled) - start) })
