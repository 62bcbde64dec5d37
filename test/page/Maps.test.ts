/** What the page computes of label maps, without a browser: regions, comparisons, views, masks and archives. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Csv as LibraryCsv } from "effect-segformer/mask"
import * as Csv from "../../src/server/page/client/Csv.ts"
import * as Compare from "../../src/server/page/client/Compare.ts"
import * as Marks from "../../src/server/page/client/Marks.ts"
import * as Part from "../../src/server/page/client/Part.ts"
import * as RegionMask from "../../src/server/page/client/RegionMask.ts"
import {
  type FoundClass,
  isBackground,
  type Region,
  type Result
} from "../../src/server/page/client/Result.ts"
import * as Background from "../../src/render/Background.ts"
import * as Sureness from "../../src/server/page/client/Sureness.ts"
import * as View from "../../src/server/page/client/View.ts"
import * as Zip from "../../src/server/page/client/Zip.ts"

const never = new AbortController().signal

const found = (id: number, name: string, color: string | undefined = "#336699"): FoundClass => ({
  id,
  name,
  color,
  pixels: 1,
  share: 0.5,
  confidence: null
})

/** A map drawn in digits. */
const drawn = (...rows: ReadonlyArray<string>) => ({
  width: rows[0]!.length,
  height: rows.length,
  data: Uint8Array.from([...rows.join("")], Number)
})

const result = (
  labels: ReturnType<typeof drawn>,
  classes: ReadonlyArray<FoundClass>,
  confidence?: ReturnType<typeof drawn>
): Result => ({
  model: "model",
  width: labels.width,
  height: labels.height,
  seconds: 1,
  classes,
  regions: [],
  regionsTotal: 0,
  packed: {
    labels: { ...labels, bits: 8, deflate: new Uint8Array() },
    confidence: undefined
  },
  json: {},
  labels,
  confidence
})

const region = (area: number, x: number, y: number, width: number, height: number): Region => ({
  id: 0,
  className: "one",
  area,
  box: { x, y, width, height },
  confidence: null
})

const rowsOf = ({ bits, height, stride, width }: RegionMask.RegionMask) =>
  Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => ((bits[y * stride + (x >> 3)]! >> (x & 7)) & 1 ? "#" : ".")).join(
      ""
    )
  )

describe("a region", () => {
  const map = drawn("1111111111", "1000000001", "1011101101", "1010101101", "1000000001", "1111111111")

  it("is its own pixels, and not those of its class within its box", async () => {
    const outer = await RegionMask.find(map, 1, region(28, 0, 0, 10, 6), map, never)
    assert.deepStrictEqual(rowsOf(outer!), [
      "##########",
      "#........#",
      "#........#",
      "#........#",
      "#........#",
      "##########"
    ])
    const inner = await RegionMask.find(map, 1, region(5, 2, 2, 3, 2), map, never)
    assert.deepStrictEqual(rowsOf(inner!), ["###", "#.#"])
  })

  it("holds together at corners", async () => {
    const steps = drawn("100", "010", "001")
    const mask = await RegionMask.find(steps, 1, region(3, 0, 0, 3, 3), steps, never)
    assert.deepStrictEqual(rowsOf(mask!), ["#..", ".#.", "..#"])
  })

  it("is found in a map of another size than the picture's", async () => {
    const mask = await RegionMask.find(map, 1, region(20, 4, 4, 6, 4), { width: 20, height: 12 }, never)
    assert.deepStrictEqual(rowsOf(mask!), ["###", "#.#"])
  })

  it("is not there in a map without its class, or once nobody wants it", async () => {
    assert.isUndefined(await RegionMask.find(map, 7, region(1, 0, 0, 10, 6), map, never))
    const tall = drawn(...Array.from({ length: 100 }, () => "1"))
    const ended = AbortSignal.abort()
    assert.isUndefined(await RegionMask.find(tall, 1, region(100, 0, 0, 1, 100), tall, ended))
  })

  it("has the area, the middle and the axes that its shape has", async () => {
    const bar = drawn("00000000", "01111110", "01111110", "00000000")
    const mask = await RegionMask.find(bar, 1, region(12, 1, 1, 6, 2), bar, never)
    const { angle, area, center, long, short } = RegionMask.measure(mask!)
    assert.deepStrictEqual([area, center.x, center.y], [12, 4, 2])
    // Of the ellipse with the moments of a rectangle: 2 / sqrt(3) of its sides.
    assert.closeTo(long, (6 * 2) / Math.sqrt(3), 1e-9)
    assert.closeTo(short, (2 * 2) / Math.sqrt(3), 1e-9)
    assert.closeTo(angle, 0, 1e-9)
    const steps = drawn("001", "010", "100")
    const rising = await RegionMask.find(steps, 1, region(3, 0, 0, 3, 3), steps, never)
    assert.closeTo(RegionMask.measure(rising!).angle, 45, 1e-9)
  })
})

