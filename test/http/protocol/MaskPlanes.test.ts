/** Planes of masks and scores, words of failure and boxes beside a mask, and numbers below 0. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ImageSource } from "effect-segformer"
import { Custom } from "effect-segformer/http"
import { LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { answer, decode, ids, plane, quarter, refusal, shares } from "./maskAnswers.ts"

describe("planes of 0 and 1", () => {
  const scaled = (rows: ReadonlyArray<ReadonlyArray<unknown>>, by: number) =>
    rows.map((row) => row.map((value) => by * Number(value)))
  const soft = (rows: ReadonlyArray<ReadonlyArray<unknown>>) =>
    rows.map((row) => row.map((value, x) => (0.5 + x / 100) * Number(value)))
  const left = plane(48, 32, (x) => (x < 24 ? 1 : 0))
  const [right, upper] = [plane(48, 32, (x) => (x < 24 ? 0 : 1)), plane(48, 32, (_, y) => (y < 16 ? 1 : 0))]
  const corner = quarter(48, 32)

  it.effect("that leave gaps or overlap are no classes", () =>
    Effect.gen(function* () {
      for (const answer of [
        { masks: [corner, right] },
        { masks: [left, upper] },
        {
          masks: [corner, right, upper, left, upper].map((rows) =>
            rows.map((row) => row.map((value) => 255 * Number(value)))
          )
        },
        { masks: [corner, right], labels: ["a"] },
        { masks: [corner, right], labels: ["a", "b", "c"] },
        { mask: [corner, right].map((rows) => rows.map((row) => row.map((value) => value === 1))) },
        // How sure each thing is, in its own number; and soft edges, with room between them.
        { masks: [scaled(corner, 0.9), scaled(right, 0.7)] },
        { masks: [scaled(left, 0.9), scaled(upper, 0.7)] },
        { masks: [scaled(corner, 0.9), soft(right)] },
        { masks: [soft(corner), soft(right), scaled(corner, 0.2)] }
      ]) {
        assert.include(yield* refusal(answer), "overlap or leave gaps")
      }
    })
  )

  it.effect("with as many labels and not as many scores are refused", () =>
    Effect.gen(function* () {
      const labels = [1, 2]
      for (const [beside, said] of [
        [{ scores: [0.9] }, "`scores`: there are 1 scores and 2 masks"],
        [{ scores: [] }, "`scores`: there are 0 scores and 2 masks"],
        [{ scores: [0.9, 0.8, 0.7] }, "`scores`: there are 3 scores and 2 masks"],
        [{ scores: [[0.9, 0.8]] }, "`scores`: there are 1 scores and 2 masks"],
        [{ confidences: [0.9] }, "`confidences`: there are 1 scores and 2 masks"],
        [{ confidence: [0.9] }, "`confidence`: there are 1 scores and 2 masks"],
        [{ probabilities: [0.9, 0.1, 0] }, "`probabilities`: there are 3 scores and 2 masks"],
        [{ scores: [0.9], probabilities: [1, 0, 0] }, "`scores`: there are 1 scores and 2 masks"]
      ] as const)
        assert.include(yield* refusal({ masks: [corner, right], labels, ...beside }), said)
      const nested = { output: { masks: [corner, right], labels, scores: [0.9] } }
      assert.include(yield* refusal(nested), "`output.scores`: there are 1 scores and 2 masks")
      // Those that are as many are theirs, whatever else stands there; one number for all is nobody's.
      const fitting = { scores: [0.2, 0.1, 0.7], confidences: [0.9, 0.8] }
      for (const beside of [fitting, { confidence: 0.9 }, { scores: null }, { probabilities: {} }])
        assert.deepStrictEqual(yield* shares({ masks: [corner, right], labels, ...beside }), {
          1: 12,
          2: 24,
          255: 12
        })
    })
  )

  it.effect("are things with labels beside them, and classes where each pixel has one", () =>
    Effect.gen(function* () {
      const labelled = { masks: [corner, right], labels: [1, 2] }
      assert.deepStrictEqual(yield* shares(labelled), { 1: 12, 2: 24, 255: 12 })
      assert.strictEqual((yield* decode({ masks: [left, right] }))._tag, "Logits")
      // Each pixel has a score, if a poor one; and scores that are the same all over are scores.
      assert.strictEqual((yield* decode({ masks: [soft(left), soft(right)] }))._tag, "Logits")
      const even = (value: number) => plane(48, 32, () => value)
      assert.strictEqual((yield* decode({ masks: [even(0), even(2), even(1)] }))._tag, "Logits")
    })
  )
})

describe("planes of whole numbers", () => {
  const first = plane(48, 32, (x, y) => 1 + (((x >> 3) + (y >> 4)) % 3))
  const second = plane(48, 32, (x) => 1 + ((x >> 2) % 5))
  const pairs = first.map((row, y) => row.map((value, x) => [value, second[y]![x]]))

  it.effect("that do not add up are several maps, also without a 0", () =>
    Effect.gen(function* () {
      const slices = [first, second, first, second, first.map((row) => row.map(() => 0)), first]
      for (const mask of [[first, second], [first, first, second], pairs, [[first, second]], slices])
        assert.include(yield* refusal({ mask }), "several maps of class ids?")
    })
  )

  it.effect("are scores where they add up, or somebody says so", () =>
    Effect.gen(function* () {
      const votes = (id: number) => plane(48, 32, (x) => (x % 3 === id ? 4 : 1))
      // Each is rounded.
      const percents = (id: number) =>
        plane(48, 32, (x) => (x % 3 === id ? 34 : 33) + (x === 5 && id === 0 ? 1 : 0))
      for (const masks of [[0, 1, 2].map(votes), [0, 1, 2].map(percents)])
        assert.strictEqual((yield* decode({ masks }))._tag, "Logits")
      const mask = [first, second]
      for (const options of [
        { mask: { as: "logits" } },
        { mask: { channels: "first" } },
        { classes: [0, 1].map((id) => ({ id, name: `c${id}` })) }
      ] as const)
        assert.strictEqual((yield* decode({ mask }, options))._tag, "Logits")
    })
  )
})

describe("planes of whole numbers, by how many there are and how far they go", () => {
  /** Without a 0, and with sums that differ. */
  const planes = (count: number, most: number) =>
    Array.from({ length: count }, (_, k) =>
      plane(48, 32, (x, y) => (x === 5 && y === 3 && k === 1 ? most : 1 + ((x + y * k) % 2)))
    )

  it.effect("are colours, several maps or scores", () =>
    Effect.gen(function* () {
      for (const count of [2, 4]) {
        assert.include(yield* refusal({ mask: planes(count, 101) }), "colours of a picture?")
        for (const most of [2, 41, 100])
          assert.include(yield* refusal({ mask: planes(count, most) }), "several maps of class ids?")
      }
      assert.include(yield* refusal({ mask: planes(5, 40) }), "several maps of class ids?")
      for (const most of [41, 101])
        assert.strictEqual((yield* decode({ mask: planes(5, most) }))._tag, "Logits")
    })
  )

  it.effect("are scores where all pixels have the same sum, or nearly 100 or 255", () =>
    Effect.gen(function* () {
      // Up to half a number for each plane.
      const summed = (sum: number, off: number) => {
        const high = plane(48, 32, (x) => (x % 2 === 0 ? 3 : 4) + (x === 6 ? off : 0))
        return [high, plane(48, 32, (x) => (x % 2 === 0 ? 4 : 3)), plane(48, 32, () => sum - 7)]
      }
      for (const [sum, off] of [
        [9, 0],
        [100, 0],
        [100, 1]
      ] as const)
        assert.strictEqual((yield* decode({ mask: summed(sum, off) }))._tag, "Logits")
      const refusals = [summed(9, 1), summed(100, 2)]
      for (const mask of refusals) assert.include(yield* refusal({ mask }), "several maps of class ids?")
      const classes = ["a", "b", "c"].map((name, id) => ({ id, name }))
      for (const mask of refusals)
        for (const options of [
          { classes },
          { mask: { channels: "first" } },
          { mask: { as: "logits" } }
        ] as const)
          assert.strictEqual((yield* decode({ mask }, options))._tag, "Logits")
      // More planes than a picture has, and none above 40 or it is no map of ids anyway.
      const ten = (off: number) =>
        Array.from({ length: 10 }, (_, k) =>
          plane(48, 32, (x) => (k === 9 ? 25 - (x % 2) + (x === 6 ? off : 0) : k === 8 ? 30 + (x % 2) : 25))
        )
      assert.strictEqual((yield* decode({ mask: ten(0) }))._tag, "Logits")
      assert.strictEqual((yield* decode({ mask: ten(5) }))._tag, "Logits")
      assert.include(yield* refusal({ mask: ten(6) }), "several maps of class ids?")
    })
  )
})

