import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Coco, GeoJson, LabelMap, LabelPng, Npy, Palette, Rle, Yolo } from "effect-segformer/mask"
import * as fc from "fast-check"
import { labelMaps } from "../mask/support.ts"
import { lines, run, start } from "../support/Command.ts"
import { eventually } from "../support/Eventually.ts"
import { folder, names } from "../support/Folder.ts"

const png = (map: LabelMap.LabelMap): Uint8Array => Result.getOrThrow(LabelPng.encode(map))

/** Label maps of the model's classes, as files. */
const maps = fc.sample(labelMaps({ classes: 6, maxSide: 20 }), { numRuns: 5, seed: 11 })
const files = Object.fromEntries(maps.map((map, i) => [`${i}.labels.png`, png(map)]))
const surface = ["--classes", "surface"]

/** The map with background where it has 0, as formats of objects hold it. */
const sameObjects = (found: LabelMap.LabelMap, map: LabelMap.LabelMap) =>
  assert.isTrue(LabelMap.equals(found, { ...map, data: Uint8Array.from(map.data) }))

describe("segformer export", () => {
  it.live("writes COCO from which every label map comes back", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(files)
      const { code, stderr, stdout } = yield* run(
        ["export", "coco", ".", "--out", "o/found.json", ...surface],
        { cwd }
      )
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.strictEqual(stdout, "5 label maps as coco: o/found.json\n")
      assert.deepStrictEqual(names(join(cwd, "o")), ["found.json"])
      const data = Result.getOrThrow(Coco.parse(readFileSync(join(cwd, "o", "found.json"), "utf8")))
      assert.deepStrictEqual(
        data.categories,
        Palette.surface.slice(1).map(({ id, name }) => ({ id, name }))
      )
      assert.strictEqual(new Set(data.annotations.map(({ id }) => id)).size, data.annotations.length)
      for (const [i, image] of data.images.entries()) {
        const own = data.annotations.filter(({ image_id }) => image_id === image.id)
        sameObjects(Result.getOrThrow(Coco.toLabelMap(own, image, { gap: 0 })), maps[i]!)
      }
    }).pipe(Effect.scoped)
  )

  it.live("names files that are called alike in two folders by where they are", () =>
    Effect.gen(function* () {
      const same = Object.values(files)[0]!
      const cwd = yield* folder({ "one/a.png": same, "two/a.png": same })
      const { code } = yield* run(["export", "coco", "one", "./two", "--out", "found.json"], { cwd })
      assert.strictEqual(code, 0)
      const { images } = Result.getOrThrow(Coco.parse(readFileSync(join(cwd, "found.json"), "utf8")))
      assert.deepStrictEqual(
        images.map(({ file_name }) => file_name),
        ["a.png", "two/a.png"]
      )
      // Nothing is written beside the folder of results, whatever way a path takes.
      mkdirSync(join(cwd, "one", "deep"))
      const round = ["export", "npy", "a.png", "deep/../../two/a.png", "-o", "out"]
      const within = yield* run(round, { cwd: join(cwd, "one") })
      assert.deepStrictEqual([within.code, names(join(cwd, "one", "out"))], [0, ["a.npy", "two"]])
    }).pipe(Effect.scoped)
  )

  it.live("writes YOLO segments, one file for each, classes without gaps, and their names", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(files)
      const { code } = yield* run(["export", "yolo", ".", "--out", "labels", ...surface], { cwd })
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(names(join(cwd, "labels")), [
        "0.txt",
        "1.txt",
        "2.txt",
        "3.txt",
        "4.txt",
        "data.yaml"
      ])
      assert.strictEqual(
        readFileSync(join(cwd, "labels", "data.yaml"), "utf8"),
        'names:\n  0: "particle"\n  1: "scratch"\n  2: "stain"\n  3: "fiber"\n  4: "pit"\n'
      )
      for (const [i, map] of maps.entries()) {
        const text = readFileSync(join(cwd, "labels", `${i}.txt`), "utf8")
        const options = { gap: 0, classOf: (id: number) => id + 1 }
        const back = Result.getOrThrow(Yolo.toLabelMap(text, map.width, map.height, options))
        // What lies in a hole is written before or after its ring; only single classes are sure to come back.
        if (LabelMap.histogram(map).size <= 2) sameObjects(back, map)
        assert.strictEqual(back.width, map.width)
      }
    }).pipe(Effect.scoped)
  )

  it.live("writes one GeoJSON of all, which says whose each feature is", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(files)
      const args = ["export", "geojson", "*.png", "--out", "all.geojson", "--background", ...surface]
      assert.strictEqual((yield* run(args, { cwd })).code, 0)
      const text = readFileSync(join(cwd, "all.geojson"), "utf8")
      const whole = JSON.parse(text)
      for (const [i, map] of maps.entries()) {
        const features = whole.features.filter(
          (feature: { properties: { image: string } }) => feature.properties.image === `${i}.png`
        )
        const own = JSON.stringify({ type: "FeatureCollection", features })
        const { height, width } = map
        sameObjects(Result.getOrThrow(GeoJson.toLabelMap(own, { width, height })), map)
      }
    }).pipe(Effect.scoped)
  )

  it.live("places GeoJSON by a transform", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "a.png": png({ width: 2, height: 1, data: Uint8Array.of(0, 5) }) })
      const args = ["export", "geojson", "a.png", "--out", "a.geojson", ...surface]
      yield* run([...args, "--transform", "0.5,0,100,0,-0.5,50"], { cwd })
      const { features } = JSON.parse(readFileSync(join(cwd, "a.geojson"), "utf8"))
      const points: ReadonlyArray<ReadonlyArray<number>> = features[0].geometry.coordinates[0]
      assert.strictEqual(Math.min(...points.map(([x]) => x!)), 100.5)
      assert.strictEqual(Math.max(...points.map(([, y]) => y!)), 50)
      const wrong = yield* run([...args, "--transform=1,2,3"], { cwd })
      assert.strictEqual(wrong.code, 2)
      assert.match(wrong.stderr, /six numbers/)
    }).pipe(Effect.scoped)
  )

  it.live("writes areas, regions and run lengths, a line at a time", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(files)
      yield* run(["export", "csv", ".", "--out", "areas.csv", ...surface], { cwd })
      const areas = readFileSync(join(cwd, "areas.csv"), "utf8").trimEnd().split("\r\n")
      assert.strictEqual(areas[0], "image,class_id,class,pixels,share")
      const pixels = areas.slice(1).reduce((sum, line) => sum + Number(line.split(",")[3]), 0)
      assert.strictEqual(
        pixels,
        maps.reduce((sum, { data }) => sum + data.length, 0)
      )

      yield* run(["export", "csv", ".", "--regions", "--out", "regions.csv", ...surface], { cwd })
      const regions = readFileSync(join(cwd, "regions.csv"), "utf8").trimEnd().split("\r\n")
      assert.match(regions[0]!, /^image,class_id,class,area,x,y,/)

      yield* run(["export", "rle", ".", "--out", "runs.jsonl", ...surface], { cwd })
      const runs = lines(readFileSync(join(cwd, "runs.jsonl"), "utf8"))
      assert.strictEqual(runs.length, 5)
      for (const [i, map] of maps.entries()) {
        const data = new Uint8Array(map.data.length).fill(99)
        for (const { id, segmentation } of runs[i]!["classes"] as ReadonlyArray<{
          id: number
          segmentation: Rle.CocoRle
        }>) {
          Rle.paint(Result.getOrThrow(Rle.fromCoco(segmentation)), data, id)
        }
        sameObjects({ ...map, data }, map)
      }
    }).pipe(Effect.scoped)
  )

  it.live("writes NumPy arrays and label PNGs, from either", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(files)
      yield* run(["export", "npy", ".", "--out", "arrays"], { cwd })
      yield* run(["export", "png", "arrays", "--out", "pictures", ...surface], { cwd })
      for (const [i, map] of maps.entries()) {
        sameObjects(Result.getOrThrow(Npy.toLabelMap(readFileSync(join(cwd, "arrays", `${i}.npy`)))), map)
        const bytes = readFileSync(join(cwd, "pictures", `${i}.png`))
        sameObjects(Result.getOrThrow(LabelPng.decode(bytes)), map)
        const byColor = LabelPng.decode(bytes, { palette: Palette.surface, byColor: true })
        sameObjects(Result.getOrThrow(byColor), map)
      }
      const single = yield* run(["export", "npy", "0.labels.png", "--out", "one.npy"], { cwd })
      assert.strictEqual(single.stdout, "1 label map as npy: one.npy\n")
      assert.include(names(cwd), "one.npy")
    }).pipe(Effect.scoped)
  )

  it.live("takes names of classes and images from what segment wrote beside the label maps", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "a.labels.png": files["0.labels.png"]! })
      const classes = Palette.surface.map(({ id, name }) => ({ id, name: name === "pit" ? "dent" : name }))
      writeFileSync(join(cwd, "a.json"), JSON.stringify({ image: "photos/a.jpg", classes, regions: [] }))
      yield* run(["export", "coco", "a.labels.png", "--out", "found.json"], { cwd })
      const data = JSON.parse(readFileSync(join(cwd, "found.json"), "utf8"))
      assert.strictEqual(data.images[0].file_name, "a.jpg")
      assert.deepInclude(data.categories, { id: 5, name: "dent" })
      assert.notDeepInclude(data.categories, { id: 0, name: "background" })
    }).pipe(Effect.scoped)
  )

  it.live("lists what it cannot read, writes the rest, and ends with 1", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ ...files, "broken.png": files["0.labels.png"]!.subarray(0, 50) })
      const args = ["export", "coco", ".", "nowhere.png", "--out", "found.json", ...surface]
      const { code, stderr, stdout } = yield* run(args, { cwd })
      assert.strictEqual(code, 1)
      assert.match(stderr, /segformer: nowhere\.png: there is no such file\n/)
      assert.match(stderr, /segformer: broken\.png: /)
      assert.match(stdout, /^5 label maps as coco, 2 left out: found\.json\n$/)
      assert.strictEqual(JSON.parse(readFileSync(join(cwd, "found.json"), "utf8")).images.length, 5)
    }).pipe(Effect.scoped)
  )

  it.live("leaves nothing behind where it fails, and what was there as it was", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "broken.png": Uint8Array.of(1, 2, 3), "found.json": Uint8Array.of(52, 50) })
      const { code } = yield* run(["export", "coco", "broken.png", "--out", "found.json"], { cwd })
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(names(cwd), ["broken.png", "found.json"])
      assert.strictEqual(readFileSync(join(cwd, "found.json"), "utf8"), "42")
      mkdirSync(join(cwd, "taken"))
      writeFileSync(join(cwd, "a.png"), files["0.labels.png"]!)
      const blocked = yield* run(["export", "coco", "a.png", "--out", "taken"], { cwd })
      assert.strictEqual(blocked.code, 1)
      assert.match(blocked.stderr, /cannot write taken/)
      assert.deepStrictEqual(names(cwd), ["a.png", "broken.png", "found.json", "taken"])
      // Nor the folders that were made for it, but those that were there.
      for (const [format, out] of [
        ["coco", "new/deep/found.json"],
        ["yolo", "new/deep"],
        ["csv", "taken/new/found.csv"]
      ] as const) {
        const failed = yield* run(["export", format, "broken.png", "--out", out], { cwd })
        assert.strictEqual(failed.code, 1)
      }
      assert.deepStrictEqual(names(cwd), ["a.png", "broken.png", "found.json", "taken"])
      assert.deepStrictEqual(names(join(cwd, "taken")), [])
    }).pipe(Effect.scoped)
  )

  it.live("interrupted, leaves nothing behind and ends with 130", () =>
    Effect.gen(function* () {
      const map = { width: 400, height: 400, data: new Uint8Array(160_000).map((_, i) => ((i * i) >> 7) % 6) }
      const bytes = png(map)
      const many = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`${i}.png`, bytes]))
      const cwd = yield* folder(many)
      const running = yield* start(["export", "coco", ".", "--out", "out/found.json", ...surface], { cwd })
      const out = join(cwd, "out")
      yield* eventually(() => existsSync(out) && names(out).some((name) => name.endsWith(".part")))
      running.process.kill("SIGINT")
      const { code } = yield* Effect.promise(() => running.ended)
      assert.strictEqual(code, 130)
      assert.isFalse(existsSync(out))
    }).pipe(Effect.scoped)
  )

  it.live("says what is wrong with a command line, and ends with 2", () =>
    Effect.gen(function* () {
      for (const args of [
        ["export", "pdf", "a.png", "--out", "x"],
        ["export", "coco", "--out", "x"],
        ["export", "coco", "a.png"],
        ["export", "coco", "a.png", "--out", "x", "--tolerance", "-1"],
        ["export", "coco", "a.png", "--out", "x", "--classes", "nowhere"]
      ]) {
        const { code, stderr } = yield* run(args)
        assert.strictEqual(code, 2, args.join(" "))
        assert.notStrictEqual(stderr, "")
      }
    })
  )

  it.live(
    "gives classes the ids that a tool has for them, and refuses to ignore where nothing could be",
    () =>
      Effect.gen(function* () {
        const map = LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.of(0, 11, 80, 170) })
        const cwd = yield* folder({
          "a.png": Result.getOrThrow(LabelPng.encode(map)),
          "names.txt": "background\na\nb\n"
        })
        const ids = (...args: ReadonlyArray<string>) =>
          Effect.map(
            run(["export", "coco", "a.png", "--out", "c.json", "--quiet", ...args], { cwd }),
            ({ code, stderr }) => {
              assert.deepStrictEqual([code, stderr], [0, ""])
              const { annotations, categories } = Result.getOrThrow(
                Coco.parse(readFileSync(join(cwd, "c.json"), "utf8"))
              )
              return { ids: annotations.map(({ category_id }) => category_id), categories }
            }
          )
        // COCO's own: fire hydrant is 11, stop sign 13, stuff begins at 92.
        const stuff = yield* ids("--classes", "coco-stuff")
        assert.deepStrictEqual(stuff.ids, [1, 13, 92, 182])
        assert.deepInclude(stuff.categories, { id: 13, name: "stop sign" })
        assert.strictEqual(stuff.categories.length, 171)
        assert.deepStrictEqual(
          (yield* ids("--classes", "coco-stuff", "--first-id", "0")).ids,
          [0, 11, 80, 170]
        )
        // ADE20K has no class 170.
        const within = LabelMap.makeUnsafe({ width: 4, height: 1, data: Uint8Array.of(0, 11, 80, 149) })
        writeFileSync(join(cwd, "a.png"), Result.getOrThrow(LabelPng.encode(within)))
        const ade = yield* ids("--classes", "ade20k", "--first-id", "1")
        assert.deepStrictEqual(ade.ids, [1, 12, 81, 150])
        assert.deepInclude(ade.categories, { id: 1, name: "wall" })
        // Where background is none of them, the first class after it is the first.
        const two = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 1, 2) })
        writeFileSync(join(cwd, "a.png"), Result.getOrThrow(LabelPng.encode(two)))
        assert.deepStrictEqual((yield* ids("--classes", "names.txt", "--first-id", "1")).ids, [1, 2])
        assert.deepStrictEqual(
          (yield* ids("--classes", "names.txt", "--first-id", "1", "--background")).ids,
          [1, 2, 3]
        )
        assert.deepStrictEqual((yield* ids("--ignore", "0,2")).ids, [1])
        assert.deepStrictEqual((yield* ids("--ignore", "none")).ids, [0, 1, 2])
        const refused: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
          [["coco", "a.png", "--out", "c.json", "--first-id", "1"], /give --classes too/],
          [
            ["yolo", "a.png", "--out", "y", "--classes", "names.txt", "--first-id", "1"],
            /--first-id is for coco/
          ],
          [["png", "a.png", "--out", "p", "--ignore", "0"], /--ignore is for .*png keeps every pixel/],
          [["npy", "a.png", "--out", "p", "--ignore", "255"], /--ignore is for .*npy keeps every pixel/]
        ]
        for (const [args, says] of refused) {
          const { code, stderr } = yield* run(["export", ...args], { cwd })
          assert.strictEqual(code, 2, args.join(" "))
          assert.match(stderr, says)
        }
      }).pipe(Effect.scoped)
  )

  it.live("two label maps whose files are one on this disk do not take each other's place", () =>
    Effect.gen(function* () {
      const [one, other] = [maps[0]!, maps[1]!]
      const cwd = yield* folder({ "in/A.npy": Npy.fromLabelMap(one), "in/a.npy": Npy.fromLabelMap(other) })
      mkdirSync(join(cwd, "out"))
      const go = run(["export", "npy", "in", "--out", "out"], { cwd })
      // As on a disk that takes both names for one.
      symlinkSync("A.npy", join(cwd, "out", "a.npy"))
      const { code, stderr } = yield* go
      assert.strictEqual(code, 1)
      assert.match(stderr, /in\/a\.npy: it would take the place of out\/A\.npy/)
      const read = (name: string) => Result.getOrThrow(Npy.toLabelMap(readFileSync(join(cwd, "out", name))))
      assert.isTrue(LabelMap.equals(read("A.npy"), one))
      // Where they are two files both are written, again too.
      rmSync(join(cwd, "out", "a.npy"))
      for (let i = 0; i < 2; i++) {
        assert.strictEqual((yield* go).code, 0)
        assert.isTrue(LabelMap.equals(read("A.npy"), one) && LabelMap.equals(read("a.npy"), other))
      }
    }).pipe(Effect.scoped)
  )

  it.live("does not leave out in silence what masks of 0 and 255 show", () =>
    Effect.gen(function* () {
      const mask = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 255, 255) })
      const map = LabelMap.makeUnsafe({ width: 3, height: 1, data: Uint8Array.of(0, 1, 255) })
      const cwd = yield* folder({
        "masks/a.png": png(mask),
        "both/a.png": png(mask),
        "both/b.png": png(map),
        "named/a.labels.png": png(mask)
      })
      const things = [
        { id: 0, name: "road" },
        { id: 1, name: "car" }
      ]
      writeFileSync(join(cwd, "named", "a.json"), JSON.stringify({ image: "a.jpg", classes: things }))
      writeFileSync(join(cwd, "names.txt"), "0: background\n1: pit\n")
      writeFileSync(join(cwd, "panel.txt"), "0: background\n1: pit\n255: panel\n")
      writeFileSync(join(cwd, "void.txt"), "0: background\n1: pit\n255: void\n")
      const told = ["--classes", "names.txt"]
      for (const [format, from, args, code, isTold, objects] of [
        ["coco", "masks", told, 1, true, 0],
        ["coco", "both", told, 0, true, 1],
        ["coco", "masks", ["--classes", "panel.txt", "--ignore", "none"], 0, false, 1],
        // A class of that id is an object, unless it is called what none is.
        ["coco", "masks", ["--classes", "panel.txt"], 0, false, 1],
        ["coco", "both", ["--classes", "panel.txt"], 0, false, 3],
        ["coco", "both", ["--classes", "panel.txt", "--ignore", "255"], 0, false, 1],
        ["coco", "both", ["--classes", "void.txt"], 0, true, 1],
        ["coco", "masks", [...told, "--ignore", "255"], 0, false, 0],
        ["coco", "masks", [...told, "--background"], 0, true, 1],
        // Class 0 is a thing, and 255 what is none.
        ["coco", "masks", ["--classes", "cityscapes"], 0, false, 1],
        ["coco", "named", [], 0, false, 1],
        ["coco", "masks", [], 0, true, 1],
        ["csv", "masks", told, 0, true, undefined],
        ["csv", "masks", [...told, "--regions"], 1, true, undefined],
        ["png", "masks", told, 0, false, undefined]
      ] as const) {
        const ended = yield* run(["export", format, from, "--out", `out.${format}`, ...args], { cwd })
        const name = `${format} ${from} ${args.join(" ")}`
        assert.strictEqual(ended.code, code, name)
        assert.strictEqual(/a\.png: it holds 0 and 255 alone.*--ignore none/.test(ended.stderr), isTold, name)
        if (objects === undefined) continue
        const found = Result.getOrThrow(Coco.parse(readFileSync(join(cwd, "out.coco"), "utf8")))
        assert.strictEqual(found.annotations.length, objects, name)
      }
    }).pipe(Effect.scoped)
  )
})
