/** Maps whose values number things, or have a class and a number in one: read by what is listed beside them, or refused. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ClassTable } from "effect-segformer/mask"
import * as MapValues from "../../../src/http/MapValues.ts"
import * as Numbered from "../../../src/http/Numbered.ts"
import * as Packed from "../../../src/http/Packed.ts"
import * as Steps from "../../../src/mask/Steps.ts"
import { base64, decode, grey, ids, labelsOf, plane, refused, shares } from "./maskAnswers.ts"

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

  it.effect("has an id of no class where its values are below 0, also beside a class 255", () =>
    Effect.gen(function* () {
      const mask = map(24_001, 26_000, -1)
      const read = (mask: unknown, options = {}) =>
        Effect.map(decode({ mask, label_divisor: 1000 }, options), (prediction) => {
          const { data, ignoreIndex } = labelsOf(prediction)
          return [data[0], data.at(-width), data.at(-1), ignoreIndex]
        })
      assert.deepStrictEqual(yield* read(mask), [255, 24, 26, 255])
      // Nor that of a class that the values have alone.
      assert.deepStrictEqual(yield* read(map(255_002, 26_000, -1)), [256, 255, 26, 256])
      const classes = (last: string) => ({
        classes: ClassTable.make([
          { id: 24, name: "person" },
          { id: 26, name: "car" },
          { id: 255, name: last }
        ])
      })
      assert.deepStrictEqual(yield* read(mask, classes("sky")), [256, 24, 26, 256])
      // What is of no class may have a name.
      assert.deepStrictEqual(yield* read(mask, classes("void")), [255, 24, 26, undefined])
      assert.deepStrictEqual(yield* read(mask, { ignoreIndex: 300 }), [300, 24, 26, 300])
      const far = ClassTable.make([...classes("sky").classes, { id: 300, name: "sea" }])
      assert.deepStrictEqual(yield* read(map(24_001, 300_007, -1), { classes: far }), [301, 24, 300, 301])
      const parts = decode({ mask: map(24_001, 26_000.5), label_divisor: 1000 }, classes("sky"))
      assert.include(yield* refused(parts), "26000.5, and no class id")
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

describe("looks at large maps", () => {
  const turns = <A>(steps: Steps.Steps<A>): readonly [A, number] => {
    for (let count = 0; ; count++) {
      const next = steps.next()
      if (next.done === true) return [next.value, count]
    }
  }
  const size = { width: 1024, height: 1024 }
  const pixels = size.width * size.height
  const few = pixels / Steps.pixelsPerStep
  const of = (value: number, first = value) => new Uint32Array(pixels).fill(value).fill(first, 0, 1)
  const labels = (value: number, first?: number) =>
    ({ _tag: "Labels", labelMap: { ...size, data: of(value, first) }, classes: [] }) as const
  const things = [{ id: 1, label: "car", classId: 7 }]
  const given = ClassTable.make([{ id: 1, name: "car" }])

  it("in turns, and no longer than it takes", () => {
    assert.deepStrictEqual(turns(Numbered.areNumbers(of(1), things)), [true, few])
    assert.deepStrictEqual(turns(Numbered.areNumbers(of(1, 9), things)), [false, 1])
    assert.deepStrictEqual(turns(Numbered.thingsIn(labels(7), { class_ids: [7] })), [undefined, few])
    assert.include(turns(Numbered.thingsIn(labels(7, 9), { class_ids: [7] }))[0], "it has the id 9")
    assert.strictEqual(turns(Numbered.thingsIn(labels(7, 9), { class_ids: [7] }))[1], 1)
    assert.deepStrictEqual(turns(Numbered.isMask(labels(1))), [true, few])
    assert.deepStrictEqual(turns(Numbered.isMask(labels(0))), [false, few])
    assert.deepStrictEqual(turns(Numbered.isMask(labels(1, 2))), [false, 1])
    assert.strictEqual(turns(Numbered.settled(labels(1), given))[1], few)
    assert.strictEqual(turns(Numbered.settled(labels(1, 0), given))[1], 1)
    const map = turns(Numbered.divided({ ...size, data: of(24_001) }, 1000, {}))
    assert.deepStrictEqual([map[0]?.data[0], map[0]?.data.at(-1), map[1]], [24, 24, 2 * few])
    assert.deepStrictEqual(turns(Numbered.divided({ ...size, data: of(24) }, 1000, {})), [undefined, few])
    assert.deepStrictEqual(turns(Packed.flawOf({ ...size, data: of(7) })), [undefined, few])
    assert.deepStrictEqual(turns(MapValues.strangerIn({ ...size, data: of(1) }, given)), [undefined, few])
    assert.deepStrictEqual(turns(MapValues.strangerIn({ ...size, data: of(1, 0) }, given)), [
      "1 pixels have the id 0, which is none of the model's 1 classes",
      1 + few
    ])
  })
})
