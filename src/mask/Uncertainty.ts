/**
 * How unsure a model is of an image, from its logits at the size it gave them: which images a person should look at next.
 * No Effect here: the ONNX transport uses it in its session's process.
 *
 * ```ts
 * import { Uncertainty } from "effect-segformer/mask"
 *
 * const sure = { data: Float32Array.of(9, -9), classes: 2, height: 1, width: 1 }
 * const even = { data: Float32Array.of(1, 1), classes: 2, height: 1, width: 1 }
 * Uncertainty.fromLogits(even) // => { entropy: 1, margin: 0, unsure: 1 }
 * Uncertainty.fromLogits(sure).entropy < 0.001 // => true
 * ```
 */
import { finite, type Logits } from "./LogitCells.ts"

/** Means over all positions. */
export interface Uncertainty {
  /** The entropy of the classes' probabilities over that of even ones: 0 where one is certain, 1 where none is likelier. */
  readonly entropy: number
  /** How much likelier the first class is than the second, 0 to 1. */
  readonly margin: number
  /** The share of positions of which the first class is less likely than the threshold. */
  readonly unsure: number
}

export interface Options {
  /** Below this probability of its class a position counts as unsure. 0.6 by default. */
  readonly threshold?: number | undefined
}

/** The uncertainty of logits `[classes, height, width]`, by softmax. */
export const fromLogits = (logits: Logits, options: Options = {}): Uncertainty => {
  const { classes, data, height, width } = logits
  const threshold = options.threshold ?? 0.6
  const size = height * width
  const most = classes > 1 ? Math.log(classes) : 1
  const values = new Float64Array(classes)
  let entropies = 0
  let margins = 0
  let unsure = 0
  for (let i = 0; i < size; i++) {
    let first = -Infinity
    let second = -Infinity
    for (let k = 0; k < classes; k++) {
      const value = finite(data[k * size + i]!)
      values[k] = value
      if (value > first) {
        second = first
        first = value
      } else if (value > second) second = value
    }
    // Of p = e^(v - first) / sum the entropy is ln(sum) - the mean of v - first.
    let sum = 0
    let weighted = 0
    for (let k = 0; k < classes; k++) {
      const below = values[k]! - first
      if (below < -40) continue
      const weight = Math.exp(below)
      sum += weight
      weighted += weight * below
    }
    entropies += (Math.log(sum) - weighted / sum) / most
    margins += (1 - (classes > 1 ? Math.exp(second - first) : 0)) / sum
    if (1 / sum < threshold) unsure++
  }
  return { entropy: entropies / size, margin: margins / size, unsure: unsure / size }
}
