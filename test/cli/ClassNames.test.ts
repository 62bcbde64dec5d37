/** Results of several models in one folder, and of a run: each has the names of its own classes, or none is written. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Coco, LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

const labels = (...data: ReadonlyArray<number>): Uint8Array =>
  Result.getOrThrow(LabelPng.encode({ width: data.length, height: 1, data: Uint8Array.from(data) }))

const report = (image: string, model: string, names: Readonly<Record<number, string>>): Uint8Array =>
  new TextEncoder().encode(
    JSON.stringify({
      image,
      model,
      classes: Object.entries(names).map(([id, name]) => ({ id: Number(id), name })),
      regions: []
    })
  )

/** Two models, to one of which 0 is background and to the other a road. */
const two = {
  "two/b.labels.png": labels(0, 1, 1, 2),
  "two/b.json": report("b.bmp", "surface", { 0: "background", 1: "particle", 2: "scratch" }),
  "two/p.labels.png": labels(0, 1, 2, 2),
  "two/p.json": report("p.webp", "street", { 0: "road", 1: "sky", 2: "tree" })
}

const text = (cwd: string, name: string) => readFileSync(join(cwd, name), "utf8")

describe("results of two models in one folder", () => {
  it.live("have the names of their own where the format can carry them", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(two)
      const write = (format: string, out: string, ...args: ReadonlyArray<string>) =>
        Effect.map(run(["export", format, "two", "--out", out, ...args], { cwd }), ({ code, stderr }) => {
          assert.deepStrictEqual([code, stderr], [0, ""], format)
          return out.includes(".") ? text(cwd, out) : ""
        })
      assert.deepStrictEqual((yield* write("csv", "a.csv")).trimEnd().split("\r\n").slice(1), [
        "b.bmp,0,background,1,0.25",
        "b.bmp,1,particle,2,0.5",
        "b.bmp,2,scratch,1,0.25",
        "p.webp,0,road,1,0.25",
        "p.webp,1,sky,1,0.25",
        "p.webp,2,tree,2,0.5"
      ])
      const regions = (yield* write("csv", "r.csv", "--regions")).trimEnd().split("\r\n").slice(1)
      assert.deepStrictEqual(
        regions.map((line) => line.split(",").slice(0, 3).join(",")),
        ["b.bmp,1,particle", "b.bmp,2,scratch", "p.webp,0,road", "p.webp,1,sky", "p.webp,2,tree"]
      )
      const runs = (yield* write("rle", "a.jsonl")).trimEnd().split("\n")
      assert.deepStrictEqual(
        runs.map((line) => JSON.parse(line).classes.map(({ name }: { name: string }) => name)),
        [
          ["background", "particle", "scratch"],
          ["road", "sky", "tree"]
        ]
      )
      const { features } = JSON.parse(yield* write("geojson", "a.geojson"))
      assert.deepStrictEqual(
        features.map(({ properties }: { properties: Record<string, unknown> }) => [
          properties["image"],
          properties["className"]
        ]),
        [
          ["b.bmp", "particle"],
          ["b.bmp", "scratch"],
          ["p.webp", "road"],
          ["p.webp", "sky"],
          ["p.webp", "tree"]
        ]
      )
      const tasks: ReadonlyArray<{
        predictions: ReadonlyArray<{ result: ReadonlyArray<{ value: { polygonlabels: Array<string> } }> }>
      }> = JSON.parse(yield* write("labelstudio", "tasks.json", "--shape", "polygon"))
      assert.deepStrictEqual(
        tasks.map(({ predictions }) =>
          predictions[0]?.result.flatMap(({ value }) => value.polygonlabels).sort()
        ),
        [
          ["particle", "scratch"],
          ["road", "sky", "tree"]
        ]
      )
      const declared = [...text(cwd, "labelling.xml").matchAll(/<Label value="(\w+)"/g)].map(
        ([, name]) => name
      )
      assert.deepStrictEqual(declared.sort(), ["particle", "road", "scratch", "sky", "tree"])
      const cvat = yield* write("cvat", "a.xml")
      assert.deepStrictEqual([...cvat.matchAll(/<name>(\w+)</g)].map(([, name]) => name).sort(), [
        "particle",
        "road",
        "scratch",
        "sky",
        "tree"
      ])
      assert.deepStrictEqual([...cvat.matchAll(/<mask label="(\w+)"/g)].map(([, name]) => name).sort(), [
        "particle",
        "road",
        "scratch",
        "sky",
        "tree"
      ])
      yield* write("png", "pictures")
      yield* write("npy", "arrays")
      assert.isTrue(existsSync(join(cwd, "arrays/p.npy")))
    }).pipe(Effect.scoped)
  )

  it.live("are refused where there is one list of classes, and both files are named", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        ...two,
        "truth/b.png": labels(0, 1, 1, 2),
        "truth/p.png": labels(0, 1, 2, 2)
      })
      for (const args of [
        ["export", "coco", "two", "--out", "out/a.json"],
        ["export", "yolo", "two", "--out", "out"],
        ["export", "fiftyone", "two", "--out", "out/a.json"],
        ["eval", "two", "truth"],
        ["eval", "two", "--against", "truth"]
      ]) {
        const { code, stderr, stdout } = yield* run(args, { cwd })
        assert.deepStrictEqual([code, stdout], [2, ""], args.join(" "))
        assert.include(
          stderr,
          'class 0 is "background" in two/b.labels.png and "road" in two/p.labels.png. One list of classes cannot name both'
        )
        assert.include(stderr, "--classes")
      }
      assert.isFalse(existsSync(join(cwd, "out")))
      // Who says what they are is believed.
      writeFileSync(join(cwd, "names.txt"), "void\na\nb\n")
      const { code } = yield* run(["export", "coco", "two", "--classes", "names.txt", "-o", "a.json"], {
        cwd
      })
      assert.strictEqual(code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("are refused where one name has two ids, unless one model has both", () =>
    Effect.gen(function* () {
      const of = (model: string) => ({
        "f/a.labels.png": labels(1, 1),
        "f/a.json": report("a.jpg", "one", { 1: "screen" }),
        "f/b.labels.png": labels(2, 2),
        "f/b.json": report("b.jpg", model, { 2: "Screen" })
      })
      const cwd = yield* folder(of("other"))
      const args = ["export", "coco", "f", "--out", "a.json"]
      const refused = yield* run(args, { cwd })
      assert.strictEqual(refused.code, 2)
      assert.include(refused.stderr, '"screen" is class 1 in f/a.labels.png and class 2 in f/b.labels.png')
      const same = yield* run(args, { cwd: yield* folder(of("one")) })
      assert.deepStrictEqual([same.code, same.stderr], [0, ""])
    }).pipe(Effect.scoped)
  )
})