describe("scores of more channels than there are classes", () => {
  const classes = ["ground", "tree", "water"].map((name, id) => ({ id, name }))
  /** Five planes, of which one is the highest everywhere. */
  const scores = (highest: number) =>
    Array.from({ length: 5 }, (_, channel) => plane(48, 32, (x) => (channel === highest ? 1.5 : x / 100)))
  const prediction = (highest: number) => decode({ logits: scores(highest) }, { classes })

  it.effect("are refused where a channel of no class wins, by its number, and read where none does", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(prediction(4))
      assert.match(error.message, /channel 4, which is the highest somewhere, is of no class that is known/)
      assert.strictEqual((yield* prediction(2))._tag, "Logits")
    })
  )
})

describe("planes that are fewer than the classes", () => {
  const classes = ["ground", "tree", "water"].map((name, id) => ({ id, name }))

  it.effect("are not cut another way, whatever is the highest then", () =>
    Effect.gen(function* () {
      const image = { ...(yield* ImageSource.bytes(Fixtures.image).open()), width: 6, height: 4 }
      // Two planes of the image's shape: cut into 2 rows of 4 columns and 6 channels, of which the first three win.
      const row = (y: number) => Array.from({ length: 6 }, (_, x) => (x === y % 3 ? 9 : x / 100))
      const two = [0, 1].map(() => Array.from({ length: 4 }, (_, y) => row(y)))
      for (const mask of [two, [two]]) {
        const error = yield* Effect.flip(Custom.make({ classes }).decode(answer({ mask }), image))
        assert.match(error.message, /2 planes of the image's shape, and the model's last class id is 2/)
      }
    })
  )
})

