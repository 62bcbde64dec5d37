/** One subject of the `http` benchmark, in a process of its own: it runs so many calls as it is told, 16 at once. */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import type { Layer } from "effect"
import type { HttpClient } from "effect/http"

const [subject, port] = process.argv.slice(2)
const baseUrl = `http://127.0.0.1:${port}`
const concurrency = 16

/** A real image of 256 KiB: its header is read and checked, its pixels are noise. */
const makeImage = async (): Promise<Uint8Array<ArrayBuffer>> => {
  const { encode } = await import("fast-png")
  const data = new Uint8Array(randomBytes(512 * 511))
  return Uint8Array.from(encode({ width: 512, height: 511, channels: 1, depth: 8, data }))
}

type Subject = (calls: number) => Promise<void>

/** So many promises at once, one after the other in each lane. */
const lanes =
  (call: () => Promise<void>): Subject =>
  async (calls) => {
    let left = calls
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (left-- > 0) await call()
      })
    )
  }

interface Masks {
  readonly overlay_image: string
  readonly combined_image: string
  readonly mask_image: string
}

/** This library over a client, as a program would use it. */
const segmentOver = async (
  image: Uint8Array<ArrayBuffer>,
  client: Layer.Layer<HttpClient.HttpClient>
): Promise<Subject> => {
  const { Effect, Layer: Layers, ManagedRuntime } = await import("effect")
  const { ImageSource, segment } = await import("../../../src/index.ts")
  const { SegFormerHttp } = await import("../../../src/http/index.ts")
  const runtime = ManagedRuntime.make(
    SegFormerHttp.layer({ baseUrl, policy: { concurrency } }).pipe(Layers.provide(client))
  )
  const source = ImageSource.bytes(image, { name: "a.png" })
  const call = segment(source).pipe(
    Effect.flatMap((segmentation) =>
      segmentation.pictures.mask === undefined ? Effect.die(new Error("no mask")) : Effect.void
    )
  )
  return (calls) =>
    runtime.runPromise(
      Effect.forEach(Array.from({ length: calls }), () => call, { concurrency, discard: true })
    )
}

const make: Record<string, (image: Uint8Array<ArrayBuffer>) => Promise<Subject>> = {
  // The least that works: the form by hand, and the answer parsed but not checked, nor its pictures decoded.
  "undici by hand": async (image) => {
    const { Agent, request } = await import("./peers.ts").then((peers) => peers.undici())
    const dispatcher = new Agent()
    const boundary = "boundary-of-the-benchmark"
    const before = Buffer.from(
      `--${boundary}\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n`
    )
    const after = Buffer.from(`\r\n--${boundary}--\r\n`)
    return lanes(async () => {
      const response = await request(`${baseUrl}/upload`, {
        method: "POST",
        dispatcher,
        headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
        body: Buffer.concat([before, image, after])
      })
      const answer = JSON.parse(await response.body.text()) as Masks
      if (answer.mask_image.length === 0) throw new Error("no mask")
    })
  },
  // What people write by hand.
  undici: async (image) => {
    const { Agent, FormData, request } = await import("./peers.ts").then((peers) => peers.undici())
    const dispatcher = new Agent()
    return lanes(async () => {
      const form = new FormData()
      form.set("image", new Blob([image], { type: "image/png" }), "a.png")
      const response = await request(`${baseUrl}/upload`, { method: "POST", dispatcher, body: form })
      const answer = JSON.parse(await response.body.text()) as Masks
      if (answer.mask_image.length === 0) throw new Error("no mask")
    })
  },
  huggingface: async (image) => {
    const { imageSegmentation } = await import("./peers.ts").then((peers) => peers.huggingface())
    const inputs = new Blob([image], { type: "image/png" })
    return lanes(async () => {
      const answer = await imageSegmentation({
        endpointUrl: `${baseUrl}/predict`,
        accessToken: "hf_none",
        inputs
      })
      if (answer.length !== 5) throw new Error("no masks")
    })
  },
  // Everything on: limits, header check, policy, breaker, budget, spans, metrics, schema, pictures decoded and checked.
  "effect-segformer": async (image) => {
    const { NodeHttp } = await import("../../../src/service/node.ts")
    return segmentOver(image, NodeHttp.layer())
  },
  // The same over Effect's client as it comes, which needs the form in one piece.
  "effect-segformer, layerUndici": async (image) => {
    const NodeHttpClient = await import("@effect/platform-node/NodeHttpClient")
    return segmentOver(image, NodeHttpClient.layerUndici)
  }
}

const image = await makeImage()
const measured = await make[subject ?? ""]!(image)
process.on("SIGINT", () => process.exit(0))
for (;;) {
  const [calls] = (await once(process, "message")) as [number]
  globalThis.gc?.()
  const cpu = process.cpuUsage()
  const started = performance.now()
  await measured(calls)
  const seconds = (performance.now() - started) / 1000
  const { system, user } = process.cpuUsage(cpu)
  process.send?.({ cpuMs: (system + user) / 1000, seconds })
}
