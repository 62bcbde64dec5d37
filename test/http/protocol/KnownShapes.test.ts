/** Answers in the shapes of libraries that many services wrap, and what has such a shape and is no mask of a class. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decode, plane, refused, shares } from "./maskAnswers.ts"

const [width, height] = [48, 32]
/** The left quarter, and the right one: 12 parts of 48 each. */
const road = plane(width, height, (x) => (x < 12 ? 1 : 0))
const tree = plane(width, height, (x) => (x >= 36 ? 1 : 0))
const namesIn = (value: unknown) =>
  Effect.map(decode(value), ({ classes }) => classes.map(({ id, name }) => `${id} ${name}`))

describe("answers of libraries", () => {
  const bools = [road, tree].map((mask) => mask.map((row) => row.map((value) => value === 1)))
  const found = { pred_masks: bools, pred_classes: [3, 7], scores: [0.9, 0.8] }
  const boxed = { box: { topX: 0, topY: 0, bottomX: 0.25, bottomY: 1 }, label: "road", score: 0.98 }
  const azure = { boxes: [{ ...boxed, polygon: [[0, 0, 0.25, 0, 0.25, 1, 0, 1]] }] }
  const segments = { x: [0, 12, 12, 0], y: [0, 0, 32, 32] }
  const hub = { results: [{ name: "road", class: 1, confidence: 0.9, segments }], shape: [32, 48] }

  it.effect.each([
    ["Detectron2's fields", found, { 3: 12, 7: 12, 255: 24 }],
    ["its instances", { instances: found, image_size: [32, 48] }, { 3: 12, 7: 12, 255: 24 }],
    ["none of them", { instances: { pred_masks: [], pred_classes: [] } }, { 255: 48 }],
    ["MMDetection's", { pred_instances: { masks: [road], labels: [3], scores: [0.9] } }, { 3: 12, 255: 36 }],
    ["MMSegmentation's", { pred_sem_seg: { data: [road] } }, { 0: 36, 1: 12 }],
    ["its list", { predictions: [{ pred_sem_seg: { data: [road] } }] }, { 0: 36, 1: 12 }],
    ["Ultralytics' hub", { images: [hub], metadata: {} }, { 1: 12, 255: 36 }],
    ["nothing of it", { images: [{ results: [], shape: [32, 48] }] }, { 255: 48 }],
    ["a list of one list", [[{ label: "road", score: null, mask: road }]], { 0: 12, 255: 36 }],
    ["Azure's AutoML", [azure], { 0: 12, 255: 36 }],
    ["Azure's AutoML, of one", azure, { 0: 12, 255: 36 }]
  ] as const)("are read: %s", ([, body, expected]) =>
    Effect.map(shares(body), (counts) => assert.deepStrictEqual(counts, expected))
  )

  it.effect.each([
    ["masks and no classes", { pred_instances: { masks: [road], scores: [0.9] } }],
    ["boxes and no masks", { boxes: [boxed] }],
    ["boxes and no segments", { images: [{ results: [{ name: "road", class: 1, box: { x1: 0 } }] }] }],
    ["two images", { images: [hub, hub] }],
    ["pictures", { images: [{ data: "iVBORw0KGgo" }] }]
  ])("are no masks where they have %s", ([, body]) =>
    Effect.map(refused(decode(body)), (message) => assert.include(message, "there is no mask"))
  )

  it.effect("have names of their own, which lists of all classes beside Detectron2's give to none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* namesIn({ images: [hub] }), ["1 road"])
      const ones = { ...found, pred_classes: [1, 0], class_names: ["person", "car"] }
      assert.deepStrictEqual(yield* namesIn(ones), [])
      assert.deepStrictEqual(yield* shares(ones), { 0: 12, 1: 12, 255: 24 })
    })
  )
})

describe("a map with its segments behind it", () => {
  const map = plane(width, height, (x) => (x < 12 ? 1 : x < 36 ? 0 : 2))
  const listed = (category: number, isthing: boolean) => [
    { id: 1, isthing: true, category_id: 5, score: 0.9 },
    { id: 2, isthing, category_id: category }
  ]

  it.effect("is read as with a list beside it", () =>
    Effect.gen(function* () {
      for (const body of [
        { panoptic_seg: [map, listed(4, false)] },
        { predictions: [map, listed(4, false)] }
      ])
        assert.deepStrictEqual(yield* shares(body), { 4: 12, 5: 12, 255: 24 })
      assert.deepStrictEqual(yield* shares({ panoptic_seg: [map, listed(5, true)] }), { 5: 24, 255: 24 })
      const nothing = plane(width, height, () => 0)
      assert.deepStrictEqual(yield* shares({ panoptic_seg: [nothing, []] }), { 255: 48 })
      assert.include(yield* refused(decode({ panoptic_seg: [map, []] })), "it has the segment 1")
    })
  )

  it.effect("is refused where things and others are numbered each by themselves", () =>
    Effect.gen(function* () {
      const segments = listed(5, false)
      for (const body of [{ panoptic_seg: [map, segments] }, { panoptic_seg: map, segments_info: segments }])
        assert.match(yield* refused(decode(body)), /`[a-z_.\d]+\.1`: the class 5 is one of things here/)
    })
  )
})

