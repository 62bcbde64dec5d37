/**
 * What a model gives, and what it means: logits as a SegFormer has them, or class ids where an exporter has put the
 * decision into the model. No Effect here, nor in what it imports: a session starts sooner without it.
 */
import type { Tensor } from "onnxruntime-common"
import * as Grid from "../../mask/Grid.ts"
import type { LabelMap } from "../../mask/LabelMap.ts"
import { allocate, type LabelData, sameStorage } from "../../mask/LabelStorage.ts"
import { isNaNThroughout } from "../../mask/LogitCells.ts"
import * as LogitRows from "../../mask/LogitRows.ts"
import type { Logits } from "../../mask/Logits.ts"
import type { Picture } from "./Session.ts"
import * as Uncertainty from "../../mask/Uncertainty.ts"

/** A tensor. */
export interface Output {
  readonly data: Tensor.DataType
  readonly dims: ReadonlyArray<number>
  /** Such as `float32`. */
  readonly kind: string
}

/** What was read of it, at the picture's size. */
export interface Read {
  readonly labels: LabelMap
  readonly scores: ReadonlyArray<readonly [id: number, score: number]>
  readonly confidence: Float32Array | undefined
  readonly uncertainty: Uncertainty.Uncertainty | undefined
}

/** Logits are resized and decided, a class map is resized. Throws where it is neither. */
export const read = (
  { data, dims, kind }: Output,
  picture: Pick<Picture, "width" | "height" | "confidence" | "uncertainty">
): Read => {
  const { height, width } = picture
  const logits = logitsOf({ data, dims, kind })
  if (logits !== undefined) {
    const scores: Array<readonly [number, number]> = []
    LogitRows.scores(logits).forEach((score, id) => {
      if (score > 0) scores.push([id, score])
    })
    return {
      labels: LogitRows.toLabelMap(logits, width, height),
      scores,
      confidence: picture.confidence ? LogitRows.toConfidenceMap(logits, width, height).data : undefined,
      uncertainty: picture.uncertainty === true ? Uncertainty.fromLogits(logits) : undefined
    }
  }
  const plane = dims.length === 4 && dims[1] === 1 ? dims.slice(2) : dims.length === 3 ? dims.slice(1) : []
  if (dims[0] === 1 && plane.length === 2 && /^u?int/.test(kind)) {
    const [rows, columns] = plane
    const map: LabelMap = { width: columns!, height: rows!, data: toIds(data) }
    const empty = () => ({ width, height, data: sameStorage(map.data, width * height) })
    return {
      labels: Grid.resize(map, width, height, empty),
      scores: [],
      confidence: undefined,
      uncertainty: undefined
    }
  }
  throw new Error(
    `its output must be logits, float32 [1, classes, height, width], or class ids, integers of [1, height, width], but is ${kind} of [${dims.join(", ")}]`
  )
}

/** The logits of an output; `undefined` where it holds none. Throws where none of them is a number. */
export const logitsOf = ({ data, dims }: Output): Logits | undefined => {
  if (dims.length !== 4 || dims[0] !== 1 || !(data instanceof Float32Array)) return undefined
  if (isNaNThroughout(data)) throw new Error("every logit is NaN")
  return { data, classes: dims[1]!, height: dims[2]!, width: dims[3]! }
}

const toIds = (data: Output["data"]): LabelData => {
  if (data instanceof Uint8Array) return data
  if (typeof data === "string" || !("length" in data)) throw new Error("class ids must be numbers")
  let largest = 0
  for (let i = 0; i < data.length; i++) {
    const id = Number(data[i])
    if (id < 0) throw new Error(`it gave the class id ${id}, and ids are not negative`)
    if (id > largest) largest = id
  }
  const ids = allocate(largest, data.length)
  for (let i = 0; i < data.length; i++) ids[i] = Number(data[i])
  return ids
}
