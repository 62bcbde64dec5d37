/** Two label maps of one image: told, and never taken for two images or one of them in silence. */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelPng } from "effect-segformer/mask"
import { run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

const labels = (...ids: ReadonlyArray<number>): Uint8Array =>
  Result.getOrThrow(LabelPng.encode({ width: ids.length, height: 1, data: Uint8Array.from(ids) }))
const report = (image: string): string =>
  JSON.stringify({ image, model: "m", classes: [{ id: 1, name: "pit" }], regions: [] })
const runFile = JSON.stringify({ version: 1, fingerprint: {}, classes: [{ id: 1, name: "pit" }] })

/** The images of a table that is exported. */
const exported = Effect.fnUntraced(function* (
  files: Readonly<Record<string, Uint8Array | string>>,
  ...words: ReadonlyArray<string>
) {
  const cwd = yield* folder(files)
  const { code, stderr } = yield* run(["export", "csv", ...words, "--out", "a.csv"], { cwd })
  const out = join(cwd, "a.csv")
  const rows = existsSync(out) ? readFileSync(out, "utf8").trimEnd().split("\r\n").slice(1) : []
  return { code, stderr, images: rows.map((row) => row.split(",")[0]) }
})

const segmented = {
  "found/one.labels.png": labels(1),
  "found/one.json": report("photos/one.png"),
  "found/deep/two.labels.png": labels(1),
  "found/deep/two.json": report("photos/deep/two.png")
}
const batched = {
  "found/.segformer/run.json": runFile,
  "found/one.png.labels.png": labels(1),
  "found/deep/two.png.labels.png": labels(1)
}

describe("two label maps of one image", () => {
  it.live("are refused where `segment` and `batch` wrote into one folder", () =>
    Effect.gen(function* () {
      const both = yield* exported({ ...segmented, ...batched }, "found")
      assert.deepStrictEqual([both.code, both.images], [2, []])
      assert.match(
        both.stderr,
        /^segformer: found\/deep\/two\.labels\.png and found\/deep\/two\.png\.labels\.png are both of the image two\.png\. Take the results of one command/m
      )
      // Those of one are no more than those.
      for (const glob of ["found/**/*.png.labels.png", "found/**/[a-z][a-z][a-z].labels.png"]) {
        const one = yield* exported({ ...segmented, ...batched }, glob)
        assert.deepStrictEqual([one.code, one.images.toSorted()], [0, ["deep/two.png", "one.png"]], glob)
      }
      const named = yield* exported(
        { ...segmented, ...batched },
        "found/one.labels.png",
        "found/one.png.labels.png"
      )
      assert.strictEqual(named.code, 2)
      const reports = yield* exported(
        { ...segmented, "other/one.labels.png": labels(1), "other/one.json": report("photos/one.png") },
        "found",
        "other"
      )
      assert.strictEqual(reports.code, 2)
      assert.match(
        reports.stderr,
        /found\/one\.labels\.png and other\/one\.labels\.png are both of the image one\.png\. Take/
      )
    }).pipe(Effect.scoped)
  )

  it.live("are the image and its result where one is called as the other's image, which is told", () =>
    Effect.gen(function* () {
      for (const [files, image, said] of [
        [
          { "f/one.png": labels(9), "f/one.labels.png": labels(1) },
          "one.png",
          "f/one.png is left out beside f/one.labels.png"
        ],
        [
          { "f/one.png": labels(9), "f/one.png.labels.png": labels(1) },
          "one.png",
          "f/one.png is left out beside f/one.png.labels.png"
        ],
        [
          { "f/one.npy": "", "f/one.labels.png": labels(1) },
          "one.png",
          "f/one.npy is left out beside f/one.labels.png"
        ],
        [
          { "f/one.PNG": labels(9), "f/one.png": labels(1) },
          "one.png",
          "f/one.png is left out beside f/one.PNG"
        ]
      ] as const) {
        const { code, images, stderr } = yield* exported(files, "f")
        assert.deepStrictEqual([code, images], [0, [image]], stderr)
        assert.include(stderr, said)
      }
      const many = {
        "f/a.png": labels(9),
        "f/a.labels.png": labels(1),
        "f/b.png": labels(9),
        "f/b.labels.png": labels(1)
      }
      assert.match((yield* exported(many, "f")).stderr, /of that name; so is 1 more\n/)
      // In a comparison as well.
      const cwd = yield* folder({ ...many, "t/a.png": labels(1), "t/b.png": labels(1) })
      const scored = yield* run(["eval", "f", "t", "--json"], { cwd })
      assert.deepStrictEqual([scored.code, JSON.parse(scored.stdout).meanIou], [0, 1])
      assert.include(scored.stderr, "f/a.png is left out beside f/a.labels.png")
    }).pipe(Effect.scoped)
  )

  it.live("are none where their images are two, whatever they are called", () =>
    Effect.gen(function* () {
      // Ids of a list, one of which is the other with an ending.
      const ids = { "found/a.labels.labels.png": labels(1), "found/a.labels.png.labels.png": labels(1) }
      const run = { ...ids, "found/.segformer/run.json": runFile }
      assert.deepStrictEqual((yield* exported(run, "found")).images, ["a.labels", "a.labels.png"])
      const endings = { "found/a.jpg.labels.png": labels(1), "found/a.png.labels.png": labels(1) }
      assert.deepStrictEqual((yield* exported(endings, "found")).images, ["a.jpg", "a.png"])
      const folders = { "x/a.png.labels.png": labels(1), "y/a.png.labels.png": labels(1) }
      assert.deepStrictEqual((yield* exported(folders, "x", "y")).images, ["a.png", "y/a.png"])
      const plain = { "x/a.png": labels(1), "y/a.png": labels(1) }
      assert.deepStrictEqual((yield* exported(plain, "x", "y")).images, ["a.png", "y/a.png"])
    }).pipe(Effect.scoped)
  )

  it.live("of a run are called as the run calls them, of others as their files are", () =>
    Effect.gen(function* () {
      const odd = {
        "found/100%25.png.labels.png": labels(1),
        "found/a%3Ab.png.labels.png": labels(1),
        "found/%2Ehidden.png.labels.png": labels(1)
      }
      const run = { ...odd, "found/.segformer/run.json": runFile }
      assert.deepStrictEqual((yield* exported(run, "found")).images.toSorted(), [
        ".hidden.png",
        "100%.png",
        "a:b.png"
      ])
      // Of `segment` the report says it, with letters that end folders elsewhere.
      const letters = { "f/a\\b.labels.png": labels(1), "f/a\\b.json": report("in/a\\b.jpg") }
      assert.deepStrictEqual((yield* exported(letters, "f")).images, ["a\\b.jpg"])
      const windows = { "f/b.labels.png": labels(1), "f/b.json": report("in\\deep\\b.jpg") }
      assert.deepStrictEqual((yield* exported(windows, "f")).images, ["b.jpg"])
      assert.deepStrictEqual((yield* exported(odd, "found")).images.toSorted(), [
        "%2Ehidden.png",
        "100%25.png",
        "a%3Ab.png"
      ])
    }).pipe(Effect.scoped)
  )

  it.live("are found by YOLO by the names of their images, or that is told", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "found/.segformer/run.json": runFile,
        "found/100%25.png.labels.png": labels(1),
        "found/deep/a%3Ab.jpg.labels.png": labels(1),
        "found/%2E%2E.jpg.labels.png": labels(1),
        "found/v1.2.jpg.labels.png": labels(1),
        "found/noend.labels.png": labels(1),
        "both/a.jpg.labels.png": labels(1),
        "both/a.png.labels.png": labels(1),
        "both/b.png.labels.png": labels(1)
      })
      const one = yield* run(["export", "yolo", "found", "--out", "one"], { cwd })
      assert.deepStrictEqual([one.code, one.stderr], [0, ""])
      assert.deepStrictEqual(names(join(cwd, "one")), [
        "%2E%2E.txt",
        "100%.txt",
        "data.yaml",
        "deep",
        "noend.txt",
        "v1.2.txt"
      ])
      assert.deepStrictEqual(names(join(cwd, "one/deep")), ["a:b.txt"])
      const both = yield* run(["export", "yolo", "both", "--out", "two"], { cwd })
      assert.match(
        both.stderr,
        /^segformer: a\.jpg and 1 more have the name of another image but for its ending/m
      )
      assert.deepStrictEqual(names(join(cwd, "two")), ["a.jpg.txt", "a.png.txt", "b.txt", "data.yaml"])
    }).pipe(Effect.scoped)
  )
})