describe("a mask beside word of a failure", () => {
  const mask = plane(48, 32, () => 1)

  it.effect("is what was left of it, and the word is told", () =>
    Effect.gen(function* () {
      for (const [answer, said] of [
        [{ error: "CUDA out of memory", mask }, /CUDA out of memory/],
        [{ error: { code: 13, message: "worker died" }, mask }, /worker died/],
        [{ error: { message: "worker died" }, mask }, /worker died/],
        [{ error: true, message: "too dark", mask }, /too dark/],
        [{ success: "false", message: "too dark", mask }, /too dark/],
        [{ success: 0, mask }, /does not say why/],
        [{ status: "failed", detail: "no GPU", mask }, /no GPU/],
        [{ status: "ERROR", mask }, /does not say why/],
        [{ statusCode: 500, body: JSON.stringify({ mask }) }, /does not say why/],
        [{ result: { error: "timed out", mask } }, /timed out/],
        [{ error: "timed out", result: { mask } }, /timed out/],
        [{ data: { success: false, error: "timed out", output: { mask } } }, /timed out/]
      ] as const) {
        const error = yield* Effect.flip(decode(answer))
        assert.strictEqual(error._tag, "ReportedFailure", JSON.stringify(answer).slice(0, 60))
        assert.match(error.message, said)
      }
    })
  )

  it.effect("is a mask where there is no such word", () =>
    Effect.gen(function* () {
      for (const beside of [
        { error: null },
        { error: "" },
        { error: "None" },
        { error: false },
        { error: 0.012 },
        { error: 0 },
        { error: {} },
        { error: { code: 0, message: "ok" } },
        { error: [] },
        { status: "success" },
        { status: "failed_over" },
        { status: 200 },
        { statusCode: 200 },
        { success: true, ok: 1 },
        { errors: [] }
      ]) {
        assert.deepStrictEqual(yield* shares({ ...beside, mask }), { 1: 48 }, JSON.stringify(beside))
      }
    })
  )
})

