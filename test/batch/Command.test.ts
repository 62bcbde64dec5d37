/** `segformer batch` as a user runs it, with the model in the box. */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { LabelPng } from "effect-segformer/mask"
import { Fixtures } from "effect-segformer/testing"
import { sourceOf } from "../../src/cli/BatchRun.ts"
import { lines, run, start } from "../support/Command.ts"
import { uploadAnswer } from "../http/servers/InspectionServer.ts"
import { eventually } from "../support/Eventually.ts"
import { fill, folder } from "../support/Folder.ts"
import * as TestServer from "../support/TestServer.ts"
import { filesIn } from "./support.ts"

/** The fixture, told apart by bytes behind its end that no decoder looks at. */
const panel = (seed: number): Uint8Array => Uint8Array.of(...Fixtures.image, seed, seed >> 8)

describe("segformer batch", () => {
  it.live("does a folder once, lists what failed, and does that again when it is mended", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "in/a.png": panel(1),
        "in/deep/b.png": panel(2),
        "in/same.png": panel(1),
        "in/text.png": new TextEncoder().encode("no picture")
      })
      const words = ["batch", "in", "--out", "found", "--coco", "--csv", "regions"]
      const first = yield* run(words, { cwd })
      assert.strictEqual(first.code, 1)
      assert.match(first.stderr, /^segformer: in\/text\.png is not an image: it is text/m)
      assert.match(
        first.stdout,
        /^3 images done, 1 of them equal to others, \d+ s\n1 failed: 1 NotAnImage\. Once mended/
      )
      assert.deepStrictEqual(filesIn(join(cwd, "found")), [
        "a.png.labels.png",
        "coco.json",
        "deep/b.png.labels.png",
        "failed.csv",
        "regions.csv",
        "report.html",
        "same.png.labels.png"
      ])
      const known = yield* run(words, { cwd })
      assert.match(
        known.stdout,
        /^0 images done, 3 were done before, 1 had failed, \d+ s\n1 failed: 1 NotAnImage/
      )
      fill(join(cwd, "in"), { "new.png": panel(9) })
      const retried = yield* run([...words, "--retry-failed"], { cwd })
      assert.match(
        retried.stdout,
        /^0 images done, 3 were done before, 1 not tried, as it is new, \d+ s\n1 failed: 1 NotAnImage/
      )
      rmSync(join(cwd, "in/new.png"))
      const labels = Result.getOrThrow(LabelPng.decode(readFileSync(join(cwd, "found", "a.png.labels.png"))))
      assert.deepStrictEqual([labels.width, labels.height], [48, 32])

      // As a list of images it is read without what guards it from spreadsheets.
      const odd = ["=cmd.png", "'=cmd.png", " -x.png", "@a b,c.png", "'plain.png"]
      const bad = new TextEncoder().encode("no image")
      fill(join(cwd, "odd"), Object.fromEntries(odd.map((name) => [name, bad])))
      yield* run(["batch", "odd", "--out", "missed", "--quiet"], { cwd })
      const list = readFileSync(join(cwd, "missed/failed.csv"), "utf8")
      assert.notMatch(list, /^"?\s*[=@-]/m)
      fill(join(cwd, "odd"), { "again.csv": new TextEncoder().encode(list) })
      const listed = yield* run(["batch", "odd/again.csv", "--out", "twice", "--json"], { cwd })
      assert.deepStrictEqual(
        lines(listed.stdout)
          .flatMap((line) => ("image" in line ? [line["image"]] : []))
          .toSorted(),
        odd.toSorted()
      )
      assert.include(listed.stdout, '"failures":{"NotAnImage":5}')

      fill(join(cwd, "in"), { "text.png": panel(3) })
      const second = yield* run([...words, "--retry-failed", "--json"], { cwd })
      assert.strictEqual(second.code, 0, second.stderr)
      const [summary] = lines(second.stdout)
      assert.deepInclude(summary, { done: 4, failed: 0, new: { done: 1, repeated: 0, failed: 0 } })

      const changed = yield* run([...words, "--overlays"], { cwd })
      assert.strictEqual(changed.code, 2)
      assert.match(
        changed.stderr,
        /was begun otherwise: results "overlays" was not there.* or give --allow-change/
      )
      const nowhere = yield* run(["batch", "nowhere", "--out", "x"], { cwd })
      assert.strictEqual(nowhere.code, 2)
      assert.match(nowhere.stderr, /^segformer: there is nothing at nowhere\. Give a folder/m)
      assert.isFalse(existsSync(join(cwd, "x")))
    })
  )

  it.live("ends with 2, before anything is loaded or made, where there are no images", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "empty/.keep": new Uint8Array(),
        "in/a.png": panel(1),
        "in/notes.md": new Uint8Array(),
        "none.csv": new TextEncoder().encode("image\n"),
        "none.txt": new TextEncoder().encode("# nothing yet\n\n")
      })
      const cases: ReadonlyArray<readonly [source: string, said: RegExp]> = [
        ["empty", /^segformer: there are no images in empty: of a folder those are taken that are called so/],
        ["none.csv", /^segformer: there are no images in none\.csv/],
        ["none.txt", /^segformer: there are no images in none\.txt/],
        ["in/*.jpg", /^segformer: nothing matches in\/\*\.jpg$/m],
        ["inn/**/*.png", /^segformer: nothing matches inn\//],
        ["in/[b-z].png", /^segformer: nothing matches/],
        ["in/{x,y}.png", /^segformer: nothing matches/]
      ]
      // A service that is not there, which would be said first.
      const url = "http://127.0.0.1:1"
      for (const [source, said] of cases)
        for (const more of [
          [],
          ["--quiet"],
          ["--json"],
          ["--retry-failed"],
          ["--db", "postgres://127.0.0.1:1/x"]
        ]) {
          const { code, stderr, stdout } = yield* run(
            ["batch", source, "--out", "out", "--url", url, ...more],
            { cwd }
          )
          assert.deepStrictEqual([code, stdout], [2, ""], `${source} ${more.join(" ")}: ${stderr}`)
          assert.match(stderr, said)
        }
      assert.isFalse(existsSync(join(cwd, "out")))
    })
  )

  it.live("finishes what is under way on Ctrl-C, says how to go on, and does", () =>
    Effect.gen(function* () {
      const count = 30
      const cwd = yield* folder(
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`in/${i}.png`, panel(i)]))
      )
      // Answers a few at once, and the others when the command has been told to stop.
      const held: Array<() => void> = []
      let isHolding = true
      let uploads = 0
      const server = yield* TestServer.http(({ path }, response) => {
        const answer = () => TestServer.sendJson(response, uploadAnswer())
        if (path === "/upload" && ++uploads > 3 && isHolding) held.push(answer)
        else answer()
      })
      const words = [
        "batch",
        "in",
        "--out",
        "found",
        "--no-report",
        "--url",
        server.url,
        "--palette",
        "surface"
      ]
      const first = yield* Effect.scoped(
        Effect.gen(function* () {
          const running = yield* start(words, { cwd })
          yield* eventually(() => held.length > 0, "images under way")
          running.process.kill("SIGINT")
          yield* eventually(() => running.stderr().includes("finishing what is under way"))
          isHolding = false
          for (const answer of held) answer()
          return yield* Effect.promise(() => running.ended)
        })
      )
      assert.strictEqual(first.code, 130)
      assert.match(first.stderr, /finishing what is under way; Ctrl-C again drops it/)
      assert.match(first.stderr, /stopped.*\. The same command goes on from here/)
      const labels = filesIn(join(cwd, "found")).filter((name) => name.endsWith(".labels.png"))
      assert.deepStrictEqual([labels.length, labels.length < count], [uploads, true])
      const second = yield* run([...words, "--json"], { cwd })
      assert.strictEqual(second.code, 0)
      // What was under way was finished and noted: nothing is done twice.
      assert.deepInclude(lines(second.stdout)[0], { done: count, skipped: labels.length })
    })
  )

  it.live("takes nothing of its results for images, where they lie within the folder of images", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      // What a service that only paints gives is called as any image may be.
      for (const name of ["a.png", "deep/b.png", "found/a.png.mask.png", "found/in/c.png", "founder/d.png"])
        fill(path, { [name]: panel(1) })
      const at = (below: string) => join(path, below)
      const cases: ReadonlyArray<readonly [word: string, out: string, keys: ReadonlyArray<string>]> = [
        [path, at("found"), ["a.png", "deep/b.png", "founder/d.png"]],
        [`${path}/`, at("deep/../found/"), ["a.png", "deep/b.png", "founder/d.png"]],
        [at("**/*.png"), at("found"), [at("a.png"), at("deep/b.png"), at("founder/d.png")]],
        [at("found/in"), at("found"), ["c.png"]],
        [at("found/i*/*"), at("found"), [at("found/in/c.png")]],
        [at("founder"), at("founder"), ["d.png"]],
        [at("found/a.png.mask.png"), at("found"), [at("found/a.png.mask.png")]]
      ]
      for (const [word, out, keys] of cases) {
        const { items } = yield* sourceOf(word, out)
        const found = yield* Stream.runCollect(items)
        assert.deepStrictEqual(found.map(({ key }) => key).toSorted(), keys, word)
      }
    }).pipe(Effect.provide([NodeFileSystem.layer, FetchHttpClient.layer]))
  )
})
