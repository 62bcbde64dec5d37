/** `segformer eval` against what people corrected in an annotation tool: the other half of `segformer export`. */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import * as fc from "fast-check"
import { fromDigits, labelMaps } from "../mask/support.ts"
import { run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

const png = (map: LabelMap.LabelMap): Uint8Array => Result.getOrThrow(LabelPng.encode(map))
const names = "background\npit\nscratch\n"

/** Predictions as `segformer batch` leaves them, and their classes. */
const predictions = (maps: Readonly<Record<string, LabelMap.LabelMap>>) => ({
  ...Object.fromEntries(Object.entries(maps).map(([name, map]) => [`found/${name}.labels.png`, png(map)])),
  "n.txt": names
})

const evaluated = Effect.fnUntraced(function* (cwd: string, truth: string, ...flags: ReadonlyArray<string>) {
  const { code, stderr, stdout } = yield* run(
    ["eval", "found", truth, "--classes", "n.txt", "--json", ...flags],
    { cwd }
  )
  return { code, stderr, json: stdout === "" ? undefined : JSON.parse(stdout) }
})

/** Tasks as Label Studio exports them once somebody has looked at them. */
const accepted = (cwd: string, path: string): void => {
  const tasks = JSON.parse(readFileSync(join(cwd, path), "utf8"))
  const done = tasks.map((task: { predictions: ReadonlyArray<{ result: unknown }> }, i: number) => ({
    ...task,
    id: i + 1,
    annotations: [{ id: i + 20, completed_by: 1, was_cancelled: false, result: task.predictions[0]!.result }]
  }))
  writeFileSync(join(cwd, path), JSON.stringify(done, undefined, 2))
}

describe("segformer eval with annotations as truth", () => {
  it.live("an image of COCO with something on it that cannot be read has no truth, and no score", () =>
    Effect.gen(function* () {
      const annotation = (id: number, segmentation: unknown) => ({
        id,
        image_id: id,
        category_id: 1,
        segmentation
      })
      const cwd = yield* folder({
        ...predictions({
          "a.jpg": fromDigits(["01"]),
          "b.jpg": fromDigits(["01"]),
          "c.jpg": fromDigits(["01"])
        }),
        "t.json": JSON.stringify({
          images: [
            { id: 1, file_name: "in/a.jpg", width: 2, height: 1 },
            { id: 2, file_name: "b.jpg", width: 2, height: 1 },
            { id: 3, file_name: "c.jpg", width: 2, height: 1 }
          ],
          categories: [{ id: 1, name: "pit" }],
          annotations: [
            annotation(1, { size: [1, 2], counts: [1, 1] }),
            annotation(2, { size: [1, 2], counts: "eJwzBAAAMgAy" }),
            // Without an area it covers nothing.
            { ...annotation(3, [[0, 0, 1, 1]]), id: 5 },
            annotation(3, [[1, 0, 2, 0, 2, 1, 1, 1]])
          ]
        })
      })
      const { code, json, stderr } = yield* evaluated(cwd, "t.json")
      assert.strictEqual(code, 1)
      assert.match(stderr, /b\.jpg: not all that is drawn on it can be read/)
      assert.deepInclude(json, { images: 2, meanIou: 1 })
    }).pipe(Effect.scoped)
  )

  const maps = Object.fromEntries(
    fc
      .sample(labelMaps({ maxSide: 20 }), { numRuns: 4, seed: 3 })
      .map((map, i) => [["a.jpg", "sub/b.jpg", "sub/c d.jpg", "ü.png"][i]!, map])
  )
  const found = predictions(maps)

  for (const [format, ...shape] of [
    ["labelstudio"],
    ["labelstudio", "--shape", "polygon"],
    ["labelstudio", "--shape", "bitmask", "--objects", "class"],
    ["labelstudio", "--images-at", "s3://bucket/photos/"],
    ["cvat"],
    ["cvat", "--shape", "polygon"],
    ["cvat", "--objects", "class"],
    ["coco"]
  ] as const) {
    it.live(`finds what ${[format, ...shape].join(" ")} wrote to be right, all of it`, () =>
      Effect.gen(function* () {
        const cwd = yield* folder(found)
        const truth = format === "cvat" ? "t.xml" : "t.json"
        const args = ["export", format, "found", "--classes", "n.txt", "--out", truth, ...shape]
        assert.strictEqual((yield* run(args, { cwd })).code, 0)
        if (format === "labelstudio") accepted(cwd, truth)
        const { code, json, stderr } = yield* evaluated(cwd, truth)
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.deepStrictEqual([json.images, json.overallAccuracy, json.ignoredPixels], [4, 1, 0])
        assert.strictEqual(
          json.pixels,
          Object.values(maps).reduce((sum, { data }) => sum + data.length, 0)
        )
      }).pipe(Effect.scoped)
    )
  }

  it.live("counts what a person changed, and an image on which there is nothing", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(
        predictions({ "a.jpg": fromDigits(["1100", "0000"]), "b.jpg": fromDigits(["0002"]) })
      )
      const value = { x: 0, y: 0, width: 25, height: 50, rotation: 0, rectanglelabels: ["Pit"] }
      const size = { original_width: 4, original_height: 2, image_rotation: 0 }
      const result = [{ id: "x", type: "rectanglelabels", ...size, value }]
      const tasks = [
        { id: 1, data: { image: "/data/upload/1/0a1b2c3d-a.jpg" }, annotations: [{ id: 1, result }] },
        { id: 2, data: { image: "/data/upload/1/0a1b2c3e-b.jpg" }, annotations: [{ id: 2, result: [] }] },
        { id: 3, data: { image: "/data/upload/1/0a1b2c3e-later.jpg" }, annotations: [] }
      ]
      writeFileSync(join(cwd, "t.json"), JSON.stringify(tasks))
      const { code, json } = yield* evaluated(cwd, "t.json")
      assert.strictEqual(code, 0)
      const of = (id: number) => json.classes.find((one: { id: number }) => one.id === id)
      assert.deepStrictEqual([of(0).truth, of(1).truth, of(1).predicted, of(1).iou], [11, 1, 2, 0.5])
      assert.deepStrictEqual([of(2).truth, of(2).predicted], [0, 1])
      const text = yield* run(["eval", "found", "t.json", "--classes", "n.txt"], { cwd })
      assert.include(text.stdout, "1 task has no annotation yet, and is left out")
    }).pipe(Effect.scoped)
  )

  it.live(
    "never takes an image of the same name in another folder for it, and counts predictions that nobody annotated",
    () =>
      Effect.gen(function* () {
        const one = fromDigits(["1"])
        const cwd = yield* folder(
          predictions({ "left/s.jpg": one, "right/s.jpg": fromDigits(["2"]), "t.jpg": one, "u.jpg": one })
        )
        const image = (name: string) =>
          `<image id="0" name="${name}" width="1" height="1"><box label="pit" xtl="0" ytl="0" xbr="1" ybr="1"></box></image>`
        const xml = (...images: ReadonlyArray<string>) =>
          writeFileSync(
            join(cwd, "t.xml"),
            `<?xml version="1.0"?><annotations><meta/>${images.map(image).join("")}</annotations>`
          )
        xml("photos/left/s.jpg", "other/t.jpg")
        const first = yield* evaluated(cwd, "t.xml")
        assert.deepStrictEqual([first.code, first.json.images, first.json.overallAccuracy], [0, 2, 1])
        const said = yield* run(["eval", "found", "t.xml", "--classes", "n.txt"], { cwd })
        assert.include(said.stdout, "predictions of images without annotations: 2 left out")
        xml("middle/s.jpg", "t.jpg")
        const second = yield* evaluated(cwd, "t.xml")
        assert.deepStrictEqual([second.code, second.json.images], [1, 1])
        assert.match(second.stderr, /middle\/s: it has no match in found/)
        // Flat names say nothing of folders: which of two is meant nobody can tell.
        xml("s.jpg", "t.jpg")
        const flat = yield* evaluated(cwd, "t.xml")
        assert.deepStrictEqual([flat.code, flat.json.images], [1, 1])
        assert.match(flat.stderr, /2 predictions are of t.xml: s.jpg/)
        xml("x/t.jpg", "y/t.jpg")
        const twice = yield* evaluated(cwd, "t.xml")
        assert.strictEqual(twice.code, 1)
        assert.match(twice.stderr, /t: several images of t.xml may be it/)
      }).pipe(Effect.scoped)
  )

  it.live(
    "knows uploads by their own names and by those that Label Studio keeps them under, with dots in them too",
    () =>
      Effect.gen(function* () {
        const one = fromDigits(["1"])
        const cwd = yield* folder(
          predictions({ "0a1b2c3d-a.jpg": one, "b.rgb.jpg": one, "c.jpg": one, "0a1b2c3d-c.jpg": one })
        )
        const size = { original_width: 1, original_height: 1 }
        const value = { x: 0, y: 0, width: 100, height: 100, rectanglelabels: ["pit"] }
        const result = [{ id: "x", type: "rectanglelabels", ...size, value }]
        const task = (name: string, id: number) => ({
          id,
          data: { image: `/data/upload/1/${name}` },
          annotations: [{ id, result }]
        })
        writeFileSync(
          join(cwd, "t.json"),
          JSON.stringify([task("0a1b2c3d-a.jpg", 1), task("0a1b2c3e-b.rgb.jpg", 2)])
        )
        const { code, json } = yield* evaluated(cwd, "t.json")
        assert.deepStrictEqual([code, json.images, json.overallAccuracy], [0, 2, 1])
        // Both may be it, and nobody can tell.
        writeFileSync(join(cwd, "u.json"), JSON.stringify([task("0a1b2c3d-c.jpg", 1)]))
        const both = yield* evaluated(cwd, "u.json")
        assert.match(both.stderr, /2 predictions are of u.json/)
      }).pipe(Effect.scoped)
  )

  it.live("the first task says what all are, whatever else the others have in them", () =>
    Effect.gen(function* () {
      const one = fromDigits(["1"])
      const cwd = yield* folder(predictions({ "a.jpg": one, "b.jpg": one, "c.jpg": one }))
      const value = { x: 0, y: 0, width: 100, height: 100, rectanglelabels: ["pit"] }
      const result = [{ id: "x", type: "rectanglelabels", original_width: 1, original_height: 1, value }]
      const task = (name: string, id: number, more: object = {}) => ({
        id,
        data: { image: `${name}.jpg` },
        annotations: [{ id, result }],
        ...more
      })
      writeFileSync(
        join(cwd, "t.json"),
        JSON.stringify([task("a", 1), task("b", 2, { image_id: 7 }), task("c", 3), { id: 4, image_id: 8 }])
      )
      const { code, json, stderr } = yield* evaluated(cwd, "t.json")
      assert.deepStrictEqual([code, json.images, json.overallAccuracy], [1, 3, 1])
      assert.match(stderr, /task 4: it is no task with data and annotations/)
    }).pipe(Effect.scoped)
  )

  it.live("says what of a file cannot be scored, and scores the rest", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(
        predictions({
          "a.jpg": fromDigits(["10"]),
          "b.jpg": fromDigits(["1", "0"]),
          "c.jpg": fromDigits(["10"])
        })
      )
      const box = (label: string) => `<box label="${label}" xtl="0" ytl="0" xbr="1" ybr="1"></box>`
      const images = [
        `<image id="0" name="a.jpg" width="2" height="1">${box("pit")}<points label="pit" points="1,1"></points></image>`,
        `<image id="1" name="b.jpg" width="2" height="1">${box("pit")}</image>`,
        `<image id="2" name="c.jpg" width="2" height="1">${box("dent")}</image>`,
        '<image id="3" name="d.jpg" width="2" height="1"><mask label="pit" rle="3" left="0" top="0" width="1" height="1"></mask></image>'
      ]
      writeFileSync(join(cwd, "t.xml"), `<annotations>${images.join("\n")}</annotations>`)
      const { code, json, stderr } = yield* evaluated(cwd, "t.xml")
      assert.deepStrictEqual([code, json.images, json.overallAccuracy], [1, 1, 1])
      assert.match(stderr, /b: .*2 x 1/)
      assert.match(stderr, /c: its label "dent" is none of the classes/)
      assert.match(stderr, /d.jpg: d.jpg: shape 1, a mask, cannot be read: its runs sum up to 3/)
      const { stdout } = yield* run(["eval", "found", "t.xml", "--classes", "n.txt"], { cwd })
      assert.include(stdout, "a points is no area: 1 left out")
    }).pipe(Effect.scoped)
  )

  it.live(
    "says what pixels in no shape are: background, the class that is named, or nothing that counts",
    () =>
      Effect.gen(function* () {
        const cwd = yield* folder({ ...predictions({ "a.jpg": fromDigits(["10"]) }), "m.txt": "wall\npit\n" })
        const xml =
          '<image id="0" name="a.jpg" width="2" height="1"><box label="pit" xtl="0" ytl="0" xbr="1" ybr="1"></box></image>'
        writeFileSync(join(cwd, "t.xml"), `<annotations>${xml}</annotations>`)
        const scored = (...flags: ReadonlyArray<string>) =>
          run(["eval", "found", "t.xml", "--json", ...flags], { cwd })
        const counts = Effect.fnUntraced(function* (...flags: ReadonlyArray<string>) {
          const { stdout } = yield* scored(...flags)
          const { ignoredPixels, pixels } = JSON.parse(stdout)
          return [pixels, ignoredPixels]
        })
        assert.deepStrictEqual(yield* counts("--classes", "n.txt"), [2, 0])
        assert.deepStrictEqual(yield* counts("--classes", "m.txt"), [1, 1])
        assert.deepStrictEqual(yield* counts("--classes", "m.txt", "--outside", "wall"), [2, 0])
        assert.deepStrictEqual(yield* counts("--binary"), [2, 0])
        const told = yield* run(["eval", "found", "t.xml", "--classes", "m.txt"], { cwd })
        assert.include(told.stdout, "--outside CLASS counts them")
        // A class of id 255 is one like others, and what nobody drew on has another id.
        writeFileSync(join(cwd, "ids.txt"), "0: wall\n1: pit\n255: dent\n")
        writeFileSync(join(cwd, "t.xml"), `<annotations>${xml}</annotations>`.replace("pit", "dent"))
        assert.deepStrictEqual(yield* counts("--classes", "ids.txt"), [1, 1])
        writeFileSync(join(cwd, "t.xml"), `<annotations>${xml}</annotations>`)
        const nothing = yield* scored("--classes", "m.txt", "--ignore", "none")
        assert.deepStrictEqual(
          [nothing.code, /say with --outside what they are/.test(nothing.stderr)],
          [2, true]
        )
        const nameless = yield* scored()
        assert.deepStrictEqual([nameless.code, /give --classes/.test(nameless.stderr)], [2, true])
      }).pipe(Effect.scoped)
  )

  it.live("refuses files that are no annotations, and flags that would do nothing", () =>
    Effect.gen(function* () {
      const files = {
        "video.xml": '<annotations><track id="0" label="pit"><box frame="0"/></track></annotations>',
        "empty.xml": "<annotations><meta/></annotations>",
        "broken.xml": "<annotations><image",
        "broken.json": '[{"id": 1',
        "min.json": '[{"id":1,"image":"/a.jpg","tag":[]}]',
        "two.json": JSON.stringify([
          { id: 1, data: { image: "/a.jpg" }, annotations: [1, 2].map((id) => ({ id, result: [] })) }
        ]),
        "words.txt": "hello",
        "all.zip": "PK",
        "t.xml": '<annotations><image id="0" name="z.jpg" width="1" height="1"></image></annotations>'
      }
      const cwd = yield* folder({
        ...predictions({ "a.jpg": fromDigits(["1"]) }),
        ...files,
        "truth/a.png": png(fromDigits(["1"]))
      })
      for (const [truth, said, ...flags] of [
        ["video.xml", /of a video: export the task as "CVAT for images 1.1"/],
        ["empty.xml", /holds no <image>/],
        ["broken.xml", /cannot read broken.xml/],
        ["broken.json", /cannot read broken.json/],
        ["min.json", /export as JSON, not as JSON-MIN/],
        ["two.json", /mark one as ground truth, or give --annotations newest/],
        ["words.txt", /neither a folder of label maps, nor annotations/],
        ["all.zip", /Unpack it first/],
        ["t.xml", /no match in found/],
        ["t.xml", /--reduce-labels is for label maps/, "--reduce-labels"],
        ["t.xml", /--truth-names is for a folder/, "--truth-names", "*x"],
        ["truth", /--outside is for a file of annotations/, "--outside", "pit"],
        ["truth", /--annotations is for a file of annotations/, "--annotations", "newest"]
      ] as const) {
        const { code, stderr } = yield* run(["eval", "found", truth, "--classes", "n.txt", ...flags], { cwd })
        assert.notStrictEqual(code, 0, truth)
        assert.match(stderr, said)
      }
    }).pipe(Effect.scoped)
  )
})
