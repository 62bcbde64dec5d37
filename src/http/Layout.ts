/**
 * What the axes of an array are that a segmenter answers: one class map, or a plane of scores for each class, before or
 * behind the rows and columns.
 *
 * Nobody says so, and an array that is read along the wrong axis gives a map that looks like one. So its shape, the classes
 * that are known, the aspect of the image, and whether scores add up to 1, decide together; where they leave more than one
 * way, it is a failure that names the option to set, and never a guess.
 */
import { Result } from "effect"
import type { ClassTable } from "../mask/ClassTable.ts"
import * as Fit from "../mask/Fit.ts"
import { addUp } from "../mask/Probabilities.ts"
import * as Steps from "../mask/Steps.ts"

/** What is known besides the array itself. */
export interface Known {
  /** The image as the model saw it, and as it is. */
  readonly images: ReadonlyArray<Fit.Size>
  readonly classes?: ClassTable | undefined
  /** Where the classes are, by option. */
  readonly channels?: "first" | "last" | undefined
  /** Rows are columns, by option. */
  readonly transposed?: boolean | undefined
  /** What the array holds, by option. */
  readonly as?: "ids" | "logits" | undefined
}

export interface Layout {
  readonly channels: "first" | "last"
  /** 1 is one plane. */
  readonly classes: number
  readonly height: number
  readonly width: number
}

/** One way to read a shape. */
interface Way {
  readonly axis: 0 | 1 | 2
  readonly classes: number
  readonly height: number
  readonly width: number
  /** How well its plane suits the image, turned if need be: an index of `Fit.fits`. */
  readonly suits: number
}

const axes = [0, 1, 2] as const
const suit = (fit: Fit.Fit) => Fit.fits.indexOf(fit)
const [other, square, scaled, exact] = [suit("other"), suit("square"), suit("scaled"), suit("exact")]

/** Three axes, without those of a batch of one; `undefined` where others are left. */
const innerOf = (shape: ReadonlyArray<number>): readonly [number, number, number] | undefined => {
  const dims = [...shape]
  while (dims.length > 3 && dims[0] === 1) dims.shift()
  while (dims.length > 3 && dims.at(-1) === 1) dims.pop()
  const [a, b, c] = dims.length === 2 ? [1, ...dims] : dims
  return dims.length > 3 || a === undefined || b === undefined || c === undefined ? undefined : [a, b, c]
}

const waysOf = (
  dims: readonly [number, number, number],
  { images, transposed }: Known
): ReadonlyArray<Way> => {
  const ways = axes.map((axis): Way => {
    const [height = 1, width = 1] = dims.filter((_, index) => index !== axis)
    const plane = transposed === true ? Fit.turn({ height, width }) : { height, width }
    // Rows that are columns are a rival of all else, and no way that is gone.
    const suits = images.map((image) =>
      Fit.fits.indexOf(Fit.of(Fit.isTurned(plane, image) ? Fit.turn(plane) : plane, image))
    )
    return { axis, classes: dims[axis], height, width, suits: Math.max(...suits) }
  })
  // One plane is the same wherever its axis of 1 stands.
  return ways.filter(
    (way, index) =>
      way.classes > 1 ||
      !ways.some(
        (before, at) =>
          at < index && before.classes === 1 && before.height === way.height && before.width === way.width
      )
  )
}

function* isWhole(data: ArrayLike<number>): Steps.Steps<boolean> {
  for (let i = 0; i < data.length; i++) {
    if (i % Steps.pixelsPerStep === 0) yield
    if (!(Number.isInteger(data[i]) && data[i]! >= 0)) return false
  }
  return true
}

/** Those of which something in steps is true. */
function* those<A>(items: ReadonlyArray<A>, holds: (item: A) => Steps.Steps<boolean>): Steps.Steps<Array<A>> {
  const found: Array<A> = []
  for (const item of items) if (yield* holds(item)) found.push(item)
  return found
}

