/** COCO as other people write it. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { BinaryMask, Coco, Rle } from "effect-segformer/mask"

const square = [1, 1, 3, 1, 3, 3, 1, 3]
const image = { id: 7, width: 4, height: 4, file_name: "a.jpg" }
const object: Coco.Annotation = {
  id: 3,
  image_id: 7,
  category_id: 2,
  segmentation: [square],
  area: 4,
  bbox: [1, 1, 2, 2],
  iscrowd: 0
}
const runs = Rle.toCoco(Rle.fromMask(BinaryMask.fromRows(["....", ".##.", ".##.", "...."])))

const read = (file: unknown) =>
  Result.getOrThrow(Coco.parse(typeof file === "string" ? file : JSON.stringify(file)))
const readOne = (annotation: Readonly<Record<string, unknown>>) =>
  read({ images: [image], annotations: [annotation], categories: [{ id: 2, name: "pit" }] })
const failureOf = (file: unknown): string => {
  const result = Coco.parse(typeof file === "string" ? file : JSON.stringify(file))
  return Result.isFailure(result) ? result.failure.message : assert.fail("it did not fail")
}

describe("other people's COCO", () => {
  it("what is missing is put in from the rest", () => {
    const whole = object
    for (const missing of [["iscrowd"], ["area"], ["bbox"], ["iscrowd", "area", "bbox"]]) {
      const rest = Object.fromEntries(Object.entries(object).filter(([key]) => !missing.includes(key)))
      const { annotations, leftOut } = readOne(rest)
      assert.deepStrictEqual([annotations, leftOut], [[whole], undefined], missing.join())
    }
    const { area: _, bbox: __, ...bare } = { ...object, segmentation: runs }
    assert.deepStrictEqual(readOne(bare).annotations[0], { ...object, segmentation: runs })
    assert.strictEqual(readOne({ ...object, iscrowd: true }).annotations[0]?.iscrowd, 1)
    assert.strictEqual(readOne({ ...object, id: undefined }).annotations[0]?.id, 1)
    assert.deepStrictEqual(readOne({ ...object, bbox: [], area: "4" }).annotations, [whole])
    assert.deepStrictEqual(readOne({ ...object, segmentation: square }).annotations, [whole])
    assert.deepStrictEqual(readOne({ ...object, image_id: "7", category_id: "2" }).annotations, [whole])
  })

  it("what is written in another way is read as what it is", () => {
    const points = [
      [1, 1],
      [3, 1],
      [3, 3],
      [1, 3]
    ]
    for (const segmentation of [points, [points]])
      assert.deepStrictEqual(readOne({ ...object, segmentation }).annotations, [object])
    // Python's bytes, as its `str` has them: what they escape is one character.
    const own = Rle.toCoco({ width: 8, height: 8, counts: Uint32Array.of(44, 20) })
    assert.include(own.counts, "\\")
    for (const quote of ["'", '"']) {
      const counts = `b${quote}${String(own.counts).replaceAll("\\", "\\\\")}${quote}`
      const annotation = { ...object, segmentation: { ...own, counts } }
      const found = read({ images: [{ ...image, width: 8, height: 8 }], annotations: [annotation] })
      assert.deepStrictEqual(found.annotations[0]?.segmentation, own)
    }
  })

  it("an image that does not tell its size has that of its run lengths", () => {
    const { height: _, width: __, ...bare } = image
    for (const own of [bare, { ...bare, width: 0, height: 0 }, { ...bare, width: null, height: "?" }]) {
      const annotations = [
        { ...object, id: 4 },
        { ...object, segmentation: runs }
      ]
      assert.deepStrictEqual(read({ images: [own], annotations }).images, [image])
      assert.match(failureOf({ images: [own], annotations: [object] }), /has no width and height/)
    }
  })

  it("run lengths that are of no mask are left out by name, and the others stay", () => {
    const wrong: ReadonlyArray<readonly [unknown, RegExp]> = [
      [{ size: [4, 4], counts: [1, 2] }, /sum up to 3/],
      [{ size: [4, 4], counts: "5'2203" }, /the character "'"/],
      [{ size: [4, 4], counts: "b'0'" }, /sum up to 0/],
      [{ size: [2, 8], counts: [16] }, /of another size/],
      [{ size: [4, 4], counts: [-1, 17] }, /run 0 is -1/],
      [{ size: [1e9, 1e9], counts: [1] }, /more than/],
      [{ size: [4, 4], counts: "5220P" }, /ends within a number/]
    ]
    for (const [segmentation, reason] of wrong) {
      const found = read({ images: [image], annotations: [object, { ...object, id: 9, segmentation }] })
      assert.deepStrictEqual(found.annotations, [object])
      assert.deepInclude(found.leftOut?.[0], { what: "annotation", count: 1, ids: ["9"] })
      assert.match(found.leftOut?.[0]?.reason ?? "", reason)
    }
  })

  it("LVIS names images by their address, and lists of results name none", () => {
    const lvis = { id: 7, width: 4, height: 4, coco_url: "http://images.example/train2017/000000391895.jpg" }
    assert.strictEqual(
      read({ images: [lvis], annotations: [object] }).images[0]?.file_name,
      "000000391895.jpg"
    )
    assert.strictEqual(
      read({ images: [{ id: 7, width: 4, height: 4 }], annotations: [] }).images[0]?.file_name,
      "7"
    )
    const results = read([{ image_id: 7, category_id: 2, segmentation: runs, score: 0.9 }])
    assert.deepStrictEqual(results.images, [{ id: 7, width: 4, height: 4, file_name: "7" }])
    assert.deepStrictEqual(results.annotations[0]?.area, 4)
    const map = Result.getOrThrow(Coco.toLabelMap(results.annotations, results.images[0]!))
    assert.strictEqual(map.data[5], 2)
  })

  it("what cannot be read is left out, named and counted, and the rest is read", () => {
    const bad: ReadonlyArray<readonly [Readonly<Record<string, unknown>>, RegExp]> = [
      [{ segmentation: [[1, 1, 3, 3]] }, /none of its polygons can be read/],
      [{ segmentation: [] }, /no segmentation/],
      [{ segmentation: null }, /no segmentation/],
      [{ segmentation: undefined }, /no segmentation/],
      [{ segmentation: { size: [4, 4] } }, /no counts/],
      [{ segmentation: { counts: "04" } }, /no size/],
      [{ segmentation: [[1, 1, 3, 1, 3, null]] }, /none of its polygons can be read/],
      [{ image_id: undefined }, /no image_id/],
      [{ image_id: "a" }, /no image_id/],
      [{ category_id: 1.5 }, /no category_id/],
      [{ category_id: undefined, segments_info: [] }, /panoptic/]
    ]
    for (const [change, says] of bad) {
      const { annotations, incomplete, leftOut } = read({
        images: [image],
        annotations: [{ ...object, ...change, id: 9 }, object],
        categories: []
      })
      assert.deepStrictEqual(annotations, [object])
      // What covers no pixel, or is of no image, makes nothing of an image untrue.
      const isHarmless = "image_id" in change || JSON.stringify(change).includes("[[1,1,3,3]]")
      assert.deepStrictEqual(incomplete, isHarmless ? [] : [7], `${says}`)
      const own = leftOut?.find(({ what }) => what === "annotation")
      assert.deepInclude(own, { count: 1, ids: ["9"] })
      assert.match(own?.reason ?? "", says)
      assert.match(failureOf({ images: [image], annotations: [{ ...object, ...change }] }), says)
    }
    const one = readOne({ ...object, segmentation: [square, [1, 1, 3, 3]] })
    assert.deepStrictEqual(one.annotations, [object])
    assert.deepStrictEqual(one.incomplete, [])
    const part = readOne({ ...object, segmentation: [square, ["1", "1", "3", "3", "1", "3"]] })
    assert.deepStrictEqual([part.annotations, part.incomplete], [[object], [7]])
    assert.deepStrictEqual(one.leftOut, [
      { what: "polygon", reason: "it has 4 numbers, and no area", count: 1, ids: ["3"] }
    ])
    const many = read({
      images: [image, { id: 8 }, {}],
      annotations: [object],
      categories: [{ name: "x" }, { id: 2 }]
    })
    assert.deepStrictEqual(many.categories, [{ id: 2, name: "class 2" }])
    assert.deepStrictEqual(
      many.leftOut?.map(({ count, what }) => [what, count]),
      [
        ["image", 1],
        ["image", 1],
        ["category", 1]
      ]
    )
  })

  it("a mark at the beginning and Python's numbers are no fault; what is no data set is", () => {
    const text = JSON.stringify({ images: [image], annotations: [object], categories: [] })
    assert.strictEqual(read(`\uFEFF${text}`).annotations.length, 1)
    assert.deepStrictEqual(read(text.replace('"area":4', '"area": NaN')).annotations, [object])
    assert.match(failureOf("{"), /no JSON/)
    assert.match(failureOf("3"), /neither an object nor a list/)
    assert.match(failureOf({ images: {}, annotations: [] }), /its images are no list/)
    assert.match(failureOf({ info: {} }), /neither images nor annotations/)
  })
})

describe("COCO whose parts do not go together", () => {
  const reasons = (file: unknown) =>
    read(file).leftOut?.map(({ count, ids, reason, what }) => [what, reason, count, ids])
  const categories = [{ id: 2, name: "pit" }]

  it("an id that is there twice is of the first, which is said", () => {
    const twice = { images: [image, { ...image, file_name: "b.jpg" }], annotations: [object], categories }
    assert.deepStrictEqual(read(twice).images, [image])
    assert.deepStrictEqual(reasons(twice), [["image", "another before it has its id", 1, ["7"]]])
    assert.deepStrictEqual(read(twice).incomplete, [7])
    assert.deepStrictEqual(read({ ...twice, images: [image, image] }).incomplete, [])
    const names = {
      images: [image],
      annotations: [object],
      categories: [...categories, ...categories, { id: 2, name: "scratch" }]
    }
    assert.deepStrictEqual(read(names).categories, categories)
    assert.deepStrictEqual(reasons(names), [
      ["category", "another before it has its id, and another name", 1, ["2"]]
    ])
  })

  it("another annotation of an id counts under one of its own; the same once more does not; both are said", () => {
    const other = [[0, 0, 1, 0, 1, 1]]
    const idsOf = (...annotations: ReadonlyArray<unknown>) =>
      read({ images: [image, { ...image, id: 8 }], annotations, categories }).annotations.map(
        ({ id, image_id, segmentation }) => [id, image_id, JSON.stringify(segmentation)]
      )
    const both = {
      images: [image],
      annotations: [object, { ...object, segmentation: other }, object],
      categories
    }
    assert.deepStrictEqual(reasons(both), [
      ["id", "another annotation before it has it, and both count", 1, ["3"]],
      ["annotation", "the same is there before it, under its id", 1, ["3"]]
    ])
    const own = JSON.stringify(object.segmentation)
    assert.deepStrictEqual(idsOf(...both.annotations), [
      [3, 7, own],
      [4, 7, JSON.stringify(other)]
    ])
    // Another image, another class, an id as text; ids that are left out take none that another has.
    assert.deepStrictEqual(
      idsOf(object, { ...object, image_id: 8 }, { ...object, id: "3", category_id: 1 }),
      [
        [3, 7, own],
        [4, 8, own],
        [5, 7, own]
      ]
    )
    const { id: _, ...bare } = object
    assert.deepStrictEqual(idsOf({ ...bare, image_id: 8 }, { ...object, id: 1 }, bare), [
      [4, 8, own],
      [1, 7, own],
      [3, 7, own]
    ])
    assert.strictEqual(
      new Set(idsOf(object, { ...object, id: 4 }, { ...object, image_id: 8 }).map(([id]) => id)).size,
      3
    )
    const labels = Result.getOrThrow(Coco.toLabelMap(read(both).annotations, read(both).images[0]!))
    assert.strictEqual(labels.data[5], 2)
  })

  it("an annotation of an image that is not listed is left out, which is said", () => {
    const stranger = { ...object, id: 4, image_id: 8 }
    const file = { images: [image], annotations: [object, stranger], categories }
    assert.deepStrictEqual(read(file).annotations, [object])
    assert.deepStrictEqual(reasons(file), [["annotation", "the image that it is of is not listed", 1, ["4"]]])
    assert.match(failureOf({ ...file, annotations: [stranger] }), /the image that it is of is not listed/)
    assert.match(failureOf({ ...file, images: [] }), /the image that it is of is not listed/)
    // Without a list of images, run lengths say what there is.
    assert.strictEqual(read({ annotations: [{ ...stranger, segmentation: runs }] }).images[0]?.id, 8)
  })

  it("outlines in parts of the sides are none in pixels, and one of a pixel is", () => {
    const parts = [0.25, 0.25, 0.75, 0.25, 0.75, 0.75, 0.25, 0.75]
    const file = (...segmentation: ReadonlyArray<ReadonlyArray<number>>) => ({
      images: [image],
      annotations: [object, { ...object, id: 5, segmentation }],
      categories
    })
    for (const outlines of [[parts], [parts, parts], [[0, 0, 1, 0, 0.5, 1]]])
      assert.deepStrictEqual(reasons(file(...outlines)), [
        ["annotation", "its outlines are in parts of the sides, not in pixels", 1, ["5"]]
      ])
    assert.match(
      failureOf({ ...file(parts), annotations: [{ ...object, segmentation: [parts] }] }),
      /parts of the sides/
    )
    for (const outlines of [[[0, 0, 1, 0, 1, 1, 0, 1]], [[0.5, 0.5, 3.5, 0.5, 3.5, 3]], [parts, square]])
      assert.strictEqual(read(file(...outlines)).annotations.length, 2)
  })
})
