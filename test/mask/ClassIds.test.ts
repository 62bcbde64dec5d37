/** Ids from outside: 255 may be a class as any other, and what is free is found. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  BinaryMask,
  Coco,
  GeoJson,
  LabelMap,
  Masks,
  MaskNotDecodable,
  Polygons,
  Yolo
} from "effect-segformer/mask"
import { annotation, feature } from "./support.ts"

/** Two columns: the first of a class, the second of none. */
const readers: Readonly<Record<string, (id: number) => LabelMap.LabelMap>> = {
  coco: (id) => Result.getOrThrow(Coco.toLabelMap([annotation(id, 1)], { width: 2, height: 2 })),
  yolo: (id) => Result.getOrThrow(Yolo.toLabelMap(`${id} 0 0 0.5 0 0.5 1 0 1`, 2, 2)),
  geojson: (id) => Result.getOrThrow(GeoJson.toLabelMap(feature(id, 1), { width: 2, height: 2 })),
  masks: (classId) =>
    Result.getOrThrow(Masks.toLabelMap([{ classId, mask: BinaryMask.fromRows(["#.", "#."]) }])),
  polygons: (classId) =>
    Polygons.toLabelMap(
      [
        {
          classId,
          polygons: [
            {
              outer: [
                [0, 0],
                [1, 0],
                [1, 2],
                [0, 2]
              ],
              holes: []
            }
          ]
        }
      ],
      2,
      2
    )
}

describe("ids from outside", () => {
  for (const [name, read] of Object.entries(readers)) {
    it(`${name}: every id is kept, and gaps get one that no class has`, () => {
      for (const id of [0, 1, 254, 255, 256, 1203, 65_535, 65_536, 4_294_967_294, 4_294_967_295]) {
        const { data, ignoreIndex } = read(id)
        const gap = id === 255 ? 256 : 255
        assert.deepStrictEqual([Array.from(data), ignoreIndex], [[id, gap, id, gap], gap], String(id))
      }
    })
  }

  it("where the largest id and 255 are taken, the lowest free one is the gap", () => {
    const both = [
      annotation(4_294_967_295, 1),
      { ...annotation(255, 1), segmentation: [[9, 9, 10, 9, 10, 10]] }
    ]
    const { data, ignoreIndex } = Result.getOrThrow(Coco.toLabelMap(both, { width: 2, height: 2 }))
    assert.deepStrictEqual([data[0], data[1], ignoreIndex], [4_294_967_295, 0, 0])
  })

  it("remap takes as many entries as there are, and no replacement that is no id", () => {
    const many = new Map(Array.from({ length: 200_000 }, (_, id) => [id, id + 1]))
    const map = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint32Array.of(3, 199_999) })
    assert.deepStrictEqual(LabelMap.remap(map, many).data, Uint32Array.of(4, 200_000))
    const narrow = LabelMap.makeUnsafe({ width: 2, height: 1, data: Uint8Array.of(3, 4) })
    assert.deepStrictEqual(LabelMap.remap(narrow, many).data, Uint32Array.of(4, 5))
    assert.deepStrictEqual(
      LabelMap.remap(
        narrow,
        new Map([
          [-1, 9],
          [1.5, 9],
          [3, 7]
        ])
      ).data,
      Uint8Array.of(7, 4)
    )
    for (const id of [-1, 2 ** 33, 1.5, Number.NaN])
      assert.throws(() => LabelMap.remap(narrow, new Map([[3, id]])), MaskNotDecodable)
  })
})
