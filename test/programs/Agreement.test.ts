import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import {
  ImageSource,
  type Prediction,
  segmentWithAgreement,
  ServiceUnavailable,
  Transports
} from "effect-segformer"
import { ClassTable, type LabelMap } from "effect-segformer/mask"
import { Fixtures, SegFormerTest } from "effect-segformer/testing"

const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })
const { height, width } = Fixtures
const classes = ClassTable.fromNames(["background", "left", "right"])

/** A map whose columns left of `edge` are one id, and the others another. */
const split = (edge: number, left = 1, right = 2): LabelMap.LabelMap => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height }, (_, i) => (i % width < edge ? left : right))
})
/** The same with 255, which is ignored, and an id of 16 bits. */
const wide = (edge: number): LabelMap.LabelMap => ({
  width,
  height,
  data: Uint16Array.from({ length: width * height }, (_, i) => (i % width < edge ? 255 : 60_000)),
  ignoreIndex: 255
})
const says = (name: string, labelMap: LabelMap.LabelMap, table = classes) =>
  SegFormerTest.layer(() => Effect.succeed<Prediction>({ _tag: "Labels", labelMap, classes: table }), {
    name
  })
const down = new ServiceUnavailable({ service: "http://c", status: 503, detail: "" })
const fails = SegFormerTest.layer(() => Effect.fail(down), { name: "c", policy: { retry: false } })

describe("segmentWithAgreement", () => {
  it.effect("those who say the same agree wholly", () =>
    Effect.gen(function* () {
      const agreement = yield* segmentWithAgreement(image)
      assert.strictEqual(agreement.overall, 1)
      assert.deepStrictEqual(
        agreement.classes.map(({ iou, name }) => [name, iou]),
        [
          ["left", 1],
          ["right", 1]
        ]
      )
      assert.isTrue(agreement.disputed.data.every((value) => value === 0))
      assert.deepStrictEqual(agreement.labelMap.data, split(12).data)
    }).pipe(Effect.provide(Transports.ensemble([says("a", split(12)), says("b", split(12))])))
  )

  it.effect("says how far they agree, by class and over all, and what most of them say", () =>
    Effect.gen(function* () {
      const { classes, disputed, labelMap, members, overall, pairs } = yield* segmentWithAgreement(image)
      // Edges at 12, 24 and 24 of 48 columns: a quarter of the columns is disputed.
      assert.strictEqual(overall, 0.75)
      assert.deepStrictEqual(
        pairs.map(({ a, b, overall }) => [a, b, overall]),
        [
          ["a", "b", 0.75],
          ["a", "c", 0.75],
          ["b", "c", 1]
        ]
      )
      // left: 12 of 24 columns, twice, and 1; right: 24 of 36, twice, and 1.
      assert.deepStrictEqual(
        classes.map(({ id, iou, name }) => [id, name, iou.toFixed(4)]),
        [
          [1, "left", ((0.5 + 0.5 + 1) / 3).toFixed(4)],
          [2, "right", ((2 / 3 + 2 / 3 + 1) / 3).toFixed(4)]
        ]
      )
      assert.deepStrictEqual(labelMap.data, split(24).data)
      assert.strictEqual(
        disputed.data.reduce((sum, value) => sum + value, 0),
        12 * height
      )
      assert.deepStrictEqual(
        members.map(({ name, result }) => [name, Result.isSuccess(result)]),
        [
          ["a", true],
          ["b", true],
          ["c", true]
        ]
      )
    }).pipe(
      Effect.provide(Transports.ensemble([says("a", split(12)), says("b", split(24)), says("c", split(24))]))
    )
  )

  it.effect("in a draw the first of the ensemble is heard", () =>
    Effect.gen(function* () {
      const { labelMap } = yield* segmentWithAgreement(image)
      assert.deepStrictEqual(labelMap.data, split(24).data)
    }).pipe(Effect.provide(Transports.ensemble([says("a", split(24)), says("b", split(12))])))
  )

  it.effect("one that fails is listed, and the others are compared", () =>
    Effect.gen(function* () {
      const { members, overall } = yield* segmentWithAgreement(image)
      assert.strictEqual(overall, 1)
      const failed = members[2]!.result
      assert.strictEqual(Result.isFailure(failed) && failed.failure._tag, "ServiceUnavailable")
    }).pipe(Effect.provide(Transports.ensemble([says("a", split(12)), says("b", split(12)), fails])))
  )

  it.effect("fails where too few answer, and where an ensemble has no label maps to compare", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(segmentWithAgreement(image))
      assert.deepStrictEqual(error, down)
      const one = yield* segmentWithAgreement(image, { atLeast: 1 })
      assert.deepStrictEqual([one.overall, one.pairs.length], [1, 0])
      const none = yield* Effect.flip(segmentWithAgreement(image, { atLeast: 0 })).pipe(
        Effect.provide(Transports.ensemble([fails, fails]))
      )
      assert.deepStrictEqual(none, down)
    }).pipe(Effect.provide(Transports.ensemble([says("a", split(12)), fails])))
  )

  it.effect("classes that are numbered differently are matched by name", () =>
    Effect.gen(function* () {
      const byId = yield* segmentWithAgreement(image)
      assert.strictEqual(byId.overall, 0)
      const byName = yield* segmentWithAgreement(image, { match: "name" })
      assert.strictEqual(byName.overall, 1)
      assert.deepStrictEqual(
        byName.classes.map(({ id, name }) => [id, name]),
        [
          [1, "left"],
          [2, "right"]
        ]
      )
    }).pipe(
      Effect.provide(
        Transports.ensemble([
          says("a", split(12)),
          says("b", split(12, 2, 1), ClassTable.fromNames(["nothing", "right", "left"]))
        ])
      )
    )
  )

  it.effect("ids of 16 bits and an ignored one are compared like others", () =>
    Effect.gen(function* () {
      const { classes, overall } = yield* segmentWithAgreement(image)
      assert.strictEqual(overall, 0.75)
      assert.deepStrictEqual(
        classes.map(({ id }) => id),
        [60_000]
      )
    }).pipe(Effect.provide(Transports.ensemble([says("a", wide(12)), says("b", wide(24))])))
  )
})
