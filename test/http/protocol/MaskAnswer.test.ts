/** Where the masks of an answer are, whose they are, and what an answer without one says. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { ClassTable, LabelMap } from "effect-segformer/mask"
import { base64, decode, grey, ids, labelsOf, refused } from "./maskAnswers.ts"

describe("masks in answers", () => {
  it.effect("tells a class 255 from pixels that belong to no class", () =>
    Effect.gen(function* () {
      const prediction = yield* decode(
        [
          { label: "sky", mask: base64(grey(3, 1, [255, 0, 0])) },
          { label: "road", mask: base64(grey(3, 1, [0, 255, 0])) }
        ],
        {
          classes: ClassTable.make([
            { id: 3, name: "road" },
            { id: 255, name: "sky" }
          ])
        }
      )
      const map = labelsOf(prediction)
      assert.deepStrictEqual(Array.from(map.data), [255, 3, 256])
      assert.strictEqual(map.ignoreIndex, 256)
      assert.deepStrictEqual([...LabelMap.histogram(map).keys()], [3, 255])
    })
  )

  it.effect("has an id for what is of no class, also beside 255 and the largest id", () =>
    Effect.gen(function* () {
      const largest = 4_294_967_295
      const classes = ClassTable.make([
        { id: 0, name: "road" },
        { id: 255, name: "sky" },
        { id: largest, name: "sea" }
      ])
      const masks = [
        { label: "sky", mask: base64(grey(3, 1, [255, 0, 0])) },
        { label: "sea", mask: base64(grey(3, 1, [0, 255, 0])) }
      ]
      const segments = [
        { id: 1, label: "sky" },
        { id: 2, label: "sea" }
      ]
      const withGround = ClassTable.make([{ id: 7, name: "background" }, ...classes])
      for (const answer of [masks, { mask: [[1, 2, 0]], segments_info: segments }]) {
        const map = labelsOf(yield* decode(answer, { classes }))
        // The road has 0.
        assert.deepStrictEqual(Array.from(map.data), [255, largest, 1])
        assert.strictEqual(map.ignoreIndex, 1)
        assert.deepStrictEqual([...LabelMap.histogram(map).keys()], [255, largest])
      }
      const map = labelsOf(yield* decode(masks, { classes: withGround }))
      assert.deepStrictEqual(Array.from(map.data), [255, largest, 7])
      // However it is written, as it is for pictures and exports.
      const written = withGround.map((info) => (info.id === 7 ? { id: 7, name: "back_ground" } : info))
      assert.deepStrictEqual(yield* ids(decode(masks, { classes: written })), [255, largest, 7])
    })
  )

  it.effect("has an id for what is of no class that none of the known classes has", () =>
    Effect.gen(function* () {
      const classes = (last: string) =>
        ClassTable.make([
          { id: 0, name: "road" },
          { id: 255, name: last }
        ])
      const masks = [{ label: "road", mask: base64(grey(3, 1, [255, 0, 0])) }]
      const segments = { mask: [[1, 0, 0]], segments_info: [{ id: 1, label: "road" }] }
      for (const answer of [masks, segments]) {
        const map = labelsOf(yield* decode(answer, { classes: classes("sky") }))
        assert.deepStrictEqual([...map.data, map.ignoreIndex], [0, 256, 256, 256])
        const none = labelsOf(yield* decode(answer, { classes: classes("void") }))
        assert.deepStrictEqual([...none.data, none.ignoreIndex], [0, 255, 255, 255])
      }
    })
  )

  it.effect("resolves masks that overlap by score, then order; gaps belong to no class", () =>
    Effect.gen(function* () {
      const entry = (label: string, rows: ReadonlyArray<number>, score?: number | null) => ({
        label,
        mask: base64(grey(4, 1, rows)),
        ...(score === undefined ? {} : { score })
      })
      const prediction = yield* decode(
        [
          entry("a", [255, 255, 0, 0], 0.5),
          entry("b", [0, 255, 255, 0], 0.9),
          entry("c", [255, 0, 255, 0], 0.9)
        ],
        { classes: ClassTable.fromNames(["a", "b", "c"]) }
      )
      const map = labelsOf(prediction)
      assert.deepStrictEqual(Array.from(map.data), [2, 1, 1, 255])
      assert.strictEqual(map.ignoreIndex, 255)
      assert.deepStrictEqual(
        prediction.scores,
        new Map([
          [0, 0.5],
          [1, 0.9],
          [2, 0.9]
        ])
      )
    })
  )

  it.effect("gives labels ids: by the classes, by placeholders, else in order of appearance", () =>
    Effect.gen(function* () {
      const masks = (...labels: ReadonlyArray<string>) =>
        labels.map((label, at) => ({ label, mask: base64(grey(2, 1, at === 0 ? [1, 0] : [0, 1])) }))
      assert.deepStrictEqual(
        yield* ids(
          decode(masks("wall", "sky"), {
            classes: [
              { id: 2, name: "sky" },
              { id: 7, name: "wall" }
            ]
          })
        ),
        [7, 2]
      )
      assert.deepStrictEqual(yield* ids(decode(masks("LABEL_12", "LABEL_3"))), [12, 3])
      const found = yield* decode(masks("wall", "sky"))
      assert.deepStrictEqual(Array.from(labelsOf(found).data), [0, 1])
      assert.deepStrictEqual(
        found.classes.map(({ name }) => name),
        ["wall", "sky"]
      )
      const message = yield* refused(decode(masks("wall", "cloud"), { classes: [{ id: 7, name: "wall" }] }))
      assert.include(message, '`1.mask`: "cloud" is none of the model\'s 1 classes')
    })
  )

  it.effect("refuses masks of different sizes, naming the one", () =>
    Effect.gen(function* () {
      const masks = [
        { label: "a", mask: base64(grey(2, 1, [1, 0])) },
        { label: "b", mask: base64(grey(1, 1, [1])) }
      ]
      assert.include(yield* refused(decode(masks)), "`0.mask`: it is 2 x 1 pixels, and others 1 x 1")
    })
  )

  it.effect("finds the mask in every answer seen in the field", () =>
    Effect.gen(function* () {
      const mask = base64(grey(2, 1, [0, 1]))
      const answers: ReadonlyArray<unknown> = [
        { mask, overlay: mask, classes: [{ name: "a" }, { name: "b" }] },
        { success: true, mask_b64: mask, overlay_b64: mask, elapsed_ms: 12 },
        { mask: [[0, 1]] },
        { segmap: [[0, 1]] },
        {
          geojson: { type: "FeatureCollection", features: [] },
          mask_png: mask,
          width: 2,
          height: 1,
          score: 0.5
        },
        { labels: ["a", "b"], mask },
        { labels: ["a", "b"], result: { output: { mask } } }
      ]
      for (const each of answers) assert.deepStrictEqual(yield* ids(decode(each)), [0, 1])
    })
  )

  it.effect("an answer with an overlay alone determines no label map, and says how long it took", () =>
    Effect.gen(function* () {
      const overlay = base64(grey(2, 1, [0, 1]))
      const prediction = yield* decode(
        { overlay_png_b64: overlay, latency_ms: 41.5 },
        { pictures: { overlay: "overlay_png_b64" }, milliseconds: "latency_ms" }
      )
      assert.strictEqual(prediction._tag, "Rendered")
      assert.strictEqual(prediction.pictures?.overlay?.[0], 0x89)
    })
  )

  it.effect("a failure in an answer with status 200 is ReportedFailure, in the service's words", () =>
    Effect.gen(function* () {
      for (const body of [
        { success: false, error: "no light" },
        { error: "no light" },
        { ok: false, message: "no light" }
      ]) {
        const error = yield* Effect.flip(decode(body))
        assert.strictEqual(error._tag, "ReportedFailure")
        assert.include(error.message, "no light")
      }
    })
  )

  it.effect("says how to tell it where the mask is", () =>
    Effect.gen(function* () {
      assert.include(yield* refused(decode({ answer: 42 })), "Say with `mask.at` where it is")
      assert.include(yield* refused(decode({ a: 1 }, { mask: { at: "b.0.c" } })), "`b.0.c`")
    })
  )
})
