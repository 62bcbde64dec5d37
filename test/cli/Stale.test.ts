/** What an earlier run wrote beside what this one writes: gone, or told. */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ClassTable, LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import { serve } from "../server/support.ts"
import { run } from "../support/Command.ts"
import { fill, folder, names } from "../support/Folder.ts"

const labels = (ids: ReadonlyArray<number>, ...names: ReadonlyArray<string>): Uint8Array =>
  Result.getOrThrow(
    LabelPng.encode(
      { width: ids.length, height: 1, data: Uint8Array.from(ids) },
      { classes: ClassTable.fromNames(names) }
    )
  )

describe("what an earlier run wrote", () => {
  it.live("of images that agree now is gone, and of images that are not compared is told", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "one/a.png": labels([0, 1]),
        "one/b.png": labels([0, 1]),
        "one/deep/c.png": labels([0, 1]),
        "two/a.png": labels([1, 1]),
        "two/b.png": labels([1, 1]),
        "two/deep/c.png": labels([1, 1]),
        "out/notes.txt": "mine",
        "out/mine.png": "mine"
      })
      const compare = run(["eval", "one", "--against", "two", "--out", "out"], { cwd })
      assert.deepStrictEqual((yield* compare).stderr, "")
      const pictures = (name: string) => [`${name}.difference.png`, `${name}.differs.png`]
      assert.deepStrictEqual(names(join(cwd, "out")), [
        ...pictures("a"),
        ...pictures("b"),
        "deep",
        "mine.png",
        "notes.txt"
      ])
      fill(cwd, { "two/a.png": labels([0, 1]) })
      assert.deepStrictEqual((yield* compare).stderr, "")
      assert.deepStrictEqual(names(join(cwd, "out")), [...pictures("b"), "deep", "mine.png", "notes.txt"])
      const less = yield* run(["eval", "one/deep", "--against", "two/deep", "--out", "out"], { cwd })
      assert.match(
        less.stderr,
        /^segformer: out\/b\.differ\w+\.png and 3 more are of an earlier comparison: this one says nothing of them\n$/
      )
      assert.isTrue(existsSync(join(cwd, "out/c.differs.png")))
    }).pipe(Effect.scoped)
  )

  it.live("is told where its classes have other numbers", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "one/a.labels.png": labels([0, 1], "background", "pit"),
        "one/b.labels.png": labels([0, 1], "background", "pit"),
        "two/a.labels.png": labels([0, 2], "background", "dust", "pit")
      })
      const write = (from: string) => run(["export", "yolo", from, "--out", "out"], { cwd })
      assert.strictEqual((yield* write("one")).stderr, "")
      assert.strictEqual((yield* write("one/a.labels.png")).stderr, "")
      assert.match(
        (yield* write("two")).stderr,
        /^segformer: out\/data\.yaml was of other classes, and out\/b\.txt beside it still has their numbers: export into an empty folder\n$/
      )
      assert.match(readFileSync(join(cwd, "out/a.txt"), "utf8"), /^1 /)
    }).pipe(Effect.scoped)
  )

  it.live("is no label map of a report of another", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const cwd = yield* folder({ "a.png": Fixtures.image })
      const args = ["segment", "a.png", "--url", server.url, "--out", "out", "--quiet"]
      const first = yield* run([...args, "--palette", "surface"], { cwd })
      assert.strictEqual(first.code, 0, first.stderr)
      assert.isTrue(existsSync(join(cwd, "out/a.labels.png")))
      const second = yield* run(args, { cwd })
      assert.strictEqual(second.code, 0, second.stderr)
      assert.deepStrictEqual(names(join(cwd, "out")), ["a.json", "a.overlay.png"])
    }).pipe(Effect.scoped)
  )

  it.live("of an image of the same name goes with what it was asked for", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder({
        "a.png": Fixtures.image,
        "a.webp": Fixtures.image,
        "out/a.other.png": "mine"
      })
      const segment = (...args: ReadonlyArray<string>) =>
        run(["segment", ...args, "--url", url, "--out", "out", "--quiet"], { cwd })
      const asked = ["--cut-out", "scratch", "--blur", "particle"]
      const plain = ["a.json", "a.labels.png", "a.other.png", "a.overlay.png"]
      const all = [...plain, "a.cut-out.png", "a.hidden.png"].toSorted()
      for (const next of [["a.png"], ["a.webp"]]) {
        const first = yield* segment("a.png", ...asked)
        assert.strictEqual(first.code, 0, first.stderr)
        assert.deepStrictEqual(names(join(cwd, "out")), all)
        const second = yield* segment(...next)
        assert.strictEqual(second.code, 0, second.stderr)
        assert.deepStrictEqual(names(join(cwd, "out")), plain)
      }
    }).pipe(Effect.scoped)
  )

  it.live("of a folder is spared by a page, or named", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "site/index.html": "<!doctype html><title>mine</title>",
        "mixed/index.html": '<html data-local="./offline.js">',
        "mixed/notes.txt": "mine",
        "mixed/deep/a.txt": "mine",
        "mixed/page/0/main.js": "",
        "mixed/.nojekyll": ""
      })
      const page = (out: string) => run(["page", "--out", out, "--model", "./nowhere"], { cwd })
      const other = yield* page("site")
      assert.deepStrictEqual(
        [other.code, other.stderr],
        [
          2,
          "segformer: site/index.html is no page of this command, and would be replaced: give another --out\n"
        ]
      )
      assert.match(
        (yield* page("mixed")).stderr,
        /^segformer: mixed holds what is no part of the page, which a host would give out with it: deep, notes\.txt\n/
      )
      assert.notMatch((yield* page("new")).stderr, /no part of the page/)
    }).pipe(Effect.scoped)
  )

  it.live("of all images of a run is told where this one does not write it", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder({ "in/a.png": Fixtures.image, "out/notes.csv": "mine" })
      const args = ["batch", "in", "--url", url, "--out", "out", "--quiet"]
      const first = yield* run([...args, "--coco", "--csv", "regions"], { cwd })
      assert.deepStrictEqual([first.code, first.stderr], [0, ""])
      const again = yield* run([...args, "--no-report", "--allow-change"], { cwd })
      assert.deepStrictEqual(
        [again.code, again.stderr],
        [
          0,
          "segformer: this run does not write out/report.html, out/coco.json, out/regions.csv, and what is there is of before: remove it, or ask for it again\n"
        ]
      )
      rmSync(join(cwd, "out/coco.json"))
      const asked = yield* run([...args, "--csv", "regions", "--allow-change"], { cwd })
      assert.deepStrictEqual([asked.code, asked.stderr], [0, ""])
    }).pipe(Effect.scoped)
  )
})
