/**
 * What is made of the numbers that a model gives: the classes of a picture's pixels at the picture's size. No Effect here,
 * nor in what it imports: a session starts sooner without it.
 */
import type { Place } from "../../image/Preprocessing.ts"
import * as Grid from "../../mask/Grid.ts"
import type { LabelMap } from "../../mask/LabelMap.ts"
import { allocate, type LabelData, sameStorage } from "../../mask/Grid.ts"
import * as LogitRows from "../../mask/LogitRows.ts"
import type { Logits } from "../../mask/Logits.ts"
import { beforeSoftmax } from "../../mask/Probabilities.ts"
import * as Uncertainty from "../../mask/Uncertainty.ts"
import * as Meaning from "./Meaning.ts"
import type { Expected, Picture } from "./Session.ts"

export type { Output } from "./Meaning.ts"
export type { Expected } from "./Session.ts"

/** What was read of it, at the picture's size. */
export interface Read {
  readonly labels: LabelMap
  readonly scores: ReadonlyArray<readonly [id: number, score: number]>
  readonly confidence: Float32Array | undefined
  readonly uncertainty: Uncertainty.Uncertainty | undefined
}

/** What the model was given: its sides, and where the picture lies in it, where that is not all of it. */
export interface Given {
  readonly width: number
  readonly height: number
  readonly place?: Place | undefined
}

/** Logits are resized and decided, a class map is resized. Throws where it is neither. */
export const read = (
  output: Meaning.Output,
  picture: Pick<Picture, "width" | "height" | "confidence" | "uncertainty">,
  expected?: Expected,
  given?: Given
): Read => {
  const found = Meaning.of(output, expected, given)
  const { height, width } = picture
  switch (found._tag) {
    case "Ids": {
      const { _tag, ...map } = found
      const labels = atSize(map, width, height, partOf(given, found), expected?.classes)
      return { labels, scores: [], confidence: undefined, uncertainty: undefined }
    }
    case "Scores": {
      // A plane that is the threshold throughout: what is above it wins, and a tie is of the lower class.
      const { data, ...size } = found.scores
      const both = new Float32Array(data.length * 2).fill(found.threshold, 0, data.length)
      both.set(data, data.length)
      const labels = decided({ ...size, classes: 2, data: both }, width, height, partOf(given, size))
      return { labels, scores: [], confidence: undefined, uncertainty: undefined }
    }
    case "Logits": {
      const { logits } = found
      const part = partOf(given, logits)
      const sure = beforeSoftmax(logits)
      const summed = sure === logits ? LogitRows.sums(logits) : undefined
      const labels = decided(logits, width, height, part, summed)
      const scores: Array<readonly [number, number]> = []
      const means = summed?.scores() ?? LogitRows.scores(sure)
      means.forEach((score, id) => {
        if (score > 0) scores.push([id, score])
      })
      return {
        labels,
        scores,
        confidence: picture.confidence ? confidences(sure, width, height, part) : undefined,
        uncertainty: picture.uncertainty === true ? Uncertainty.fromLogits(sure) : undefined
      }
    }
  }
}

/** The logits of an output, where it holds any and they are of the whole picture and nothing else. */
export const logitsOf = (output: Meaning.Output, expected?: Expected, given?: Given): Logits | undefined => {
  if (given?.place !== undefined) return undefined
  const found = Meaning.of(output, expected, given)
  return found._tag === "Logits" ? beforeSoftmax(found.logits) : undefined
}

/** Where the picture lies in a plane. */
const partOf = (
  given: Given | undefined,
  plane: { readonly width: number; readonly height: number }
): LogitRows.Part | undefined => {
  const place = given?.place
  if (given === undefined || place === undefined) return undefined
  const across = plane.width / given.width
  const down = plane.height / given.height
  return {
    left: place.left * across,
    top: place.top * down,
    width: place.width * across,
    height: place.height * down
  }
}

/** Pixels of a picture whose centres the model has seen. */
interface Seen {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
  readonly all: boolean
}

