/**
 * One subject of `runtimes.ts` in a process of its own, under whichever runtime starts it: for each line that comes in it
 * segments every picture once, and prints how long that took.
 */
import { readFileSync } from "node:fs"
import { dirname } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { Layer, ManagedRuntime, Stream } from "effect"
import { ImageSource, segmentAll } from "../../../src/index.ts"
import { PureCodec } from "../../../src/image/index.ts"
import { SegFormerWeb } from "../../../src/onnx/web/index.ts"

export interface Told {
  readonly subject: "native" | "wasm" | "transformers"
  /** Folder of the model. */
  readonly model: string
  readonly pictures: ReadonlyArray<string>
  readonly threads: number
}

const told: Told = JSON.parse(process.argv[2] ?? "{}")

/** Ours, by either runtime: the program is the same. */
const ours = async (): Promise<() => Promise<unknown>> => {
  const { threads } = told
  const layer =
    told.subject === "native"
      ? await Promise.all([import("../../../src/onnx/index.ts"), import("../../../src/image/sharp.ts")]).then(
          ([{ SegFormerOnnx }, { SharpCodec }]) =>
            SegFormerOnnx.layer({ threads }).pipe(Layer.provide(SharpCodec.layer))
        )
      : SegFormerWeb.layer({ threads }).pipe(Layer.provide(PureCodec.layer()))
  const runtime = ManagedRuntime.make(layer)
  const sources = told.pictures.map((path) => ImageSource.bytes(new Uint8Array(readFileSync(path))))
  return () =>
    segmentAll(Stream.fromIterable(sources), { stopOnFailure: true }).pipe(
      Stream.mapEffect((segmentation) => segmentation.labelMap),
      Stream.runCollect,
      runtime.runPromise
    )
}

const transformers = async (): Promise<() => Promise<unknown>> => {
  const Theirs = await import("./transformers.ts")
  const name: string = "@huggingface/transformers"
  return Theirs.make({
    ...(await import(name)),
    models: dirname(told.model),
    name: told.model.split("/").at(-1)!,
    device: "cpu",
    threads: told.threads,
    pictures: told.pictures.map((path) => new Blob([readFileSync(path)]))
  })
}

const work = await (told.subject === "transformers" ? transformers() : ours())
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
print({ ready: true })
createInterface({ input: process.stdin }).on("line", () => {
  void (async () => {
    const started = performance.now()
    await work()
    print({ milliseconds: performance.now() - started })
  })()
})
