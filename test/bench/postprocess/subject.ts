/** One subject of `postprocess.ts`: times it, and says what memory it added. */
import { createHash } from "node:crypto"
import { median } from "../Report.ts"
import { peakMemory } from "../../support/PeakMemory.ts"

export interface Measured {
  readonly milliseconds: number
  readonly megabytes: number
  /** Of the label map. */
  readonly digest: string
  /** Every 97th id of it. */
  readonly checks: ReadonlyArray<number>
}

const [subject = "", size = "512"] = process.argv.slice(2)
const side = Number(size)
const classes = 150
const grid = 128

/** Logits as a model gives them: patches of few classes that win by far, others below, noise on all. */
const makeLogits = (): Float32Array => {
  const data = new Float32Array(classes * grid * grid)
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  for (let k = 0; k < classes; k++) {
    const level = -4 - 6 * random()
    const [cx, cy, reach] = [random() * grid, random() * grid, 6 + 22 * random()]
    for (let y = 0; y < grid; y++)
      for (let x = 0; x < grid; x++) {
        const d = ((x - cx) ** 2 + (y - cy) ** 2) / reach ** 2
        data[(k * grid + y) * grid + x] = level + 14 * Math.exp(-d) + 1.5 * random()
      }
  }
  return data
}

interface Peer {
  readonly Tensor: new (type: string, data: Float32Array, dims: ReadonlyArray<number>) => unknown
  readonly SegformerImageProcessor: new (config: object) => {
    readonly post_process_semantic_segmentation: (
      outputs: { readonly logits: unknown },
      sizes: ReadonlyArray<readonly [height: number, width: number]>
    ) => ReadonlyArray<{ readonly segmentation: { readonly data: ArrayLike<number> } }>
  }
}

const theirs = async (data: Float32Array): Promise<() => ArrayLike<number>> => {
  const name = "@huggingface/transformers"
  const { SegformerImageProcessor, Tensor }: Peer = await import(name)
  const processor = new SegformerImageProcessor({ size: { height: 512, width: 512 } })
  const logits = new Tensor("float32", data, [1, classes, grid, grid])
  return () => processor.post_process_semantic_segmentation({ logits }, [[side, side]])[0]!.segmentation.data
}

const ours = async (data: Float32Array): Promise<() => ArrayLike<number>> => {
  const { Logits } = await import("../../../src/mask/index.ts")
  const logits = { data, classes, height: grid, width: grid }
  return () => Logits.toLabelMap(logits, side, side).data
}

const logits = makeLogits()
const work = await (subject === "effect-segformer" ? ours(logits) : theirs(logits))
const before = process.memoryUsage().rss
const times: Array<number> = []
let result: ArrayLike<number> = []
// Once where one round takes many seconds; else the first warms up.
for (let round = 0; round < 6; round++) {
  const started = performance.now()
  result = work()
  times.push(performance.now() - started)
  if (times[0]! > 5000) break
}
const megabytes = Math.max(0, (peakMemory() - before) / 1e6)
const ids = Uint8Array.from(result)
const measured: Measured = {
  milliseconds: median(times.length > 1 ? times.slice(1) : times),
  megabytes,
  digest: createHash("sha256").update(ids).digest("hex"),
  checks: Array.from(ids).filter((_, i) => i % 97 === 0)
}
console.log(JSON.stringify(measured))
