import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { BinaryMask, ClassTable, Coco, Components, LabelMap, Palette, Rle } from "effect-segformer/mask"
import { fromDigits, labelMaps } from "./support.ts"

const failureOf = (result: Result.Result<unknown, { readonly message: string }>): string =>
  Result.isFailure(result) ? result.failure.message : assert.fail("it did not fail")

describe("Coco", () => {
  it("loses no pixel in any form, and gives the true area and box", () => {
    fc.assert(
      fc.property(
        labelMaps(),
        fc.constantFrom("auto" as const, "rle" as const, "counts" as const),
        fc.constantFrom(4 as const, 8 as const),
        (map, segmentation, connectivity) => {
          const annotations = Coco.annotations(map, { imageId: 1, segmentation, connectivity })
          const back = Result.getOrThrow(Coco.toLabelMap(annotations, map))
          assert.isTrue(LabelMap.equals(back, map))
          const components = Components.make(map, { connectivity })
          const labels = Components.toLabels(components)
          assert.strictEqual(annotations.length, components.count)
          for (const [i, { area, bbox, category_id, id, segmentation }] of annotations.entries()) {
            const mask = {
              width: map.width,
              height: map.height,
              data: Uint8Array.from(labels, (c) => (c === i + 1 ? 1 : 0))
            }
            const decoded = Result.getOrThrow(Coco.toMask(segmentation, map.width, map.height))
            assert.deepStrictEqual(decoded, mask)
            assert.strictEqual(area, BinaryMask.area(mask))
            const box = BinaryMask.box(mask)!
            assert.deepStrictEqual([...bbox], [box.x, box.y, box.width, box.height])
            assert.deepStrictEqual([id, category_id], [i + 1, components.classIds[i]])
          }
        }
      )
    )
  })

  it("writes run lengths where polygons would lose a hole, as one object and not a crowd", () => {
    const map = fromDigits(["111", "101", "111"])
    const [ring] = Coco.annotations(map, { imageId: 3, exclude: [0] })
    assert.deepStrictEqual(ring, {
      id: 1,
      image_id: 3,
      category_id: 1,
      segmentation: { size: [3, 3], counts: Rle.compress([0, 4, 1, 4]) },
      area: 8,
      bbox: [0, 0, 3, 3],
      iscrowd: 0
    })
  })

  it("makes one annotation of a crowd, in counts, with iscrowd 1", () => {
    const map = fromDigits(["2012", "0010"])
    const annotations = Coco.annotations(map, { imageId: 1, exclude: [0], crowds: [2], firstId: 10 })
    assert.deepStrictEqual(
      annotations.map(({ area, category_id, id, iscrowd }) => [id, category_id, area, iscrowd]),
      [
        [10, 1, 2, 0],
        [11, 2, 2, 1]
      ]
    )
    assert.deepStrictEqual(annotations[1]!.segmentation, { size: [2, 4], counts: [0, 1, 5, 1, 1] })
  })

  it("keeps the true area of an outline that is simplified, and leaves small regions out", () => {
    const map = fromDigits(["1000", "1100", "1110", "1111"])
    const [region] = Coco.annotations(map, { imageId: 1, exclude: [0], tolerance: 1 })
    assert.strictEqual(region!.area, 10)
    assert.isTrue(Array.isArray(region!.segmentation) && region!.segmentation[0]!.length <= 10)
    assert.deepStrictEqual(Coco.annotations(map, { imageId: 1, minArea: 11 }), [])
  })

  it("writes a file piece by piece that parses as a whole", () => {
    const map = fromDigits(["01", "20"])
    const classes = ClassTable.fromNames(["background", "a", "b"])
    const categoryOf = (id: number) => id * 10
    const writer = Coco.writer(Coco.categories(classes, { exclude: [0], categoryOf }))
    const image = (id: number) => ({ id, width: 2, height: 2, file_name: `${id}.png` })
    const one = Coco.annotations(map, { imageId: 1, exclude: [0], categoryOf })
    const two = Coco.annotations(map, { imageId: 2, exclude: [0], categoryOf, firstId: 3 })
    const text =
      writer.add(image(1), one) + writer.add(image(9), []) + writer.add(image(2), two) + writer.end()
    assert.deepStrictEqual(Result.getOrThrow(Coco.parse(text)), {
      categories: [
        { id: 10, name: "a" },
        { id: 20, name: "b" }
      ],
      annotations: [...one, ...two],
      images: [image(1), image(9), image(2)]
    })
    assert.deepStrictEqual(Result.getOrThrow(Coco.parse(Coco.writer([]).end())).images, [])
  })

  it("puts the first of overlapping objects in front, and crowds behind", () => {
    const object = (category_id: number, iscrowd: 0 | 1, x: number): Coco.Annotation => ({
      id: category_id,
      image_id: 1,
      category_id,
      iscrowd,
      area: 2,
      bbox: [x, 0, 2, 1],
      segmentation: [[x, 0, x + 2, 0, x + 2, 1, x, 1]]
    })
    const overlapping = [object(9, 1, 0), object(1, 0, 1), object(2, 0, 2)]
    const map = Result.getOrThrow(Coco.toLabelMap(overlapping, { width: 5, height: 1 }))
    assert.deepStrictEqual([map.data, map.ignoreIndex], [Uint8Array.of(9, 1, 1, 2, 255), 255])
    const named = Coco.toLabelMap(overlapping, { width: 5, height: 1 }, { gap: 0, classOf: (id) => id + 300 })
    assert.deepStrictEqual(Result.getOrThrow(named).data, Uint16Array.of(309, 301, 301, 302, 0))
  })

  it("refuses what is no data set or no segmentation of the image", () => {
    assert.match(failureOf(Coco.parse("{")), /COCO data set/)
    assert.match(failureOf(Coco.parse(`{"images":[],"annotations":[{}],"categories":[]}`)), /annotations/)
    assert.match(failureOf(Coco.toMask([[1, 2, 3]], 4, 4)), /polygon 0 has 3 numbers/)
    assert.match(
      failureOf(Coco.toMask({ size: [2, 2], counts: [4] }, 4, 4)),
      /2 x 2 pixels, the image has 4 x 4/
    )
    const bad = {
      ...Coco.annotations(LabelMap.filled(2, 2, 1), { imageId: 1 })[0]!,
      segmentation: { size: [2, 2] as const, counts: [9] }
    }
    assert.match(failureOf(Coco.toLabelMap([bad], { width: 2, height: 2 })), /sum up to 9/)
  })

  it("names the categories of a known data set", () => {
    assert.deepStrictEqual(Coco.categories(Palette.cityscapes)[13], { id: 13, name: "car" })
  })
})