describe("masks by the names of their classes", () => {
  it.effect("are read, by their ids where those are known", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shares({ masks: { road, tree } }), { 0: 12, 1: 12, 255: 24 })
      assert.deepStrictEqual(yield* namesIn({ masks: { road, tree } }), ["0 road", "1 tree"])
      const known = { masks: { tree, road }, classes: ["background", "road", "tree"] }
      assert.deepStrictEqual(yield* shares(known), { 0: 24, 1: 12, 2: 12 })
      const ring = [
        [0, 0],
        [12, 0],
        [12, 32],
        [0, 32]
      ]
      assert.deepStrictEqual(yield* shares({ result: { masks: { road: [ring] } } }), { 0: 12, 255: 36 })
      const other = decode({ masks: { road } }, { classes: [{ id: 0, name: "car" }] })
      assert.include(yield* refused(other), '`masks.road`: "road" is none of the model\'s 1 classes')
    })
  )

  it.effect("are none where the names may be others", () =>
    Effect.gen(function* () {
      for (const masks of [
        { 0: road, 1: tree },
        { obj_1: road, obj_2: tree },
        { raw: road, refined: tree },
        { road, size: [32, 48] }
      ])
        assert.include(yield* refused(decode({ masks })), "`masks`: it is no nested array")
    })
  )
})

describe("what is no map", () => {
  const pixels = Array.from({ length: 42 }, (_, k) => [(k % 7) + 4, Math.floor(k / 7) + 3])
  const ring = [
    [3, 3],
    [20, 3],
    [20, 20],
    [3, 20]
  ]

  it.effect("are points that nobody says the class of", () =>
    Effect.gen(function* () {
      const [across, down] = [0, 1].map((axis) => pixels.map((pixel) => pixel[axis]))
      for (const mask of [pixels, ring, [ring], [ring.flat()], [down, across]])
        assert.include(yield* refused(decode({ mask })), "which is that of points and of no map")
      assert.deepStrictEqual(yield* shares({ mask: plane(3, 2, (x) => (x < 1 ? 1 : 0)) }), { 0: 32, 1: 16 })
    })
  )

  it.effect("are pixels one after the other, which are no outline", () =>
    Effect.gen(function* () {
      const byColumn = pixels.toSorted(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d)
      for (const points of [pixels, byColumn])
        for (const body of [{ label: "road", mask: points }, [{ label: "road", points }]])
          assert.include(yield* refused(decode(body)), "it lists the pixels of a thing")
      assert.deepStrictEqual(
        yield* shares([{ label: "road", points: ring }]).pipe(Effect.map(({ 0: on }) => on)),
        Math.round((17 * 17 * 48 * 1e6) / (width * height)) / 1e6
      )
    })
  )

  it.effect("is one mask of SAM's, as several are not", () =>
    Effect.gen(function* () {
      const sam = (segmentation: unknown) => ({ segmentation, area: 384, predicted_iou: 0.9 })
      for (const body of [[sam(road)], [sam(road), sam(tree)], { predictions: [sam(road)] }])
        assert.match(yield* refused(decode(body)), /0.label`: it has neither a label nor a class id/)
      const said = yield* decode([sam(road)], { binary: true })
      assert.strictEqual(said._tag, "Labels")
      assert.deepStrictEqual(yield* shares([{ mask: road, score: 0.9 }]), { 0: 36, 1: 12 })
    })
  )
})

describe("GeoJSON that lies within a pixel, in parts of it", () => {
  const feature = (ring: ReadonlyArray<ReadonlyArray<number>>) => ({
    type: "Feature",
    properties: { class: "road" },
    geometry: { type: "Polygon", coordinates: [ring] }
  })
  const at = (x: number, y: number, side: number) =>
    feature([
      [x, y],
      [x + side, y],
      [x + side, y + side],
      [x, y + side],
      [x, y]
    ])
  const all = (...features: ReadonlyArray<unknown>) => ({ type: "FeatureCollection", features })

  it.effect("is of the earth, unless it is said to be pixels", () =>
    Effect.gen(function* () {
      const degrees = at(5.1, 2.2, 0.3)
      for (const body of [degrees, all(degrees), all(degrees, at(6.4, 2.7, 0.2))])
        assert.include(yield* refused(decode(body)), "coordinates of the earth?")
      const said = yield* decode(degrees, { pointsOf: "pixels" })
      assert.strictEqual(said._tag, "Labels")
    })
  )

  it.effect("is of the image where some of it is larger, of whole pixels, or parts of the sides", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shares(all(at(5.1, 2.2, 0.3), at(12, 0, 24))), { 0: 18, 255: 30 })
      assert.deepStrictEqual(yield* shares(at(5, 2, 1)), { 0: 0.03125, 255: 47.96875 })
      assert.deepStrictEqual(yield* shares(at(0.25, 0.25, 0.5)), { 0: 12, 255: 36 })
    })
  )
})
