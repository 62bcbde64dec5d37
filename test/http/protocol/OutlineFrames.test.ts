/** What the points of outlines are measured in: pixels of a picture of another size, parts of its sides, rows before columns. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { areaOf, drawn, rectangle, refused } from "./outlines.ts"
import { decode, labelsOf } from "./maskAnswers.ts"

/** 30 x 10 pixels of a picture of 96 x 64: 15 x 5 of the image. */
const points = rectangle(10, 10, 30, 10)
const thing = { label: "pit", points }
const right = { x: 5, y: 5, width: 15, height: 5, area: 75 }
const asStands = { x: 10, y: 10, width: 30, height: 10, area: 300 }

describe("outlines of a picture of another size", () => {
  const answers: ReadonlyArray<readonly [string, unknown]> = [
    ["image", { predictions: [thing], image: { width: 96, height: 64 } }],
    ["image as texts", { predictions: [thing], image: { width: "96", height: "64" } }],
    ["labelme", { shapes: [{ ...thing, shape_type: "polygon" }], imageWidth: 96, imageHeight: 64 }],
    ["image_width", { predictions: [thing], image_width: 96, image_height: 64 }],
    ["img_w", { predictions: [thing], img_w: 96, img_h: 64 }],
    [
      "{ x, y }",
      {
        predictions: [{ class: "pit", points: points.map(([x, y]) => ({ x, y })) }],
        image: { width: 96, height: 64 }
      }
    ],
    ["image_size, rows first", { predictions: [thing], image_size: [64, 96] }],
    ["image_size, columns first", { predictions: [thing], image_size: [96, 64] }],
    ["image_size as an object", { predictions: [thing], image_size: { width: 96, height: 64 } }],
    ["size", { predictions: [thing], size: [64, 96] }],
    ["orig_shape", { predictions: [thing], orig_shape: [64, 96] }],
    ["shape with channels", { predictions: [thing], image_shape: [64, 96, 3] }],
    ["channels first", { predictions: [thing], image_shape: [1, 3, 64, 96] }],
    ["width and height beside the list", { predictions: [thing], width: 96, height: 64 }],
    ["around the list", { result: { predictions: [thing] }, width: 96, height: 64 }],
    ["metadata", { predictions: [thing], metadata: { width: 96, height: 64 } }],
    [
      "COCO's images",
      {
        annotations: [{ category_id: 1, segmentation: [points.flat()] }],
        images: [{ id: 1, width: 96, height: 64 }]
      }
    ],
    ["each thing's image_size", { predictions: [{ ...thing, image_size: [64, 96] }] }],
    ["each thing's size", { predictions: [{ ...thing, size: [64, 96] }] }],
    ["each thing's width and height", { predictions: [{ ...thing, width: 96, height: 64 }] }],
    ["one thing's own image", { label: "pit", mask: points, image: { width: 96, height: 64 } }],
    [
      "one thing's own image, of flat rings",
      { class: "pit", segmentation: [points.flat()], image_width: 96, image_height: 64 }
    ],
    ["lists beside each other", { masks: [points], labels: ["pit"], image: { width: 96, height: 64 } }],
    [
      "rows of columns, said",
      {
        predictions: [{ ...thing, points: points.map(([x, y]) => [y, x]) }],
        order: "yx",
        image: { width: 96, height: 64 }
      }
    ],
    [
      "{ row, col }",
      {
        predictions: [{ ...thing, points: points.map(([x, y]) => ({ row: y, col: x })) }],
        image: { width: 96, height: 64 }
      }
    ]
  ]
  for (const [name, body] of answers)
    it.effect(`are scaled by ${name}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* drawn(body), right)
      })
    )

  it.effect("of several sizes are scaled to the image, each by its own", () =>
    Effect.gen(function* () {
      const small = { label: "pit", points: rectangle(20, 2, 4, 2), image_size: [16, 24] }
      const found = yield* drawn({ predictions: [{ ...thing, image_size: [64, 96] }, small] })
      assert.deepStrictEqual(found, { x: 5, y: 4, width: 43, height: 6, area: 75 + 32 })
    })
  )

  it.effect("are scaled by the inner of two, and those of the image's size stay", () =>
    Effect.gen(function* () {
      const both = {
        predictions: [{ ...thing, image_width: 96, image_height: 64 }],
        image: { width: 48, height: 32 }
      }
      assert.deepStrictEqual(yield* drawn(both), right)
      for (const beside of [
        {},
        { image: { width: 48, height: 32 } },
        { image_size: [32, 48] },
        { size: 1200 }
      ])
        assert.deepStrictEqual(yield* drawn({ predictions: [thing], ...beside }), asStands)
    })
  )

  it.effect("are not scaled by the box that a thing has, or by what it measures", () =>
    Effect.gen(function* () {
      for (const own of [
        { x: 25, y: 15, width: 30, height: 10 },
        { width: 30, height: 10 },
        { width: 3.2, height: 1.1 },
        { w: 30, h: 10 },
        { size: [30, 10] },
        { size: [10, 30] },
        { size: "large" },
        { left: 10, top: 10, width: 96, height: 64 }
      ])
        assert.deepStrictEqual(
          yield* drawn({ predictions: [{ ...thing, ...own }] }),
          asStands,
          JSON.stringify(own)
        )
    })
  )

  it.effect("are not scaled by dots per inch, a tensor's shape, or what an area is measured in", () =>
    Effect.gen(function* () {
      for (const beside of [
        { resolution: [300, 300] },
        { resolution: "72x72" },
        { metadata: { resolution: [300, 300] } },
        { shape: [1, 3, 512, 512] },
        { metadata: { shape: [1, 3, 512, 512] } },
        { area: 3, unit: "m²" },
        { area: 3, units: "mm" }
      ])
        for (const body of [{ predictions: [thing], ...beside }, { predictions: [{ ...thing, ...beside }] }])
          assert.deepStrictEqual(yield* drawn(body), asStands, JSON.stringify(beside))
      const square = { predictions: [thing], image_size: [1024, 1024] }
      assert.strictEqual(labelsOf(yield* decode(square)).width, 1024)
    })
  )

  it.effect("that name their axes are not swapped by an order", () =>
    Effect.gen(function* () {
      for (const beside of [{ coordinate_order: "yx" }, { order: "rc" }])
        for (const named of [
          points.map(([x, y]) => ({ x, y })),
          points.map(([x, y]) => ({ row: y, col: x }))
        ])
          for (const own of [{ points: named }, { polygon: { exterior: named } }])
            assert.deepStrictEqual(
              yield* drawn({ predictions: [{ label: "pit", ...own }], ...beside }),
              asStands
            )
    })
  )

  it.effect("as texts say nothing of their unit or order", () =>
    Effect.gen(function* () {
      const large = { points: "1000,100;1200,100;1200,300;1000,300", image: { width: 2400, height: 1600 } }
      const map = labelsOf(yield* decode({ predictions: [{ label: "pit", ...large }] }))
      assert.deepStrictEqual([map.width, areaOf(map)], [2400, 40_000])
      const corner = { points: "1,0 -1,3 5,4 5,0" }
      assert.deepStrictEqual(yield* drawn({ predictions: [{ label: "pit", ...corner }] }), {
        ...(yield* drawn({
          predictions: [
            {
              label: "pit",
              points: [
                [1, 0],
                [-1, 3],
                [5, 4],
                [5, 0]
              ]
            }
          ]
        }))
      })
    })
  )

  it.effect("of another shape are stretched as maps of that size are, or refused where they are", () =>
    Effect.gen(function* () {
      const map = labelsOf(yield* decode({ predictions: [thing], image: { width: 60, height: 60 } }))
      assert.deepStrictEqual([map.width, map.height, areaOf(map)], [60, 60, 300])
      // For the image to be turned as its EXIF says, or refused.
      const turned = labelsOf(yield* decode({ predictions: [thing], imageWidth: 64, imageHeight: 96 }))
      assert.deepStrictEqual([turned.width, turned.height], [64, 96])
      const huge = yield* refused({ predictions: [thing], image: { width: 90_000, height: 90_001 } })
      assert.match(huge, /`predictions.0.points`: they are drawn on 90000 x 90001 pixels/)
    })
  )

  it.effect("is said in two ways, or in none: refused", () =>
    Effect.gen(function* () {
      for (const [beside, said] of [
        [{ image: { width: 96, height: 64 }, orig_shape: [32, 48] }, /96 x 64.*48 x 32.*`pointsOf`/],
        [{ image_size: [50, 51] }, /which number of "image_size" is the width/],
        [{ input_size: [64, 96] }, /of the image, or of the 96 x 64 that "input_size" names.*`pointsOf`/],
        [{ model_input_width: 640, model_input_height: 640 }, /640 x 640/],
        [{ image_rotation: 90 }, /turned by 90/]
      ] as const)
        assert.match(yield* refused({ predictions: [thing], ...beside }), said)
    })
  )
})

describe("outlines beyond their picture", () => {
  const far = rectangle(10, 10, 80, 40)
  it.effect("are refused by their farthest point, with what to set", () =>
    Effect.gen(function* () {
      for (const each of [far, far.flat(), [far], far.map(([x, y]) => ({ x, y }))])
        assert.match(
          yield* refused({ predictions: [thing, { label: "pit", points: each }] }),
          /`predictions.1.points`: its outline has a point at 90, (10|50), and the image has 48 x 32 pixels.*`pointsOf`/
        )
      assert.match(
        yield* refused({ predictions: [{ label: "pit", points: rectangle(-9, 3, 20, 9) }] }),
        /a point at -9, 3/
      )
      assert.match(
        yield* refused({ predictions: [{ label: "pit", points: far }], image: { width: 80, height: 53 } }),
        /a point at 90, 10, and the image has 80 x 53 pixels, as "image.width" says/
      )
    })
  )

  it.effect("are drawn within a pixel or two of rounding, and where it is said what they are of", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* drawn({ predictions: [{ label: "pit", points: rectangle(-2, -1, 52, 35) }] }),
        { x: 0, y: 0, width: 48, height: 32, area: 1536 }
      )
      const body = { predictions: [{ label: "pit", points: far }] }
      assert.deepStrictEqual(yield* drawn(body, { pointsOf: { width: 96, height: 64 } }), {
        x: 5,
        y: 5,
        width: 40,
        height: 20,
        area: 800
      })
      assert.deepStrictEqual(yield* drawn(body, { pointsOf: "pixels" }), {
        x: 10,
        y: 10,
        width: 38,
        height: 22,
        area: 836
      })
      assert.deepStrictEqual(
        yield* drawn({ predictions: [thing], image: { width: 96, height: 64 } }, { pointsOf: "pixels" }),
        asStands
      )
      assert.deepStrictEqual(
        yield* drawn({ predictions: [thing] }, { pointsOf: { width: 96, height: 64 } }),
        right
      )
    })
  )
})

describe("outlines in parts of the sides", () => {
  /** A half of the width and a quarter of the height. */
  const parts = (of: number) => rectangle(0.25 * of, 0.5 * of, 0.5 * of, 0.25 * of)
  const box = { x: 12, y: 16, width: 24, height: 8, area: 192 }
  const answers: ReadonlyArray<readonly [string, number, Record<string, unknown>, Record<string, unknown>]> =
    [
      ["by the numbers", 1, {}, {}],
      ["by the numbers, whatever the picture's size", 1, {}, { image: { width: 96, height: 64 } }],
      ["by a word", 1, {}, { normalized: true }],
      ["by a unit", 1, { unit: "relative" }, {}],
      ["hundredths, by a unit", 100, {}, { unit: "percent" }],
      ["hundredths, by a unit of each", 100, { units: "%" }, {}],
      ["hundredths, with the picture's size", 100, {}, { unit: "percent", image: { width: 96, height: 64 } }],
      ["hundredths, as Label Studio has them", 100, { original_width: 48, original_height: 32 }, {}],
      [
        "hundredths, as Label Studio has them of a large picture",
        100,
        { original_width: 4800, original_height: 3200 },
        {}
      ],
      ["thousandths, by a word", 1000, {}, { coordinate_format: "normalized 0-1000" }],
      ["thousandths, by a number", 1000, {}, { normalized_to: 1000 }],
      ["thousandths, by a range", 1000, {}, { coordinate_range: [0, 1000] }]
    ]
  for (const [name, of, own, beside] of answers)
    it.effect(`are read: ${name}`, () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(
          yield* drawn({ predictions: [{ label: "pit", points: parts(of), ...own }], ...beside }),
          box
        )
      })
    )

  it.effect("are what the option says, and pixels where the answer does", () =>
    Effect.gen(function* () {
      for (const of of [1, 100, 1000])
        assert.deepStrictEqual(
          yield* drawn(
            { predictions: [{ label: "pit", points: parts(of) }] },
            { pointsOf: { width: of, height: of } }
          ),
          box
        )
      const corner = { predictions: [{ label: "pit", points: rectangle(0, 0, 1, 1) }] }
      assert.strictEqual((yield* drawn(corner)).area, 1536)
      for (const beside of [
        { unit: "pixels" },
        { normalized: false },
        { coordinates: "absolute" },
        { coordinate_system: "image (not relative)" },
        { coordinates: "absolute, not normalized" },
        { coordinate_format: "non-normalized" }
      ])
        assert.strictEqual((yield* drawn({ ...corner, ...beside })).area, 1)
      // Pixels of an original, of which some are above 100.
      const original = {
        ...thing,
        points: rectangle(100, 100, 300, 100),
        original_width: 960,
        original_height: 640
      }
      assert.deepStrictEqual(yield* drawn({ predictions: [original] }), right)
    })
  )

  it.effect("or pixels, of which nobody says which, are refused", () =>
    Effect.gen(function* () {
      const around = { predictions: [thing], original_width: 96, original_height: 64 }
      assert.match(yield* refused(around), /may be pixels or percent.*"original_width".*unit/)
      assert.deepStrictEqual(yield* drawn({ ...around, unit: "px" }), right)
      assert.match(yield* refused({ predictions: [thing], normalized: true }), /where a side has 1 units/)
      assert.match(
        yield* refused({
          predictions: [{ label: "pit", points: rectangle(0, 0, 900, 900) }],
          unit: "percent"
        }),
        /where a side has 100 units/
      )
    })
  )
})

describe("outlines in coordinates of the earth", () => {
  const feature = {
    type: "Feature",
    properties: { class: "pit" },
    geometry: { type: "Polygon", coordinates: [[...points, points[0]]] }
  }
  const collection = { type: "FeatureCollection", features: [feature] }

  it.effect("are refused, and are pixels where they say so or nothing", () =>
    Effect.gen(function* () {
      for (const beside of [
        { crs: { type: "name", properties: { name: "EPSG:4326" } } },
        { crs: { type: "name", properties: { name: "urn:ogc:def:crs:OGC:1.3:CRS84" } } },
        { crs: "epsg:32633" },
        { epsg: 3857 },
        { srid: "4326" }
      ]) {
        assert.include(yield* refused({ ...collection, ...beside }), "in coordinates of the earth")
        // Pixels of a picture that lies somewhere on the earth.
        const pointsOf = "pixels"
        assert.deepStrictEqual(yield* drawn({ ...collection, ...beside }, { pointsOf }), asStands)
      }
      for (const beside of [{}, { crs: null }, { crs: { type: "name", properties: { name: "pixels" } } }])
        assert.deepStrictEqual(yield* drawn({ ...collection, ...beside }), asStands)
    })
  )
})
