/** How far two segmenters agree, summed over images. */
import { assert, describe, it } from "@effect/vitest"
import { Option, Result } from "effect"
import { Agreement, LabelMap, Metrics, Palette } from "effect-segformer/mask"
import { Difference } from "effect-segformer/render"
import * as fc from "fast-check"
import { labelMaps } from "./support.ts"

const map = (data: LabelMap.LabelData, width = data.length, ignoreIndex?: number): LabelMap.LabelMap =>
  LabelMap.makeUnsafe({
    width,
    height: data.length / width,
    data,
    ...(ignoreIndex === undefined ? {} : { ignoreIndex })
  })
const bytes = (...ids: ReadonlyArray<number>) => map(Uint8Array.from(ids))

const counted = (pairs: ReadonlyArray<Agreement.Pair>, options?: Agreement.AddOptions) => {
  const agreement = Agreement.make()
  for (const pair of pairs) Result.getOrThrow(Agreement.add(agreement, pair, options))
  return Agreement.scores(agreement)
}

/** Two maps of one size. */
const pairs = labelMaps({ classes: 5 }).chain((first) =>
  fc
    .array(fc.integer({ min: 0, max: 4 }), { minLength: first.data.length, maxLength: first.data.length })
    .map((ids) => ({ first, second: { ...first, data: Uint8Array.from(ids) } }))
)