/** The one way that suits the image better than any other; `undefined` where there is none such. */
const best = (ways: ReadonlyArray<Way>): Way | undefined => {
  const [first, second] = ways.toSorted((a, b) => b.suits - a.suits)
  if (first === undefined || second === undefined) return first
  if (first.suits === exact) return second.suits < exact ? first : undefined
  // A part of the image's size, or a square for every image, may be so by chance.
  return second.suits < Math.min(first.suits, square) ? first : undefined
}

/** What the axes of an array are, or why that is not known. */
export function* decide(
  shape: ReadonlyArray<number>,
  data: ArrayLike<number>,
  known: Known
): Steps.Steps<Result.Result<Layout, string>> {
  const said = `the shape [${shape.join(", ")}]`
  const dims = innerOf(shape)
  if (dims === undefined) {
    return Result.fail(`it has ${said}, where a class map has two dimensions and scores have three`)
  }
  const lastId = known.classes?.at(-1)?.id ?? -1
  const chosen = ({ axis, classes, height, suits, width }: Way): Result.Result<Layout, string> => {
    if (axis === 1 && classes > 1)
      return Result.fail(`it has ${said}, with its ${classes} classes between rows and columns`)
    // Planes of the image's shape that are too few are no reason to cut the array some other way.
    const short = all.find(
      (way) => way.classes > 1 && way.classes <= lastId && way.suits > suits && way.suits >= scaled
    )
    if (short !== undefined && classes > 1) {
      return Result.fail(
        `it has ${said}, of ${short.classes} planes of the image's shape, and the model's last class id is ${lastId}`
      )
    }
    return Result.succeed({ channels: axis === 2 ? "last" : "first", classes, height, width })
  }
  const open = () =>
    Result.fail(
      `it has ${said}, which can be read in more than one way. Say with \`channels\` whether its classes come "first" or "last", or give \`classes\``
    )

  const all = waysOf(dims, known)
  const planes = all.filter(({ classes }) => classes === 1)
  if (known.as === "ids" || shape.length === 2) {
    return planes[0] === undefined
      ? Result.fail(`it has ${said}, where a class map has [height, width]`)
      : chosen(planes.find(({ axis }) => axis === 0) ?? planes[0])
  }
  // Whole numbers that are no shares of 1 are ids, where they can be.
  if (
    planes.length > 0 &&
    known.as === undefined &&
    (yield* isWhole(data)) &&
    (yield* those(
      all.filter(({ classes }) => classes > 1),
      ({ axis }) => addUp(data, dims, axis)
    )).length === 0
  ) {
    const plane = best(planes)
    return plane === undefined ? open() : chosen(plane)
  }
  const count = known.classes?.length ?? 0
  const several = all.filter(({ classes }) => classes > 1)
  const enough = several.filter(({ classes }) => classes > lastId)
  if (planes.length === 0 && enough.length === 0) {
    return Result.fail(
      `it has ${said}, and no axis for the model's ${count} classes, whose last id is ${lastId}`
    )
  }
  const shares = yield* those(enough, ({ axis }) => addUp(data, dims, axis))
  const likely = shares.length > 0 ? shares : enough
  // As many as there are classes, unless another way is the image's very shape.
  const named = likely.filter(({ classes }) => count > 0 && (classes === count || classes === lastId + 1))
  const suiting = named.some(({ suits }) => suits > other)
  const rest = likely.filter((way) => !named.includes(way))
  const counted = named.length > 0 && (suiting || !rest.some(({ suits }) => suits >= scaled)) ? named : likely
  const ways = [...planes, ...counted]

  if (known.channels === undefined) {
    const way = best(ways)
    return way === undefined ? open() : chosen(way)
  }
  const wanted = known.channels === "first" ? 0 : 2
  const there = ways.filter(({ axis }) => axis === wanted)
  const plane = best(planes)
  const first = best(there)
  // A plane is one wherever its axis of 1 stands.
  const way = plane !== undefined && plane.suits > (first?.suits ?? -1) ? plane : first
  const against = best(ways)
  if (
    way === undefined ||
    (against !== undefined && against !== way && against.suits >= scaled && way.suits <= other)
  ) {
    return Result.fail(
      `it has ${said}, in which its classes do not come ${known.channels}, as \`channels\` says`
    )
  }
  return chosen(way)
}
