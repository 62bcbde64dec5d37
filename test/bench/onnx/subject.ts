/** One subject of `onnx.ts` in a process of its own: told to, it segments every picture once and says how long it took. */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import type { Filter } from "../../../src/image/Resample.ts"
import type { Picture, Transformers } from "../runtimes/transformers.ts"

export interface Told {
  /** Folder of the model. */
  readonly model: string
  readonly pictures: ReadonlyArray<string>
  readonly threads: number
  /** How this library resizes: as Pillow unless told otherwise. */
  readonly filter?: Filter
}

export interface Round {
  readonly milliseconds: number
  /** Peak resident memory of the subject so far, its children included, in MiB. */
  readonly peak: number
  /** Label maps in base64, in the first round. */
  readonly labels?: ReadonlyArray<string>
  /** The same of a subject that can be given pictures that we have resized, to tell what its own resize does. */
  readonly labelsOfOurResize?: ReadonlyArray<string>
}

type Maps = ReadonlyArray<Uint8Array>
type Work = (() => Promise<Maps>) & { readonly ofOurResize?: () => Promise<Maps> }

const [subject = "", json = "{}"] = process.argv.slice(2)
const told: Told = JSON.parse(json)

/** Peak resident memory of a process in KiB, where the system tells (Linux). */
const peakOf = (pid: number): number => {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)
  } catch {
    return 0
  }
}

const children = (): Array<number> => {
  try {
    return readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8")
      .split(" ")
      .map(Number)
      .filter((pid) => pid > 0)
  } catch {
    return []
  }
}

/**
 * The model alone, on one input made beforehand: what no library can beat. ONNX Runtime's threads wait for work by
 * spinning unless told otherwise, which is faster on an idle machine and much slower on a busy one.
 */
const bare = async (spinning: boolean): Promise<Work> => {
  const ort = await import("onnxruntime-node")
  const file = join(told.model, "onnx", "model.onnx")
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: told.threads,
    ...(spinning ? {} : { extra: { session: { intra_op: { allow_spinning: "0" } } } })
  })
  const data = Float32Array.from({ length: 3 * 512 * 512 }, (_, i) => Math.sin(i))
  return async () => {
    for (const _ of told.pictures) {
      await session.run({ pixel_values: new ort.Tensor("float32", data, [1, 3, 512, 512]) })
    }
    return []
  }
}

const transformers = async (): Promise<Work> => {
  const name = "@huggingface/transformers"
  const { AutoImageProcessor, AutoModelForSemanticSegmentation, env, RawImage }: Transformers = await import(
    name
  )
  env.allowRemoteModels = false
  env.localModelPath = dirname(told.model)
  const folder = told.model.split("/").at(-1)!
  const processor = await AutoImageProcessor.from_pretrained(folder)
  const model = await AutoModelForSemanticSegmentation.from_pretrained(folder, {
    dtype: "fp32",
    device: "cpu",
    session_options: { intraOpNumThreads: told.threads }
  })
  const segment = async (picture: Picture, { height, width }: Picture): Promise<Uint8Array> => {
    const outputs = await model(await processor([picture]))
    const [result] = processor.post_process_semantic_segmentation(outputs, [[height, width]])
    return Uint8Array.from(result!.segmentation.data)
  }
  const work = async () => {
    const maps: Array<Uint8Array> = []
    for (const file of told.pictures) {
      const picture = await RawImage.read(file)
      maps.push(await segment(picture, picture))
    }
    return maps
  }
  const ofOurResize = async () => {
    const { default: sharp } = await import("sharp")
    const { resize } = await import("../../../src/image/Resample.ts")
    const maps: Array<Uint8Array> = []
    for (const file of told.pictures) {
      const { data, info } = await sharp(file).raw().toUint8Array()
      const resized = resize(data, info.width, info.height, 512, 512, "bilinear")
      maps.push(await segment(new RawImage(resized, 512, 512, 3), info))
    }
    return maps
  }
  return Object.assign(work, { ofOurResize })
}

/** This library: one session of all threads, or as many sessions of one thread each. */
const own = async (apart: boolean): Promise<Work> => {
  const { NodeFileSystem } = await import("@effect/platform-node")
  const { Effect, Layer, ManagedRuntime, Stream } = await import("effect")
  const { ImageSource, segmentAll } = await import("../../../src/index.ts")
  const { ModelSource, SegFormerOnnx } = await import("../../../src/onnx/index.ts")
  const { SharpCodec } = await import("../../../src/image/sharp.ts")
  const model = ModelSource.folder(told.model)
  const runtime = ManagedRuntime.make(
    Layer.merge(
      SegFormerOnnx.layer({
        model,
        ...(apart ? { sessions: told.threads, threads: 1 } : { threads: told.threads }),
        preprocessing: told.filter && { filter: told.filter }
      }).pipe(Layer.provide(SharpCodec.layer)),
      NodeFileSystem.layer
    )
  )
  const all = segmentAll(Stream.fromIterable(told.pictures.map(ImageSource.file)), {
    stopOnFailure: true
  }).pipe(
    Stream.mapEffect((segmentation) => segmentation.labelMap),
    Stream.runCollect
  )
  return () =>
    runtime.runPromise(
      Effect.map(all, (maps) =>
        maps.map(({ data }) => (data instanceof Uint8Array ? data : Uint8Array.from(data)))
      )
    )
}

const subjects: Readonly<Record<string, () => Promise<Work>>> = {
  bare: () => bare(true),
  waiting: () => bare(false),
  transformers,
  "effect-segformer": () => own(false),
  apart: () => own(true)
}
const work = await subjects[subject]!()
const base64 = (maps: Maps) => maps.map((map) => Buffer.from(map).toString("base64"))

let first = true
process.on("message", () => {
  void (async () => {
    const started = performance.now()
    const maps = await work()
    const milliseconds = performance.now() - started
    const kib =
      [process.pid, ...children()].reduce((sum, pid) => sum + peakOf(pid), 0) ||
      process.resourceUsage().maxRSS
    const more = first && work.ofOurResize !== undefined ? await work.ofOurResize() : undefined
    const round: Round = {
      milliseconds,
      peak: kib / 1024,
      ...(first ? { labels: base64(maps) } : {}),
      ...(more === undefined ? {} : { labelsOfOurResize: base64(more) })
    }
    first = false
    process.send?.(round)
  })()
})
process.on("disconnect", () => process.exit(0))
process.send?.("ready")
