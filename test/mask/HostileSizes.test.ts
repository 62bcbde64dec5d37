/** Sizes and ids that no mask has, as strangers write them: a tagged failure each, before memory is taken. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  BinaryMask,
  Coco,
  ConfidenceMap,
  GeoJson,
  LabelMap,
  Masks,
  MaskNotDecodable,
  Polygons,
  Rle,
  Yolo
} from "effect-segformer/mask"
import { annotation, feature } from "./support.ts"

const sizes: ReadonlyArray<readonly [width: number, height: number]> = [
  [-1, 4],
  [4, -1],
  [0, 4],
  [1.5, 4],
  [Number.NaN, 4],
  [Infinity, 4],
  [1e9, 1],
  [1, 1e9],
  [1e9, 1e9],
  [2 ** 32, 4],
  [2 ** 53, 2 ** 53]
]

const ids = [-1, 2 ** 32, 2 ** 32 + 3, 2 ** 53, 1.5, Number.NaN, Infinity]

const tagged = (cause: unknown): string => (cause instanceof MaskNotDecodable ? cause._tag : String(cause))

const tagOf = (make: () => unknown): string => {
  try {
    const made = make()
    return Result.isResult(made) && Result.isFailure(made) ? tagged(made.failure) : "none"
  } catch (cause) {
    return tagged(cause)
  }
}

const square = [0, 0, 2, 0, 2, 2, 0, 2]
const polygon = { outer: Polygons.ringOf(square), holes: [] }
const mask = BinaryMask.fromRows(["##", ".."])
const confidence: ConfidenceMap.ConfidenceMap = { width: 1, height: 1, data: Float32Array.of(0.5) }

describe("sizes that no mask has", () => {
  const readers: Readonly<Record<string, (width: number, height: number) => unknown>> = {
    "Rle.fromCoco": (width, height) => Rle.fromCoco({ size: [height, width], counts: [width * height] }),
    "Rle.fromCoco, compressed": (width, height) => Rle.fromCoco({ size: [height, width], counts: "52203" }),
    "Rle.toMask": (width, height) => Rle.toMask({ width, height, counts: Uint32Array.of(4) }),
    "Coco.toMask": (width, height) => Coco.toMask([square], width, height),
    "Coco.toLabelMap": (width, height) => Coco.toLabelMap([annotation(1, 2)], { width, height }),
    "Yolo.toLabelMap": (width, height) => Yolo.toLabelMap("1 0 0 0.5 0 0.5 0.5", width, height),
    "GeoJson.toLabelMap": (width, height) => GeoJson.toLabelMap(feature(1, 2), { width, height }),
    "Polygons.toMask": (width, height) => Polygons.toMask([polygon], width, height),
    "LabelMap.filled": (width, height) => LabelMap.filled(width, height, 1),
    "LabelMap.resize": (width, height) => LabelMap.resize(LabelMap.filled(2, 2, 1), width, height),
    "BinaryMask.resize": (width, height) => BinaryMask.resize(mask, width, height),
    "ConfidenceMap.resize": (width, height) => ConfidenceMap.resize(confidence, width, height),
    "BinaryMask.empty": (width, height) => BinaryMask.empty(width, height)
  }
  for (const [name, read] of Object.entries(readers)) {
    it.each(sizes)(`${name} of %d x %d`, (width, height) => {
      assert.strictEqual(
        tagOf(() => read(width, height)),
        "MaskNotDecodable"
      )
    })
  }
})

describe("ids that no map has", () => {
  const readers: Readonly<Record<string, (id: number) => unknown>> = {
    "Coco.toLabelMap": (id) => Coco.toLabelMap([annotation(id, 2)], { width: 4, height: 4 }),
    "Coco.toLabelMap by classOf": (id) =>
      Coco.toLabelMap([annotation(1, 2)], { width: 4, height: 4 }, { classOf: () => id }),
    "Yolo.toLabelMap": (id) => Yolo.toLabelMap(`${id} 0 0 0.5 0 0.5 0.5`, 4, 4),
    "GeoJson.toLabelMap": (id) => GeoJson.toLabelMap(feature(id, 2), { width: 4, height: 4 }),
    "Masks.toLabelMap": (id) => Masks.toLabelMap([{ classId: id, mask }]),
    "LabelMap.filled": (id) => LabelMap.filled(2, 2, id),
    "LabelMap.remap": (id) => LabelMap.remap(LabelMap.filled(2, 2, 1), new Map([[1, id]]))
  }
  for (const [name, read] of Object.entries(readers)) {
    it.each(ids)(`${name} of %d`, (id) => {
      assert.strictEqual(
        tagOf(() => read(id)),
        "MaskNotDecodable"
      )
    })
  }

  it("the largest id that there is stays what it is", () => {
    const map = Result.getOrThrow(Coco.toLabelMap([annotation(2 ** 32 - 1, 2)], { width: 4, height: 4 }))
    assert.strictEqual(LabelMap.at(map, 0, 0), 2 ** 32 - 1)
  })
})