describe("a comparison", () => {
  const first = [found(0, "background"), found(1, "1_Road-marking"), found(2, "sky")]
  const second = [found(0, "background"), found(5, "road marking", "#ff0000"), found(6, "heaven")]

  it("pairs classes by name, else by what people mean, else by a person", () => {
    assert.deepStrictEqual(
      Compare.twins(first, second, new Map()).map(({ by, of }) => [of, by]),
      [
        ["background", "exact"],
        ["1_Road-marking", "alike"],
        [undefined, undefined]
      ]
    )
    const chosen = Compare.twins(first, second, new Map([["heaven", "sky"]]))
    assert.deepInclude(chosen[2], { of: "sky", by: "person" })
    // Two that might be meant are none.
    const twice = [...first, found(3, "2_road marking")]
    assert.isUndefined(Compare.twins(twice, second, new Map())[1]!.of)
  })

  it("counts by those pairs, whatever the ids, in one palette", async () => {
    const a = result(drawn("0112"), first)
    const pairs = Compare.twins(first, second, new Map([["heaven", "sky"]]))
    const b = Compare.aligned(a, result(drawn("0566"), second), pairs)
    assert.strictEqual(b.classes[1]!.color, "#336699")
    const { confusion, plane } = (await Compare.difference(a, b, undefined, never))!
    assert.deepStrictEqual([...plane.data], [0, 0, 1, 0])
    assert.deepStrictEqual([confusion.same, confusion.total, confusion.ignored], [3, 4, 0])
    assert.deepStrictEqual(
      confusion.classes.map(({ iou, name }) => [name, iou]),
      [
        ["background", 1],
        ["1_Road-marking", 1 / 2],
        ["sky", 1 / 2]
      ]
    )
  })

  it("leaves out what a truth says nothing of", async () => {
    const a = result(drawn("0112"), first)
    const b = result(drawn("0192"), first)
    const { confusion, plane } = (await Compare.difference(a, b, 9, never))!
    assert.deepStrictEqual([...plane.data], [0, 0, 2, 0])
    assert.deepStrictEqual([confusion.same, confusion.total, confusion.ignored], [3, 3, 1])
  })

  it("finds the places of difference, the largest first", async () => {
    const a = result(drawn("00000", "00000", "00000"), first)
    const b = result(drawn("20000", "00022", "00022"), first)
    const difference = (await Compare.difference(a, b, undefined, never))!
    assert.deepStrictEqual(await Compare.faults(difference, a, 9, never), [
      { area: 4, x: 3, y: 1, width: 2, height: 2 },
      { area: 1, x: 0, y: 0, width: 1, height: 1 }
    ])
    assert.lengthOf(await Compare.faults(difference, a, 1, never), 1)
  })
})

