import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { lines, run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

const png = (...ids: ReadonlyArray<number>): Uint8Array =>
  Result.getOrThrow(
    LabelPng.encode(LabelMap.makeUnsafe({ width: ids.length, height: 1, data: Uint8Array.from(ids) }))
  )
const report = (image: string) => JSON.stringify({ image, classes: [] })

const scored = (files: Readonly<Record<string, Uint8Array | string>>, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const cwd = yield* folder(files)
    const { code, stderr, stdout } = yield* run(
      ["eval", "found", "truth", "--json", "--worst", "9", "--html", "r.html", ...args],
      { cwd }
    )
    const found = lines(stdout)[0]
    return {
      code,
      stderr,
      found,
      names: (found?.["worst"] as ReadonlyArray<{ name: string }> | undefined)?.map(({ name }) => name)
    }
  })

describe("which prediction is of which truth", () => {
  it.live("a name is the same in either way to write it, and its own comes first", () =>
    Effect.gen(function* () {
      const [one, two] = ["Ünï", "Ünï"].map((name, i) => name.normalize(i === 0 ? "NFC" : "NFD"))
      const coco = (...names: ReadonlyArray<string>) =>
        JSON.stringify({
          images: names.map((name, id) => ({ id, file_name: `${one}/${name}.jpg`, width: 2, height: 1 })),
          categories: [{ id: 1, name: "pit" }],
          annotations: names.map((_, id) => ({
            id: id + 1,
            image_id: id,
            category_id: 1,
            segmentation: { size: [1, 2], counts: [id, 1, 1 - id] }
          }))
        })
      const names = JSON.stringify(["background", "pit"])
      for (const [found, truth] of [
        [one, two],
        [two, one]
      ]) {
        const pair = yield* scored({
          [`found/${found}/${found}.png`]: png(1, 0),
          [`truth/${truth}/${truth}.png`]: png(1, 0)
        })
        assert.deepInclude(pair.found, { images: 1, meanIou: 1, leftOut: [] })
        const cwd = yield* folder({
          [`found/${two}/${found}.png`]: png(1, 0),
          "t.json": coco(truth!),
          "n.json": names
        })
        const drawn = yield* run(["eval", "found", "t.json", "--classes", "n.json", "--json"], { cwd })
        assert.deepInclude(lines(drawn.stdout)[0], { images: 1, meanIou: 1 })
      }
      const both = yield* scored({
        [`found/${one}.png`]: png(0, 1),
        [`found/${two}.png`]: png(1, 0),
        [`truth/${one}.png`]: png(0, 1),
        [`truth/${two}.png`]: png(1, 0)
      })
      assert.deepInclude(both.found, { images: 2, meanIou: 1, leftOut: [] })
    }).pipe(Effect.scoped)
  )

  it.live("folders count, and a stranger's name does not", () =>
    Effect.gen(function* () {
      const right = yield* scored({
        "found/left/s.labels.png": png(0, 1),
        "found/right/s.labels.png": png(1, 1),
        "truth/left/s.png": png(0, 1),
        "truth/right/s.png": png(0, 1)
      })
      assert.deepStrictEqual([right.code, right.names], [0, ["right/s", "left/s"]])
      // Results of one folder, numbered: what each is of stands in its report.
      const numbered = {
        "found/s.labels.png": png(0, 1),
        "found/s.json": report("in/left/s.jpg"),
        "found/s-2.labels.png": png(1, 0),
        "found/s-2.json": report("in/right/s.jpg")
      }
      const known = yield* scored({
        ...numbered,
        "truth/left/s.png": png(0, 1),
        "truth/right/s.png": png(1, 0)
      })
      assert.deepInclude(known.found, { images: 2, meanIou: 1, leftOut: [] })
      const stranger = yield* scored({
        ...numbered,
        "truth/left/s.png": png(0, 1),
        "truth/s-2.png": png(1, 0)
      })
      assert.deepStrictEqual([stranger.code, stranger.names], [1, ["left/s"]])
      assert.match(stranger.stderr, /s-2: it is of in\/right\/s\.jpg: it has no match in truth/)
      const both = yield* scored({
        ...numbered,
        "truth/s.png": png(0, 1),
        "truth/t.png": png(0),
        "found/t.png": png(0)
      })
      assert.deepStrictEqual([both.code, both.names], [1, ["t"]])
      assert.match(both.stderr, /s-2\.labels\.png: 2 predictions are of truth\/s\.png/)
    }).pipe(Effect.scoped)
  )

  it.live("names with what a terminal or a URL would read otherwise are paired", () =>
    Effect.gen(function* () {
      const { code, names } = yield* scored({
        "found/a_b_.labels.png": png(0, 1),
        "found/a_b_.json": report("in/a:b?.png"),
        "found/100%25.labels.png": png(0, 1),
        "truth/a:b?.png": png(0, 1),
        "truth/100%25.png": png(0, 1)
      })
      assert.deepStrictEqual([code, names?.toSorted()], [0, ["100%25", "a:b?"]])
    }).pipe(Effect.scoped)
  )

  it.live(
    "the ending of the image, which batch keeps, is no part of a name unless two differ in it alone",
    () =>
      Effect.gen(function* () {
        const batch = yield* scored({
          "found/a.jpg.labels.png": png(0, 1),
          "found/sub/b.JPEG.labels.png": png(0, 1),
          "truth/a.png": png(0, 1),
          "truth/sub/b.png": png(0, 1)
        })
        assert.deepStrictEqual([batch.code, batch.names], [0, ["a", "sub/b"]])
        const two = yield* scored({
          "found/a.jpg.labels.png": png(0, 1),
          "found/a.png.labels.png": png(1, 0),
          "truth/a.jpg.png": png(0, 1),
          "truth/a.png.png": png(1, 0)
        })
        assert.deepInclude(two.found, { images: 2, meanIou: 1 })
      }).pipe(Effect.scoped)
  )

  it.live("a photo that cannot be decoded is said to be missing from the report", () =>
    Effect.gen(function* () {
      const files = {
        "found/a.png": png(0, 1),
        "truth/a.png": png(0, 1),
        "photos/a.jpg": "no picture"
      }
      const { code, stderr } = yield* scored(files, "--images", "photos")
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /photos\/a\.jpg.*no picture.*: its pictures are drawn without the photo/)
    }).pipe(Effect.scoped)
  )

  it.live("names of Cityscapes go by their patterns, and files beside them are left aside", () =>
    Effect.gen(function* () {
      const files = {
        "found/aachen/aachen_0_19_leftImg8bit.labels.png": png(0, 1),
        "found/ulm/ulm_0_19_leftImg8bit.labels.png": png(0, 1),
        "found/ulm/ulm_0_19_leftImg8bit.json": report("leftImg8bit/val/ulm/ulm_0_19_leftImg8bit.png"),
        "truth/aachen/aachen_0_19_gtFine_labelTrainIds.png": png(0, 1),
        "truth/aachen/aachen_0_19_gtFine_labelIds.png": png(7, 8),
        "truth/ulm/ulm_0_19_gtFine_labelTrainIds.png": png(0, 1),
        "photos/ulm/ulm_0_19_leftImg8bit.png": Fixtures.image
      }
      const patterns = ["--prediction-names", "*_leftImg8bit", "--truth-names", "*_gtFine_labelTrainIds"]
      const found = yield* scored(files, ...patterns, "--images", "photos")
      assert.deepStrictEqual(
        [found.code, found.stderr, found.names],
        [0, "", ["aachen/aachen_0_19", "ulm/ulm_0_19"]]
      )
      assert.deepInclude(found.found, { images: 2, meanIou: 1 })
      const without = yield* scored(files)
      assert.match(
        without.stderr,
        /--prediction-names '\*_leftImg8bit' --truth-names '\*_gtFine_labelTrainIds'/
      )
      for (const wrong of ["leftImg8bit", "*_*", "a/*"])
        assert.strictEqual((yield* scored(files, "--truth-names", wrong)).code, 2)
    }).pipe(Effect.scoped)
  )
})

