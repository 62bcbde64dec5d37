/** Soft masks begin where the answer says, and those of a list where the others of it do, whatever carries them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { encode } from "../../../src/mask/PngWriting.ts"
import { base64, decode, grey, ids, plane, refusal } from "./maskAnswers.ts"

type Shade = (x: number, y: number) => number

const [width, height] = [48, 32]
const list = (shade: Shade) => plane(width, height, shade).flat().map(Number)
const whole = (shade: Shade, white: number) => (x: number, y: number) => Math.round(shade(x, y) * white)
const png = (shade: Shade, depth: 4 | 16) =>
  base64(
    encode({
      width,
      height,
      channels: 1,
      depth,
      data: list(whole(shade, 2 ** depth - 1))
    })
  )

/** A mask of shades, of which 1 is white, as services send it. */
const carriers: ReadonlyArray<readonly [string, (shade: Shade) => unknown]> = [
  ["grey of 8 bits", (shade) => base64(grey(width, height, list(whole(shade, 255))))],
  ["grey of 16 bits", (shade) => png(shade, 16)],
  ["grey of 4 bits", (shade) => png(shade, 4)],
  ["rows of bytes", (shade) => plane(width, height, whole(shade, 255))],
  ["rows of parts of 1", (shade) => plane(width, height, shade)]
]

const isIn = (x: number, y: number) => x < 24 && y < 16
const soft: Shade = (x, y) => (isIn(x, y) ? 0.75 + (x % 3) / 8 : (x % 4) / 12)
/** Sure of a third at most, and of a fifth outside. */
const faint: Shade = (x, y) => (isIn(x, y) ? 0.3 + (x % 3) / 50 : (x % 4) / 15)
const map = (inside: number, outside: number) => list((x, y) => (isIn(x, y) ? inside : outside))

describe.each(carriers)("a soft mask as %s", (name, carrier) => {
  const isParts = name === "rows of parts of 1"

  it.effect("is followed by the weak ones of its list, wherever it stands", () =>
    Effect.gen(function* () {
      for (const weak of [
        (x: number) => (x === 0 ? 0.2 : 0),
        (x: number) => (x % 3) / 5,
        (x: number) => (x % 2) / 5 + 0.2,
        () => 0.2,
        faint
      ]) {
        const [road, tree] = [
          { label: "road", mask: carrier(soft) },
          { label: "tree", mask: carrier(weak) }
        ]
        assert.deepStrictEqual(yield* ids(decode([road, tree])), map(0, 255))
        assert.deepStrictEqual(yield* ids(decode([tree, road])), map(1, 255))
      }
    })
  )

  it.effect("leaves rows of 0 and 1 what they are", () =>
    Effect.gen(function* () {
      const hard = (x: number, y: number) => x >= 24 && y >= 16
      for (const mask of [
        plane(width, height, (x, y) => Number(hard(x, y))),
        list((x, y) => Number(hard(x, y))),
        plane(width, height, hard)
      ]) {
        const expected = list((x, y) => (hard(x, y) ? 1 : isIn(x, y) ? 0 : 255))
        const listed = [
          { label: "road", mask: carrier(soft) },
          { label: "tree", mask }
        ]
        assert.deepStrictEqual(yield* ids(decode(listed)), expected)
        const other = expected.map((id) => (id === 255 ? 255 : 1 - id))
        assert.deepStrictEqual(yield* ids(decode(listed.toReversed())), other)
      }
    })
  )

  it.effect("is followed by none that is whole", () =>
    Effect.gen(function* () {
      const other = list((x, y) => (isIn(x, y) ? 0 : y >= 16 ? 1 : 255))
      for (const hard of [
        (_: number, y: number) => (y >= 16 ? 1 : 0),
        (_: number, y: number) => (y < 16 ? 0.1 : 0.8)
      ]) {
        const listed = [
          { label: "tree", mask: carrier(hard) },
          { label: "road", mask: carrier(soft) }
        ]
        assert.deepStrictEqual(
          yield* ids(decode(listed)),
          other.map((id) => (id === 255 ? 255 : 1 - id))
        )
      }
    })
  )

  it.effect("begins where the answer says, beside it or around its list", () =>
    Effect.gen(function* () {
      const shade: Shade = (x, y) => (isIn(x, y) ? 0.4 + (x % 4) / 50 : (x % 4) / 15)
      const one = { mask: carrier((x, y) => (x > 40 && y > 30 ? 1 : shade(x, y))) }
      const expected = list((x, y) => (isIn(x, y) || (x > 40 && y > 30) ? 1 : 0))
      for (const said of [{ mask_threshold: 0.3 }, { mask_threshold: "0.3" }, { mask_threshold: 102 }])
        assert.deepStrictEqual(yield* ids(decode({ ...one, ...said }, { binary: true })), expected)
      // Some are inside and white is, and what may be percent says nothing.
      const white = list((x, y) => (x > 40 && y > 30 ? 1 : 0))
      const some = list((x, y) => (isIn(x, y) || x % 4 > 0 || (x > 40 && y > 30) ? 1 : 0))
      for (const [said, inside] of [
        [0.001, some],
        [0.999, white],
        [50, white]
      ] as const)
        assert.deepStrictEqual(yield* ids(decode({ ...one, mask_threshold: said }, { binary: true })), inside)
      const around = { masks: [{ label: "LABEL_1", mask: one.mask }], mask_threshold: 0.3 }
      assert.deepStrictEqual(
        yield* ids(decode(around)),
        expected.map((id) => (id === 0 ? 255 : 1))
      )
      if (!isParts) return
      assert.deepStrictEqual(yield* ids(decode({ ...one, threshold: 0.3 })), expected)
      assert.deepStrictEqual(yield* ids(decode({ ...one, threshold: 0.3 }, { binary: true })), expected)
      const half = list((x, y) => (x > 40 && y > 30 ? 1 : 0))
      const ofScores = { threshold: 0.9, score: 0.99 }
      for (const none of [
        {},
        { threshold: 0 },
        { threshold: 1 },
        { threshold: "high" },
        { threshold: 0.5 },
        ofScores
      ])
        assert.deepStrictEqual(yield* ids(decode({ ...one, ...none })), half)
      // Whoever calls knows better; and that of a list may be that of its scores.
      assert.deepStrictEqual(
        yield* ids(decode({ ...one, threshold: 0.3 }, { binary: { threshold: 0.9 } })),
        half
      )
      assert.deepStrictEqual(
        yield* ids(decode({ ...around, mask_threshold: undefined, threshold: 0.3 })),
        half.map((id) => (id === 0 ? 255 : 1))
      )
    })
  )
})

