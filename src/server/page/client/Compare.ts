/**
 * Two label maps of one picture: which class of one stands for which of the other, how far they agree, and where they do not.
 * Pure but for the turns that it leaves to the page.
 */
import { pause } from "./Pause.ts"
import type { Box, FoundClass, Plane, Result } from "./Result.ts"
import * as Runs from "./Runs.ts"

/** A class of the second map, and the one of the first that it stands for. */
export interface Twin {
  readonly name: string
  readonly of: string | undefined
  /** `exact` where the names are equal, `alike` where they are but for case, signs and a number in front. */
  readonly by: "exact" | "alike" | "person" | undefined
}

/** Names as people mean them: `1_Road-marking` is `road marking`. */
const plain = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^\d+[\s_:.-]+/, "")
    .replaceAll(/[\s_-]+/g, " ")
    .trim()

/** Pairs the classes of two results; what a person chose goes first, an empty choice being none. */
export const twins = (
  first: ReadonlyArray<FoundClass>,
  second: ReadonlyArray<FoundClass>,
  chosen: ReadonlyMap<string, string>
): ReadonlyArray<Twin> =>
  second.map(({ name }) => {
    const choice = chosen.get(name)
    if (choice !== undefined) return { name, of: choice === "" ? undefined : choice, by: "person" }
    if (first.some((one) => one.name === name)) return { name, of: name, by: "exact" }
    const alike = first.filter((one) => plain(one.name) === plain(name))
    return alike.length === 1
      ? { name, of: alike[0]?.name, by: "alike" }
      : { name, of: undefined, by: undefined }
  })

/** The second result in the names and colours of the first, so that one palette serves both. */
export const aligned = (first: Result, second: Result, pairs: ReadonlyArray<Twin>): Result => {
  const nameOf = new Map(pairs.map(({ name, of }) => [name, of ?? name]))
  return {
    ...second,
    classes: second.classes.map((one) => {
      const name = nameOf.get(one.name) ?? one.name
      const twin = first.classes.find((other) => other.name === name)
      return { ...one, name, color: twin === undefined ? one.color : twin.color }
    })
  }
}

/** Counts of pixels by classes of both maps, by names. */
export interface Confusion {
  /** Pixels that count. */
  readonly total: number
  /** Pixels of one class in both. */
  readonly same: number
  /** Pixels that the second map leaves out. */
  readonly ignored: number
  readonly classes: ReadonlyArray<{
    readonly name: string
    readonly both: number
    readonly first: number
    readonly second: number
    /** Intersection over union, 0 to 1. */
    readonly iou: number
  }>
}

/** Where maps differ: pixel by pixel of the first, 1 where they do, 2 where the second says nothing. */
export interface Difference {
  readonly plane: Plane
  readonly confusion: Confusion
}

/** The value for "says nothing" in a truth. */
export const none = 0xffff

/** Compares by names, as {@link aligned} gave them. Pixels of the second that are `ignored` count nowhere. */
export const difference = async (
  first: Result,
  second: Result,
  ignored: number | undefined,
  ended: AbortSignal
): Promise<Difference | undefined> => {
  const names = [...new Set([...first.classes, ...second.classes].map(({ name }) => name))]
  const size = names.length + 1
  const places = (classes: ReadonlyArray<FoundClass>) => {
    const table = new Uint16Array(0x1_0000).fill(names.length)
    for (const { id, name } of classes) table[id] = names.indexOf(name)
    return table
  }
  const [one, two] = [places(first.classes), places(second.classes)]
  const { data, height, width } = first.labels
  const other = second.labels
  const counts = new Float64Array(size * size)
  const plane = new Uint8Array(width * height)
  let left = 0
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * other.height) / height) * other.width
    for (let x = 0; x < width; x++) {
      const at = y * width + x
      const value = other.data[row + Math.floor(((x + 0.5) * other.width) / width)]!
      if (value === ignored) {
        plane[at] = 2
        left++
        continue
      }
      const [a, b] = [one[data[at]!]!, two[value]!]
      counts[a * size + b]!++
      if (a !== b) plane[at] = 1
    }
    if (y % 64 === 63) {
      await pause()
      if (ended.aborted) return undefined
    }
  }
  const sum = (at: (index: number) => number) =>
    Array.from({ length: size }, (_, index) => counts[at(index)]!).reduce((all, value) => all + value, 0)
  const classes = names.map((name, at) => {
    const both = counts[at * size + at]!
    const inFirst = sum((index) => at * size + index)
    const inSecond = sum((index) => index * size + at)
    return { name, both, first: inFirst, second: inSecond, iou: both / (inFirst + inSecond - both) }
  })
  const total = width * height - left
  return {
    plane: { width, height, data: plane },
    confusion: {
      total,
      same: classes.reduce((all, { both }) => all + both, 0),
      ignored: left,
      classes: classes.filter(({ first, second }) => first + second > 0)
    }
  }
}

/** A place where two maps differ. */
export interface Fault extends Box {
  readonly area: number
}

/** Where maps differ, the largest places first. Boxes are the picture's. */
export const faults = async (
  { plane }: Difference,
  picture: { readonly width: number; readonly height: number },
  most: number,
  ended: AbortSignal
): Promise<ReadonlyArray<Fault>> => {
  const { data, height, width } = plane
  const runs = await Runs.find(width, height, (x, y) => data[y * width + x] === 1, ended)
  if (runs === undefined) return []
  const [sx, sy] = [picture.width / width, picture.height / height]
  return Runs.extents(runs)
    .toSorted((a, b) => b.area - a.area)
    .slice(0, most)
    .map(({ area, height, width, x, y }) => ({
      area: Math.round(area * sx * sy),
      x: Math.floor(x * sx),
      y: Math.floor(y * sy),
      width: Math.ceil(width * sx),
      height: Math.ceil(height * sy)
    }))
}

/** A difference as a result, to be shown in the second's place. */
export const shown = (first: Result, { confusion, plane }: Difference): Result => {
  const { same, total } = confusion
  const part = (id: number, name: string, color: string | undefined, pixels: number): FoundClass => ({
    id,
    name,
    color,
    pixels,
    share: pixels / (plane.width * plane.height),
    confidence: null
  })
  return {
    ...first,
    model: "Difference",
    classes: [
      part(0, "the same", undefined, same),
      part(1, "different", "#e0312f", total - same),
      part(2, "not in the truth", "#8a8d93", confusion.ignored)
    ],
    regions: [],
    regionsTotal: 0,
    labels: plane,
    confidence: undefined
  }
}