describe("which image an export names", () => {
  it.live("file_name is where the image lies within its source, and no two are one", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "found/left/s.labels.png": png(0, 1),
        "found/left/s.json": report("photos/left/s.jpg"),
        "found/right/s.labels.png": png(1, 1),
        "found/right/s.json": report("photos/right/s.jpg"),
        "found/100%25.labels.png": png(1),
        "found/100%25.json": report("photos/100%25.jpg"),
        "found/b.jpg.labels.png": png(1),
        "found/lone.png": png(1)
      })
      const names = (...args: ReadonlyArray<string>) =>
        Effect.map(
          run(["export", "coco", ...args, "--out", "c.json", "--quiet"], { cwd }),
          ({ code, stderr }) => {
            assert.deepStrictEqual([code, stderr], [0, ""])
            const { images } = JSON.parse(readFileSync(join(cwd, "c.json"), "utf8"))
            return images.map((one: { readonly file_name: string }) => one.file_name)
          }
        )
      assert.deepStrictEqual(yield* names("found"), [
        "100%25.jpg",
        "b.jpg",
        "left/s.jpg",
        "lone.png",
        "right/s.jpg"
      ])
      assert.deepStrictEqual(yield* names("found/*/*.png"), ["left/s.jpg", "right/s.jpg"])
      assert.deepStrictEqual(yield* names("found/left/s.labels.png", "found/right/s.labels.png"), [
        "left/s.jpg",
        "right/s.jpg"
      ])
      // Results that were numbered say where each image lies.
      writeFileSync(join(cwd, "found", "s.labels.png"), png(1))
      writeFileSync(join(cwd, "found", "s.json"), report("./photos/left/s.jpg"))
      writeFileSync(join(cwd, "found", "s-2.labels.png"), png(1))
      writeFileSync(join(cwd, "found", "s-2.json"), report("./photos/right/s.jpg"))
      assert.deepStrictEqual(yield* names("found/s.labels.png", "found/s-2.labels.png"), [
        "left/s.jpg",
        "right/s.jpg"
      ])
    }).pipe(Effect.scoped)
  )
})
