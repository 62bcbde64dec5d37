import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Headers } from "effect/http"
import { ImageSource, type Prediction } from "effect-segformer"
import { Custom } from "effect-segformer/http"
import { BinaryMask, ClassTable, LabelMap, LabelPng, Palette, Rle } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { encode } from "fast-png"
import fc from "fast-check"

const answer = (body: Uint8Array | string) => ({
  service: "http://lab/predict",
  status: 200,
  headers: Headers.empty,
  requestId: "r1",
  body: typeof body === "string" ? new TextEncoder().encode(body) : body
})

const decode = (body: Uint8Array | string, options: Custom.CustomOptions = {}) =>
  Effect.flatMap(ImageSource.bytes(Fixtures.image).open(), (image) =>
    Custom.make(options).decode(answer(body), image)
  )

const json = (value: unknown, options?: Custom.CustomOptions) => decode(JSON.stringify(value), options)

const labelsOf = (prediction: Prediction) => {
  if (prediction._tag !== "Labels") throw new Error(`expected labels, not ${prediction._tag}`)
  return prediction.labelMap
}

const ids = (self: Effect.Effect<Prediction, unknown>) =>
  Effect.map(self, (prediction) => Array.from(labelsOf(prediction).data))

const refused = (self: Effect.Effect<Prediction, { readonly _tag: string; readonly message: string }>) =>
  Effect.map(Effect.flip(self), (error) => {
    assert.strictEqual(error._tag, "ResponseNotDecodable")
    return error.message
  })

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")
const grey = (width: number, height: number, values: ReadonlyArray<number>) =>
  encode({ width, height, channels: 1, depth: 8, data: Uint8Array.from(values) })

/** A PNG whose header promises so many pixels and whose data is nothing. */
const promising = (width: number, height: number): Uint8Array => {
  const png = Uint8Array.from(grey(1, 1, [0]))
  const view = new DataView(png.buffer)
  view.setUint32(16, width)
  view.setUint32(20, height)
  return png
}

const maps = fc
  .record({ width: fc.integer({ min: 1, max: 19 }), height: fc.integer({ min: 1, max: 7 }) })
  .chain(({ height, width }) =>
    fc.record({
      depth: fc.constantFrom(1, 2, 4, 8, 16),
      map: fc
        .array(fc.nat(65_535), { minLength: width * height, maxLength: width * height })
        .map((values) => ({ width, height, values }))
    })
  )
  .map(({ depth, map: { height, values, width } }) => ({
    depth: depth as 1 | 2 | 4 | 8 | 16,
    map: { width, height, data: Uint16Array.from(values, (value) => value % 2 ** depth) }
  }))