describe("results of a run", () => {
  it.live("have the names that the run noted, wherever it is asked from, and for scores too", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "in/a.png": Fixtures.image, "in/deep/b.png": Fixtures.image })
      const made = yield* run(["batch", "in", "--out", "found", "--quiet"], { cwd })
      assert.strictEqual(made.code, 0, made.stderr)
      for (const source of ["found", "found/deep", "found/a.png.labels.png"]) {
        const { code, stderr } = yield* run(["export", "coco", source, "--out", "a.json"], { cwd })
        assert.deepStrictEqual([code, stderr], [0, ""], source)
        const { categories } = Result.getOrThrow(Coco.parse(text(cwd, "a.json")))
        const names = categories.map(({ name }) => name)
        assert.deepStrictEqual(names, ["particle", "scratch", "stain", "fiber", "pit"], source)
      }
      yield* run(["export", "npy", "found", "--out", "truth"], { cwd })
      const scores = yield* run(["eval", "found", "truth"], { cwd })
      assert.match(scores.stdout, /^ +background /m)
      // Results of two models, which somebody allowed, have no names in common.
      const path = join(cwd, "found/.segformer/run.json")
      const before = JSON.parse(readFileSync(path, "utf8"))
      const other = { ...before.fingerprint, model: "other" }
      const classes = [{ id: 0, name: "road" }]
      writeFileSync(path, JSON.stringify({ ...before, fingerprint: other, classes }))
      const allowed = yield* run(["batch", "in", "--out", "found", "--quiet", "--allow-change"], { cwd })
      assert.strictEqual(allowed.code, 0, allowed.stderr)
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")).classes, [])
      const again = yield* run(["batch", "in", "--out", "found", "--quiet"], { cwd })
      assert.strictEqual(again.code, 0, again.stderr)
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")).classes, [])
      // A run of before names were noted is told them when it is gone on with.
      const { classes: _, ...old } = before
      writeFileSync(path, JSON.stringify(old))
      yield* run(["batch", "in", "--out", "found", "--quiet"], { cwd })
      assert.deepStrictEqual(JSON.parse(readFileSync(path, "utf8")), before)
    }).pipe(Effect.scoped)
  )

  it.live("are said to have background among them where nobody knows a name", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "f/a.png": labels(0, 1, 1, 2) })
      const said = /background is written as an object.*give --classes/
      const plain = yield* run(["export", "coco", "f", "--out", "a.json"], { cwd })
      assert.strictEqual(plain.code, 0)
      assert.match(plain.stderr, said)
      for (const args of [
        ["coco", "f", "--background"],
        ["csv", "f"],
        ["rle", "f"],
        ["coco", "f", "--classes", "surface"]
      ]) {
        const { code, stderr } = yield* run(["export", ...args, "--out", "o.json"], { cwd })
        assert.deepStrictEqual([code, stderr], [0, ""], args.join(" "))
      }
    }).pipe(Effect.scoped)
  )
})

describe("what stands beside a label map", () => {
  const broken = (bytes: string | undefined) =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "maps/a.labels.png": labels(0, 1),
        ...(bytes === undefined ? {} : { "maps/a.json": new TextEncoder().encode(bytes) })
      })
      const ended = yield* run(["export", "csv", "maps", "--out", "a.csv"], { cwd })
      return { ...ended, lines: ended.stderr.split("\n").filter((line) => line.includes("a.json")) }
    })

  it.live.each(["", "{", "not JSON", "\u0000\u0001", '{"image":"a.png","classes":'])(
    "is told of where it is no JSON: %j",
    (text) =>
      Effect.map(broken(text), ({ code, lines }) => {
        assert.strictEqual(code, 0)
        assert.lengthOf(lines, 1)
        assert.include(lines[0], "maps/a.json beside maps/a.labels.png is not used: it is no JSON")
      })
  )

  it.live.each(['{"image":"a.png","classes":[{"id":"one"}]}', '{"image":7,"classes":[]}'])(
    "and where it is a report that is damaged: %s",
    (text) =>
      Effect.map(broken(text), ({ code, lines }) => {
        assert.strictEqual(code, 0)
        assert.lengthOf(lines, 1)
      })
  )

  it.live.each([undefined, "[]", "7", "{}", '{"shapes":[],"imagePath":"a.png"}'])(
    "is another's otherwise, or nothing: %s",
    (text) => Effect.map(broken(text), ({ code, lines }) => assert.deepStrictEqual([code, lines], [0, []]))
  )
})
