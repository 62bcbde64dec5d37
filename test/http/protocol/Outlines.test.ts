/** Outlines in pixels of an image of another size, which the answer says or not. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ImageSource } from "effect-segformer"
import { type Custom, HuggingFace, type Protocol, Roboflow } from "effect-segformer/http"
import { Fixtures } from "effect-segformer/testing"
import { answer, decode, labelsOf } from "./maskAnswers.ts"

const things = (...masks: ReadonlyArray<unknown>) => ({
  results: masks.map((mask, index) => ({ label: `LABEL_${index + 1}`, mask }))
})

const refusal = (value: unknown) => Effect.map(Effect.flip(decode(value)), (error) => error.message)

const box = (x: number, y: number, width: number, height: number) => [
  [x, y],
  [x + width, y],
  [x + width, y + height],
  [x, y + height]
]

/** The upper left quarter of the image of 48 x 32 pixels. */
const quarter = box(0, 0, 24, 16)

/** The size of a map, and the share of it that class 1 has. */
const told = (value: unknown, options: Custom.CustomOptions = {}) =>
  Effect.map(decode(value, options), (prediction) => {
    const { data, height, width } = labelsOf(prediction)
    return [width, height, data.filter((id) => id === 1).length / data.length]
  })

const decodeBy = (protocol: Protocol, value: unknown) =>
  Effect.flatMap(ImageSource.bytes(Fixtures.image).open(), (image) =>
    protocol.predict === undefined ? protocol.decode(answer(value), image) : Effect.die("it is a job")
  )

describe("outlines beyond the image", () => {
  it.effect("are of another size of it, or rows before columns, and refused", () =>
    Effect.gen(function* () {
      for (const outline of [
        quarter.map(([x, y]) => [x! * 10, y! * 10]),
        quarter.map(([x, y]) => [x! + 500, y! + 500]),
        quarter.map(([x, y]) => [y!, x! + 20]),
        quarter.map(([x, y]) => [x! - 20, y!]),
        box(10, 10, 700, 5)
      ]) {
        for (const each of [outline, outline.flat(), [outline.flat()], outline.map(([x, y]) => ({ x, y }))])
          assert.match(
            yield* refusal(things(quarter, each)),
            /`results.1.mask`: its outline has a point at .*the image has 48 x 32 pixels.*`transposed`/
          )
      }
    })
  )

  it.effect("are drawn where they overshoot it by little, or it was said that rows come first", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* told(things(box(-2, -3, 52.5, 19))), [48, 32, 0.5])
      assert.deepStrictEqual(yield* told(things(box(24, 0, 28.7, 35))), [48, 32, 0.5])
      const right = yield* decode(things(quarter.map(([x, y]) => [y!, x! + 24])), { transposed: true })
      const { data, height, width } = labelsOf(right)
      assert.deepStrictEqual([width, height], [48, 32])
      assert.deepStrictEqual(
        [0, 23, 24, 47, 15 * 48 + 24, 16 * 48 + 24].map((at) => data[at]),
        [255, 255, 1, 1, 1, 255]
      )
    })
  )
})

describe("outlines on an image of a size that the answer says", () => {
  const twice = quarter.map(([x, y]) => [x! * 2, y! * 2])
  const results = things(twice)

  it.effect("are a map of that size", () =>
    Effect.gen(function* () {
      for (const said of [
        { image: { width: 96, height: 64 }, ...results },
        { image: { width: "96", height: "64" }, data: results },
        { image_width: 96, image_height: 64, ...results },
        { imageWidth: 96, imageHeight: 64, ...results },
        { width: 96, height: 64, ...results },
        { orig_shape: [64, 96], ...results },
        { shape: [64, 96, 3], ...results },
        { shape: [96, 64], ...results },
        { output: { shape: [64, 96], predictions: results.results } }
      ])
        assert.deepStrictEqual(yield* told(said), [96, 64, 0.25], JSON.stringify(said).slice(0, 60))
      const masks = { masks: [twice, box(0, 32, 48, 32)], labels: [1, 2] }
      assert.deepStrictEqual(yield* told({ image: { width: 96, height: 64 }, ...masks }), [96, 64, 0.25])
      const found = yield* decodeBy(Roboflow.make({ modelId: "a/1" }), {
        image: { width: 24, height: 16 },
        predictions: [
          {
            x: 6,
            y: 4,
            width: 12,
            height: 8,
            class: "a",
            class_id: 1,
            points: quarter.map(([x, y]) => ({ x: x! / 2, y: y! / 2 }))
          }
        ]
      })
      const { data, height, width } = labelsOf(found)
      assert.deepStrictEqual([width, height, data.filter((id) => id === 1).length], [24, 16, 96])
    })
  )

  it.effect("are the image's where it says nothing, or what it says is of something else", () =>
    Effect.gen(function* () {
      for (const said of [
        {},
        { image: { width: 48, height: 32 } },
        { image: "panel.png", width: null, height: 0 },
        { width: 48 },
        { x: 3, y: 4, width: 12, height: 9 },
        { shape: [2, 32, 48] },
        { shape: [] }
      ])
        assert.deepStrictEqual(
          yield* told({ ...said, ...things(quarter) }),
          [48, 32, 0.25],
          JSON.stringify(said)
        )
      // Parts of the sides are of any size, and rows and pictures have their own.
      const shares = things(quarter.map(([x, y]) => [x! / 48, y! / 32]))
      assert.deepStrictEqual(yield* told({ width: 96, height: 64, ...shares }), [48, 32, 0.25])
      const rle = things({ size: [32, 48], counts: [0, 1536] })
      assert.deepStrictEqual(yield* told({ width: 96, height: 64, ...rle }), [48, 32, 1])
    })
  )

  it.effect("are refused beyond it, and where it has more pixels than are allowed", () =>
    Effect.gen(function* () {
      assert.match(
        yield* refusal({ width: 24, height: 16, ...results }),
        /has a point at 48, 0, and the image has 24 x 16 pixels/
      )
      assert.match(
        yield* refusal({ width: 100_000, height: 100_000, ...results }),
        /`results.0.mask`: they are drawn on 100000 x 100000 pixels, more than the \d+ allowed/
      )
    })
  )

  it.effect("of several images are refused", () =>
    Effect.gen(function* () {
      const listed = [1, 2].map((id) => ({ image_id: id, category_id: 1, segmentation: [quarter.flat()] }))
      assert.include(
        yield* Effect.map(
          Effect.flip(decode({ annotations: listed }, { mask: { at: "annotations" } })),
          ({ message }) => message
        ),
        "they are of several images"
      )
      const one = listed.map((each) => ({ ...each, image_id: 7 }))
      assert.deepStrictEqual(
        yield* told({ annotations: one }, { mask: { at: "annotations" } }),
        [48, 32, 0.25]
      )
    })
  )
})

describe("the score of a mask", () => {
  it.effect("is from 0 to 1, and left out where it is not", () =>
    Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [unknown, ReadonlyArray<readonly [number, number]>]> = [
        [0.9, [[1, 0.9]]],
        [1, [[1, 1]]],
        [0, [[1, 0]]],
        [95, []],
        [-2.5, []],
        ["95%", []]
      ]
      for (const [score, expected] of cases) {
        const { scores } = yield* decodeBy(HuggingFace.protocol, [{ label: "LABEL_1", score, mask: quarter }])
        assert.deepStrictEqual([...(scores ?? [])], expected, String(score))
      }
    })
  )
})
