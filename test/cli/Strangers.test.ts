/** Pictures among label maps, and which classes there are where not all of them occur. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ClassTable, LabelPng } from "effect-segformer/mask"
import { lines, run } from "../support/Command.ts"
import { fill, folder } from "../support/Folder.ts"

const surface = ClassTable.fromNames(["background", "pit", "scratch", "stain"])

/** A label map as the commands write it. */
const labels = (ids: ReadonlyArray<number>, classes: ClassTable.ClassTable = surface): Uint8Array =>
  Result.getOrThrow(
    LabelPng.encode({ width: ids.length, height: 1, data: Uint16Array.from(ids) }, { classes })
  )
const plain = (...ids: ReadonlyArray<number>) => labels(ids, [])
/** Greys as a camera has them. */
const photo = plain(12, 1, 130, 131, 129, 254)

const text = (cwd: string, name: string) => readFileSync(join(cwd, name), "utf8")

describe("a grey photo among label maps", () => {
  const said =
    /^segformer: found\/photo\.png: it has ids 12, 129, 130 and 2 more, and there are 4 classes \(0 to 3\)/m

  it.live("is left out of every format by name, where classes are known", () =>
    Effect.gen(function* () {
      const found = { "found/a.png": labels([0, 1, 1, 255]), "found/photo.png": photo }
      const cwd = yield* folder({ ...found, "names.txt": "background\npit\nscratch\nstain\n" })
      for (const format of [
        "csv",
        "coco",
        "yolo",
        "png",
        "npy",
        "rle",
        "geojson",
        "cvat",
        "labelstudio",
        "fiftyone"
      ]) {
        const { code, stderr, stdout } = yield* run(["export", format, "found", "--out", `out-${format}`], {
          cwd
        })
        assert.strictEqual(code, 1, format)
        assert.match(stderr, said, format)
        assert.include(stdout, "1 label map as")
      }
      // Told by hand they are as well known; and none of it is an error where nobody knows.
      const told = yield* run(["export", "csv", "found", "--out", "a.csv", "--classes", "names.txt"], { cwd })
      assert.match(told.stderr, said)
      const ignored = ["--ignore", "12,129,130,131,254,255"]
      assert.strictEqual(
        (yield* run(["export", "csv", "found", "--out", "a.csv", "-q", ...ignored], { cwd })).code,
        0
      )
      fill(cwd, { "raw/photo.png": photo })
      assert.strictEqual((yield* run(["export", "csv", "raw", "--out", "a.csv"], { cwd })).code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("is scored neither as a prediction nor as a truth", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "found/a.png": labels([0, 1, 1, 255]),
        "truth/a.png": plain(0, 1, 2, 255),
        "found/photo.png": photo,
        "truth/photo.png": plain(0, 1, 2, 1, 1, 1),
        "found/b.png": labels([0, 1, 1, 1, 1, 1]),
        "truth/b.png": photo
      })
      const { code, stderr, stdout } = yield* run(["eval", "found", "truth", "--json"], { cwd })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^segformer: photo: the prediction found\/photo\.png: it has ids 12, 129, 130/m)
      assert.match(stderr, /^segformer: b: the truth truth\/b\.png: it has ids 12, 129, 130/m)
      assert.deepInclude(lines(stdout)[0], { images: 1, pixels: 3 })
      const against = yield* run(["eval", "found", "--against", "truth", "--json"], { cwd })
      assert.strictEqual(against.code, 1)
      assert.match(against.stderr, /photo: found\/photo\.png: it has ids 12/)
      // What the truth calls otherwise is no score either.
      fill(cwd, { "other/a.png": labels([0, 1, 1, 1], ClassTable.fromNames(["road", "sky"])) })
      const other = yield* run(["eval", "found", "other"], { cwd })
      assert.strictEqual(other.code, 2)
      assert.include(other.stderr, 'class 0 is "background" in found/a.png and "road" in other/a.png')
      const ranked = yield* run(["eval", "found", "truth", "--against", "other"], { cwd })
      assert.strictEqual(ranked.code, 2)
      assert.include(ranked.stderr, "--against other: class 0 is background by one and road by the other")
    }).pipe(Effect.scoped)
  )

  it.live("is asked for a class more where the truth counts from 1", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "found/a.png": labels([0, 3, 1]), "truth/a.png": plain(1, 4, 0) })
      const args = ["eval", "found", "truth", "--reduce-labels", "--json"]
      const { code, stderr, stdout } = yield* run(args, { cwd })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepInclude(lines(stdout)[0], { pixels: 2, meanIou: 1 })
      fill(cwd, { "truth/a.png": plain(1, 5, 0) })
      assert.match((yield* run(args, { cwd })).stderr, /the truth truth\/a\.png: it has id 5/)
    }).pipe(Effect.scoped)
  )
})

describe("numbers of YOLO", () => {
  it.live("are those of the model's classes, whichever of them occur", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "one/a.labels.png": labels([0, 1]),
        "two/b.labels.png": labels([3, 3]),
        "two/c.labels.png": labels([2, 2])
      })
      const data = 'names:\n  0: "pit"\n  1: "scratch"\n  2: "stain"\n'
      for (const [from, name, line] of [
        ["one", "a", /^0 /],
        ["two", "b", /^2 /],
        ["two/c.labels.png", "c", /^1 /]
      ] as const) {
        const { code, stderr } = yield* run(["export", "yolo", from, "--out", `out/${name}`], { cwd })
        assert.deepStrictEqual([code, stderr], [0, ""])
        assert.strictEqual(text(cwd, `out/${name}/data.yaml`), data)
        assert.match(text(cwd, `out/${name}/${name}.txt`), line)
      }
    }).pipe(Effect.scoped)
  )

  it.live("are said to be those that occur where no more is known, and ids where nothing is", () =>
    Effect.gen(function* () {
      const report = JSON.stringify({ image: "a.jpg", model: "old", classes: [{ id: 3, name: "stain" }] })
      const cwd = yield* folder({
        "old/a.labels.png": plain(3, 3),
        "old/a.json": report,
        "raw/a.png": plain(1, 4)
      })
      const old = yield* run(["export", "yolo", "old", "--out", "out"], { cwd })
      assert.match(old.stderr, /^segformer: yolo numbers the classes.*only those that occur.*Give --classes/m)
      yield* run(["export", "yolo", "raw", "--out", "ids", "--background"], { cwd })
      assert.match(text(cwd, "ids/a.txt"), /^1 .*\n4 /)
      // Its training refuses a list with gaps.
      assert.strictEqual(
        text(cwd, "ids/data.yaml"),
        `names:\n${[0, 1, 2, 3, 4].map((id) => `  ${id}: "class ${id}"\n`).join("")}`
      )
    }).pipe(Effect.scoped)
  )
})

describe("a pipe among label maps", () => {
  it.live("is left out by name, and nobody waits for who writes to it", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "found/a.labels.png": labels([0, 1, 1, 2]) })
      execFileSync("mkfifo", [join(cwd, "found/z.labels.png")])
      const { code, stderr } = yield* run(["export", "csv", "found", "--out", "all.csv"], { cwd })
      assert.strictEqual(code, 1, stderr)
      assert.match(stderr, /z\.labels\.png: it is no regular file \(FIFO\)/)
      assert.include(text(cwd, "all.csv"), "pit")
    }).pipe(Effect.scoped)
  )
})
