/**
 * Nested arrays of numbers from JSON (`[[0, 1], [1, 1]]`) as one typed array and its shape, in slices, so that a large
 * one does not hold up the event loop.
 */
import { Effect } from "effect"
import * as Steps from "../mask/Steps.ts"
import * as Decode from "../service/Decode.ts"

/** Values row-major, as many as the product of `shape`. */
export interface Flat<Data> {
  readonly shape: ReadonlyArray<number>
  readonly data: Data
}

/** What is wrong, and where: indices from the outside in. */
export interface Flaw {
  readonly path: ReadonlyArray<number>
  readonly detail: string
}

/** Values that are converted before others get a turn: about a millisecond of work. */
const slice = 65_536

/** More levels than any tensor of a segmenter has. */
const maxDepth = 6

/** The shape that the first elements have; `undefined` where it is no array, or holds empty ones. */
export const shapeOf = (value: unknown): ReadonlyArray<number> | undefined => {
  const shape: Array<number> = []
  let at: unknown = value
  while (Array.isArray(at)) {
    if (at.length === 0 || shape.length === maxDepth) return undefined
    shape.push(at.length)
    at = at[0]
  }
  return shape.length === 0 ? undefined : shape
}

/** The innermost arrays in order, once every level is as long as the first of its kind. */
function* rowsOf(
  value: unknown,
  shape: ReadonlyArray<number>
): Steps.Steps<Array<ReadonlyArray<unknown>> | Flaw> {
  const rows: Array<ReadonlyArray<unknown>> = []
  const path: Array<number> = []
  function* visit(at: unknown, depth: number): Steps.Steps<Flaw | undefined> {
    if (!Array.isArray(at)) return { path: [...path], detail: "it should be an array, as its neighbours are" }
    if (at.length !== shape[depth]) {
      return {
        path: [...path],
        detail: `it has ${at.length} elements, where its neighbours have ${shape[depth]}`
      }
    }
    if (depth === shape.length - 1) {
      rows.push(at)
      if (rows.length % 1024 === 0) yield
      return undefined
    }
    for (const [index, each] of at.entries()) {
      path.push(index)
      const flaw = yield* visit(each, depth + 1)
      if (flaw !== undefined) return flaw
      path.pop()
    }
    return undefined
  }
  return (yield* visit(value, 0)) ?? rows
}

/** Where the element at an index is, from the outside in. */
export const pathOf = (index: number, shape: ReadonlyArray<number>): ReadonlyArray<number> => {
  const path: Array<number> = []
  let left = index
  for (const size of shape.toReversed()) {
    path.unshift(left % size)
    left = Math.floor(left / size)
  }
  return path
}

const flatten = <Data extends Float32Array | Uint32Array>(
  value: unknown,
  allocate: (length: number) => Data,
  isValid: (value: number) => boolean,
  wanted: string
): Effect.Effect<Flat<Data>, Flaw> =>
  Effect.gen(function* () {
    const shape = shapeOf(value)
    if (shape === undefined)
      return yield* Effect.fail({ path: [], detail: `it is no nested array of ${wanted}` })
    const rows = yield* Steps.run(() => rowsOf(value, shape))
    if (!Array.isArray(rows)) return yield* Effect.fail(rows)
    const length = shape.at(-1)!
    const data = allocate(rows.length * length)
    let at = 0
    // Elements `at` to `to`, row by row: a slice may end within a long row, or hold many short ones.
    const fill = (to: number): Flaw | undefined => {
      while (at < to) {
        const row = Math.floor(at / length)
        const start = row * length
        const source = rows[row]!
        const end = Math.min(length, to - start)
        for (let column = at - start; column < end; column++) {
          const given = source[column]
          const element = typeof given === "boolean" ? Number(given) : given
          if (typeof element !== "number" || !isValid(element)) {
            const found =
              typeof element === "number"
                ? String(element)
                : element === undefined
                  ? "missing"
                  : Decode.quoted(element)
            return {
              path: pathOf(start + column, shape),
              detail: `it is ${found.slice(0, 60)}, and no ${wanted}`
            }
          }
          data[start + column] = element
        }
        at = start + end
      }
      return undefined
    }
    while (at < data.length) {
      const flaw = fill(Math.min(data.length, at + slice))
      if (flaw !== undefined) return yield* Effect.fail(flaw)
      if (at < data.length) yield* Effect.yieldNow
    }
    return { shape, data }
  })

/** Class ids: whole numbers from 0 on. */
export const ids = (value: unknown): Effect.Effect<Flat<Uint32Array>, Flaw> =>
  flatten(
    value,
    (length) => new Uint32Array(length),
    (id) => Number.isInteger(id) && id >= 0 && id <= 0xffffffff,
    "class id"
  )

/** Scores: any number but NaN. */
export const scores = (value: unknown): Effect.Effect<Flat<Float32Array>, Flaw> =>
  flatten(
    value,
    (length) => new Float32Array(length),
    (score) => !Number.isNaN(score),
    "number"
  )

/** The largest whole number below which a 32-bit float holds each. */
const exact = 2 ** 24

/** Any numbers but NaN; class ids that a 32-bit float cannot hold as whole ones. */
export const values = (value: unknown): Effect.Effect<Flat<Float32Array | Uint32Array>, Flaw> =>
  Effect.flatMap(scores(value), (flat): Effect.Effect<Flat<Float32Array | Uint32Array>, Flaw> => {
    const { data } = flat
    return Effect.flatMap(
      Steps.run(() => hasLarge(data)),
      (isLarge): Effect.Effect<Flat<Float32Array | Uint32Array>, Flaw> =>
        isLarge ? ids(value) : Effect.succeed(flat)
    )
  })

function* hasLarge(data: Float32Array): Steps.Steps<boolean> {
  for (let i = 0; i < data.length; i++) {
    if (i % Steps.pixelsPerStep === 0) yield
    if (data[i]! >= exact && Number.isFinite(data[i])) return true
  }
  return false
}
