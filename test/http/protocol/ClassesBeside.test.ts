/** Classes beside a mask or given as options: those that begin at 1, backgrounds, and lists that are none. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ClassTable } from "effect-segformer/mask"
import { Cog, Custom, HuggingFace, Replicate, Roboflow, TfServing } from "effect-segformer/http"
import { base64, decode, grey, ids, labelsOf, plane, quarter, refused, shares } from "./maskAnswers.ts"

const [width, height] = [48, 32]
const corner = quarter(width, height)
const left = plane(width, height, (x) => (x < 24 ? 1 : 2))
/** 0 in the left half, 1 and 2 in the quarters of the right. */
const thirds = plane(width, height, (x, y) => (x < 24 ? 0 : y < 16 ? 1 : 2))
const namesIn = (value: unknown) =>
  Effect.map(decode(value), ({ classes }) => classes.map(({ id, name }) => `${id} ${name}`))

describe("one name beside a map", () => {
  it.effect("is of what is in it, and 0 is not, whether something is there or nothing", () =>
    Effect.gen(function* () {
      for (const classes of [
        ["defect"],
        [{ name: "defect" }],
        { 1: "defect" },
        [{ id: 1, name: "defect" }]
      ]) {
        for (const [mask, found] of [
          [corner, { 0: 36, 1: 12 }],
          [plane(width, height, () => 0), { 0: 48 }],
          [quarter(width, height, 255), { 0: 36, 1: 12 }],
          [base64(grey(width, height, quarter(width, height, 255).flat().map(Number))), { 0: 36, 1: 12 }]
        ] as const) {
          assert.deepStrictEqual(yield* shares({ mask, classes }), found, JSON.stringify(classes))
          assert.deepStrictEqual(yield* namesIn({ mask, classes }), ["0 background", "1 defect"])
        }
      }
    })
  )

  it.effect("is none of what it says of a background, or with an id", () =>
    Effect.gen(function* () {
      for (const classes of [["background"], { 0: "defect" }]) {
        assert.include(yield* refused(decode({ mask: corner, classes })), "have the id 1, which is none of")
        assert.deepStrictEqual(yield* shares({ mask: plane(width, height, () => 0), classes }), { 0: 48 })
      }
    })
  )
})

describe("one name beside a map that is said to hold ids", () => {
  it.effect("is of 0, as of any list, unless it has an id", () =>
    Effect.gen(function* () {
      const nothing = plane(width, height, () => 0)
      for (const options of [{ mask: { as: "ids" } }, { binary: false }] as const) {
        const read = (value: unknown) => decode(value, options)
        const { classes } = yield* read({ mask: nothing, classes: ["road"] })
        assert.deepStrictEqual(classes, [{ id: 0, name: "road" }])
        assert.include(yield* refused(read({ mask: corner, classes: ["road"] })), "have the id 1, which is")
        const own = yield* read({ mask: corner, classes: { 1: "road" } })
        assert.deepStrictEqual(
          own.classes.map(({ id, name }) => `${id} ${name}`),
          ["0 background", "1 road"]
        )
        const known = yield* read({ mask: thirds, classes: ["c", "a", "b"], class_ids: [2, 0, 1] })
        assert.deepStrictEqual(
          known.classes.map(({ name }) => name),
          ["a", "b", "c"]
        )
      }
    })
  )
})

describe("classes that begin at 1", () => {
  const classes = { 1: "road", 2: "tree" }

  it.effect("leave 0 for what is of none, where the map has the last of them", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shares({ mask: thirds, classes }), { 0: 24, 1: 12, 2: 12 })
      assert.deepStrictEqual(yield* namesIn({ mask: thirds, classes }), ["0 background", "1 road", "2 tree"])
      assert.deepStrictEqual(yield* namesIn({ mask: left, classes }), ["1 road", "2 tree"])
    })
  )

  it.effect("are refused where ids may begin at 0", () =>
    Effect.gen(function* () {
      assert.include(yield* refused(decode({ mask: corner, classes })), "the classes beside it begin at 1")
      const others = { 1: "road", 3: "tree" }
      assert.include(yield* refused(decode({ mask: corner, classes: others })), "have the id 0")
      assert.include(
        yield* refused(decode({ mask: thirds, classes: { 1: "background", 2: "tree" } })),
        "have the id 0"
      )
    })
  )
})

