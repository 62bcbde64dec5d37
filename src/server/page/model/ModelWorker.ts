/** The worker that answers a page without a server: the model, in WebAssembly, behind the contract of `/v1`. */
import { Effect, Exit, type Fiber, Layer, ManagedRuntime } from "effect"
import { HttpServerResponse } from "effect/http"
import type { Model } from "../../../onnx/Model.ts"
import * as SegFormerWeb from "../../../onnx/web/SegFormerWeb.ts"
import { ImageCodec } from "../../../image/ImageCodec.ts"
import { Transport } from "../../../Transport.ts"
import * as Codec from "./Codec.ts"
import * as ModelServer from "./ModelServer.ts"
import * as Packed from "./Packed.ts"

type Described = Omit<Model, "bytes" | "file">

/** `model.json`, as `segformer page` of this version wrote it. */
const isDescribed = (value: unknown): value is Described =>
  typeof value === "object" && value !== null && "classes" in value && "preprocessing" in value

const described = async (): Promise<Described> => {
  const response = await fetch(new URL("model.json", import.meta.url))
  const value: unknown = response.ok ? await response.json() : undefined
  if (!isDescribed(value)) throw new Error(`model.json does not come: ${response.status}`)
  return value
}

const script = (name: string) => () => new Worker(new URL(`${name}.js`, import.meta.url), { type: "module" })

const start = async (): Promise<ModelServer.ModelServer> => {
  const [about, bytes, wasm] = await Promise.all([
    described(),
    Packed.load("model.onnx.zst"),
    Packed.load("ort.wasm.zst")
  ])
  const model: Model = { ...about, file: "model.onnx", bytes }
  const segmenter = SegFormerWeb.layer({
    model: { name: model.name, open: () => Effect.succeed(model) },
    confidence: true,
    worker: script("SessionWorker"),
    assets: { wasm: URL.createObjectURL(new Blob([wasm], { type: "application/wasm" })) }
  })
  const codec = Layer.effect(ImageCodec, Codec.make(script("DecodingWorker")))
  const runtime = ManagedRuntime.make(Layer.provideMerge(segmenter, codec))
  return runtime.runPromise(Effect.flatMap(Transport, (transport) => ModelServer.make([transport])))
}

let started: ReturnType<typeof start> | undefined

interface Question {
  readonly id: number
  readonly isOver?: true
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Blob | undefined
}

const working = new Map<number, Fiber.Fiber<unknown>>()
/** Those that nobody waits for any more, of which nothing was begun. */
const over = new Set<number>()

const uploaded = async (body: Question["body"]) =>
  body instanceof Blob
    ? {
        name: body instanceof File ? body.name : "image",
        bytes: new Uint8Array(await body.arrayBuffer())
      }
    : body

const answer = async ({ body, id, ...question }: Question): Promise<void> => {
  const file = await uploaded(body)
  const server = await (started ??= start())
  if (over.delete(id)) return
  const fiber = Effect.runFork(
    Effect.flatMap(server({ ...question, body: file }), (response) =>
      Effect.promise(async () => {
        const web = HttpServerResponse.toWeb(response)
        const bytes = await web.arrayBuffer()
        const headers = Object.fromEntries(web.headers)
        postMessage({ id, status: web.status, headers, body: bytes }, { transfer: [bytes] })
      })
    )
  )
  working.set(id, fiber)
  fiber.addObserver((exit) => {
    working.delete(id)
    if (Exit.isFailure(exit) && !Exit.hasInterrupts(exit)) refuse(id, 500, "The page's model failed")
  })
}

const refuse = (id: number, status: number, message: string): void => {
  const body = new TextEncoder().encode(JSON.stringify({ error: { tag: "Unavailable", message } })).buffer
  postMessage({ id, status, headers: { "content-type": "application/json" }, body }, { transfer: [body] })
}

addEventListener("message", ({ data }: MessageEvent<Question>) => {
  if (data.isOver === true) {
    const fiber = working.get(data.id)
    if (fiber === undefined) over.add(data.id)
    else fiber.interruptUnsafe()
    return
  }
  answer(data).catch((error: unknown) => {
    // The next question tries anew.
    started = undefined
    refuse(data.id, 503, `The model does not load: ${error instanceof Error ? error.message : String(error)}`)
  })
})