describe("a threshold beside what is no soft mask", () => {
  it.effect("changes nothing", () =>
    Effect.gen(function* () {
      for (const mask of [map(1, 0), map(2, 1), list((x) => x % 20)]) {
        const rows = plane(width, height, (x, y) => mask[y * width + x])
        assert.deepStrictEqual(yield* ids(decode({ mask: rows, threshold: 0.3 })), mask)
        const text = base64(grey(width, height, mask))
        assert.deepStrictEqual(yield* ids(decode({ mask: text, threshold: 0.3 })), mask)
      }
      const scores = [map(3, 0), map(1, 2)].map((flat) =>
        plane(width, height, (x, y) => flat[y * width + x]! + 0.5)
      )
      assert.strictEqual((yield* decode({ logits: scores, threshold: 0.3 }))._tag, "Logits")
    })
  )
})

describe("a few ids", () => {
  it.effect("are no soft mask, whatever begins where", () =>
    Effect.gen(function* () {
      const rows = plane(width, height, (x) => [0, 15, 20, 220][x % 4])
      assert.include(yield* refusal({ mask: rows, threshold: 0.5 }), "values such as 220")
    })
  )

  it.effect("beyond 255 are no greys", () =>
    Effect.gen(function* () {
      for (const values of [
        [0, 1000, 11_000, 26_000],
        [0, 1000, 2000]
      ]) {
        const mask = plane(width, height, (x) => values[x % values.length])
        assert.deepStrictEqual(yield* ids(decode({ mask })), mask.flat())
      }
    })
  )
})

describe("greys in equal steps", () => {
  it.effect.each([
    [0, 50, 100],
    [0, 40, 80, 120],
    [0, 60, 180, 240],
    [0, 20, 40, 255],
    [0, 50, 100, 150, 200]
  ])("are no class ids: %j", (greys) =>
    Effect.gen(function* () {
      const mask = (x: number) => greys[x % greys.length]!
      const detail = /its values are 0, .*in equal steps.*`binary: false` or `classes`/
      assert.match(yield* refusal({ mask: plane(width, height, mask) }), detail)
      assert.match(yield* refusal({ mask: base64(grey(width, height, list(mask))) }), detail)
      const said = decode({ mask: plane(width, height, mask) }, { binary: false })
      assert.deepStrictEqual(yield* ids(said), list(mask))
    })
  )

  it.effect.each([
    [0, 50],
    [0, 50, 150],
    [0, 10, 20],
    [0, 1, 2, 3],
    [0, 23, 41],
    [0, 20, 41, 60],
    [0, 2, 4, 6, 255]
  ])("are ids where they may be: %j", (found) =>
    Effect.gen(function* () {
      const mask = (x: number) => found[x % found.length]!
      assert.deepStrictEqual(yield* ids(decode({ mask: plane(width, height, mask) })), list(mask))
    })
  )
})

describe("more shades than one picture has classes", () => {
  /** A matte that is nowhere white. */
  const dim = plane(width, height, (x, y) => (x < 24 ? 0 : (x - 24) * 6 + (y >> 3)))
  const bright = plane(width, height, (x, y) => (x < 24 ? 0 : 60_000 + x * 32 + y))

  it.effect("are no class ids without a word, of bytes and of 16 bits", () =>
    Effect.gen(function* () {
      for (const mask of [dim, base64(grey(width, height, dim.flat().map(Number))), bright])
        assert.include(yield* refusal({ mask }), "how sure it is of one class")
    })
  )

  it.effect("are class ids where somebody says so, as few of them are", () =>
    Effect.gen(function* () {
      const classes = Array.from({ length: 150 }, (_, id) => ({ id, name: `c${id}` }))
      for (const options of [{ classes }, { binary: false }, { mask: { as: "ids" as const } }])
        assert.deepStrictEqual(yield* ids(decode({ mask: dim }, options)), dim.flat())
      const few = plane(width, height, (x) => (x < 39 ? x : 149))
      assert.deepStrictEqual(yield* ids(decode({ mask: few })), few.flat())
    })
  )
})
