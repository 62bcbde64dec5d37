import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelMap, LabelPng, Metrics, Npy } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import * as fc from "fast-check"
import { labelMaps } from "../mask/support.ts"
import { lines, run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

const png = (map: LabelMap.LabelMap): Uint8Array => Result.getOrThrow(LabelPng.encode(map))
const row = (...ids: ReadonlyArray<number>): LabelMap.LabelMap =>
  LabelMap.makeUnsafe({ width: ids.length, height: 1, data: Uint8Array.from(ids) })

/** A folder with `found` and `truth` in it. */
const folders = (found: Readonly<Record<string, Uint8Array>>, truth: Readonly<Record<string, Uint8Array>>) =>
  Effect.tap(folder(), (path) =>
    Effect.sync(() => {
      for (const [name, files] of Object.entries({ found, truth })) {
        mkdirSync(join(path, name))
        for (const [file, bytes] of Object.entries(files)) {
          mkdirSync(join(path, name, file, ".."), { recursive: true })
          writeFileSync(join(path, name, file), bytes)
        }
      }
    })
  )

/** The example of `mean_iou` in Hugging Face's `evaluate`. */
const evaluateExample = [
  { prediction: ["1 2", "3 4", "5 255"], truth: ["0 3", "5 4", "6 255"] },
  { prediction: ["2 7", "9 2", "3 6"], truth: ["1 7", "9 2", "3 6"] },
  { prediction: ["2 2 3", "8 2 4", "3 255 2"], truth: ["1 2 2", "8 2 1", "3 255 1"] }
]
const grid = (rows: ReadonlyArray<string>) => {
  const ids = rows.map((row) => row.split(" ").map(Number))
  return png({ width: ids[0]!.length, height: ids.length, data: Uint8Array.from(ids.flat()) })
}

describe("segformer eval", () => {
  it.live("gives the scores of the sums over all images, as the metrics do", () =>
    Effect.gen(function* () {
      const truths = fc.sample(labelMaps({ classes: 4 }), { numRuns: 6, seed: 3 })
      const pairs = truths.map((truth, k) => ({
        truth,
        prediction: {
          ...truth,
          data: truth.data.map((id, i) => ((i * 31 + k) % 5 === 0 ? (id + 1) % 4 : id))
        }
      }))
      const confusion = Metrics.make(5)
      for (const pair of pairs) Metrics.add(confusion, pair)
      const expected = Metrics.scores(confusion)
      const cwd = yield* folders(
        Object.fromEntries(pairs.map(({ prediction }, i) => [`${i}.labels.png`, png(prediction)])),
        Object.fromEntries(pairs.map(({ truth }, i) => [`${i}.png`, png(truth)]))
      )
      writeFileSync(join(cwd, "names.txt"), "background\npit\nscratch\nstain\nnever\n")
      const args = ["eval", "found", "truth", "--classes", "names.txt"]
      const { code, stderr, stdout } = yield* run([...args, "--json"], { cwd })
      assert.deepStrictEqual([code, stderr], [0, ""])
      const found = JSON.parse(stdout)
      assert.strictEqual(found.images, 6)
      assert.strictEqual(found.meanIou, expected.meanIou)
      assert.strictEqual(found.overallAccuracy, expected.overallAccuracy)
      assert.strictEqual(found.frequencyWeightedIou, expected.frequencyWeightedIou)
      assert.deepStrictEqual(
        found.classes.map((own: { iou: number | null }) => own.iou ?? undefined),
        expected.classes.map(({ iou }) => iou)
      )
      assert.deepStrictEqual(found.classes[4], {
        id: 4,
        name: "never",
        truth: 0,
        predicted: 0,
        iou: null,
        boundaryIou: null,
        dice: null,
        precision: null,
        recall: null
      })
      const table = yield* run(args, { cwd })
      assert.match(table.stdout, /^6 images, /)
      assert.match(table.stdout, /class +pixels +IoU +Dice +precision +recall\n/)
      assert.include(table.stdout, `mean IoU`)
      assert.include(table.stdout, expected.meanIou!.toFixed(4))
      assert.notInclude(table.stdout, "never")
    }).pipe(Effect.scoped)
  )

  it.live("scores the known example of evaluate's mean_iou, with and without a table of classes", () =>
    Effect.gen(function* () {
      const cwd = yield* folders(
        Object.fromEntries(evaluateExample.map(({ prediction }, i) => [`${i}.png`, grid(prediction)])),
        Object.fromEntries(evaluateExample.map(({ truth }, i) => [`${i}.png`, grid(truth)]))
      )
      const ten = JSON.stringify(Array.from({ length: 10 }, (_, i) => `class ${i}`))
      writeFileSync(join(cwd, "classes.json"), ten)
      for (const classes of [[], ["--classes", "classes.json"]]) {
        const { stdout } = yield* run(["eval", "found", "truth", "--json", ...classes], { cwd })
        const found = JSON.parse(stdout)
        assert.closeTo(found.meanIou, 0.4775, 1e-4)
        assert.closeTo(found.meanAccuracy, 0.59166, 1e-5)
        assert.closeTo(found.overallAccuracy, 0.526315, 1e-6)
      }
    }).pipe(Effect.scoped)
  )

  it.live("goes on after files that cannot be scored, lists each, and ends with 1", () =>
    Effect.gen(function* () {
      const good = png(row(0, 1, 1))
      const cwd = yield* folders(
        { "good.png": good, "sub/deep.png": good, "alone.png": good, "size.png": good, "broken.png": good },
        {
          "good.png": good,
          "sub/deep.labels.png": good,
          "missed.png": good,
          "size.png": png(row(0, 1)),
          "broken.png": good.subarray(0, 40)
        }
      )
      const { code, stderr, stdout } = yield* run(["eval", "found", "truth", "--json"], { cwd })
      assert.strictEqual(code, 1)
      const complaints = stderr.trimEnd().split("\n")
      assert.strictEqual(complaints.length, 4, stderr)
      assert.match(stderr, /segformer: alone: it has no match in truth\n/)
      assert.match(stderr, /segformer: missed: it has no match in found\n/)
      assert.match(stderr, /segformer: size: the prediction is 3 x 1 pixels, the truth 2 x 1\n/)
      assert.match(stderr, /segformer: broken: the truth \S+broken\.png: /)
      const [found] = lines(stdout)
      assert.strictEqual(found?.["images"], 2)
      assert.strictEqual(found?.["meanIou"], 1)
      assert.strictEqual(Array.isArray(found?.["leftOut"]) && found["leftOut"].length, 4)
    }).pipe(Effect.scoped)
  )

  it.live("reduces labels, ignores an id, and reads NumPy arrays", () =>
    Effect.gen(function* () {
      const cwd = yield* folders(
        { "a.npy": Npy.fromLabelMap(row(0, 1, 1, 0)) },
        { "a.png": png(row(1, 2, 0, 7)) }
      )
      const args = ["eval", "found", "truth", "--reduce-labels", "--ignore", "7", "--json"]
      const [found] = lines((yield* run(args, { cwd })).stdout)
      assert.deepInclude(found, { pixels: 2, meanIou: 1 })
    }).pipe(Effect.scoped)
  )

  it.live("writes a page with pictures of the worst images, which needs no other file", () =>
    Effect.gen(function* () {
      const map = { width: 48, height: 32, data: new Uint8Array(1536).fill(5, 300, 340) }
      const other = { ...map, data: map.data.map((id, i) => (i % 48 < 10 ? 2 : id)) }
      const cwd = yield* folders(
        { "good.png": png(map), "bad<b>.png": png(other) },
        { "good.png": png(map), "bad<b>.png": png(map) }
      )
      mkdirSync(join(cwd, "photos"))
      writeFileSync(join(cwd, "photos", "good.png"), Fixtures.image)
      const args = ["eval", "found", "truth", "--classes", "surface", "--boundary", "--worst", "2"]
      const { code, stdout } = yield* run([...args, "--html", "out/report.html", "--images", "photos"], {
        cwd
      })
      assert.strictEqual(code, 0)
      assert.match(stdout, /The report is out\/report\.html\n$/)
      assert.deepStrictEqual(names(join(cwd, "out")), ["report.html"])
      const html = readFileSync(join(cwd, "out", "report.html"), "utf8")
      assert.isBelow(html.indexOf("bad&lt;b&gt;"), html.indexOf("<h3>good</h3>"))
      assert.strictEqual(html.match(/<img src="data:image\/png;base64,/g)?.length, 3)
      assert.strictEqual(html.match(/<img src="data:image\/jpeg;base64,/g)?.length, 4)
      assert.notMatch(html, /(src|href)="(?!data:)/)
      assert.include(html, "boundary IoU")
    }).pipe(Effect.scoped)
  )

  it.live("says what is wrong with a command line, and ends with 2", () =>
    Effect.gen(function* () {
      const cwd = yield* folders({ "a.png": png(row(0)) }, { "a.png": png(row(0)) })
      writeFileSync(join(cwd, "wrong.json"), "{")
      const cases: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
        [["eval", "found"], /Missing/],
        [["eval", "found", "nowhere"], /cannot list nowhere/],
        [["eval", "found", "truth", "--classes", "nothing"], /--classes nothing: there is no such file/],
        [["eval", "found", "truth", "--classes", "wrong.json"], /it is JSON, but/],
        [["eval", "found", "truth", "--ignore", "-1"], /ignore/]
      ]
      for (const [args, says] of cases) {
        const { code, stderr } = yield* run(args, { cwd })
        assert.strictEqual(code, 2, args.join(" "))
        assert.match(stderr, says)
      }
      mkdirSync(join(cwd, "empty"))
      const empty = yield* run(["eval", "empty", "empty"], { cwd })
      assert.strictEqual(empty.code, 1)
      assert.match(empty.stderr, /there are no label PNGs/)
    }).pipe(Effect.scoped)
  )
})