const seen = (
  plane: { readonly width: number; readonly height: number },
  width: number,
  height: number,
  part: LogitRows.Part
): Seen => {
  const along = (size: number, target: number, from: number, length: number) => {
    const at = (pixel: number) => from + ((pixel + 0.5) * length) / target
    let first = 0
    let end = target
    while (first < end && at(first) < 0) first++
    while (end > first && at(end - 1) > size) end--
    return [first, end] as const
  }
  const [left, right] = along(plane.width, width, part.left, part.width)
  const [top, bottom] = along(plane.height, height, part.top, part.height)
  return { left, right, top, bottom, all: left === 0 && top === 0 && right === width && bottom === height }
}

/** All that the model has not seen, which was cropped away, becomes `value`. */
const fillOutside = (
  data: LabelData | Float32Array,
  width: number,
  { bottom, left, right, top }: Seen,
  value: number
): void => {
  data.fill(value, 0, top * width)
  data.fill(value, bottom * width)
  for (let y = top; y < bottom; y++) {
    data.fill(value, y * width, y * width + left)
    data.fill(value, y * width + right, (y + 1) * width)
  }
}

/** The id of what has no class: 255 as most data sets have it, or the first above all classes. */
const freeId = (classes: number): number => Math.max(255, classes)

const decided = (
  logits: Logits,
  width: number,
  height: number,
  part: LogitRows.Part | undefined,
  summed?: LogitRows.Sums
): LabelMap => {
  if (part === undefined) {
    const data = allocate(logits.classes - 1, width * height)
    LogitRows.decide(logits, width, height, 0, height, data, undefined, summed)
    return { width, height, data }
  }
  const inside = seen(logits, width, height, part)
  const ignoreIndex = freeId(logits.classes)
  const data = allocate(inside.all ? logits.classes - 1 : ignoreIndex, width * height)
  LogitRows.decide(logits, width, height, 0, height, data, part, summed)
  if (inside.all) return { width, height, data }
  fillOutside(data, width, inside, ignoreIndex)
  return { width, height, data, ignoreIndex }
}

const confidences = (
  logits: Logits,
  width: number,
  height: number,
  part: LogitRows.Part | undefined
): Float32Array => {
  const data = new Float32Array(width * height)
  LogitRows.confidenceRows(logits, width, height, 0, height, data, part)
  if (part !== undefined) fillOutside(data, width, seen(logits, width, height, part), 0)
  return data
}

/** A class map at the picture's size: each pixel takes the id below its centre. What has no class has none of the `classes` either. */
const atSize = (
  map: LabelMap,
  width: number,
  height: number,
  part: LogitRows.Part | undefined,
  classes = 0
): LabelMap => {
  if (part === undefined) {
    const { ignoreIndex } = map
    return Grid.resize(map, width, height, () => ({
      width,
      height,
      data: sameStorage(map.data, width * height),
      ...(ignoreIndex === undefined ? {} : { ignoreIndex })
    }))
  }
  const inside = seen(map, width, height, part)
  for (let i = 0; i < map.data.length; i++) if (map.data[i]! >= classes) classes = map.data[i]! + 1
  const ignoreIndex = map.ignoreIndex ?? freeId(classes)
  const size = width * height
  const data = inside.all ? sameStorage(map.data, size) : allocate(ignoreIndex, size)
  const columns = Uint32Array.from({ length: width }, (_, x) =>
    clamp(Math.floor(part.left + ((x + 0.5) * part.width) / width), map.width)
  )
  for (let y = 0; y < height; y++) {
    const row = clamp(Math.floor(part.top + ((y + 0.5) * part.height) / height), map.height) * map.width
    for (let x = 0, at = y * width; x < width; x++) data[at + x] = map.data[row + columns[x]!]!
  }
  if (inside.all)
    return map.ignoreIndex === undefined ? { width, height, data } : { width, height, data, ignoreIndex }
  fillOutside(data, width, inside, ignoreIndex)
  return { width, height, data, ignoreIndex }
}

const clamp = (at: number, size: number): number => Math.min(size - 1, Math.max(0, at))