describe("Agreement", () => {
  it("is what scores against a truth are, whichever of the two is taken for it", () => {
    fc.assert(
      fc.property(fc.array(pairs, { minLength: 1, maxLength: 3 }), (images) => {
        const own = counted(images)
        const confusion = Metrics.make(5)
        for (const { first: truth, second: prediction } of images)
          Result.getOrThrow(Metrics.add(confusion, { truth, prediction }, { ignoreIndex: [] }))
        const known = Metrics.scores(confusion)
        assert.strictEqual(own.pixels, known.pixels)
        assert.closeTo(own.overall!, known.overallAccuracy!, 1e-12)
        assert.closeTo(own.meanIou!, known.meanIou!, 1e-12)
        for (const { agreement, first, id, iou, second } of own.classes) {
          const { iou: other, predicted, recall, truth } = known.classes[id]!
          assert.deepStrictEqual([first, second, iou, agreement], [truth, predicted, other!, recall])
        }
        const turned = counted(images.map(({ first, second }) => ({ first: second, second: first })))
        assert.deepStrictEqual(
          turned.classes.map(({ id, iou }) => [id, iou]),
          own.classes.map(({ id, iou }) => [id, iou])
        )
        assert.strictEqual(
          own.differences.reduce((sum, { pixels }) => sum + pixels, 0),
          own.differing
        )
        const [head, ...rest] = images.map((pair) => {
          const one = Agreement.make()
          Result.getOrThrow(Agreement.add(one, pair))
          return one
        })
        assert.deepStrictEqual(
          Agreement.scores(rest.reduce((sum, one) => Agreement.combine(sum, one), head!)).classes,
          own.classes
        )
      }),
      { numRuns: 60 }
    )
  })

  it("holds ids of any size and storage apart", () => {
    const most = 0xffffffff
    const { classes, differences, overall } = counted([
      {
        first: map(Uint32Array.of(most, most, most - 1, 70_000, 255, 0)),
        second: map(Uint32Array.of(most, most - 1, most, 70_000, 255, 255))
      },
      { first: map(Uint16Array.of(65_535, 300)), second: map(Uint32Array.of(65_535, 301)) }
    ])
    assert.strictEqual(overall, 4 / 8)
    assert.deepStrictEqual(
      classes.map(({ id }) => id),
      [0, 255, 300, 301, 65_535, 70_000, most - 1, most]
    )
    assert.deepStrictEqual(
      differences.map(({ first, second }) => [first, second]).sort((a, b) => a[0]! - b[0]!),
      [
        [0, 255],
        [300, 301],
        [most - 1, most],
        [most, most - 1]
      ]
    )
    // The picture of the difference lists the same ones.
    const compared = Difference.compare(
      map(Uint32Array.of(most, most - 1, 9)),
      map(Uint32Array.of(most - 1, most, 9)),
      { palette: Palette.surface }
    )
    assert.deepStrictEqual(compared.disagreements, [
      { first: most, second: most - 1, pixels: 1 },
      { first: most - 1, second: most, pixels: 1 }
    ])
  })

  it("takes no class for an answer like any other, whatever number stands for it", () => {
    const none = map(Uint8Array.of(255, 255, 1, 1), 4, 255)
    const other = map(Uint8Array.of(7, 1, 7, 1), 4, 7)
    const { classes, differences, differing, overall } = counted([{ first: none, second: other }])
    assert.deepStrictEqual([overall, differing], [0.5, 2])
    assert.deepStrictEqual(
      classes.map(({ both, first, id, second }) => [id, first, second, both]),
      [[1, 2, 2, 1]]
    )
    assert.deepStrictEqual(
      differences.toSorted((a, b) => (a.first ?? -1) - (b.first ?? -1)),
      [
        { first: undefined, second: 1, pixels: 1 },
        { first: 1, second: undefined, pixels: 1 }
      ]
    )
    assert.deepStrictEqual(
      Result.getOrThrow(Agreement.differing({ first: none, second: other })).data,
      Uint8Array.of(0, 1, 1, 0)
    )
    // A class of that number is a class, where it stands for one.
    assert.deepStrictEqual(
      counted([{ first: bytes(255, 1), second: bytes(255, 255) }]).classes.map(({ id, iou }) => [id, iou]),
      [
        [1, 0],
        [255, 0.5]
      ]
    )
  })

  it("leaves out what the first ignores, and has no score of nothing", () => {
    const first = bytes(0, 255, 254, 1)
    const second = bytes(0, 1, 1, 255)
    const { classes, differing, ignored, pixels } = counted([{ first, second }], { ignore: [255, 254] })
    assert.deepStrictEqual([pixels, ignored, differing], [2, 2, 1])
    // What the second says elsewhere is seen all the same.
    assert.deepStrictEqual(
      classes.map(({ agreement, id, iou }) => [id, agreement, iou]),
      [
        [0, 1, 1],
        [1, 0, 0],
        [255, undefined, 0]
      ]
    )
    assert.deepStrictEqual(
      Result.getOrThrow(Agreement.differing({ first, second }, { ignore: [255, 254] })).data,
      Uint8Array.of(0, 0, 0, 1)
    )
    const nothing = counted([{ first, second }], { ignore: [0, 255, 254, 1] })
    assert.deepStrictEqual(
      [nothing.pixels, nothing.overall, nothing.meanIou, nothing.classes],
      [0, undefined, undefined, []]
    )
    assert.deepStrictEqual(counted([]).overall, undefined)
  })

  it("counts nothing of maps that are not comparable", () => {
    const agreement = Agreement.make()
    const wrong = { first: bytes(1, 2), second: map(Uint8Array.of(1, 2), 1) }
    for (const failure of [
      Result.getFailure(Agreement.add(agreement, wrong)),
      Result.getFailure(Agreement.differing(wrong))
    ]) {
      assert.include(Option.getOrThrow(failure).message, "the first is 2 x 1 pixels")
    }
    const ids = (of: (i: number) => number) => map(Uint16Array.from({ length: 1025 * 1024 }, (_, i) => of(i)))
    const instances = Agreement.add(agreement, {
      first: ids((i) => i % 1025),
      second: ids((i) => Math.floor(i / 1025))
    })
    assert.isTrue(Result.isFailure(instances))
    if (Result.isFailure(instances)) assert.include(instances.failure.message, "instances")
    assert.strictEqual(Agreement.scores(agreement).pixels, 0)
  })
})
