/** What CVAT's functions answer: the regions of a label map as its shapes, and the mask of a click. */
import { Effect } from "effect"
import * as Cvat from "../../../mask/Cvat.ts"
import type { CvatMask } from "../../../mask/CvatMask.ts"
import * as Steps from "../../../mask/Steps.ts"
import * as Background from "../../../render/Background.ts"
import type { AnnotationOptions } from "../Annotation.ts"
import * as AtPoints from "../AtPoints.ts"
import * as ClassScores from "../../ClassScores.ts"
import type { Segmented } from "../../Dialect.ts"
import type { Refusal } from "../../Refusal.ts"

const [zero, one, comma] = [0x30, 0x31, 0x2c]

/** Pixels of a mask between two pauses. */
const perStep = 1 << 20

/** The pixels of a mask's box, row by row, 0 or 1, each with a comma behind it. */
function* pixels({ box, counts }: CvatMask): Steps.Steps<Uint8Array> {
  const text = new Uint8Array(box.width * box.height * 2)
  for (let i = 0; i < text.length; i += 2) {
    text[i] = zero
    text[i + 1] = comma
    if (i % perStep === perStep - 2) yield
  }
  let at = 0
  for (let i = 0; i < counts.length; i++) {
    const end = at + counts[i]!
    if (i % 2 === 1) for (; at < end; at++) text[at * 2] = one
    at = end
  }
  return text
}

const encoder = new TextEncoder()

/** The shapes of a picture as JSON, in pieces. Only those of at least this score, where there is one. */
export const detected = (shape: Cvat.ShapeType, threshold: number | undefined, options: AnnotationOptions) =>
  Effect.fnUntraced(function* ({
    segmentation
  }: Segmented): Effect.fn.Return<ReadonlyArray<Uint8Array>, Refusal> {
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
    const pieces: Array<Uint8Array> = [encoder.encode("[")]
    for (const [index, found] of shapes.entries()) {
      const { box, ...rest } = {
        box: found.type === "mask" ? found.mask.box : undefined,
        label: names.get(found.classId) ?? `class ${found.classId}`,
        type: found.type,
        points: found.points,
        attributes: [],
        ...(found.score === undefined ? {} : { confidence: String(found.score) })
      }
      const text = JSON.stringify(rest)
      const before = index === 0 ? "" : ","
      if (found.type === "mask" && box !== undefined) {
        const corners = [box.x, box.y, box.x + box.width - 1, box.y + box.height - 1]
        pieces.push(
          encoder.encode(`${before}${text.slice(0, -1)},"mask":[`),
          yield* Steps.run(() => pixels(found.mask)),
          encoder.encode(`${corners.join(",")}]}`)
        )
      } else pieces.push(encoder.encode(before + text))
    }
    pieces.push(encoder.encode("]"))
    return pieces
  })

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

/** The regions at the clicks as JSON, in pieces: a mask as large as the picture, in rows. */
export const clicked = (asked: Omit<AtPoints.Asked, "background">) =>
  Effect.fnUntraced(function* ({
    segmentation
  }: Segmented): Effect.fn.Return<ReadonlyArray<Uint8Array>, Refusal> {
    const { classes, labelMap } = yield* ClassScores.make({ segmentation })
    const background = Background.idsOf(classes)
    const { mask } = yield* Steps.run(() => AtPoints.pick(labelMap, { ...asked, background }))
    return yield* Steps.run(() => rows(mask, labelMap.width))
  })
