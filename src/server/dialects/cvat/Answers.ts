/** What CVAT's functions answer: the regions of a label map as its shapes, and the mask of a click. */
import { Effect } from "effect"
import * as Components from "../../../mask/Components.ts"
import * as Cvat from "../../../mask/Cvat.ts"
import type { CvatMask } from "../../../mask/CvatMask.ts"
import * as Steps from "../../../mask/Steps.ts"
import * as Background from "../../../render/Background.ts"
import type { AnnotationOptions } from "../Annotation.ts"
import * as AtPoints from "../AtPoints.ts"
import * as ClassScores from "../../ClassScores.ts"
import type { Segmented } from "../../Dialect.ts"
import { fromError, Refusal } from "../../Refusal.ts"

const encoder = new TextEncoder()

/** A pixel as text, "0," or "1,", in one number of two bytes. */
const [outside, inside] = new Uint16Array(encoder.encode("0,1,").buffer)

/** Pixels of a mask in one piece. */
const perPiece = 1 << 17

/** The pixels of a mask's box, row by row, 0 or 1, each with a comma behind it, piece by piece. */
function* pixels({ box, counts }: CvatMask): Generator<Uint8Array> {
  const size = box.width * box.height
  let run = 0
  let left = counts[0] ?? size
  for (let from = 0; from < size; from += perPiece) {
    const length = Math.min(perPiece, size - from)
    const text = new Uint16Array(length)
    let at = 0
    while (at < length) {
      if (left === 0) {
        left = counts[++run] ?? size
        continue
      }
      const end = Math.min(length, at + left)
      left -= end - at
      text.fill(run % 2 === 1 ? inside! : outside!, at, end)
      at = end
    }
    yield new Uint8Array(text.buffer)
  }
}

/** Pixels that the masks of a picture may have together, in their boxes: what more would take, CVAT cannot hold either. */
const maxPixels = 1 << 27

/** A shape that is found in a picture. */
interface Detected {
  /** Its JSON, in UTF-8; of a mask without the pixels and what comes after them. */
  readonly json: Uint8Array
  readonly mask: CvatMask | undefined
}

export type AllDetected = ReadonlyArray<Detected>

/** What they take, in bytes. */
export const bytesOf = (all: AllDetected): number =>
  all.reduce((sum, { json, mask }) => sum + 256 + json.byteLength + (mask?.counts.byteLength ?? 0), 0)

/** The shapes of a picture. Only those of at least this score, where there is one. */
export const detected = (shape: Cvat.ShapeType, threshold: number | undefined, options: AnnotationOptions) =>
  Effect.fnUntraced(function* ({ segmentation }: Segmented): Effect.fn.Return<AllDetected, Refusal> {
    const { classes, confidence, labelMap } = yield* ClassScores.make({ segmentation })
    const names = new Map(classes.map(({ id, name }) => [id, name]))
    const background = Background.idsOf(classes)
    const shapes = yield* Steps.run(() =>
      Cvat.steps(labelMap, {
        ...options,
        confidence,
        minScore: threshold,
        contours: shape === "mask",
        typeOf: (id) => (background.has(id) ? undefined : shape)
      })
    )
    let sum = 0
    for (const found of shapes) if (found.type === "mask") sum += found.mask.box.width * found.mask.box.height
    if (sum > maxPixels) {
      return yield* new Refusal({
        status: 413,
        detail:
          "The regions of the picture are too many to be a mask each: leave out small ones (--min-area), have one for each class " +
          "(--objects class), or choose the function of polygons"
      })
    }
    return yield* Steps.run(() => described(shapes, (id) => names.get(id) ?? `class ${id}`))
  })

function* described(
  shapes: ReadonlyArray<Cvat.Shape>,
  nameOf: (classId: number) => string
): Steps.Steps<AllDetected> {
  const all: Array<Detected> = []
  for (const found of shapes) {
    const text = JSON.stringify({
      label: nameOf(found.classId),
      type: found.type,
      points: found.points,
      attributes: [],
      ...(found.score === undefined ? {} : { confidence: String(found.score) })
    })
    all.push(
      found.type === "mask"
        ? { json: encoder.encode(`${text.slice(0, -1)},"mask":[`), mask: found.mask }
        : { json: encoder.encode(text), mask: undefined }
    )
    yield
  }
  return all
}

/**
 * The shapes as JSON. Each piece is made when its turn comes: masks are as large as their boxes, and many boxes may lie over
 * each other.
 */
export function* written(all: AllDetected): Generator<Uint8Array> {
  // What comes before a shape, in one piece with it.
  let before = "["
  for (const { json, mask } of all) {
    yield Buffer.concat([encoder.encode(before), json])
    before = ","
    if (mask === undefined) continue
    const { height, width, x, y } = mask.box
    yield* pixels(mask)
    before = `${[x, y, x + width - 1, y + height - 1].join(",")}]},`
  }
  yield encoder.encode(all.length === 0 ? "[]" : `${before.slice(0, -1)}]`)
}

/** Rows of a mask in one piece. */
const rowsPerPiece = 64

function* rows(mask: Uint8Array, width: number): Steps.Steps<ReadonlyArray<Uint8Array>> {
  const height = mask.length / width
  const pieces: Array<Uint8Array> = [encoder.encode('{"mask":[')]
  for (let from = 0; from < height; from += rowsPerPiece) {
    const lines: Array<string> = []
    for (let y = from; y < Math.min(height, from + rowsPerPiece); y++)
      lines.push(`[${mask.subarray(y * width, (y + 1) * width).join(",")}]`)
    pieces.push(encoder.encode((from === 0 ? "" : ",") + lines.join(",")))
    yield
  }
  pieces.push(encoder.encode("]}"))
  return pieces
}

/** What clicks on a picture are answered with. */
export interface Clickable {
  readonly components: Components.Components
  readonly background: ReadonlySet<number>
}

export const clickable = Effect.fnUntraced(function* ({
  segmentation
}: Segmented): Effect.fn.Return<Clickable, Refusal> {
  const labelMap = yield* Effect.mapError(segmentation.labelMap, fromError)
  const components = yield* Steps.run(() => Components.steps(labelMap))
  const { classes } = yield* ClassScores.make({ segmentation }, components)
  return { components, background: Background.idsOf(classes) }
})

/** What it takes, in bytes, with the room for more that the runs may have. */
export const bytesOfClickable = ({ components }: Clickable): number => {
  const { classIds, component, ends, rows, starts } = components
  return [classIds, component, ends, rows, starts].reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
}

/** The regions at the clicks as JSON, in pieces: a mask as large as the picture, in rows. */
export const clicked =
  (asked: Omit<AtPoints.Asked, "background">) =>
  ({ background, components }: Clickable): Effect.Effect<ReadonlyArray<Uint8Array>> =>
    Effect.flatMap(
      Steps.run(() => AtPoints.pick(components, { ...asked, background })),
      ({ mask }) => Steps.run(() => rows(mask, components.width))
    )