describe("masks in answers", () => {
  it.effect("keeps the ids of a PNG of 1 to 16 bits, as a body, base64 or data URL", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(maps, async ({ depth, map }) => {
          const png = Result.getOrThrow(LabelPng.encode(map, { depth }))
          const expected = Array.from(map.data)
          const found = await Effect.runPromise(
            Effect.all([
              ids(decode(png, { binary: false })),
              ids(json({ mask: base64(png) }, { binary: false })),
              ids(json({ data: { segmap: `data:image/png;base64,${base64(png)}` } }, { binary: false }))
            ])
          )
          for (const each of found) assert.deepStrictEqual(each, expected)
        }),
        { numRuns: 50 }
      )
    )
  )

  it.effect("takes a palette PNG by its indices, or by its colours where it is told to", () =>
    Effect.gen(function* () {
      const palette = Palette.surface.slice(0, 3)
      // Index 0 is the colour of class 2, index 1 that of class 0.
      const colors = [palette[2]!.color, palette[0]!.color].map((color) => [...color])
      const png = encode({
        width: 2,
        height: 1,
        channels: 1,
        depth: 8,
        palette: colors,
        data: Uint8Array.of(0, 1)
      })
      assert.deepStrictEqual(yield* ids(decode(png, { palette })), [0, 1])
      assert.deepStrictEqual(yield* ids(decode(png, { palette, byColor: true })), [2, 0])
    })
  )

  it.effect("takes a coloured PNG by the palette given, and says which pixel has no class", () =>
    Effect.gen(function* () {
      const palette = Palette.surface.slice(0, 3)
      const rgb = (...colors: ReadonlyArray<ClassTable.Rgb>) =>
        encode({
          width: colors.length,
          height: 1,
          channels: 3,
          depth: 8,
          data: Uint8Array.from(colors.flat())
        })
      const [background, particle, scratch] = palette.map(({ color }) => color)
      const png = rgb(scratch!, background!, particle!)
      assert.deepStrictEqual(yield* ids(decode(png, { palette })), [2, 0, 1])
      const stray = rgb(scratch!, [1, 2, 3])
      assert.include(yield* refused(decode(stray, { palette })), "pixel (1, 0) has colour #010203")
      assert.deepStrictEqual(yield* ids(decode(stray, { palette, unknownColor: 0 })), [2, 0])
      assert.include(yield* refused(decode(png)), "no palette")
    })
  )

  it.effect("takes the palette that the answer itself lists", () =>
    Effect.gen(function* () {
      const data = Uint8Array.of(255, 0, 0, 0, 0, 255)
      const mask = base64(encode({ width: 2, height: 1, channels: 3, depth: 8, data }))
      const classes = [
        { name: "sky", color: "#0000ff" },
        { name: "road", color: [255, 0, 0] }
      ]
      const prediction = yield* json({ mask, overlay: null, classes })
      assert.deepStrictEqual(Array.from(labelsOf(prediction).data), [1, 0])
      assert.deepStrictEqual(
        prediction.classes.map(({ name }) => name),
        ["sky", "road"]
      )
    })
  )

  it.effect("reads masks of one class: 0/1, 0/255, inverted, by threshold", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ids(decode(grey(3, 1, [0, 1, 1]), { binary: true })), [0, 1, 1])
      assert.deepStrictEqual(yield* ids(decode(grey(3, 1, [0, 255, 0]), { binary: true })), [0, 1, 0])
      assert.deepStrictEqual(
        yield* ids(decode(grey(3, 1, [0, 255, 0]), { binary: { inverted: true, classId: 4 } })),
        [4, 0, 4]
      )
      assert.deepStrictEqual(
        yield* ids(decode(grey(3, 1, [100, 255, 128]), { binary: { threshold: 128 } })),
        [0, 1, 1]
      )
    })
  )

  it.effect("tells a class 255 from pixels that belong to no class", () =>
    Effect.gen(function* () {
      const prediction = yield* json(
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

  it.effect("resolves masks that overlap by score, then order; gaps belong to no class", () =>
    Effect.gen(function* () {
      const entry = (label: string, rows: ReadonlyArray<number>, score?: number | null) => ({
        label,
        mask: base64(grey(4, 1, rows)),
        ...(score === undefined ? {} : { score })
      })
      const prediction = yield* json(
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
          json(masks("wall", "sky"), {
            classes: [
              { id: 2, name: "sky" },
              { id: 7, name: "wall" }
            ]
          })
        ),
        [7, 2]
      )
      assert.deepStrictEqual(yield* ids(json(masks("LABEL_12", "LABEL_3"))), [12, 3])
      const found = yield* json(masks("wall", "sky"))
      assert.deepStrictEqual(Array.from(labelsOf(found).data), [0, 1])
      assert.deepStrictEqual(
        found.classes.map(({ name }) => name),
        ["wall", "sky"]
      )
      const message = yield* refused(json(masks("wall", "cloud"), { classes: [{ id: 7, name: "wall" }] }))
      assert.include(message, '`1.mask`: "cloud" is none of the model\'s 1 classes')
    })
  )

  it.effect("refuses masks of different sizes, naming the one", () =>
    Effect.gen(function* () {
      const masks = [
        { label: "a", mask: base64(grey(2, 1, [1, 0])) },
        { label: "b", mask: base64(grey(1, 1, [1])) }
      ]
      assert.include(yield* refused(json(masks)), "`0.mask`: it is 2 x 1 pixels, and others 1 x 1")
    })
  )

  it.effect("reads nested arrays of ids, and names the element that is none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* ids(
          json([
            [0, 1],
            [2, 70_000]
          ])
        ),
        [0, 1, 2, 70_000]
      )
      assert.deepStrictEqual(
        yield* ids(
          json({
            mask: [
              [
                [0, 1],
                [2, 3]
              ]
            ]
          })
        ),
        [0, 1, 2, 3]
      )
      assert.deepStrictEqual(
        yield* ids(
          json({
            segmap: [
              [[0], [1]],
              [[2], [3]]
            ]
          })
        ),
        [0, 1, 2, 3]
      )
      assert.include(yield* refused(json({ mask: [[0, 1], [2]] })), "`mask.1`: it has 1 elements")
      assert.include(
        yield* refused(
          json({
            mask: [
              [0, 1],
              [2, -3]
            ]
          })
        ),
        "`mask.1.1`: it is -3, and no class id"
      )
      assert.include(
        yield* refused(
          json({
            mask: [
              [0, 1],
              [2, 0.5]
            ]
          })
        ),
        "`mask.1.1`: it is 0.5"
      )
      assert.include(yield* refused(json({ mask: [[0, "1"]] })), '`mask.0.1`: it is "1"')
      assert.include(yield* refused(json({ mask: [[0, null]] })), "`mask.0.1`: it is null")
      assert.include(
        yield* refused(
          json({
            mask: [
              [
                [0, 1],
                [1, 1]
              ],
              [
                [0, 1],
                [1, 1]
              ]
            ]
          })
        ),
        "[2, 2, 2]"
      )
      assert.include(yield* refused(json({ mask: [[]] })), "no nested array")
    })
  )

  it.effect("reads COCO's RLE, compressed and not, alone and in lists", () =>
    Effect.gen(function* () {
      const mask = BinaryMask.fromRows([".##.", "..#."])
      const rle = Rle.fromMask(mask)
      const expected = [0, 1, 1, 0, 0, 0, 1, 0]
      assert.deepStrictEqual(yield* ids(json({ mask: Rle.toCoco(rle) })), expected)
      assert.deepStrictEqual(yield* ids(json(Rle.toCoco(rle, { compressed: false }))), expected)
      const listed = [{ category_id: 3, segmentation: Rle.toCoco(rle), score: 0.5 }]
      assert.deepStrictEqual(
        yield* ids(json({ predictions: listed })),
        expected.map((inside) => (inside === 1 ? 3 : 255))
      )
      const short = { size: [2, 4], counts: [1, 2] }
      assert.include(yield* refused(json({ mask: short })), "`mask`: counts sum up to 3")
      const huge = { size: [100_000, 100_000], counts: [10_000_000_000] }
      assert.include(yield* refused(json({ mask: huge })), "more than the 4000000 allowed")
    })
  )

  it.effect("reads logits, with the classes first or last", () =>
    Effect.gen(function* () {
      const first = yield* json({ logits: [[[1, 2]], [[3, 4]], [[5, 6]]] }, { mask: { channels: "first" } })
      const last = yield* json(
        {
          out: [
            [
              [1, 3, 5],
              [2, 4, 6]
            ]
          ]
        },
        { mask: { at: "out", as: "logits", channels: "last" } }
      )
      for (const prediction of [first, last]) {
        assert.isTrue(prediction._tag === "Logits")
        if (prediction._tag !== "Logits") return
        const { classes, data, height, width } = prediction.logits
        assert.deepStrictEqual([classes, height, width], [3, 1, 2])
        assert.deepStrictEqual(Array.from(data), [1, 2, 3, 4, 5, 6])
      }
    })
  )

  it.effect("says which option tells where the classes are, where nothing does", () =>
    Effect.gen(function* () {
      const message = yield* refused(json({ logits: [[[1, 2]], [[3, 4]], [[5, 6]]] }))
      assert.include(message, "`logits`: it has the shape [3, 1, 2], which can be read in more than one way")
      assert.include(message, "`channels`")
    })
  )

  it.effect("refuses a PNG of more pixels than allowed by its header alone", () =>
    Effect.gen(function* () {
      const before = process.memoryUsage().arrayBuffers
      assert.include(yield* refused(decode(promising(30_000, 40_000))), "30000 x 40000 pixels are more than")
      assert.include(
        yield* refused(json([{ label: "a", mask: base64(promising(3000, 3000)) }])),
        "3000 x 3000 pixels are more than"
      )
      // The smaller has 9 MB, and nothing else runs meanwhile.
      assert.isBelow(process.memoryUsage().arrayBuffers - before, 4_000_000)
      assert.include(yield* refused(decode(grey(2, 1, [0, 1]), { maxPixels: 1 })), "more than the 1 allowed")
    })
  )

  it.effect("an id of no class is refused, unless it is the ignored one", () =>
    Effect.gen(function* () {
      const classes = ClassTable.fromNames(["a", "b"])
      assert.include(
        yield* refused(decode(grey(2, 1, [0, 5]), { classes })),
        "1 pixels have the id 5, which is none of the model's 2 classes"
      )
      const found = labelsOf(yield* decode(grey(3, 1, [0, 1, 255]), { classes }))
      assert.deepStrictEqual(
        LabelMap.histogram(found),
        new Map([
          [0, 1],
          [1, 1]
        ])
      )
      const other = labelsOf(yield* decode(grey(2, 1, [1, 9]), { classes, ignoreIndex: 9 }))
      assert.strictEqual(other.ignoreIndex, 9)
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
      for (const each of answers) assert.deepStrictEqual(yield* ids(json(each)), [0, 1])
    })
  )

  it.effect("an answer with an overlay alone determines no label map, and says how long it took", () =>
    Effect.gen(function* () {
      const overlay = base64(grey(2, 1, [0, 1]))
      const prediction = yield* json(
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
        const error = yield* Effect.flip(json(body))
        assert.strictEqual(error._tag, "ReportedFailure")
        assert.include(error.message, "no light")
      }
    })
  )

  it.effect("says how to tell it where the mask is", () =>
    Effect.gen(function* () {
      assert.include(yield* refused(json({ answer: 42 })), "Say with `mask.at` where it is")
      assert.include(yield* refused(json({ a: 1 }, { mask: { at: "b.0.c" } })), "`b.0.c`")
    })
  )
})
