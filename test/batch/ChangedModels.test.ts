/** A run that is gone on with by another model: what its results are called belongs to each of them. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Transport } from "effect-segformer"
import { Batch, BatchSource, Sinks } from "effect-segformer/batch"
import { type ClassTable, Coco, LabelPng } from "effect-segformer/mask"
import { run } from "../support/Command.ts"
import { fill, folder } from "../support/Folder.ts"
import { picture } from "./support.ts"

type Names = Readonly<Record<number, string>>

const table = (names: Names): ClassTable.ClassTable =>
  Object.entries(names).map(([id, name]) => ({ id: Number(id), name }))

/** Goes on with a run in `found` by a model of these classes, which finds these ids everywhere. */
const go = (cwd: string, model: string, names: Names, ids: ReadonlyArray<number>, isNamed = true) =>
  Batch.run({
    source: BatchSource.folder(join(cwd, "in")),
    sinks: [
      Sinks.labels({ folder: join(cwd, "found") }),
      Sinks.coco({ path: join(cwd, "found/coco.json") }),
      Sinks.csv({ path: join(cwd, "found/classes.csv") }),
      Sinks.ranking({ path: join(cwd, "found/ranking.csv"), by: "distance" })
    ],
    folder: join(cwd, "found/.segformer"),
    allowChange: true
  }).pipe(
    Effect.provide([
      Transport.layer({
        name: model,
        describe: Effect.succeed({ name: model, classes: isNamed ? table(names) : [] }),
        predict: ({ image: { height, width } }) =>
          Effect.succeed({
            _tag: "Labels",
            classes: table(names),
            labelMap: {
              width,
              height,
              data: Uint8Array.from({ length: width * height }, (_, i) => ids[(i % width) % ids.length]!)
            }
          })
      }),
      NodeFileSystem.layer
    ])
  )

const text = (cwd: string, name: string) => readFileSync(join(cwd, name), "utf8")

/** The names of what is on each image, by a file of COCO. */
const namesByImage = (cwd: string): Readonly<Record<string, ReadonlyArray<string>>> => {
  const { annotations, categories, images } = Result.getOrThrow(Coco.parse(text(cwd, "found/coco.json")))
  const names = new Map(categories.map(({ id, name }) => [id, name]))
  assert.strictEqual(names.size, categories.length)
  return Object.fromEntries(
    images.map(({ file_name, id }) => [
      file_name,
      [
        ...new Set(
          annotations
            .filter(({ image_id }) => image_id === id)
            .map(({ category_id }) => names.get(category_id)!)
        )
      ].sort()
    ])
  )
}

const surface = { 0: "background", 1: "pit", 2: "scratch" }
const street = { 0: "road", 1: "Scratch", 2: "car", 3: "sky" }

describe("a run of two models", () => {
  it.live("calls what each found as that one does, in all that it writes and in exports", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "in/a.png": picture(1), "in/b.png": picture(2) })
      yield* go(cwd, "surface", surface, [0, 1, 2])
      // The last one is equal to the first, and has the result of that.
      fill(join(cwd, "in"), { "c.png": picture(3), "z.png": picture(1) })
      const { settled } = yield* go(cwd, "street", street, [0, 1, 2, 3])
      assert.deepStrictEqual(settled, { done: 2, repeated: 1, failed: 0 })
      const own = ["pit", "scratch"]
      assert.deepStrictEqual(namesByImage(cwd), {
        "a.png": own,
        "b.png": own,
        "c.png": ["car", "road", "scratch", "sky"],
        "z.png": own
      })
      const rows = (name: string) => text(cwd, name).trimEnd().split("\r\n").slice(1)
      const of = (rows: ReadonlyArray<string>, image: string) =>
        rows.filter((row) => row.startsWith(`${image},`)).map((row) => row.split(",")[2])
      const areas = rows("found/classes.csv")
      assert.deepStrictEqual(of(areas, "b.png"), ["background", "pit", "scratch"])
      assert.deepStrictEqual(of(areas, "c.png"), ["road", "Scratch", "car", "sky"])
      // Ids alike would lie near the others: of its pixels a quarter is of a class that those have.
      const [farthest] = rows("found/ranking.csv")
      assert.match(farthest!, /^c\.png,/)

      const exported = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const { code, stderr } = yield* run(["export", ...args], { cwd })
        assert.deepStrictEqual([code, stderr], [0, ""], args.join(" "))
      })
      yield* exported("csv", "found", "--out", "a.csv")
      assert.deepStrictEqual(of(rows("a.csv"), "z.png"), ["background", "pit", "scratch"])
      assert.deepStrictEqual(of(rows("a.csv"), "c.png"), ["road", "Scratch", "car", "sky"])
      yield* exported("rle", "found/c.png.labels.png", "--out", "c.jsonl")
      const { classes } = JSON.parse(text(cwd, "c.jsonl"))
      assert.deepStrictEqual(
        classes.map(({ name }: { name: string }) => name),
        ["road", "Scratch", "car", "sky"]
      )
      for (const format of ["coco", "yolo", "fiftyone"]) {
        const { code, stderr } = yield* run(["export", format, "found", "--out", "x"], { cwd })
        assert.strictEqual(code, 2, format)
        assert.match(stderr, /class 0 is "background" in found\/\w\.png\.labels\.png and "road" in /)
      }
      // By itself each is whole, wherever it lies.
      fill(cwd, { "alone/c.png": readFileSync(join(cwd, "found/c.png.labels.png")) })
      yield* exported("yolo", "alone", "--out", "yolo")
      assert.include(text(cwd, "yolo/data.yaml"), '  1: "Scratch"\n  2: "car"\n')
    }).pipe(Effect.scoped)
  )

  it.live("keeps the ids that are free, and tells classes of one name in one model apart", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "in/a.png": picture(1) })
      yield* go(cwd, "one", { 0: "bg", 3: "other", 7: "other" }, [3, 7])
      fill(join(cwd, "in"), { "b.png": picture(2) })
      yield* go(cwd, "two", { 3: "car", 4: "Other", 9: "tree" }, [3, 4, 9], false)
      const { annotations, categories } = Result.getOrThrow(Coco.parse(text(cwd, "found/coco.json")))
      assert.deepStrictEqual(
        categories.map(({ id, name }) => [id, name]),
        [
          [3, "other"],
          [4, "Other"],
          [7, "other"],
          [8, "car"],
          [9, "tree"]
        ]
      )
      assert.deepStrictEqual(
        [...new Set(annotations.map(({ category_id }) => category_id))].sort(),
        [3, 4, 7, 8, 9]
      )
    }).pipe(Effect.scoped)
  )

  it.live("names results of a service that says with its answers alone what they mean", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "in/a.png": picture(1) })
      yield* go(cwd, "silent", surface, [0, 1], false)
      assert.deepStrictEqual(JSON.parse(text(cwd, "found/.segformer/run.json")).classes, [])
      const bytes = readFileSync(join(cwd, "found/a.png.labels.png"))
      assert.deepStrictEqual(LabelPng.classesOf(bytes), table(surface))
      const { code, stderr } = yield* run(["export", "csv", "found", "--out", "a.csv"], { cwd })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.include(text(cwd, "a.csv"), "a.png,1,pit,")
    }).pipe(Effect.scoped)
  )
})
