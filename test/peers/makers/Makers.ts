/**
 * The programs of those who made SegFormer's models, beside ours: a B0 with random weights, in the forms in which folders are
 * published, is made and run by `makers.py`, and each form is read here as anybody's is.
 */
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import sharp from "sharp"
import { Effect, Result, Schema } from "effect"
import { ImageSource, segment, Transport } from "effect-segformer"
import { type LabelMap, Logits, Npy } from "effect-segformer/mask"
import { ModelSource, SegFormerOnnx } from "effect-segformer/onnx"
import { SharpCodec } from "effect-segformer/sharp"
import * as Preprocessing from "../../../src/image/Preprocessing.ts"
import * as PreprocessorConfig from "../../../src/onnx/PreprocessorConfig.ts"
import * as Python from "../../support/Python.ts"
import * as Peer from "../Peer.ts"
import * as Process from "../Process.ts"

/** By how much ours may differ: a logit at most, and the pixels whose class may be another. Logits deviate by 1. */
interface Bound {
  readonly logit: number
  readonly share: number
}

interface Form {
  readonly folder: string
  readonly variant?: string
  readonly bound: Bound
  /** Torch ran the model itself, too. */
  readonly torch?: boolean
}

/** Sums of 32 bits in another order, on another processor. */
const sums: Bound = { logit: 5e-5, share: 1e-4 }

/** A step or two of a half near 4. */
const halves: Bound = { logit: 0.008, share: 0.001 }

/** What is rounded to 8 bits or fewer on the way is rounded the other way now and then. */
const rounded: Bound = { logit: 0.1, share: 0.02 }

const forms: Readonly<Record<string, Form>> = {
  free: { folder: "free", bound: sums, torch: true },
  fixed: { folder: "fixed", bound: sums, torch: true },
  outside: { folder: "outside", bound: sums, torch: true },
  half: { folder: "half", variant: "fp16", bound: halves },
  "precisions-quantized": { folder: "precisions", variant: "q8", bound: rounded },
  "precisions-uint8": { folder: "precisions", variant: "uint8", bound: rounded },
  "precisions-int8": { folder: "precisions", variant: "int8", bound: rounded },
  "precisions-q4": { folder: "precisions", variant: "q4", bound: sums },
  "precisions-bnb4": { folder: "precisions", variant: "bnb4", bound: sums }
}

const pictures = ["lying", "upright"] as const

/** What is wrong with a form; empty where nothing is. */
interface Found {
  readonly pixels: string
  readonly readOut: string
  readonly logits: string
  readonly labels: string
  /** Beside torch itself, where it ran the model. */
  readonly torch: string
}

const array = (path: string) => Result.getOrThrow(Npy.decode(readFileSync(path), path)).data

/** The largest difference of two arrays. */
const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  assert.equal(a.length, b.length)
  let most = 0
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]! - b[i]!))
  return most
}

/** Pixels of another class are few, and the two classes as near to each other there as the logits are to theirs. */
const holds = ({ data }: LabelMap.LabelMap, truth: string, { logit, share }: Bound): void => {
  const [labels, lead] = [array(`${truth}.labels.npy`), array(`${truth}.lead.npy`)]
  assert.equal(data.length, labels.length)
  let others = 0
  for (let i = 0; i < data.length; i++) {
    if (data[i] === labels[i]) continue
    others++
    assert.ok(
      lead[i]! <= 2 * logit,
      `pixel ${i} is ${data[i]} and not ${labels[i]}, which leads by ${lead[i]}`
    )
  }
  assert.ok(others <= share * data.length, `${others} of ${data.length} pixels are of another class`)
}

const said = (trial: () => void): string => {
  try {
    trial()
    return ""
  } catch (error) {
    return error instanceof Error ? error.message.split("\n")[0]! : String(error)
  }
}

