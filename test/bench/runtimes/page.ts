/** The subjects of `runtimes.ts` that run in a page. Called by `window.bench`. */
import { Layer, ManagedRuntime, Stream } from "effect"
import { ImageSource, segmentAll } from "../../../src/index.ts"
import { CanvasCodec } from "../../../src/image/index.ts"
import { SegFormerWeb } from "../../../src/onnx/web/index.ts"
import * as Theirs from "./transformers.ts"

export interface Asked {
  readonly subject: "ours" | "transformers"
  readonly threads: number
  readonly pictures: ReadonlyArray<string>
  /** Of those that are served. The one in the box by default. */
  readonly model?: string
}

export interface Took {
  readonly milliseconds: number
  /** The longest that the main thread did nothing else. */
  readonly held: number
}

type Work = () => Promise<unknown>

const blobs = (addresses: ReadonlyArray<string>): Promise<ReadonlyArray<Blob>> =>
  Promise.all(addresses.map(async (address) => (await fetch(address)).blob()))

const ours = async ({ pictures, threads }: Asked): Promise<Work> => {
  const files = await blobs(pictures)
  const bytes = await Promise.all(files.map(async (file) => new Uint8Array(await file.arrayBuffer())))
  const runtime = ManagedRuntime.make(
    SegFormerWeb.layer({ threads }).pipe(Layer.provide(CanvasCodec.layer()))
  )
  await runtime.context()
  return () =>
    segmentAll(Stream.fromIterable(bytes.map((each) => ImageSource.bytes(each))), {
      stopOnFailure: true
    }).pipe(
      Stream.mapEffect((segmentation) => segmentation.labelMap),
      Stream.runCollect,
      runtime.runPromise
    )
}

const transformers = async ({ model = "bundled", pictures, threads }: Asked): Promise<Work> => {
  // Not in this bundle: the page loads it as its package has it.
  const address: string = "/transformers/transformers.web.min.js"
  const package_: Theirs.Transformers = await import(/* @vite-ignore */ address)
  return Theirs.make({
    ...package_,
    models: "/models/",
    name: model,
    device: "wasm",
    threads,
    assets: `${location.origin}/ort/`,
    pictures: await blobs(pictures)
  })
}

let work: Work | undefined

const make = async (asked: Asked): Promise<boolean> => {
  work = await (asked.subject === "ours" ? ours(asked) : transformers(asked))
  return globalThis.crossOriginIsolated
}

/** All pictures once; meanwhile the main thread is asked over and over whether it is free. */
const round = async (): Promise<Took> => {
  let held = 0
  let last = performance.now()
  let goesOn = true
  // Every few milliseconds: asking all the time would take a processor from those that work.
  const pause = 4
  const ask = () => {
    const now = performance.now()
    held = Math.max(held, now - last - pause)
    last = now
    if (goesOn) setTimeout(ask, pause)
  }
  setTimeout(ask, pause)
  const started = performance.now()
  await work?.()
  const milliseconds = performance.now() - started
  goesOn = false
  return { milliseconds, held: Math.max(held, performance.now() - last - pause) }
}

const calls = { make, round }

declare global {
  interface Window {
    bench: typeof calls
  }
}

window.bench = calls
