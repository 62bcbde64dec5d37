/** Lists of numbers that could be outlines or rows of a mask, points in pixels or in parts of the sides. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decode, labelsOf, plane, quarter, refusal, shares } from "./maskAnswers.ts"

const things = (...masks: ReadonlyArray<unknown>) => ({
  results: masks.map((mask, index) => ({ label: `LABEL_${index + 1}`, mask }))
})

const box = (x: number, y: number, width: number, height: number) => [
  [x, y],
  [x + width, y],
  [x + width, y + height],
  [x, y + height]
]

describe("a mask in a list of numbers", () => {
  for (const [width, height] of [
    [48, 32],
    [24, 16],
    [12, 8],
    [96, 64],
    [8, 8],
    [28, 28],
    [32, 12],
    [6, 4]
  ] as const) {
    it.effect(`is rows of ${width} numbers, whatever says where the thing is`, () =>
      Effect.gen(function* () {
        for (const inside of [1, 255, true, 0.9]) {
          const mask = quarter(width, height, inside, inside === true ? false : 0)
          assert.deepStrictEqual(yield* shares(things(mask)), { 1: 12, 255: 36 })
        }
      })
    )
  }

  it.effect("that may be a soft mask or outlines is refused, unless it is of the image's size", () =>
    Effect.gen(function* () {
      const soft = (width: number, height: number) =>
        plane(width, height, (x, y) => (x < width / 2 && y < height / 2 ? 0.9 : (x % 3) / 100))
      assert.deepStrictEqual(yield* shares(things(soft(48, 32))), { 1: 12, 255: 36 })
      for (const [width, height] of [
        [24, 16],
        [8, 8]
      ] as const) {
        assert.include(yield* refusal(things(soft(width, height))), "may be a soft mask or outlines")
      }
    })
  )

  it.effect("is outlines of one ring or of several, however they are nested", () =>
    Effect.gen(function* () {
      const [left, right] = [box(0, 0, 24, 16), box(24, 0, 24, 16)]
      for (const mask of [left, left.flat(), [left], [left.flat()], left.map(([x, y]) => ({ x, y }))]) {
        assert.deepStrictEqual(yield* shares(things(mask)), { 1: 12, 255: 36 })
      }
      for (const mask of [
        [left, right],
        [left.flat(), right.flat()]
      ]) {
        assert.deepStrictEqual(yield* shares(things(mask)), { 1: 24, 255: 24 })
      }
    })
  )

  it.effect("is 0 and one other, or 1 or white alone: other whole numbers are no mask", () =>
    Effect.gen(function* () {
      for (const inside of [1, 2, 7, 255])
        for (const mask of [quarter(48, 32, inside), quarter(48, 32, inside).flat()])
          assert.deepStrictEqual(yield* shares(things(mask)), { 1: 12, 255: 36 })
      for (const all of [1, 255, true]) {
        assert.deepStrictEqual(yield* shares(things(quarter(48, 32, all, all))), { 1: 48 })
      }
      assert.deepStrictEqual(yield* shares(things(quarter(48, 32, 0, 0).flat())), { 255: 48 })
      for (const [inside, outside] of [
        [1, 2],
        [2, 1],
        [5, 5],
        [1, 255],
        [254, 255]
      ]) {
        for (const [width, height] of [
          [48, 32],
          [96, 64],
          [47, 9],
          [48, 3],
          [24, 16]
        ] as const)
          assert.match(
            yield* refusal(things(quarter(width, height, inside, outside))),
            /`results.0.mask`: its values are .*a mask has 0 and one other/
          )
        const flat = quarter(48, 32, inside, outside).flat()
        assert.match(yield* refusal(things(flat)), /its values are/)
        const boxed = [...quarter(10, 4, inside, outside).flat(), 3, 2, 12, 5]
        assert.match(yield* refusal(things(boxed)), /its values are/)
      }
      const three = plane(48, 32, (x) => x % 3)
      assert.match(yield* refusal(things(three)), /its values are 0, 1, 2 and others/)
    })
  )

  it.effect("is a matte of greys from 0 to 255, of which half and more is inside, as in a picture", () =>
    Effect.gen(function* () {
      const greys = (
        width: number,
        height: number,
        inside: (x: number) => unknown,
        outside: (x: number) => unknown
      ) => plane(width, height, (x, y) => (x < width / 2 && y < height / 2 ? inside(x) : outside(x)))
      const mattes: ReadonlyArray<(width: number, height: number) => Array<Array<unknown>>> = [
        // Edges alone are soft; all of it is; it is sure of nothing; it is of numbers with a point; 128 is the first inside.
        (w, h) =>
          greys(
            w,
            h,
            (x) => (x % 5 === 0 ? 160 : 255),
            (x) => (x % 5 === 0 ? 90 : 0)
          ),
        (w, h) =>
          greys(
            w,
            h,
            (x) => 230 - (x % 100),
            (x) => x % 127
          ),
        (w, h) =>
          greys(
            w,
            h,
            (x) => 240 + (x % 15),
            (x) => x % 16
          ),
        (w, h) =>
          greys(
            w,
            h,
            (x) => 200.5 + (x % 40),
            (x) => (x % 9) * 1.5
          ),
        (w, h) =>
          greys(
            w,
            h,
            (x) => (x % 2 === 0 ? 128 : 255),
            (x) => (x % 2 === 0 ? 127 : 0)
          )
      ]
      for (const matte of mattes) {
        for (const mask of [
          matte(48, 32),
          [matte(48, 32)],
          matte(48, 32).flat(),
          [matte(48, 32).flat()],
          matte(47, 33)
        ]) {
          const found = yield* shares(things(mask))
          assert.closeTo(found[1]!, 12, 1, JSON.stringify(mask).slice(0, 60))
          assert.deepStrictEqual(Object.keys(found), ["1", "255"])
        }
        const boxed = [...matte(12, 8).flat(), 12, 8, 23, 15]
        assert.closeTo((yield* shares(things(boxed)))[1]!, 12 / 16, 0.1)
      }
      // Shares in one line are no outline in parts of the sides.
      const line = quarter(48, 32, 0.9, 0.1).flat()
      assert.deepStrictEqual(yield* shares(things(line)), { 1: 12, 255: 36 })
    })
  )

  it.effect("that may be ids of other classes is refused, unless somebody says where it begins", () =>
    Effect.gen(function* () {
      const ids = [
        (x: number) => [0, 1, 2, 255][x % 4],
        (x: number) => [0, 1, 255][x % 3],
        (x: number) => x % 15,
        (x: number) => x % 101,
        (x: number) => 200 + (x % 3),
        (x: number) => x * 10
      ]
      for (const id of ids) {
        const mask = plane(48, 32, id)
        for (const each of [mask, mask.flat()])
          assert.match(yield* refusal(things(each)), /its values are .*`binary: \{ threshold \}`/)
      }
      const said = (mask: unknown, binary: { readonly threshold?: number; readonly inverted?: boolean }) =>
        Effect.map(
          decode(things(mask), { binary }),
          (prediction) => labelsOf(prediction).data.filter((id) => id === 1).length / 1536
        )
      const percent = quarter(48, 32, 80, 20)
      assert.strictEqual(yield* said(percent, { threshold: 50 }), 0.25)
      assert.strictEqual(yield* said(percent.flat(), { threshold: 50 }), 0.25)
      assert.strictEqual(yield* said(quarter(48, 32, 0, 255), { inverted: true }), 0.25)
      assert.strictEqual(yield* said(quarter(48, 32, 200, 100), { threshold: 201 }), 0)
    })
  )

  it.effect("of too few points for an outline is refused", () =>
    Effect.gen(function* () {
      for (const mask of [
        [
          [0, 0],
          [24, 16]
        ],
        [[0, 0, 24, 16]],
        [[3, 4]]
      ]) {
        assert.include(yield* refusal(things(mask)), "too few points")
      }
    })
  )
})

describe("the points of outlines", () => {
  it.effect("are parts of the sides, though some lie beyond them", () =>
    Effect.gen(function* () {
      for (const beyond of [0, 1e-7, 0.02, 0.2]) {
        const outline = box(-beyond, -beyond, 1 + 2 * beyond, 0.5 + beyond)
        assert.deepStrictEqual(yield* shares(things(outline)), { 1: 24, 255: 24 })
      }
    })
  )

  it.effect("are pixels where any of the answer's are, so that a small thing in the corner stays small", () =>
    Effect.gen(function* () {
      const found = yield* shares(things(box(24, 16, 24, 16), box(0, 0, 1, 1)))
      assert.deepStrictEqual(found, { 1: 12, 2: 0.03125, 255: 35.96875 })
    })
  )
})
