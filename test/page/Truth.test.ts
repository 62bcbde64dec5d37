/** Masks of what is true, as people have them, read by the page without a browser. */
import { assert, describe, it } from "@effect/vitest"
import sharp from "sharp"
import * as Png from "../../src/server/page/client/Png.ts"
import type { Result } from "../../src/server/page/client/Result.ts"
import * as Truth from "../../src/server/page/client/Truth.ts"
import { chunk, png } from "../image/pngs.ts"

describe("a mask of what is true", () => {
  const classes = [
    { id: 0, name: "background", color: "#000000" },
    { id: 1, name: "sky", color: "#ff0000" },
    { id: 2, name: "road", color: "#0000ff" }
  ]
  const labels = { width: 4, height: 2, data: Uint8Array.of(0, 0, 1, 2, 0, 0, 1, 2) }
  const of: Result = {
    model: "model",
    width: 4,
    height: 2,
    seconds: 1,
    classes: classes.map((one) => ({ ...one, pixels: 1, share: 0.5, confidence: null })),
    regions: [],
    regionsTotal: 0,
    packed: { labels: { ...labels, bits: 8, deflate: new Uint8Array() }, confidence: undefined },
    json: {},
    labels,
    confidence: undefined
  }
  const grey = (...data: ReadonlyArray<number>) =>
    sharp(Buffer.from(data), { raw: { width: 4, height: data.length / 4, channels: 1 } })
      .toColourspace("b-w")
      .png()
      .toBuffer()
  const file = (bytes: Uint8Array) => new File([Uint8Array.from(bytes)], "truth.png", { type: "image/png" })
  const reason = async (reading: Promise<unknown>) =>
    reading.then(
      () => "none",
      (error: unknown) => (error instanceof Error ? error.message : "")
    )

  it("holds ids, with 255 where it says nothing", async () => {
    const truth = await Truth.read(file(await grey(0, 1, 2, 255, 0, 1, 2, 255)), of, classes)
    assert.strictEqual(truth.ignored, 255)
    assert.deepStrictEqual([...truth.result.labels.data], [0, 1, 2, 255, 0, 1, 2, 255])
    assert.sameMembers(
      truth.result.classes.map(({ name }) => name),
      ["background", "sky", "road"]
    )
  })

  it("of 0 and 255 alone is taken for the one object there is, or refused", async () => {
    const bytes = await grey(0, 0, 255, 255, 0, 0, 255, 255)
    const one = classes.slice(0, 2)
    const truth = await Truth.read(file(bytes), of, one)
    assert.isUndefined(truth.ignored)
    assert.deepStrictEqual([...truth.result.labels.data], [0, 0, 1, 1, 0, 0, 1, 1])
    assert.include(truth.notes[0], "255 is taken as sky")
    assert.include(await reason(Truth.read(file(bytes), of, classes)), "0 and 255 alone")
  })

  it("in colours goes by the model's", async () => {
    const rgb = Buffer.from(
      [0, 0, 0, 255, 0, 0, 0, 0, 255, 9, 9, 9].concat([0, 0, 0, 255, 0, 0, 0, 0, 255, 9, 9, 9])
    )
    const bytes = await sharp(rgb, { raw: { width: 4, height: 2, channels: 3 } })
      .png({ palette: false })
      .toBuffer()
    const truth = await Truth.read(file(bytes), of, classes)
    assert.deepStrictEqual([...truth.result.labels.data].slice(0, 4), [0, 1, 2, 0xffff])
    assert.strictEqual(truth.ignored, 0xffff)
    assert.include(truth.notes[0], "2 pixels")
    const alike = classes.map((one) => ({ ...one, color: "#000000" }))
    assert.include(await reason(Truth.read(file(bytes), of, alike)), "two classes of one colour")
  })

  it("of another picture is refused, as is what is no PNG", async () => {
    assert.include(await reason(Truth.read(file(await grey(0, 1, 2, 0)), of, classes)), "the mask of another")
    assert.include(await reason(Truth.read(file(Buffer.from("no")), of, classes)), "It is no PNG")
    const cut = (await grey(0, 1, 2, 255, 0, 1, 2, 255)).subarray(0, 50)
    assert.include(await reason(Truth.read(file(cut), of, classes)), "cannot be read as a mask")
  })

  it("is read to the number in every depth and filter", async () => {
    const ids = Uint8Array.from({ length: 640 }, (_, at) => (at * 7) % 16)
    const raw = { raw: { width: 32, height: 20, channels: 1 as const } }
    for (const adaptiveFiltering of [false, true]) {
      const bytes = await sharp(ids, raw).toColourspace("b-w").png({ adaptiveFiltering }).toBuffer()
      assert.deepStrictEqual([...(await Png.decode(file(bytes))).data], [...ids])
    }
    const wide = Uint16Array.from({ length: 640 }, (_, at) => at * 100)
    const deep = await sharp(wide, raw).toColourspace("grey16").png().toBuffer()
    assert.deepStrictEqual([...(await Png.decode(file(deep))).data], [...wide])
  })

  /** A PNG of indexes, with the colours of a palette. */
  const indexed = (colors: Readonly<Record<number, string>>, ...row: ReadonlyArray<number>) => {
    const palette = Array.from({ length: 256 }, (_, at) => Buffer.from(colors[at] ?? "123456", "hex"))
    return png({
      width: 4,
      height: 2,
      colorType: 3,
      rows: Uint8Array.of(...row, ...row),
      chunks: [chunk("PLTE", Buffer.concat(palette))]
    })
  }
  const greys = Object.fromEntries(
    Array.from({ length: 256 }, (_, at) => [at, Buffer.of(at, at, at).toString("hex")])
  )

  for (const [what, bytes, ids, note] of [
    [
      "the model's colours at their ids",
      indexed({ 0: "000000", 1: "ff0000", 2: "0000ff" }, 0, 1, 2, 0),
      [0, 1, 2, 0]
    ],
    [
      "colours of another palette",
      indexed({ 0: "000000", 1: "800000", 2: "008000" }, 0, 1, 2, 0),
      [0, 1, 2, 0]
    ],
    [
      "another palette, and 255",
      indexed({ 0: "000000", 1: "800000", 255: "e0e0c0" }, 0, 1, 255, 0),
      [0, 1, 255, 0]
    ],
    ["greys of their own number", indexed(greys, 0, 1, 2, 255), [0, 1, 2, 255]],
    [
      "a colour of the model at an index that no pixel has",
      indexed({ 0: "000000", 7: "ff0000" }, 0, 1, 2, 0),
      [0, 1, 2, 0]
    ],
    [
      "the model's colours at other indexes",
      indexed({ 0: "0000ff", 1: "000000", 2: "ff0000" }, 0, 1, 2, 0),
      [2, 0, 1, 2],
      "by its colours"
    ],
    [
      "two of them changed about",
      indexed({ 0: "000000", 1: "0000ff", 2: "ff0000" }, 0, 1, 2, 0),
      [0, 2, 1, 0],
      "by its colours"
    ],
    [
      "the model's colours far from their ids",
      indexed({ 10: "000000", 20: "ff0000" }, 10, 20, 20, 10),
      [0, 1, 1, 0],
      "by its colours"
    ],
    [
      "other indexes, and 255 that says nothing",
      indexed({ 0: "ff0000", 1: "000000", 255: "ffffff" }, 0, 1, 255, 0),
      [1, 0, 0xffff, 1],
      "by its colours"
    ]
  ] as const) {
    it(`with a palette: ${what}`, async () => {
      const truth = await Truth.read(file(bytes), of, classes)
      assert.deepStrictEqual([...truth.result.labels.data].slice(0, 4), [...ids])
      assert.lengthOf(truth.notes, note === undefined ? 0 : 1)
      if (note !== undefined) assert.include(truth.notes[0], note)
    })
  }

  it("with a palette of some colours of the model at other indexes is refused: what it means is not to be guessed", async () => {
    const some = indexed({ 0: "000000", 1: "0000ff", 2: "abcdef" }, 0, 1, 2, 0)
    assert.include(await reason(Truth.read(file(some), of, classes)), "index 2 has no class's colour")
    const alike = [...classes, { id: 3, name: "lane", color: "#0000ff" }]
    const twice = indexed({ 0: "000000", 1: "0000ff" }, 0, 1, 1, 0)
    assert.include(
      await reason(Truth.read(file(twice), of, alike)),
      "index 1 has more than one class's colour"
    )
    const own = indexed({ 0: "000000", 3: "0000ff", 2: "0000ff" }, 0, 3, 2, 0)
    assert.deepStrictEqual(
      [...(await Truth.read(file(own), of, alike)).result.labels.data].slice(0, 4),
      [0, 3, 2, 0]
    )
  })

  it("of ids in three equal channels goes by them", async () => {
    const rgb = Buffer.from([0, 1, 2, 255, 0, 1, 2, 255].flatMap((id) => [id, id, id]))
    const bytes = await sharp(rgb, { raw: { width: 4, height: 2, channels: 3 } })
      .png({ palette: false })
      .toBuffer()
    const truth = await Truth.read(file(bytes), of, classes)
    assert.deepStrictEqual([...truth.result.labels.data].slice(0, 4), [0, 1, 2, 255])
    assert.strictEqual(truth.ignored, 255)
    assert.include(truth.notes[0], "goes by its ids")
  })
})
