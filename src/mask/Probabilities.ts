/**
 * Whether scores are probabilities already, as those of a model that ends with its softmax: they add up to 1 everywhere. One rule
 * for all who ask. No Effect here, as a session starts sooner without it.
 */
import type { Logits } from "./LogitCells.ts"
import type { Steps } from "./Steps.ts"

/** Halves round, and so do those who quantize or write few digits. */
const tolerance = 0.02

/** Values looked at between two pauses. */
const valuesPerStep = 1 << 17

/** Whether the values of positions are shares of 1: probabilities, or one 1 among zeros. Each position has `count`, `stride` apart. */
const areShares = (
  data: ArrayLike<number>,
  count: number,
  stride: number,
  from: number,
  to: number
): boolean => {
  for (let i = from; i < to; i++) {
    let sum = 0
    for (let k = 0; k < count; k++) {
      const value = data[i + k * stride]!
      if (!(Math.abs(value - 0.5) <= 0.5 + tolerance)) return false
      sum += value
    }
    if (Math.abs(sum - 1) > tolerance) return false
  }
  return true
}

/** The same along an axis, everywhere. */
export function* addUp(data: ArrayLike<number>, dims: ReadonlyArray<number>, axis: number): Steps<boolean> {
  const count = dims[axis]!
  const inner = dims.slice(axis + 1).reduce((size, each) => size * each, 1)
  const positions = Math.max(1, Math.floor(valuesPerStep / count))
  for (let start = 0; start < data.length; start += count * inner) {
    for (let from = start; from < start + inner; from += positions) {
      if (!areShares(data, count, inner, from, Math.min(start + inner, from + positions))) return false
      yield
    }
  }
  return true
}

/** What stands for the probability 0, whose logarithm is no number. */
const least = 1e-30

/**
 * Logits as they are; of probabilities their logarithms, of which the softmax is these probabilities again. Whoever applies one, or
 * averages before it, takes these: a second softmax says of all classes that they are much alike.
 */
export const beforeSoftmax = (logits: Logits): Logits => {
  const { classes, data, height, width } = logits
  const size = height * width
  return areShares(data, classes, size, 0, size)
    ? { ...logits, data: data.map((value) => Math.log(Math.max(value, least))) }
    : logits
}

/** The same in steps. What is part of more, such as a window, is what the whole is: rounding alone can tell parts apart. */
export function* beforeSoftmaxSteps(logits: Logits, isOfShares?: boolean): Steps<Logits> {
  const { classes, data, height, width } = logits
  if (isOfShares === false) return logits
  if (isOfShares === undefined && !(yield* addUp(data, [classes, height * width], 0))) return logits
  const logarithms = new Float32Array(data.length)
  for (let i = 0; i < data.length; i++) {
    if (i % valuesPerStep === 0) yield
    if (!(Math.abs(data[i]! - 0.5) <= 0.5 + tolerance)) return logits
    logarithms[i] = Math.log(Math.max(data[i]!, least))
  }
  return { ...logits, data: logarithms }
}