describe("a view", () => {
  const picture = { width: 4000, height: 3000 }
  const frame = { width: 800, height: 600 }

  it("fits the whole picture, and never less; a small one is enlarged to a point", () => {
    assert.deepStrictEqual(View.fit(picture, frame), { scale: 0.2, left: 0, top: 0 })
    assert.strictEqual(View.clamp({ scale: 0.01, left: 0, top: 0 }, picture, frame).scale, 0.2)
    assert.deepStrictEqual(View.fit({ width: 100, height: 10 }, frame), { scale: 6.4, left: 80, top: 268 })
  })

  it("keeps what is under the pointer there while it zooms", () => {
    const at = { x: 600, y: 150 }
    const before = View.fit(picture, frame)
    const after = View.zoomAt(before, at, 2, picture, frame)
    const [was, is] = [View.toPicture(before, at), View.toPicture(after, at)]
    assert.closeTo(is.x, was.x, 1e-6)
    assert.closeTo(is.y, was.y, 1e-6)
    assert.strictEqual(View.zoomAt(before, at, 1e9, picture, frame).scale, 48)
  })

  it("leaves no gap at an edge", () => {
    const view = View.clamp({ scale: 1, left: 500, top: -9999 }, picture, frame)
    assert.deepStrictEqual(view, { scale: 1, left: 0, top: -2400 })
    assert.deepStrictEqual(View.covered(view, picture, frame), { x: 0, y: 0, width: 800, height: 600 })
  })

  it("goes around a region, and evenly on the way", () => {
    const box = { x: 1000, y: 1000, width: 3, height: 3 }
    const to = View.around(box, picture, frame)
    assert.strictEqual(to.scale, 16)
    const { x, y } = View.toScreen(to, { x: 1001.5, y: 1001.5 })
    assert.deepStrictEqual([x, y], [400, 300])
    const from = View.fit(picture, frame)
    assert.deepStrictEqual(View.between(from, to, 0), from)
    const end = View.between(from, to, 1)
    assert.closeTo(end.left, to.left, 1e-6)
  })

  it("marks regions that nobody would see, and no forest of them", () => {
    const tiny = (x: number) => region(9, x, 500, 3, 3)
    const view = View.fit(picture, frame)
    const color = () => "#ff0000"
    const marks = Marks.of([tiny(100), region(1e6, 0, 0, 1000, 1000)], [], view, color)
    assert.lengthOf(marks, 1)
    assert.isAtLeast(marks[0]!.radius, 7)
    const forest = Array.from({ length: 100 }, (_, at) => tiny(at * 20))
    assert.isEmpty(Marks.of(forest, [], view, color))
    assert.lengthOf(Marks.of(forest, [forest[3]!], view, color), 1)
    assert.isEmpty(Marks.of([tiny(100)], [], { ...view, scale: 8 }, color))
  })
})

describe("what is sure", () => {
  it("is counted for every threshold", async () => {
    const confidence = { width: 4, height: 1, data: Uint8Array.of(255, 100, 100, 20) }
    const sureness = await Sureness.make(
      result(drawn("1122"), [found(1, "one"), found(2, "two")], confidence),
      never
    )
    assert.deepStrictEqual(sureness!.at(100), {
      shares: new Map([
        [1, 0.5],
        [2, 0.25]
      ]),
      unsure: 0.25
    })
    assert.deepStrictEqual(sureness!.at(101), {
      shares: new Map([
        [1, 0.25],
        [2, 0]
      ]),
      unsure: 0.75
    })
    assert.isUndefined(await Sureness.make(result(drawn("1122"), []), never))
  })
})

