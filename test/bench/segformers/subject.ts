/** The subjects of `segformers.ts` that run in Node. */
import { readFileSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { NodeFileSystem } from "@effect/platform-node"
import { Effect, Layer, ManagedRuntime, Stream } from "effect"
import { ImageSource, segment, segmentAll } from "../../../src/index.ts"
import { named } from "../../../src/onnx/WeightFiles.ts"
import type { Answered, Asked, Told } from "./Running.ts"

const told: Told = JSON.parse(process.argv[2] ?? "{}")

interface Work {
  /** From a file to its label map. */
  readonly one: (picture: string) => Promise<ArrayLike<number>>
  /** So many of them, as many at once as it does by itself, for as long as `goesOn`. */
  readonly many?: (picture: string, goesOn: () => boolean) => Promise<number>
}

/** The model alone, on one input that is ready: what no library can beat. */
const bare = async (): Promise<Work> => {
  const ort = await import("onnxruntime-node")
  const session = await ort.InferenceSession.create(join(told.model, named(told.precision)[0]!), {
    intraOpNumThreads: told.threads,
    logSeverityLevel: 3
  })
  const data = Float32Array.from({ length: 3 * 512 * 512 }, (_, i) => Math.sin(i))
  return {
    one: async () => {
      const { logits } = await session.run({
        pixel_values: new ort.Tensor("float32", data, [1, 3, 512, 512])
      })
      logits?.dispose()
      return []
    }
  }
}

const ours = async (): Promise<Work> => {
  const { ModelSource, SegFormerOnnx } = await import("../../../src/onnx/index.ts")
  const { SegFormerWeb } = await import("../../../src/onnx/web/index.ts")
  const { SharpCodec } = await import("../../../src/image/sharp.ts")
  const { kind, precision, threads } = told
  const model = ModelSource.folder(told.model)
  const options = { model, variant: precision, threads }
  const transport =
    kind === "wasm"
      ? SegFormerWeb.layer(options)
      : SegFormerOnnx.layer(kind === "apart" ? { ...options, sessions: threads, threads: 1 } : options)
  const runtime = ManagedRuntime.make(
    Layer.merge(transport.pipe(Layer.provide([SharpCodec.layer, NodeFileSystem.layer])), NodeFileSystem.layer)
  )
  await runtime.context()
  return {
    one: (picture) =>
      segment(ImageSource.file(picture)).pipe(
        Effect.flatMap(({ labelMap }) => labelMap),
        Effect.map(({ data }) => data),
        runtime.runPromise
      ),
    many: (picture, goesOn) =>
      Stream.fromIterable(sources(picture, goesOn), { chunkSize: 1 }).pipe(
        segmentAll({ stopOnFailure: true, concurrency: kind === "apart" ? 2 * threads : 3 }),
        Stream.mapEffect(({ labelMap }) => labelMap),
        Stream.runCount,
        runtime.runPromise
      )
  }
}

function* sources(picture: string, goesOn: () => boolean) {
  while (goesOn()) yield ImageSource.file(picture)
}

const transformers = async (): Promise<Work> => {
  const Theirs = await import("../runtimes/transformers.ts")
  const name: string = "@huggingface/transformers"
  const segment = await Theirs.load({
    ...(await import(name)),
    models: dirname(told.model),
    name: basename(told.model),
    device: "cpu",
    dtype: told.precision,
    threads: told.threads
  })
  return { one: (picture) => segment(new Blob([readFileSync(picture)])) }
}

const work = await (told.kind === "bare" ? bare() : told.kind === "transformers" ? transformers() : ours())

const answer = async ({
  labels,
  milliseconds,
  most,
  picture,
  together
}: Asked): Promise<Omit<Answered, "processor">> => {
  const started = performance.now()
  const passed = () => performance.now() - started
  let count = 0
  const each: Array<number> = []
  if (together && work.many !== undefined) {
    let begun = 0
    count = await work.many(picture, () => begun++ === 0 || (begun <= most && passed() < milliseconds))
    return { milliseconds: passed(), count, each }
  }
  let map: ArrayLike<number> = []
  do {
    const before = passed()
    map = await work.one(picture)
    each.push(passed() - before)
    count++
  } while (count < most && passed() < milliseconds)
  const took = passed()
  if (labels !== undefined) writeFileSync(labels, Uint8Array.from(map))
  return { milliseconds: took, count, each }
}

const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
print({ ready: true })
createInterface({ input: process.stdin }).on("line", (line) => {
  void answer(JSON.parse(line)).then(print)
})
