/** Maps whose values number things, or have a class and a number in one: read by what is listed beside them, or refused. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ClassTable } from "effect-segformer/mask"
import { base64, decode, grey, ids, plane, refused, shares } from "./maskAnswers.ts"

const [width, height] = [48, 32]
/** 0 above; below it one value on the left and another on the right. */
const map = (left: number, right: number, above = 0) =>
  plane(width, height, (x, y) => (y < 16 ? above : x < 24 ? left : right)).map((row) => row.map(Number))
const png = base64(grey(width, height, map(1, 2).flat()))

describe("a map that numbers what is listed beside it", () => {
  const listed = [
    { id: 1, class_id: 7, label: "car" },
    { id: 2, class_id: 3, label: "tree" },
    { id: 3, class_id: 7, label: "car" }
  ]

  it.effect("is read by its classes, whatever the list is called", () =>
    Effect.gen(function* () {
      for (const field of ["instances", "objects", "things", "detections", "annotations"])
        for (const mask of [map(1, 2), png])
          assert.deepStrictEqual(yield* shares({ mask, [field]: listed }), { 3: 12, 7: 12, 255: 24 })
      assert.deepStrictEqual(yield* shares({ result: { mask: map(1, 2) }, instances: listed }), {
        3: 12,
        7: 12,
        255: 24
      })
      const byName = {
        mask: map(1, 2),
        instances: [
          { id: 1, label: "tree" },
          { id: 2, label: "tree" }
        ]
      }
      const classes = ClassTable.make([
        { id: 5, name: "car" },
        { id: 9, name: "tree" }
      ])
      assert.deepStrictEqual(new Set(yield* ids(decode(byName, { classes }))), new Set([9, 255]))
      // What no thing is on is the background, as it is of a list of masks.
      const withGround = ClassTable.make([{ id: 4, name: "background" }, ...classes])
      assert.deepStrictEqual(new Set(yield* ids(decode(byName, { classes: withGround }))), new Set([4, 9]))
      const said = decode(byName, { classes: withGround, ignoreIndex: 200 })
      assert.deepStrictEqual(new Set(yield* ids(said)), new Set([9, 200]))
    })
  )

  it.effect("is refused where it may be a map of classes", () =>
    Effect.gen(function* () {
      for (const things of [
        [
          { id: 1, class_id: 2 },
          { id: 2, class_id: 2 }
        ],
        [
          { id: 1, class_id: 0 },
          { id: 2, class_id: 0 }
        ]
      ])
        assert.include(
          yield* refused(decode({ mask: map(1, 2), instances: things })),
          "does it number things?"
        )
      const twice = [
        { id: 1, label: "car" },
        { id: 2, label: "car" }
      ]
      assert.include(yield* refused(decode({ mask: map(1, 2), objects: twice })), "does it number things?")
    })
  )

  it.effect("is a map of classes where its values are theirs, or are not among the ids", () =>
    Effect.gen(function* () {
      const expected = { 0: 24, 1: 12, 2: 12 }
      for (const objects of [
        [
          { id: 1, class_id: 2 },
          { id: 2, class_id: 1 }
        ],
        [
          { id: 1, class_id: 1 },
          { id: 2, class_id: 2 },
          { id: 3, class_id: 1 }
        ],
        [
          { id: 0, class_id: 9 },
          { id: 1, class_id: 9 }
        ],
        [{ id: "a", class_id: 9 }],
        [{ label: "car", box: [1, 2, 3, 4] }],
        [
          { id: 1, label: "car" },
          { id: 2, label: "tree" }
        ],
        []
      ])
        assert.deepStrictEqual(yield* shares({ mask: map(1, 2), objects }), expected, JSON.stringify(objects))
      const said = decode({ mask: map(1, 2), objects: listed }, { mask: { as: "ids" } })
      assert.deepStrictEqual(new Set(yield* ids(said)), new Set([0, 1, 2]))
    })
  )

  it.effect("is read where its name says that it numbers things", () =>
    Effect.gen(function* () {
      const answer = {
        instance_map: map(1, 2),
        instances: [
          { id: 1, class_id: 2 },
          { id: 2, class_id: 2 }
        ]
      }
      assert.deepStrictEqual(
        yield* ids(decode(answer, { mask: { at: "instance_map" } })),
        map(2, 2, 255).flat()
      )
    })
  )
})

describe("a map of classes with numbers of things behind them", () => {
  it.effect("is read by the divisor that stands beside it", () =>
    Effect.gen(function* () {
      const expected = { 7: 24, 24: 12, 26: 12 }
      assert.deepStrictEqual(
        yield* shares({ panoptic_seg: map(24_001, 26_000, 7000), label_divisor: 1000 }),
        expected
      )
      assert.deepStrictEqual(
        yield* shares({ output: { mask: map(24 * 256 + 3, 26 * 256, 7 * 256) }, label_divisor: 256 }),
        expected
      )
      // A map of classes is one, whatever stands beside it of another.
      assert.deepStrictEqual(yield* shares({ mask: map(24, 26, 7), label_divisor: 1000 }), expected)
    })
  )

  it.effect("is refused where nobody says so", () =>
    Effect.gen(function* () {
      for (const mask of [map(26_000, 26_001, 7), map(24_000, 24_001), map(24_001, 26_002), map(1001, 2001)])
        assert.include(yield* refused(decode({ mask })), "classes with numbers of things behind them?")
    })
  )

  it.effect("is none where a value is no such number, or somebody says so", () =>
    Effect.gen(function* () {
      for (const [one, other] of [
        [70_000, 2],
        [300, 1203],
        [1007, 2090],
        [65_535, 1000]
      ] as const)
        assert.deepStrictEqual(yield* shares({ mask: map(one, other) }), { 0: 24, [one]: 12, [other]: 12 })
      const mask = map(26_000, 26_001)
      for (const options of [
        { binary: false },
        { mask: { as: "ids" as const } },
        { classes: [0, 26_000, 26_001].map((id) => ({ id, name: `c${id}` })) }
      ])
        assert.deepStrictEqual(yield* ids(decode({ mask }, options)), mask.flat())
    })
  )
})
