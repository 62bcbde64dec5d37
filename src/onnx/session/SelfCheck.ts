/**
 * Whether a GPU computes what a model says, and sooner than the processor does: both run the same known input, and the GPU is
 * taken only where its labels are the same, but for a few, and it takes less time. Drivers and browsers differ in both, and
 * neither tells.
 */
import type { Graph } from "./Graph.ts"
import type { Output } from "./Output.ts"
import { lineOf } from "../../SystemError.ts"

export interface Chosen {
  readonly graph: Graph
  /** Whether the GPU runs it. */
  readonly isCandidate: boolean
  /** Why, in words: what was measured, or what is missing. */
  readonly reason: string
}

export interface Names {
  readonly reference: string
  readonly candidate: string
}

export interface Contest {
  /** What both are called. */
  readonly names: Names
  /** The processor, which is right. */
  readonly reference: () => Promise<Graph>
  /** Throws where there is none. */
  readonly candidate: () => Promise<Graph>
  /** Milliseconds that the GPU may take to load the model, and for all runs of it: a driver that hangs says nothing. */
  readonly patience: { readonly load: number; readonly runs: number }
  /** In milliseconds. */
  readonly now: () => number
}

/** Positions whose label may differ: numbers are rounded otherwise, which decides where two classes are alike. */
const mostLabels = 0.005

/** How far logits may be off, as a share of how far they spread. */
const mostDeviation = 0.02

/** Timed, after one that warms up. The median counts. */
const runs = 3

const withSide = 512

/** Waves of several lengths and a few flat patches, between -2 and 2, as normalised pictures are. */
export const knownInput = (width: number, height: number): Float32Array => {
  const data = new Float32Array(3 * width * height)
  for (let c = 0, at = 0; c < 3; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++, at++) {
        const patch = ((x >> 6) + (y >> 6)) % 5
        data[at] =
          patch === c
            ? c - 1
            : Math.sin(x / (3 + 9 * c)) + Math.cos((y * (c + 1)) / 17) * Math.sin((x + y) / 61)
      }
  return data
}

/** The largest of each position, of logits; ids as they are. */
const labelsOf = ({ data, dims }: Output): ArrayLike<number> => {
  if (!(data instanceof Float32Array) || dims.length !== 4) return Array.from(numbersOf(data), Number)
  const classes = dims[1]!
  const size = data.length / classes
  const labels = new Uint16Array(size)
  for (let i = 0; i < size; i++) {
    let best = 0
    for (let k = 1; k < classes; k++) if (data[k * size + i]! > data[best * size + i]!) best = k
    labels[i] = best
  }
  return labels
}

const numbersOf = (data: Output["data"]): Iterable<number | bigint> =>
  ArrayBuffer.isView(data) && Symbol.iterator in data ? data : []

/** What is wrong with an output; `undefined` where it is the reference's but for rounding. */
export const difference = (reference: Output, found: Output, name = "WebAssembly"): string | undefined => {
  if (reference.kind !== found.kind || reference.dims.join() !== found.dims.join()) {
    return `it gives ${found.kind} of [${found.dims.join(", ")}], where ${name} gives ${reference.kind} of [${reference.dims.join(", ")}]`
  }
  const labels = labelsOf(reference)
  const others = labelsOf(found)
  let differ = 0
  for (let i = 0; i < labels.length; i++) if (labels[i] !== others[i]) differ++
  const share = labels.length === 0 ? 1 : differ / labels.length
  if (share > mostLabels) return `${(100 * share).toFixed(1)} % of its labels are wrong`
  const { data } = reference
  if (!(data instanceof Float32Array) || !(found.data instanceof Float32Array)) return undefined
  let sum = 0
  let squares = 0
  let off = 0
  for (let i = 0; i < data.length; i++) {
    sum += data[i]!
    squares += data[i]! ** 2
    off += Math.abs(data[i]! - found.data[i]!)
  }
  const spread = Math.sqrt(Math.max(0, squares / data.length - (sum / data.length) ** 2))
  const deviation = off / data.length
  // Not "greater than": what is no number is wrong, too.
  return deviation <= mostDeviation * spread
    ? undefined
    : `its logits are off by ${((100 * deviation) / (spread || 1)).toFixed(1)} % of their spread`
}

const timed = async ({ now }: Contest, graph: Graph) => {
  const { height = withSide, width = withSide } = graph
  const input = knownInput(width, height)
  const first = await graph.run(input.slice(), width, height)
  const output: Output = {
    data: first.data instanceof Float32Array ? first.data.slice() : first.data,
    dims: first.dims,
    kind: first.kind
  }
  first.dispose()
  const times: Array<number> = []
  for (let run = 0; run < runs; run++) {
    const copy = input.slice()
    const started = now()
    const { dispose } = await graph.run(copy, width, height)
    times.push(now() - started)
    dispose()
  }
  return { output, milliseconds: times.sort((a, b) => a - b)[runs >> 1]! }
}

/** Fails where it takes longer. What comes of it all the same is let go of. */
const within = <A>(milliseconds: number, run: () => Promise<A>, letGo: (late: A) => unknown): Promise<A> =>
  new Promise((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(new Error(`it did not answer within ${milliseconds / 1000} s`))
    }, milliseconds)
    run()
      .then((found) => (isLate ? letGo(found) : resolve(found)), reject)
      .finally(() => clearTimeout(timer))
  })

const release = (graph: Graph): Promise<void> => graph.release().catch(() => {})

/** Whichever of both is to run the model. The other is let go of. */
export const choose = async (contest: Contest): Promise<Chosen> => {
  const { names } = contest
  const reference = await contest.reference()
  const stay = (why: string): Chosen => ({
    graph: reference,
    isCandidate: false,
    reason: `${names.reference} and not ${names.candidate}: ${why}`
  })
  let candidate: Graph
  let found: Awaited<ReturnType<typeof timed>>
  try {
    const { load, runs } = contest.patience
    candidate = await within(load, contest.candidate, release)
    const tried = candidate
    found = await within(
      runs,
      () =>
        timed(contest, tried).catch(async (cause: unknown) => {
          await release(tried)
          throw cause
        }),
      () => release(tried)
    )
  } catch (cause) {
    return stay(lineOf(cause))
  }
  const expected = await timed(contest, reference)
  const wrong = difference(expected.output, found.output, names.reference)
  const took = `${found.milliseconds.toFixed(0)} ms a picture, where ${names.reference} takes ${expected.milliseconds.toFixed(0)} ms`
  if (wrong !== undefined || found.milliseconds >= expected.milliseconds) {
    await release(candidate)
    return stay(wrong ?? `it takes ${took}`)
  }
  await release(reference)
  return { graph: candidate, isCandidate: true, reason: `${names.candidate}: the same labels, ${took}` }
}
