/** `segformer eval` without a truth: two segmenters over one set of images. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import { encode } from "fast-png"
import { toJson } from "../../src/cli/EvalAgainstTable.ts"
import { config, fixture, preprocessor } from "../onnx/support.ts"
import { lines, run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

const row = (...ids: ReadonlyArray<number>): Uint8Array =>
  Result.getOrThrow(
    LabelPng.encode(LabelMap.makeUnsafe({ width: ids.length, height: 1, data: Uint8Array.from(ids) }))
  )

/** A picture of four quarters in these colours. */
const quarters = (...colors: ReadonlyArray<readonly [number, number, number]>): Uint8Array => {
  const [side, half] = [32, 16]
  const data = new Uint8Array(side * side * 3)
  for (let i = 0; i < side * side; i++) {
    const which = (Math.floor(i / side) < half ? 0 : 2) + (i % side < half ? 0 : 1)
    data.set(colors[which]!, i * 3)
  }
  return encode({ width: side, height: side, channels: 3, data })
}
const [black, red, blue, white] = [
  [0, 0, 0],
  [255, 0, 0],
  [0, 0, 255],
  [255, 255, 255]
] as const

/** Two models that take colours for classes: the second of what is left without red. */
const model = (name: string, own: object = {}, classes: object = config) => ({
  [`${name}/config.json`]: JSON.stringify(classes),
  [`${name}/preprocessor_config.json`]: JSON.stringify({ ...preprocessor, ...own }),
  [`${name}/onnx/model.onnx`]: readFileSync(fixture("blocks.onnx")),
  [`${name}/onnx/model_quantized.onnx`]: readFileSync(fixture("blocks_quantized.onnx"))
})
const pictures = {
  "photos/a.png": quarters(black, red, blue, white),
  "photos/b/b.png": quarters(black, black, blue, blue)
}
const redless = { image_mean: [1, 0.5, 0.5] }

/** What is printed where nothing could be compared. */
const nothing: Readonly<Record<string, unknown>> = { first: "", against: [], leftOut: [] }

const json = (args: ReadonlyArray<string>, cwd: string) =>
  Effect.map(run(["eval", ...args, "--json"], { cwd }), ({ code, stderr, stdout }) => ({
    code,
    stderr,
    found: (lines(stdout)[0] ?? nothing) as ReturnType<typeof toJson>
  }))

