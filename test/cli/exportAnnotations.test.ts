/** `segformer export` for those who correct masks: Label Studio, CVAT, and FiftyOne to look at them. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { inflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { BrushRle, CvatMask } from "effect-segformer/annotation"
import { BinaryMask, LabelMap, LabelPng, Npy } from "effect-segformer/mask"
import { run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"
import { fromDigits, toDigits } from "../mask/support.ts"

const png = (map: LabelMap.LabelMap): Uint8Array => Result.getOrThrow(LabelPng.encode(map))

const one = fromDigits(["0000000", "0111000", "0101022", "0111022"])
const two = fromDigits(["300", "000"])
const report = (image: string, rest: object = {}) =>
  JSON.stringify({
    image,
    model: "mine",
    classes: [
      { id: 0, name: "background" },
      { id: 1, name: "ring & <co>" },
      { id: 2, name: "blob" },
      { id: 3, name: 'dot "x"' }
    ],
    ...rest
  })

const results = {
  "found/a.labels.png": png(one),
  "found/a.json": report("photos/a.jpg", { uncertainty: { entropy: 0.25, margin: 0.5, unsure: 0.1 } }),
  "found/sub dir/ü.labels.png": png(two),
  "found/sub dir/ü.json": report("photos/sub dir/ü.jpg")
}

const tasks = (cwd: string, name = "tasks.json") => JSON.parse(readFileSync(join(cwd, name), "utf8"))

describe("segformer export labelstudio", () => {
  it.live("writes a task for each image, whose predictions are its regions", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(results)
      const ended = yield* run(["export", "labelstudio", "found", "--out", "out/tasks.json"], { cwd })
      assert.deepStrictEqual(
        [ended.code, ended.stderr, ended.stdout],
        [0, "", "2 label maps as labelstudio: out/tasks.json\n"]
      )
      assert.deepStrictEqual(names(join(cwd, "out")), ["labelling.xml", "tasks.json"])
      const [first, second] = tasks(cwd, "out/tasks.json")
      assert.deepStrictEqual(first.data, { image: "/data/local-files/?d=a.jpg" })
      assert.deepStrictEqual(second.data, { image: "/data/local-files/?d=sub%20dir/%C3%BC.jpg" })
      const [prediction] = first.predictions
      assert.deepStrictEqual([prediction.model_version, prediction.score], ["mine", 0.75])
      assert.isFalse("score" in second.predictions[0])
      const masks = prediction.result.map(
        ({ value: { brushlabels, rle } }: { value: { brushlabels: unknown; rle: Array<number> } }) => [
          brushlabels,
          BinaryMask.toRows(Result.getOrThrow(BrushRle.decode(rle, one)))
        ]
      )
      assert.deepStrictEqual(masks, [
        [["ring & <co>"], [".......", ".###...", ".#.#...", ".###..."]],
        [["blob"], [".......", ".......", ".....##", ".....##"]]
      ])
      const config = readFileSync(join(cwd, "out/labelling.xml"), "utf8")
      assert.include(config, '<BrushLabels name="tag" toName="image">')
      assert.include(config, '<Label value="ring &amp; &lt;co&gt;" background="')
      assert.include(config, '<Label value="dot &quot;x&quot;" background="')
      assert.notInclude(config, 'background" background')
      for (const { from_name, to_name } of prediction.result)
        assert.deepStrictEqual([from_name, to_name], ["tag", "image"])
    }).pipe(Effect.scoped)
  )

  it.live(
    "writes outlines, boxes, bitmasks and a mask of each class, with images where they are said to be",
    () =>
      Effect.gen(function* () {
        const map = fromDigits(["1001", "0000"])
        const cwd = yield* folder({ "x.labels.png": png(map), "n.txt": "none\npit\n" })
        const written = Effect.fnUntraced(function* (...flags: ReadonlyArray<string>) {
          const args = [
            "export",
            "labelstudio",
            "x.labels.png",
            "--classes",
            "n.txt",
            "--out",
            "t.json",
            ...flags
          ]
          const { code, stderr } = yield* run(args, { cwd })
          assert.deepStrictEqual([code, stderr], [0, ""])
          const [task] = tasks(cwd, "t.json")
          return {
            task,
            result: task.predictions[0].result,
            config: readFileSync(join(cwd, "labelling.xml"), "utf8")
          }
        })
        const boxes = yield* written("--shape", "box", "--images-at", "https://host/photos/")
        assert.deepStrictEqual(boxes.task.data.image, "https://host/photos/x.png")
        assert.deepStrictEqual(
          boxes.result.map(({ value }: { value: unknown }) => value),
          [
            { x: 0, y: 0, width: 25, height: 50, rotation: 0, rectanglelabels: ["pit"] },
            { x: 75, y: 0, width: 25, height: 50, rotation: 0, rectanglelabels: ["pit"] }
          ]
        )
        assert.include(boxes.config, '<RectangleLabels name="label" toName="image">')
        const storage = yield* written("--shape", "polygon", "--images-at", "s3://bucket/my photos/")
        assert.deepStrictEqual(storage.task.data.image, "s3://bucket/my photos/x.png")
        assert.strictEqual(storage.result[1].type, "polygonlabels")
        const bits = yield* written("--shape", "bitmask", "--objects", "class")
        assert.strictEqual(bits.result.length, 1)
        assert.match(bits.result[0].value.imageDataURL, /^data:image\/png;base64,/)
        assert.include(bits.config, 'smoothing="false"')
        assert.strictEqual((yield* written("--objects", "class")).result.length, 1)
        assert.strictEqual((yield* written("--min-area", "2")).result.length, 0)
      }).pipe(Effect.scoped)
  )

  it.live("has tasks in the order of a ranking, the next to look at first, as many as are wanted", () =>
    Effect.gen(function* () {
      const files = Object.fromEntries(
        ["a.jpg", "b.png", "deep/c.tif", "=d.png"].map((name) => [`found/${name}.labels.png`, png(two)])
      )
      const ranking =
        'image,entropy,margin,unsure,disagreement,distance\r\ndeep/c.tif,0.5,0.1,,,0\r\n"\'=d.png",0.25,0.2,,,0\r\ngone.jpg,0.2,,,,\r\na.jpg,,,,,\r\n'
      const cwd = yield* folder({
        ...files,
        "found/ranking.csv": ranking,
        "other.csv": "name\r\na\r\n",
        "none.csv": "image\r\nz.jpg\r\n"
      })
      const args = [
        "export",
        "labelstudio",
        "found",
        "--out",
        "t.json",
        "--images-at",
        "",
        "--classes",
        "surface"
      ]
      const order = (path: string, ...rest: ReadonlyArray<string>) =>
        run([...args, "--order", path, ...rest], { cwd })
      assert.strictEqual((yield* order("found/ranking.csv")).code, 0)
      const found = tasks(cwd, "t.json").map(
        ({
          data,
          predictions: [{ score }]
        }: {
          data: { image: string }
          predictions: [{ score: unknown }]
        }) => [data.image, score]
      )
      assert.deepStrictEqual(found, [
        ["deep/c.tif", 0.5],
        ["=d.png", 0.75],
        ["a.jpg", undefined],
        ["b.png", undefined]
      ])
      yield* order("found/ranking.csv", "--first", "2")
      assert.strictEqual(tasks(cwd, "t.json").length, 2)
      const wrong = yield* order("other.csv")
      assert.deepStrictEqual([wrong.code, /has no column image/.test(wrong.stderr)], [2, true])
      const strange = yield* order("none.csv")
      assert.deepStrictEqual([strange.code, /names no image of these/.test(strange.stderr)], [2, true])
    }).pipe(Effect.scoped)
  )

  it.live("refuses flags that would do nothing, and says what they are for", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "x.labels.png": png(two) })
      for (const [format, flags, said] of [
        ["coco", ["--shape", "box"], /--shape is for labelstudio, cvat, and not for coco/],
        ["cvat", ["--shape", "bitmask"], /bitmask is for labelstudio/],
        ["cvat", ["--images-at", "x"], /--images-at is for labelstudio, fiftyone/],
        ["cvat", ["--shape", "box", "--objects", "class"], /--objects class is for masks/],
        ["labelstudio", ["--tolerance", "1"], /--tolerance is for outlines/],
        ["labelstudio", ["--first", "2"], /give its --order too/],
        ["png", ["--order", "x.csv"], /--order is for/]
      ] as const) {
        const { code, stderr } = yield* run(["export", format, ".", "--out", "o", ...flags], { cwd })
        assert.strictEqual(code, 2)
        assert.match(stderr, said)
      }
    }).pipe(Effect.scoped)
  )
})

describe("segformer export cvat", () => {
  it.live("writes masks in the boxes around them, whose names and sizes are the image's", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(results)
      assert.strictEqual((yield* run(["export", "cvat", "found", "--out", "a.xml"], { cwd })).code, 0)
      const xml = readFileSync(join(cwd, "a.xml"), "utf8")
      assert.include(xml, '<image id="0" name="a.jpg" width="7" height="4">')
      assert.include(xml, '<image id="1" name="sub dir/ü.jpg" width="3" height="2">')
      assert.include(xml, "<label><name>ring &amp; &lt;co&gt;</name><color>#")
      assert.notInclude(xml, "background")
      assert.include(
        xml,
        '<mask label="ring &amp; &lt;co&gt;" source="auto" occluded="0" rle="0, 4, 1, 4" left="1" top="1" width="3" height="3" z_order="0"></mask>'
      )
      assert.include(
        xml,
        '<mask label="dot &quot;x&quot;" source="auto" occluded="0" rle="0, 1" left="0" top="0" width="1" height="1"'
      )
      const ring = CvatMask.fromAttributes({ rle: "0, 4, 1, 4", left: 1, top: 1, width: 3, height: 3 })
      const mask = Result.getOrThrow(CvatMask.toMask(Result.getOrThrow(ring), one))
      assert.isTrue(BinaryMask.equals(mask, BinaryMask.fromLabelMap(one, 1)))
      yield* run(["export", "cvat", "found", "--out", "b.xml", "--shape", "box"], { cwd })
      assert.include(
        readFileSync(join(cwd, "b.xml"), "utf8"),
        'xtl="1" ytl="1" xbr="4" ybr="4" z_order="0"></box>'
      )
      yield* run(["export", "cvat", "found", "--out", "p.xml", "--shape", "polygon"], { cwd })
      assert.include(readFileSync(join(cwd, "p.xml"), "utf8"), 'points="5,2;7,2;7,4;5,4"')
    }).pipe(Effect.scoped)
  )

  it.live("leaves out an image whose name XML cannot hold, and says so", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "a\u0001.labels.png": png(two), "b.labels.png": png(two) })
      const ended = yield* run(["export", "cvat", ".", "--out", "o.xml"], { cwd })
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /a name that XML cannot hold/)
      assert.include(readFileSync(join(cwd, "o.xml"), "utf8"), '<image id="0" name="b.png"')
    }).pipe(Effect.scoped)
  )
})

describe("segformer export fiftyone", () => {
  const mask = (sample: { predictions: { mask: { $binary: { base64: string } } } }) => {
    const npy = inflateSync(Buffer.from(sample.predictions.mask.$binary.base64, "base64"))
    return toDigits(Result.getOrThrow(Npy.toLabelMap(npy)))
  }

  it.live("writes samples with masks, 0 where there is nothing, and what each value is called", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(results)
      const args = ["export", "fiftyone", "found", "--out", "s.json", "--images-at", "/photos/"]
      assert.strictEqual((yield* run(args, { cwd })).code, 0)
      const set = tasks(cwd, "s.json")
      assert.deepStrictEqual(set.default_mask_targets, { 1: "ring & <co>", 2: "blob", 3: 'dot "x"' })
      const [first, second] = set.samples
      assert.deepStrictEqual([first.filepath, first.model, first.score], ["/photos/a.jpg", "mine", 0.75])
      assert.deepStrictEqual([mask(first), mask(second)], [toDigits(one), toDigits(two)])
      assert.strictEqual(second.filepath, "/photos/sub dir/ü.jpg")
    }).pipe(Effect.scoped)
  )

  it.live("counts classes from 1 where 0 is one of them, which FiftyOne would not show", () =>
    Effect.gen(function* () {
      const map = fromDigits(["0120"])
      const cwd = yield* folder({ "x.png": png(map), "n.txt": "wall\nfloor\nbackground\n" })
      const args = ["export", "fiftyone", "x.png", "--out", "s.json", "--classes", "n.txt"]
      assert.strictEqual((yield* run(args, { cwd })).code, 0)
      const set = tasks(cwd, "s.json")
      assert.deepStrictEqual(set.default_mask_targets, { 1: "wall", 2: "floor" })
      assert.deepStrictEqual(mask(set.samples[0]), ["1201"])
      yield* run([...args, "--ignore", "1"], { cwd })
      assert.deepStrictEqual(mask(tasks(cwd, "s.json").samples[0]), ["1001"])
    }).pipe(Effect.scoped)
  )
})