const tried = Effect.fnUntraced(function* (
  root: string,
  name: string,
  { bound, folder, torch, variant }: Form
) {
  const path = join(root, folder)
  const transport = yield* SegFormerOnnx.make({ model: ModelSource.folder(path), variant, threads: 1 })
  const settings: unknown = JSON.parse(readFileSync(join(path, "preprocessor_config.json"), "utf8"))
  const rule = Result.getOrThrow(
    PreprocessorConfig.toPreprocessing(Schema.decodeUnknownSync(PreprocessorConfig.Settings)(settings))
  )
  return yield* Effect.forEach(
    pictures,
    Effect.fnUntraced(function* (picture): Effect.fn.Return<Found, unknown> {
      const file = readFileSync(join(root, `${picture}.png`))
      const truth = join(root, "truth", name, picture)
      const { data: rgb, info } = yield* Effect.promise(() =>
        sharp(file).raw().toBuffer({ resolveWithObject: true })
      )
      const input = Preprocessing.make(rule, info.width, info.height)
      input.push(rgb)
      const pixels = input.finish().data
      const image = yield* ImageSource.bytes(file).open()
      const { value: prediction } = yield* transport.runner.run((attempt) =>
        transport.predict({ image, prefer: "logits" }, attempt)
      )
      if (prediction._tag !== "Logits") return yield* Effect.die(new Error("it gave no logits"))
      const { logits } = prediction
      const given = { ...logits, data: Float32Array.from(array(`${truth}.logits.npy`)) }
      const segmentation = yield* segment(ImageSource.bytes(file)).pipe(
        Effect.provideService(Transport, transport)
      )
      const map = yield* segmentation.labelMap
      const byTorch = join(root, "truth", `torch-${name}`, picture)
      return {
        pixels: said(() => {
          const most = apart(pixels, array(`${truth}.pixels.npy`))
          assert.ok(most === 0, `pixels are apart by ${most}`)
        }),
        readOut: said(() => holds(Logits.toLabelMap(given, info.width, info.height), truth, readOut)),
        logits: said(() => {
          const most = apart(logits.data, given.data)
          assert.ok(most <= bound.logit, `logits are apart by ${most}`)
        }),
        labels: said(() => holds(map, truth, bound)),
        torch: torch === true ? said(() => holds(map, byTorch, bound)) : ""
      }
    })
  )
})

/** Ours interpolates in 64 bits, torch in 32. */
const readOut: Bound = { logit: 1e-6, share: 1e-4 }

/** Made once for all rows. */
const found = Effect.runSync(
  Effect.cached(
    Effect.scoped(
      Effect.gen(function* () {
        const root = yield* Process.folder
        yield* Process.output(Python.environment("makers").executable, [
          join(Process.here, "makers", "makers.py"),
          root
        ])
        const all = new Map<string, ReadonlyArray<Found>>()
        for (const [name, form] of Object.entries(forms))
          all.set(name, yield* Effect.scoped(tried(root, name, form)))
        return all
      })
    ).pipe(Effect.provide(SharpCodec.layer))
  )
)

const right =
  (of: ReadonlyArray<string>, ...parts: ReadonlyArray<keyof Found>) =>
  (all: ReadonlyMap<string, ReadonlyArray<Found>>) =>
    Effect.sync(() => {
      for (const name of of) {
        const tried = all.get(name)
        assert.equal(tried?.length, pictures.length)
        for (const [i, one] of tried.entries())
          for (const part of parts) if (one[part] !== "") assert.fail(`${name}, ${pictures[i]}: ${one[part]}`)
      }
    })

const shared = {
  kind: "maker" as const,
  environments: ["makers"],
  // Of what the package brings, this is what is on the path.
  programs: { torchrun: "python3-torch" },
  start: found
}

export const rows: ReadonlyArray<Peer.Peer> = [
  Peer.make({
    ...shared,
    name: "transformers",
    packages: [...Peer.pip("makers", "transformers"), ...Peer.debian("python3-torch")],
    trials: {
      "SegformerImageProcessor, five settings: the same pixels, to the bit": right(
        Object.keys(forms),
        "pixels"
      ),
      "post_process_semantic_segmentation of its logits": right(Object.keys(forms), "readOut"),
      "SegformerForSemanticSegmentation on torch, from the file to the label map": right(
        ["free", "fixed", "outside"],
        "torch"
      )
    }
  }),
  Peer.make({
    ...shared,
    name: "optimum",
    packages: [...Peer.pip("makers", "optimum"), ...Peer.debian("python3-torch")],
    trials: {
      "its export of free sides": right(["free"], "logits", "labels"),
      "its export of fixed sides, for two pictures at once": right(["fixed"], "logits", "labels")
    }
  }),
  Peer.make({
    ...shared,
    name: "onnxruntime",
    packages: Peer.pip("makers", "onnxruntime", "onnx"),
    trials: {
      "weights in a file beside the model, pictures at their own size": right(
        ["outside"],
        "logits",
        "labels"
      ),
      "fp16, in and out": right(["half"], "logits", "labels"),
      "q8, as models for transformers.js are made": right(["precisions-quantized"], "logits", "labels"),
      "uint8, by channel": right(["precisions-uint8"], "logits", "labels"),
      int8: right(["precisions-int8"], "logits", "labels"),
      q4: right(["precisions-q4"], "logits", "labels"),
      bnb4: right(["precisions-bnb4"], "logits", "labels")
    }
  })
]