describe("segformer eval --against", () => {
  it.live("segments pictures by two models, and writes what differs", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ ...pictures, ...model("own"), ...model("other", redless) })
      const args = [
        "photos",
        "--model",
        "own",
        "--against",
        "q8",
        "--against",
        "other",
        "--out",
        "differences"
      ]
      const { code, found, stderr } = yield* json(args, cwd)
      assert.deepStrictEqual([code, stderr], [0, ""])
      const q8 = found.against[0]!
      const other = found.against[1]!
      assert.deepStrictEqual(
        [found.first, q8.name, q8.images, q8.pixels, q8.differingPixels, q8.agreement, q8.meanIou, q8.least],
        ["own", "q8", 2, 2048, 0, 1, 1, []]
      )
      // Without red, what is red is black and what is white is green and blue, of which the model has none.
      assert.strictEqual(other.images, 2)
      const red = other.classes.find(({ name }) => name === "red")!
      assert.deepStrictEqual(
        [red.first, red.second, red.agreement, red.iou, red.shareFirst],
        [256, 0, 0, 0, 0.125]
      )
      assert.deepInclude(other.differences, {
        first: { id: 1, name: "red" },
        second: { id: 0, name: "black" },
        pixels: 256
      })
      assert.deepStrictEqual(
        other.least.map(({ name }) => name),
        ["a"]
      )
      const differs = LabelPng.decode(readFileSync(join(cwd, "differences/other/a.differs.png")))
      const ones = LabelMap.histogram(Result.getOrThrow(differs)).get(1)
      assert.strictEqual(ones, other.differingPixels)
      assert.isTrue(existsSync(join(cwd, "differences/other/a.difference.png")))
      // Of what agrees nothing is written.
      assert.isFalse(existsSync(join(cwd, "differences/other/b")) || existsSync(join(cwd, "differences/q8")))

      const table = yield* run(["eval", ...args.slice(0, 5)], { cwd })
      assert.match(table.stdout, /^2 images, [\d.]+ s: own against\n/)
      assert.match(table.stdout, /q8 +2 +1\.0000 +1\.0000 +\w+ 1\.0000 +0 of 2,048/)
    }).pipe(Effect.scoped)
  )

  it.live("compares a precision by another runtime", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ ...pictures, ...model("own") })
      const { code, found, stderr } = yield* json(
        ["photos", "--model", "own", "--variant", "q8", "--against", "wasm"],
        cwd
      )
      assert.deepStrictEqual([code, stderr, found.first], [0, "", "own, q8"])
      assert.deepStrictEqual([found.against[0]!.name, found.against[0]!.agreement], ["wasm", 1])
    }).pipe(Effect.scoped)
  )

  it.live("compares classes by name where the tables number them otherwise", () =>
    Effect.gen(function* () {
      const id2label = { 0: "Black", 1: "green", 2: "red", 3: "blue", 4: "yellow", 5: "white" }
      const strange = { 0: "a", 1: "b", 2: "c", 3: "d", 4: "e", 5: "f" }
      const nameless = Object.fromEntries([0, 1, 2, 3, 4, 5].map((id) => [id, `LABEL_${id}`]))
      const cwd = yield* folder({
        ...pictures,
        ...model("own"),
        ...model("other", {}, { ...config, id2label }),
        ...model("strange", {}, { ...config, id2label: strange }),
        ...model("nameless", {}, { ...config, id2label: nameless })
      })
      const against = (others: ReadonlyArray<string>, ...args: ReadonlyArray<string>) =>
        json(["photos", "--model", "own", ...others.flatMap((other) => ["--against", other]), ...args], cwd)
      const { found } = yield* against(["other", "nameless"])
      const [named, placeholders] = [found.against[0]!, found.against[1]!]
      assert.match(named.notes[0]!, /compared by name, since class 1 is red by one and green by the other/)
      assert.deepInclude(named.differences, {
        first: { id: 1, name: "red" },
        second: { id: 2, name: "green" },
        pixels: 256
      })
      // Placeholders are no names.
      assert.deepStrictEqual([placeholders.notes, placeholders.agreement], [[], 1])
      const refused = yield* against(["strange"])
      assert.strictEqual(refused.code, 2)
      assert.match(
        refused.stderr,
        /no two of their classes have one name: class 0 is black by one and a by the other/
      )
      assert.deepStrictEqual(
        (yield* against(["other", "strange"], "--match", "id")).found.against.map(
          ({ agreement }) => agreement
        ),
        [1, 1]
      )
      assert.match((yield* against(["nameless"], "--match", "name")).stderr, /does not say what its classes/)
    }).pipe(Effect.scoped)
  )

  it.live("leaves out an image that cannot be read, and ends with 3 where a model cannot be used", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        ...pictures,
        ...model("own"),
        "photos/broken.png": "no picture",
        "own/onnx/model_broken.onnx": readFileSync(fixture("nan.onnx")),
        "maps/a.txt": ""
      })
      const { code, found, stderr } = yield* json(["photos", "--model", "own", "--against", "q8"], cwd)
      assert.deepStrictEqual([code, found.against[0]!.images, found.leftOut.length], [1, 2, 1])
      assert.match(stderr, /photos\/broken\.png/)
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]> = [
        [
          ["photos", "--model", "own", "--against", "fp16"],
          3,
          /--against fp16: .*no onnx\/model_fp16.*There is: .*quantized/
        ],
        [["photos", "--model", "own", "--against", "broken"], 3, /--against broken: .*NaN/],
        [["photos", "--model", "own", "--against", "./nowhere"], 3, /nothing at .*nowhere/],
        [["photos", "--model", "own", "--against", "q8", "--against", "q8"], 2, /given twice/],
        [["photos", "--against", "photos"], 2, /one folder/],
        [["photos/broken.png", "--against", "q8"], 3, /model_quantized/],
        [["photos", "--url", "http://127.0.0.1:9", "--against", "q8"], 2, /a service has no such precision/],
        [["photos", "--url", "http://127.0.0.1:9", "--against", "http://127.0.0.1:8"], 2, /the same key/],
        [
          ["photos", "--against", "http://127.0.0.1:9", "--classes", "surface"],
          2,
          /--classes is for folders/
        ],
        [
          ["photos"],
          2,
          /Missing the ground truth: give a folder or a file of what is true, or with --against/
        ],
        [["photos", "--against", "q8", "--boundary"], 2, /--boundary is for scores against a truth/],
        [["photos", "--against", "q8", "--exclude", "pit"], 2, /--exclude/],
        [
          ["photos", "photos", "--model", "own"],
          2,
          /--model is for pictures or folders compared without a truth/
        ],
        [["photos", "truth", "--header", "A: b"], 2, /--header/],
        [["photos", "truth", "--against", "a", "--against", "b"], 2, /once beside a truth/],
        [["nowhere", "--model", "own", "--against", "q8"], 1, /no image at nowhere/],
        [
          ["maps", "--model", "own", "--against", "q8"],
          1,
          /there are no pictures to segment.*which q8 is not/
        ]
      ]
      for (const [args, ends, says] of cases) {
        const { code, stderr } = yield* run(["eval", ...args], { cwd })
        assert.strictEqual(code, ends, `${args.join(" ")}: ${stderr}`)
        assert.match(stderr, says)
      }
    }).pipe(Effect.scoped)
  )

  it.live("compares two folders of label maps of one name", () =>
    Effect.gen(function* () {
      const report = (...classes: ReadonlyArray<{ readonly id: number; readonly name: string }>) =>
        JSON.stringify({ image: "in/a.jpg", classes })
      const cwd = yield* folder({
        "one/a.labels.png": row(0, 1, 1, 255),
        "one/a.json": report({ id: 0, name: "ground" }, { id: 1, name: "pit" }),
        "one/b.png": row(2, 2, 2, 2),
        "two/a.png": row(0, 1, 0, 255),
        "two/b.png": row(2, 2, 2, 2),
        "in/a.png": quarters(black, red, blue, white),
        "three/a.png": row(0, 1),
        "three/c.png": row(0),
        "four/a.labels.png": row(1, 0, 0, 255),
        "four/a.json": report({ id: 0, name: "pit" }, { id: 1, name: "ground" }),
        "four/b.png": row(2, 2, 2, 2)
      })
      const two = yield* json(["one", "--against", "two", "--out", "out", "--images", "in"], cwd)
      assert.deepStrictEqual([two.code, two.stderr], [0, ""])
      const found = two.found.against[0]!
      assert.deepStrictEqual(
        [found.images, found.pixels, found.differingPixels, found.agreement],
        [2, 8, 1, 7 / 8]
      )
      assert.deepStrictEqual(
        found.classes.map(({ id, iou, name }) => [id, name, iou]),
        [
          [0, "ground", 1 / 2],
          [1, "pit", 1 / 2],
          [2, "class 2", 1]
        ]
      )
      const differs = Result.getOrThrow(LabelPng.decode(readFileSync(join(cwd, "out/a.differs.png"))))
      assert.deepStrictEqual([...differs.data], [0, 0, 1, 0])
      assert.isTrue(existsSync(join(cwd, "out/a.difference.png")))

      const ignoring = yield* json(["one", "--against", "two", "--ignore", "1,255", "--out", "out2"], cwd)
      assert.deepStrictEqual(
        [ignoring.found.against[0]!.pixels, ignoring.found.against[0]!.ignoredPixels],
        [5, 3]
      )
      // By the names in the reports, since the ids are others.
      const four = yield* json(["one", "--against", "four"], cwd)
      assert.deepStrictEqual([four.code, four.found.against[0]!.agreement], [0, 1])
      const three = yield* run(["eval", "one", "--against", "three"], { cwd })
      assert.strictEqual(three.code, 1)
      assert.match(three.stderr, /a: .*the first is 4 x 1 pixels, the second 2 x 1/)
      assert.match(three.stderr, /b: it has no match in three/)
      assert.match(three.stderr, /c: it has no match in one/)

      writeFileSync(join(cwd, "note.txt"), "")
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, number, RegExp]> = [
        [["one", "--against", "one/"], 2, /one folder/],
        [["one", "--against", "in"], 1, /a: .*in\/a\.png/],
        [["in", "--against", "three"], 1, /a: /],
        [["one", "--against", "two", "--out", "two"], 2, /--out two is one of the folders/],
        [["one", "--against", "two", "--model", "m"], 2, /--model is for segmenting pictures, and two/],
        [["one", "--against", "two", "--images", "in"], 2, /--images is for the pictures of --out/],
        [["one", "--against", "two", "--against", "q8"], 2, /compare with one after the other/],
        [["one", "--against", "two", "--classes", "nothing"], 2, /no such file/]
      ]
      for (const [args, ends, says] of cases) {
        const { code, stderr } = yield* run(["eval", ...args], { cwd })
        assert.strictEqual(code, ends, `${args.join(" ")}: ${stderr}`)
        assert.match(stderr, says)
      }
    }).pipe(Effect.scoped)
  )
})