describe("names with a list of ids beside them", () => {
  it.effect("go by those, and by their places where each thing has one", () =>
    Effect.gen(function* () {
      const names = ["tree", "sky", "road"]
      for (const field of ["class_ids", "category_ids", "label_ids"])
        assert.deepStrictEqual(yield* namesIn({ mask: thirds, class_names: names, [field]: [2, 0, "1"] }), [
          "0 sky",
          "1 road",
          "2 tree"
        ])
      const found = { mask: plane(width, height, (x) => (x < 24 ? 3 : 7)), classes: ["wall", "sky"] }
      assert.deepStrictEqual(yield* namesIn({ ...found, class_ids: [3, 7] }), ["3 wall", "7 sky"])
      for (const ids of [[0, 1, 1], [0, 1, 2, 1], ["a", "b", "c"], 3])
        assert.deepStrictEqual(yield* namesIn({ mask: thirds, classes: names, label_ids: ids }), [
          "0 tree",
          "1 sky",
          "2 road"
        ])
    })
  )
})

describe("an empty list", () => {
  it.effect("is nothing found, unless the work is not done yet", () =>
    Effect.gen(function* () {
      for (const beside of [
        { status: "processing" },
        { state: "PENDING" },
        { job_status: "IN_QUEUE" },
        { status: "in progress" }
      ]) {
        assert.include(yield* refused(decode({ ...beside, masks: [] })), "the work is not done yet")
        assert.include(yield* refused(decode({ ...beside, output: { predictions: [] } })), "not done yet")
        assert.deepStrictEqual(yield* shares({ ...beside, mask: thirds }), { 0: 24, 1: 12, 2: 12 })
      }
      for (const beside of [
        { status: "ok" },
        { status: "completed" },
        { status: 3 },
        { stage: "pending" },
        {}
      ])
        assert.deepStrictEqual(yield* shares({ ...beside, masks: [] }), { 255: 48 })
    })
  )

  it.effect("has the classes that one with things in it has", () =>
    Effect.gen(function* () {
      for (const [classes, named] of [
        [{ 1: "road", 2: "tree" }, ["1 road", "2 tree"]],
        [{ road: 1 }, ["1 road"]],
        [["road"], ["0 road"]]
      ] as const) {
        const road = { label: "road", mask: quarter(width, height, 255) }
        assert.deepStrictEqual(yield* namesIn({ masks: [road, road], classes }), [...named])
        assert.deepStrictEqual(yield* namesIn({ masks: [], classes }), [...named])
        assert.deepStrictEqual(yield* shares({ masks: [], classes }), { 255: 48 })
      }
    })
  )
})

describe("what no mask of a list is on", () => {
  const things = (classes: unknown, label = "road") => ({
    classes,
    predictions: [
      {
        class: label,
        points: [
          { x: 0, y: 0 },
          { x: 24, y: 0 },
          { x: 24, y: 16 },
          { x: 0, y: 16 }
        ]
      }
    ]
  })

  it.effect("is background, where the classes have one that no mask has", () =>
    Effect.gen(function* () {
      for (const background of ["background", "_background_", "BG"]) {
        const names = [background, "road"]
        assert.deepStrictEqual(yield* shares(things(names)), { 0: 36, 1: 12 })
        const options = { classes: ClassTable.fromNames(names) }
        for (const answer of [{ predictions: [] }, []])
          assert.deepStrictEqual(new Set(yield* ids(decode(answer, options))), new Set([0]))
      }
      const last = ["road", "tree", "background"]
      assert.deepStrictEqual(yield* shares(things(last)), { 0: 12, 2: 36 })
    })
  )

  it.effect("is of no class otherwise, or where an ignored id is given", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* shares(things(["sky", "road"])), { 1: 12, 255: 36 })
      assert.deepStrictEqual(yield* shares(things(["background", "road"], "background")), { 0: 12, 255: 36 })
      const given = yield* decode(things(["background", "road"]), { ignoreIndex: 9 })
      assert.deepStrictEqual(new Set(labelsOf(given).data), new Set([1, 9]))
    })
  )
})

describe("classes as plain JavaScript may give them", () => {
  const wrong: ReadonlyArray<unknown> = [
    ["sky", "road"],
    { 0: "sky", 1: "road" },
    "sky",
    [{ id: "0", name: "sky" }],
    [{ id: -1, name: "sky" }],
    [{ name: "sky" }],
    [{ id: 0, name: 3 }],
    [null]
  ]

  it("are refused when a protocol is made, by all", () => {
    for (const each of wrong) {
      const given: object = { classes: each }
      const palette: object = { palette: each }
      for (const make of [
        () => Custom.make({ ...given }),
        () => HuggingFace.make({ ...given }),
        () => Cog.make({ ...given }),
        () => TfServing.make({ model: "m", ...given }),
        () => Roboflow.make({ modelId: "a/1", ...given }),
        () => Replicate.make({ version: "v", ...given }),
        () => Custom.make({ ...palette })
      ])
        assert.throws(make, /must be a list of \{ id, name \}.*ClassTable\.fromNames/)
    }
  })
})