describe("a mask that is as large as the box beside it", () => {
  const cropped = plane(24, 16, () => 1)
  const png = Buffer.from(
    Result.getOrThrow(LabelPng.encode({ width: 24, height: 16, data: new Uint8Array(384).fill(1) }))
  )
  const boxes = {
    bbox: [10, 8, 24, 16],
    bounds: [10, 8, 34, 24],
    box: { xmin: 10, ymin: 8, xmax: 34.4, ymax: 23.7 },
    roi: { x: 10, y: 8, width: 24, height: 16 },
    xyxy: [10.2, 8, 34.1, 24],
    BoundingBox: { Left: 10 / 48, Top: 0.25, Width: 0.5, Height: 0.5 },
    bbox_xyxy: [
      [10, 8],
      [34, 24]
    ],
    boundingRect: [8, 10, 16, 24],
    detection_box: [0.25, 0.2, 0.75, 0.7],
    extent_box: [10, 34, 8, 24],
    rect: { top_left: { x: 10, y: 8 }, bottom_right: { x: 34, y: 24 } },
    bndbox: { xmin: 10, ymin: 8, xmax: 34, ymax: 24 },
    imageROI: [10, 8, 24, 16],
    detBBox: [10, 8, 24, 16],
    crop_region: { min: { x: 10, y: 8 }, max: { x: 34, y: 24 } },
    box_ltrb: { l: 10, t: 8, r: 34, b: 24 },
    box_center: { cx: 22, cy: 16, w: 24, h: 16 }
  }

  it.effect("is of the box, and would be stretched over the image", () =>
    Effect.gen(function* () {
      for (const [field, box] of Object.entries(boxes)) {
        for (const mask of [
          cropped,
          png.toString("base64"),
          `data:image/png;base64,${png.toString("base64")}`,
          { size: [16, 24], counts: [0, 384] }
        ]) {
          for (const answer of [{ mask, [field]: box }, { results: [{ label: "pit", mask, [field]: box }] }])
            assert.include(yield* refusal(answer), `its mask is as large as its \`${field}\``)
        }
      }
    })
  )

  it.effect("is of a box without a name, or in a list of its own, too", () =>
    Effect.gen(function* () {
      for (const [field, flat] of [
        ["width", { x: 22, y: 16, width: 24, height: 16 }],
        ["width", { x: 10.2, y: 8.1, w: 24.3, h: 15.8 }],
        ["x1", { x1: 10, y1: 8, x2: 34, y2: 24 }],
        ["xmin", { xmin: 10, ymin: 8, xmax: 34, ymax: 24 }],
        ["left", { left: 10, top: 8, width: 24, height: 16 }],
        ["left", { left: 10, top: 8, right: 34, bottom: 24 }],
        ["x_min", { x_min: 10, y_min: 8, x_max: 34, y_max: 24, score: 0.9 }],
        ["x1", { x1: 10, y1: 8, x2: 34, y2: 24, cx: 22, cy: 16, width: 48, height: 32 }],
        ["l", { l: 10, t: 8, r: 34, b: 24 }],
        ["l", { l: 10, t: 8, w: 24, h: 16 }],
        ["startX", { startX: 10, startY: 8, endX: 34, endY: 24 }]
      ] as const) {
        for (const answer of [
          { mask: cropped, ...flat },
          { results: [{ label: "pit", mask: png.toString("base64"), ...flat }] }
        ])
          assert.include(yield* refusal(answer), `its mask is as large as its \`${field}\``)
      }
      for (const name of ["boxes", "bboxes", "rois"])
        assert.include(
          yield* refusal({
            masks: [cropped, cropped],
            labels: ["a", "b"],
            [name]: [
              [10, 8, 34, 24],
              [0, 0, 24, 16]
            ]
          }),
          "its mask is as large as its `box`"
        )
    })
  )

  it.effect("or of one size whatever the box, as those of Mask R-CNN are, is not the image's", () =>
    Effect.gen(function* () {
      const fixed = plane(7, 7, (x) => (x > 2 ? 1 : 0))
      for (const answer of [
        { mask: fixed, bbox: [10, 8, 34, 24] },
        { results: [{ label: "pit", mask: fixed, x_min: 0.2, y_min: 0.1, x_max: 0.9, y_max: 0.8 }] },
        {
          masks: [fixed, fixed],
          class_ids: [1, 2],
          boxes: [
            [1, 2, 30, 9],
            [0, 0, 48, 32]
          ]
        }
      ])
        assert.include(yield* refusal(answer), "or of one size for any, and not as the image")
      for (const beside of [
        {},
        { bbox: [0, 0, 48, 32] },
        { bbox: [0, 0, 1, 1] },
        { crop: [0, 0, 32, 48] },
        { box: { cx: 0.5, cy: 0.5, w: 0.02, h: 0.02 } },
        { x: 0, y: 0, width: 48, height: 32 },
        { xmin: 0, ymin: 0, xmax: 47.6, ymax: 31.8 },
        { box_color: [10, 20, 40, 30] },
        { bounds: [-180, -90, 180, 90] },
        { bounds: [500, 4100, 530, 4120] },
        { left: 3, right: 5, top: 1, bottom: 7 }
      ])
        assert.deepStrictEqual(yield* shares({ mask: plane(7, 7, () => 1), label: "LABEL_1", ...beside }), {
          1: 48
        })
      assert.deepStrictEqual(yield* shares({ mask: plane(12, 8, () => 1), bbox: [10, 8, 34, 24] }), { 1: 48 })
    })
  )

  it.effect("whose values are listed by columns has them there, where the answer says so", () =>
    Effect.gen(function* () {
      const rows = plane(12, 8, (x, y) => (x < 3 ? 0 : y < 4 ? 1 : 2))
      const columns = plane(8, 12, (y, x) => rows[y]![x])
      const expected = yield* ids(decode({ mask: rows }))
      const shape = [8, 12]
      assert.deepStrictEqual(yield* ids(decode({ mask: rows.flat(), shape, order: "C" })), expected)
      for (const said of [{ order: "F" }, { order: "f" }, { order: "column-major" }, { fortran_order: true }])
        assert.deepStrictEqual(yield* ids(decode({ mask: columns.flat(), shape, ...said })), expected)
    })
  )

  it.effect("that numbers things is no map of classes, which stand beside it in a list", () =>
    Effect.gen(function* () {
      const things = plane(12, 8, (x, y) => (y > 5 ? 0 : x > 5 ? 2 : 1))
      for (const listed of [
        { class_ids: [17, 3] },
        { category_ids: [1] },
        { class_ids: [17, 3], scores: [1, 0.5] }
      ])
        assert.include(yield* refusal({ mask: things, ...listed }), "does it number things?")
      for (const listed of [
        { class_ids: [1, 2] },
        { class_ids: [0, 1, 2, 3] },
        { class_ids: ["a"] },
        { class_ids: 3 }
      ])
        assert.deepStrictEqual(yield* shares({ mask: things, ...listed }), { 0: 12, 1: 18, 2: 18 })
    })
  )

  it.effect("or that begins at a place beside it, is not the image's", () =>
    Effect.gen(function* () {
      for (const [field, place] of [
        ["offset", [10, 8]],
        ["origin", { x: 10, y: 0 }],
        ["top_left", [24, 16]],
        ["maskOffset", [0, 3]]
      ] as const)
        assert.include(
          yield* refusal({ mask: cropped, [field]: place }),
          `its mask begins at its \`${field}\``
        )
      assert.include(
        yield* refusal({ mask: cropped, x_offset: 10, y_offset: 8 }),
        "its mask begins at its `x_offset`"
      )
    })
  )

  it.effect("is the image's where the box is another, or none", () =>
    Effect.gen(function* () {
      for (const beside of [
        {},
        { bbox: [0, 0, 12, 5] },
        { bbox: null },
        { bbox: "10,8,24,16" },
        { bbox: [1, 2] },
        { width: 24, height: 16 },
        { x: 3, y: 4, width: 12, height: 5 },
        { x1: 0, y1: 0, x2: 48, y2: 32 },
        { shape: [1, 1, 16, 24], direction: [1, 0, 0, 1], spacing: [24, 16, 24, 16] },
        { offset: 20, origin: [0, 0], top_left: { x: 0, y: 0 } },
        // Half a pixel, and physical units, as ITK has them.
        { origin: [0.5, 0.5], offset: [0.5, 0.5] },
        { origin: [10, 8], pixel_spacing: [0.7, 0.7] },
        // Centres beside corners are no far corners.
        { x: 0, y: 0, width: 48, height: 32, cx: 24, cy: 16 },
        { x: 24, y: 16, left: 0, top: 0, width: 48, height: 32 },
        { bbox: { x: 0, y: 0, width: 48, height: 32, center: { x: 24, y: 16 } } },
        { bbox: { left: 0, top: 0, center_x: 24, center_y: 16 }, R: 1, B: 2, w: 24, h: 16 },
        // Colours, and words that have a box's name in them.
        { r: 128, g: 64, b: 128, width: 24, height: 16 },
        { r: 10, l: 34, b: 8, y: 24, width: 24, height: 16 },
        { box_color: [10, 8, 34, 24], boxColour: [0, 0, 24, 16] },
        { direction: [0, 0, 24, 16], correct: [0, 0, 24, 16], heroic: [0, 0, 24, 16] },
        { checkbox: [0, 0, 24, 16], croppedFrom: [0, 0, 24, 16] },
        { offset: [30, 20], origin: [-3.5, 2, 80] },
        { box: true, crop: false, roi: "all", bounds: {} },
        {
          centroid: { x: 22, y: 16 },
          index: 24,
          max: 16,
          boxes: [
            [10, 8, 34, 24],
            [0, 0, 24, 16]
          ]
        }
      ]) {
        assert.deepStrictEqual(yield* shares({ mask: cropped, ...beside }), { 1: 48 })
        assert.deepStrictEqual(yield* shares({ results: [{ label: "LABEL_1", mask: cropped, ...beside }] }), {
          1: 48
        })
      }
      // A thing as large as the image.
      assert.deepStrictEqual(yield* shares({ mask: plane(48, 32, () => 1), bbox: [0, 0, 48, 32] }), { 1: 48 })
    })
  )
})

describe("whole numbers below 0", () => {
  it.effect("beside 0 alone may be what is ignored, and no logits", () =>
    Effect.gen(function* () {
      for (const ignored of [-1, -5, -100, -255]) {
        const mask = plane(48, 32, (x) => (x < 24 ? 0 : ignored))
        assert.include(yield* refusal({ mask }), "no class id", String(ignored))
      }
      assert.include(yield* refusal({ mask: plane(48, 32, () => -5) }), "no class id")
      assert.deepStrictEqual(yield* shares({ mask: plane(48, 32, (x) => (x < 24 ? 5 : -5)) }), {
        0: 24,
        1: 24
      })
    })
  )
})