describe("an archive", () => {
  it("is read by others, with names that are free", async () => {
    const zip = await Zip.make([
      { name: "a.txt", content: new Blob(["first"]) },
      { name: "a.txt", content: new Blob(["second"]) },
      { name: "ünï?.bin", content: new Blob([new Uint8Array(100_000)]) }
    ])
    const folder = mkdtempSync(join(tmpdir(), "segformer-zip-"))
    try {
      const path = join(folder, "all.zip")
      writeFileSync(path, Buffer.from(await zip.arrayBuffer()))
      const script =
        "import sys,zipfile,json;z=zipfile.ZipFile(sys.argv[1]);print(json.dumps([z.testzip(),z.namelist(),z.read('a-2.txt').decode()]))"
      const read: unknown = JSON.parse(execFileSync("python3", ["-c", script, path], { encoding: "utf8" }))
      assert.deepStrictEqual(read, [null, ["a.txt", "a-2.txt", "ünï_.bin"], "second"])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe("tables as CSV", () => {
  it("are quoted as the library's own are", () => {
    const texts = [
      "",
      "a",
      "a,b",
      'say "so"',
      "a;b",
      "a\tb",
      "a\r\nb",
      "=1+1",
      "-1",
      "+1",
      "@x",
      "  =1",
      "'=1",
      "''-1",
      "'plain",
      "\t=1",
      "\n=1",
      "＝1",
      "－2"
    ]
    for (const text of [...texts, -1, 0.5, 1e-7])
      assert.strictEqual(Csv.line([text, "b"]), LibraryCsv.line([text, "b"]), JSON.stringify(text))
  })
})

describe("an archive of too much", () => {
  it("fails, and does not come out cut", async () => {
    const entries = Array.from({ length: 65_536 }, (_, at) => ({ name: `${at}`, content: new Blob([]) }))
    const failure = await Zip.make(entries).then(
      () => undefined,
      (error: unknown) => error
    )
    assert.match(String(failure), /65,535 files at most/)
  })
})

describe("what is shown of a map", () => {
  const map = drawn("0112", "0112")
  const rest = (classes: ReadonlyArray<FoundClass>, table: ReadonlyArray<FoundClass>, shown: string) => {
    const known = table.map(({ id, name }) => ({ id, name, color: "#010203" }))
    const has = (name: string) => name === shown
    const part = Part.make(result(map, classes), known, { has, region: undefined })
    return [[...part.labels.data.subarray(0, 4)], part.classes.map(({ id, name }) => [id, name])]
  }
  const [road, sky, tree] = [found(0, "road"), found(1, "sky"), found(2, "tree")]

  it("is beside a background that the model has, or else one that no class is", () => {
    const found3 = [road, sky, tree]
    assert.deepStrictEqual(rest([found(0, "Background"), sky, tree], [], "sky"), [
      [0, 1, 1, 0],
      [
        [0, "Background"],
        [1, "sky"]
      ]
    ])
    assert.deepStrictEqual(rest(found3, [...found3, found(7, "void")], "sky"), [
      [7, 1, 1, 7],
      [
        [1, "sky"],
        [7, "void"]
      ]
    ])
    assert.deepStrictEqual(rest(found3, found3, "sky"), [
      [255, 1, 1, 255],
      [
        [1, "sky"],
        [255, "background"]
      ]
    ])
    assert.deepStrictEqual(rest(found3, [...found3, found(255, "sea")], "sky")[0], [254, 1, 1, 254])
    const all = Array.from({ length: 256 }, (_, id) => found(id, `class ${id}`))
    assert.deepStrictEqual(rest(all.slice(0, 3), all, "class 1")[0], [255, 1, 1, 255])
  })

  it("has no background where nothing is hidden", () => {
    const part = Part.make(result(map, [road, sky, tree]), [], { has: () => true, region: undefined })
    assert.deepStrictEqual(part.classes, [road, sky, tree])
    assert.deepStrictEqual(part.labels, map)
  })

  it("knows background by the names that the server has for it", () => {
    const names = ["background", "_background_", "Back ground", "bg", "none", "void", "ignore", "unlabelled"]
    for (const name of [...names, "unknown", "other", "road", "backgrounds"])
      assert.strictEqual(isBackground(name), Background.isName(name), name)
  })
})
