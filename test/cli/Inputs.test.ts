import { mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import * as Inputs from "../../src/cli/Inputs.ts"
import { changed, changedFile, failure } from "../files/support.ts"
import { serve } from "../server/support.ts"
import { lines, run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

const bases = (words: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { images } = yield* Inputs.expand(words, yield* folder({}))
    return images.map(({ base }) => base)
  }).pipe(Effect.provide(NodeServices.layer))

const empty = (paths: ReadonlyArray<string>) => folder(Object.fromEntries(paths.map((path) => [path, ""])))

describe("names of results", () => {
  it.live("keep the folders between an image and the folder or pattern that it was found by", () =>
    Effect.gen(function* () {
      const root = yield* empty(["b.png", "a/x.png", "a/deep/x.png", "a-b/x.jpg", "c/x.tif"])
      assert.deepStrictEqual(yield* bases([root]), ["a/deep/x", "a/x", "a-b/x", "b", "c/x"])
      assert.deepStrictEqual(yield* bases([`${root}/a/`]), ["deep/x", "x"])
      assert.deepStrictEqual(yield* bases([`${root}/a*/**/*.{png,jpg}`]), ["a/deep/x", "a/x", "a-b/x"])
      assert.deepStrictEqual(yield* bases([join(root, "a/x.png"), join(root, "c/x.tif")]), ["x", "x-2"])
    })
  )

  it.live("of two folders with images of one name, the second says where its own are", () =>
    Effect.gen(function* () {
      const root = yield* empty(["a/x.png", "a/X.JPG", "b/x.png", "b/y.png"])
      const below = root.replace(/^\//, "")
      const found = yield* bases([join(root, "a"), join(root, "b")])
      assert.deepStrictEqual(found, ["X", `${below}/a/x`, `${below}/b/x`, "y"])
    })
  )

  it.live("are cut between letters to bytes that every system takes, and stay apart", () =>
    Effect.gen(function* () {
      const letters = ["あ".repeat(83), "é".repeat(120), "😀".repeat(60), `e${"\u0301".repeat(120)}`]
      const root = yield* empty(letters.flatMap((name) => [`${name}.jpg`, `${name}.png`]))
      const found = yield* bases([root])
      assert.strictEqual(new Set(found).size, 8)
      for (const base of found) {
        assert.isAtMost(Buffer.byteLength(base + Inputs.overlayEnding), 255)
        assert.notMatch(base, /\p{Cs}/u)
      }
      const odd = yield* empty(["con.png", "NUL.jpg", "a:b?.png", "tail. .png", "%2e%2e%2fup.png"])
      assert.deepStrictEqual(yield* bases([odd]), ["%2e%2e%2fup", "_NUL", "a:b?", "_con", "tail"])
    })
  )

  it.live("letters that some systems write in two ways are one", () =>
    Effect.gen(function* () {
      const place = yield* folder({})
      const words = ["caf\u00e9.png", "cafe\u0301.png", "CAF\u00c9.png"].map((name) => join(place, name))
      assert.deepStrictEqual(yield* bases(words), ["caf\u00e9", "cafe\u0301-2", "CAF\u00c9-3"])
    })
  )

  it.live("ten thousand files of one name are looked up once each, not as often as there are such", () =>
    Effect.gen(function* () {
      const place = yield* folder({})
      const words = Array.from({ length: 10_000 }, (_, i) => join(place, `${i}/x.png`))
      const has = vi.spyOn(Set.prototype, "has")
      const found = yield* bases(words)
      const asked = has.mock.calls.length
      has.mockRestore()
      assert.deepStrictEqual([found[0], found[1], found[9_999]], ["x", "x-2", "x-10000"])
      assert.isBelow(asked, 30 * words.length)
    })
  )
})

describe("a result that cannot be written", () => {
  it.live("fails that image alone", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder({
        "in/a.png": Fixtures.image,
        "in/b.png": Fixtures.image,
        "in/c.png": Fixtures.image
      })
      mkdirSync(join(cwd, "out", "b.labels.png"), { recursive: true })
      const { code, stderr, stdout } = yield* run(["segment", "in", "--url", url, "--out", "out", "--json"], {
        cwd
      })
      assert.strictEqual(code, 1)
      assert.match(stderr, /Cannot write out\/b\.labels\.png: a folder stands in its place/)
      const [a, b, c] = lines(stdout).toSorted((one, other) =>
        String(one["image"]) < String(other["image"]) ? -1 : 1
      )
      assert.deepStrictEqual([a?.["image"], c?.["image"]], ["in/a.png", "in/c.png"])
      assert.deepInclude(b?.["error"], { tag: "NotWritten" })
      assert.deepStrictEqual(
        names(join(cwd, "out")).filter((name) => name.endsWith(".json")),
        ["a.json", "c.json"]
      )
    }).pipe(Effect.scoped)
  )

  it.live.each([
    { command: "segment", part: 5 },
    { command: "batch", part: 2 }
  ])(
    "on a disk that is full for a while is of that image alone in segment, and ends batch: $command",
    ({ command, part }) =>
      Effect.gen(function* () {
        const { url } = yield* serve()
        // No two have the same bytes, which a batch would do once.
        const own = (last: number) => Uint8Array.of(...Fixtures.image, last)
        const cwd = yield* folder({ "in/a.png": own(1), "in/b.png": own(2), "in/c.png": own(3) })
        let parts = 0
        // Of the file that meets it half is written before the disk is full.
        const files = changed((fs) => ({
          open: (path, options) =>
            Effect.map(fs.open(path, options), (file) => {
              if (!path.endsWith(".part") || ++parts !== part) return file
              const writeAll = (bytes: Uint8Array) =>
                Effect.andThen(
                  file.writeAll(bytes.subarray(0, bytes.length / 2)),
                  Effect.fail(failure("ENOSPC"))
                )
              return changedFile(file, { writeAll })
            })
        }))
        const args = [command, "in", "--url", url, "--out", "out", "--json", "--concurrency", "1"]
        const { code, stderr, stdout } = yield* run(args, { cwd, files })
        assert.strictEqual(code, 1, stderr)
        const failed = lines(stdout).filter((line) => "error" in line)
        if (command === "batch") {
          assert.deepStrictEqual(failed, [])
          assert.match(
            stderr,
            /^segformer: The results of "labels" cannot be written to out: no space left on the disk\. The run ends there.*the same command goes on from here\n$/
          )
          const left = readdirSync(join(cwd, "out"), { recursive: true }).map(String)
          assert.isTrue(left.every((one) => !/\.part$|failed\.csv$/.test(one)))
          const again = yield* run(args, { cwd })
          assert.strictEqual(again.code, 0, again.stderr)
          assert.deepInclude(lines(again.stdout)[0], { done: 3, failed: 0, missing: 0 })
          return
        }
        assert.strictEqual(failed.length, 1, stdout)
        const told = JSON.stringify(failed[0])
        assert.include(told, "no space left on the disk")
        const [, bad] = /"image":"(?:in\/)?([abc])\.png"/.exec(told) ?? []
        assert.isDefined(bad, told)
        const left = readdirSync(join(cwd, "out"), { recursive: true }).map(String)
        const ofImage = (name: string | undefined) =>
          left.filter((one) => one.split("/").at(-1)?.startsWith(`${name}.`))
        assert.deepStrictEqual([...ofImage(bad), ...left.filter((one) => one.endsWith(".part"))], [])
        for (const good of ["a", "b", "c"].filter((name) => name !== bad))
          assert.isTrue(
            ofImage(good).some((one) => one.endsWith(".labels.png")),
            `${good} of ${left}`
          )
      }).pipe(Effect.scoped)
  )
})
