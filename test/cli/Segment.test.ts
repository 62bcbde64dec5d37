import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ConnectionFailed, ImageSource } from "effect-segformer"
import { ImageHeader } from "effect-segformer/image"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import { RoboflowDialect } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { serve } from "../server/support.ts"
import { bmp } from "../image/samples.ts"
import { closedPort, http } from "../support/TestServer.ts"
import { lines, run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

const text = new TextEncoder().encode("this is no image")

/** Panels of one colour with one defect are enough here: the service finds the fixture's defects in each. */
const images = { "a.png": Fixtures.image, "b.png": Fixtures.image }

describe("segformer segment", () => {
  it.live("segments an image with the model in the box, and says where the overlay is", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(images)
      const { code, stderr, stdout } = yield* run(["segment", "a.png"], { cwd })
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0)
      assert.match(stdout, /^a\.png, 48 × 32 pixels, /)
      assert.match(stdout, /class +pixels +share +regions\n/)
      assert.match(stdout, /background +[\d,]+ +[\d.]+ %\n/)
      assert.match(stdout, /The overlay is segformer-out\/a\.overlay\.png\n$/)
      const out = join(cwd, "segformer-out")
      assert.deepStrictEqual(names(out), ["a.json", "a.labels.png", "a.overlay.png"])
      const overlay = ImageHeader.parse(readFileSync(join(out, "a.overlay.png")))
      assert.deepInclude(overlay, { format: "png", width: 48, height: 32 })
      const report = JSON.parse(readFileSync(join(out, "a.json"), "utf8"))
      const labels = Result.getOrThrow(LabelPng.decode(readFileSync(join(out, "a.labels.png"))))
      const counted = report.classes.map((info: { id: number; pixels: number }) => [info.id, info.pixels])
      assert.deepStrictEqual(counted, [...LabelMap.histogram(labels)])
    }).pipe(Effect.scoped)
  )

  it.live("asks a service in the protocol that the environment names, and says what a protocol lacks", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(undefined, { dialects: [RoboflowDialect.make()] })
      const cwd = yield* folder({ "a.png": Fixtures.image })
      const args = ["segment", "a.png", "--url", url, "--json"]
      const env = { SEGFORMER_PROTOCOL: "roboflow", SEGFORMER_MODEL: "segformer/1", SEGFORMER_API_KEY: "k" }
      const { code, stdout } = yield* run(args, { cwd, env })
      assert.strictEqual(code, 0)
      assert.deepInclude(lines(stdout)[0], { width: 48, height: 32 })
      const lacking = yield* run(args, { cwd, env: { SEGFORMER_PROTOCOL: "roboflow" } })
      assert.strictEqual(lacking.code, 2)
      assert.match(lacking.stderr, /SEGFORMER_MODEL is not set/)
      const spoken = yield* run(["health", "--url", url], { env: { SEGFORMER_PROTOCOL: "morse" } })
      assert.match(spoken.stderr, /SEGFORMER_PROTOCOL is "morse", but must be one of/)
    }).pipe(Effect.scoped)
  )

  it.live("takes files, folders, globs, addresses and standard input, each image once", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const web = yield* http((_, response) => void response.end(Fixtures.image))
      const cwd = yield* folder({ ...images, "notes.txt": text })
      mkdirSync(join(cwd, "line", "deep"), { recursive: true })
      writeFileSync(join(cwd, "line", "c.PNG"), Fixtures.image)
      writeFileSync(join(cwd, "line", "deep", "d.png"), Fixtures.image)
      symlinkSync(join(cwd, "line"), join(cwd, "line", "deep", "loop"))
      writeFileSync(join(cwd, "line", "notes.txt"), text)
      const args = ["a.png", "./a.png", "line/", "{a,b}.png", `${web.url}/panels/e%20f.png?key=1`, "-"]
      const { code, stderr, stdout } = yield* run(["segment", ...args, "--url", url, "--json", "-c", "1"], {
        cwd,
        stdin: Fixtures.image
      })
      assert.deepStrictEqual([code, stderr], [0, ""])
      assert.deepStrictEqual(
        lines(stdout).map((line) => line["image"]),
        ["a.png", "line/c.PNG", "line/deep/d.png", "b.png", `${web.url}/panels/e%20f.png?key=1`, "-"]
      )
      assert.deepStrictEqual(
        names(join(cwd, "segformer-out")).filter((name) => name.endsWith(".labels.png")),
        ["a.labels.png", "b.labels.png", "c.labels.png", "e f.labels.png", "stdin.labels.png"]
      )
      assert.include(names(join(cwd, "segformer-out", "deep")), "d.labels.png")
      // A second run over the same folder does not segment its own results.
      const again = yield* run(["segment", ".", "--url", url, "--json", "-q"], { cwd })
      assert.strictEqual(lines(again.stdout).length, 4)
    }).pipe(Effect.scoped)
  )

  it.live("takes of a folder what it takes by name: a bitmap", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder({ "in/a.bmp": bmp(8, 6) })
      const args = (word: string) => ["segment", word, "--url", url, "--json"]
      for (const word of ["in", "in/a.bmp"]) {
        const { code, stdout } = yield* run(args(word), { cwd })
        assert.strictEqual(code, 0)
        assert.deepInclude(lines(stdout)[0], { image: "in/a.bmp", width: 8, height: 6 })
      }
    }).pipe(Effect.scoped)
  )

  it.live("never lets two images share a name, nor a result replace an image", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder({
        "a.png": Fixtures.image,
        "a.labels.png": Fixtures.image,
        "A.jpg": Fixtures.image
      })
      mkdirSync(join(cwd, "x"))
      writeFileSync(join(cwd, "x", "a.png"), Fixtures.image)
      const { code } = yield* run(
        ["segment", "a.png", "A.jpg", "x/a.png", "a.labels.png", "--url", url, "--out", "."],
        {
          cwd
        }
      )
      assert.strictEqual(code, 0)
      assert.deepStrictEqual(Buffer.from(Fixtures.image), readFileSync(join(cwd, "a.labels.png")))
      assert.deepStrictEqual(
        names(cwd).filter((name) => name.endsWith(".json")),
        ["A-3.json", "a-2.json", "a-4.json", "a.labels.json"]
      )
    }).pipe(Effect.scoped)
  )

  it.live("goes on after images that fail, each with one line, and ends with 1", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder({
        "good.png": Fixtures.image,
        "text.png": text,
        "cut.png": Fixtures.image.subarray(0, 99)
      })
      mkdirSync(join(cwd, "empty"))
      const args = ["missing.png", "text.png", "empty", "cut.png", "no*.png", "good.png"]
      const { code, stderr, stdout } = yield* run(["segment", ...args, "--url", url, "--json"], { cwd })
      assert.strictEqual(code, 1)
      const complaints = stderr.trimEnd().split("\n")
      assert.strictEqual(complaints.length, 5, stderr)
      for (const line of complaints) assert.match(line, /^segformer: /)
      assert.notMatch(stderr, / at .*\.ts/)
      for (const word of ["missing.png", "text.png", "empty", "cut.png", "no*.png"])
        assert.include(stderr, word)
      const results = lines(stdout)
      assert.strictEqual(results.length, 6)
      assert.deepStrictEqual(
        results.filter((line) => !("error" in line)).map((line) => line["image"]),
        ["good.png"]
      )
      assert.deepInclude(
        results.find((line) => line["image"] === "missing.png"),
        { error: { tag: "ImageNotFound", message: "There is no image at missing.png" } }
      )
    }).pipe(Effect.scoped)
  )

  it.live("prints the same for machines as it writes to files, and nothing more when quiet", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder(images)
      const { stdout } = yield* run(["segment", "a.png", "--url", url, "--json"], { cwd })
      const [report] = lines(stdout)
      assert.deepStrictEqual(Object.keys(report ?? {}), [
        "image",
        "width",
        "height",
        "model",
        "classes",
        "regions",
        "files",
        "milliseconds",
        "attempts"
      ])
      assert.deepStrictEqual(report?.["files"], {
        overlay: "segformer-out/a.overlay.png",
        labels: "segformer-out/a.labels.png",
        json: "segformer-out/a.json"
      })
      assert.deepStrictEqual(JSON.parse(readFileSync(join(cwd, "segformer-out", "a.json"), "utf8")), report)
      const quiet = yield* run(["segment", "a.png", "--url", url, "--quiet"], { cwd })
      assert.deepStrictEqual([quiet.code, quiet.stdout, quiet.stderr], [0, "", ""])
    }).pipe(Effect.scoped)
  )

  it.live("says below the overlay which colour is what, where asked to", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder(images)
      yield* run(["segment", "a.png", "--url", url, "--legend"], { cwd })
      const overlay = ImageHeader.parse(readFileSync(join(cwd, "segformer-out", "a.overlay.png")))
      assert.strictEqual(overlay._tag === "Known" ? overlay.width : 0, 48)
      assert.isAbove(overlay._tag === "Known" ? overlay.height : 0, 32)
    }).pipe(Effect.scoped)
  )

  it.live("refuses images above its limits before sending them", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(() => Effect.die("was asked"))
      const cwd = yield* folder(images)
      const { code, stderr } = yield* run(["segment", "a.png", "--url", url, "--max-pixels", "1000"], { cwd })
      assert.strictEqual(code, 1)
      assert.match(stderr, /1536 pixels, and the limit is 1000/)
      const bytes = yield* run(["segment", "a.png", "--url", url, "--max-bytes", "1k"], { cwd })
      assert.match(bytes.stderr, /the limit is 1024/)
    }).pipe(Effect.scoped)
  )
})

describe("what cannot work", () => {
  it.live("a wrong command line ends with 2 and a line", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(images)
      const cases: ReadonlyArray<readonly [args: ReadonlyArray<string>, says: RegExp]> = [
        [["segment"], /Missing required argument/],
        [["segment", "a.png", "--colour"], /--colour/],
        [["segment", "a.png", "--opacity", "101"], /0 to 100/],
        [["segment", "a.png", "--url", "http://x", "--model", "y"], /not both/],
        [["segment", "a.png", "--url", "ftp://x"], /begins with http:/],
        [["sgment", "a.png"], /sgment/],
        [["serve", "--port", "x"], /--port/]
      ]
      for (const [args, says] of cases) {
        const { code, stderr, stdout } = yield* run(args, { cwd })
        assert.strictEqual(code, 2, args.join(" "))
        assert.match(stderr, says)
        assert.strictEqual(stdout, "")
      }
      assert.deepStrictEqual(names(cwd), ["a.png", "b.png"])
    }).pipe(Effect.scoped)
  )

  it.live("a dead service or a missing model ends with 3, at once and in one line", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(images)
      const port = yield* closedPort
      const dead = yield* run(["segment", "a.png", "b.png", "--url", `http://127.0.0.1:${port}`], { cwd })
      assert.strictEqual(dead.code, 3)
      assert.match(dead.stderr, /^segformer: Cannot reach .*Is the service running.*\n$/)
      const model = yield* run(["segment", "a.png", "--model", "./no-model"], { cwd })
      assert.strictEqual(model.code, 3)
      assert.match(model.stderr, /^segformer: Cannot load the model .*\n$/)
    }).pipe(Effect.scoped)
  )

  it.live("a service that dies under way ends with 3 if it did nothing, each image with its line", () =>
    Effect.gen(function* () {
      const failing = yield* http((request, response) => {
        if (request.path === "/upload") response.writeHead(503).end()
        else response.writeHead(404).end()
      })
      const cwd = yield* folder(images)
      const { code, stderr } = yield* run(["segment", "a.png", "b.png", "--url", failing.url], {
        cwd,
        env: { SEGFORMER_MAX_RETRIES: "0" }
      })
      assert.strictEqual(code, 3)
      assert.strictEqual(stderr.trimEnd().split("\n").length, 2, stderr)
    }).pipe(Effect.scoped)
  )

  it.live("ends with 3 where a circuit has opened, and with 1 where an image was to blame", () =>
    Effect.gen(function* () {
      const failing = yield* http((request, response) => {
        if (request.path === "/upload") response.writeHead(503).end()
        else response.writeHead(404).end()
      })
      const cwd = yield* folder({ ...images, "text.png": text })
      const env = { SEGFORMER_MAX_RETRIES: "0", SEGFORMER_BREAKER_FAILURES: "1" }
      const args = ["--url", failing.url, "-c", "1", "--json"]
      const open = yield* run(["segment", "a.png", "b.png", ...args], { cwd, env })
      assert.deepStrictEqual(
        lines(open.stdout).map(({ error }) => (error as { tag: string }).tag),
        ["ServiceUnavailable", "CircuitOpen"]
      )
      assert.strictEqual(open.code, 3)
      assert.strictEqual((yield* run(["segment", "a.png", "text.png", ...args], { cwd, env })).code, 1)
    }).pipe(Effect.scoped)
  )

  it.live("a folder that cannot be written to ends the run with a line", () =>
    Effect.gen(function* () {
      const { url } = yield* serve()
      const cwd = yield* folder(images)
      const { code, stderr } = yield* run(["segment", "a.png", "--url", url, "--out", "b.png/out"], { cwd })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^segformer: cannot write to b\.png\/out.*\n$/)
    }).pipe(Effect.scoped)
  )
})

describe("limits", () => {
  it.live("are called by the flags that raise them", () =>
    Effect.gen(function* () {
      const cwd = yield* folder(images)
      const { code, stderr } = yield* run(["segment", "a.png", "--max-pixels", "10"], { cwd })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^segformer: [^\n]*Raise --max-pixels, [^\n]*\n$/)
    }).pipe(Effect.scoped)
  )
})

describe("retries", () => {
  it.live("of an image's address are not told: one that fails is one line", () =>
    Effect.gen(function* () {
      let asked = 0
      const web = yield* http((_, response) => {
        if (++asked === 1) response.destroy()
        else response.writeHead(404).end()
      })
      const cwd = yield* folder()
      const { code, stderr } = yield* run(["segment", `${web.url}/a.png`], { cwd })
      assert.deepStrictEqual([code, asked], [1, 2])
      assert.match(stderr, /^segformer: There is no image at [^\n]*\n$/)
    }).pipe(Effect.scoped)
  )

  it.live("are told on standard error, and counted in the report", () =>
    Effect.gen(function* () {
      let asked = 0
      const { url } = yield* serve(() =>
        asked++ === 0
          ? Effect.fail(
              new ConnectionFailed({ service: "http://behind", phase: "sending", sent: "no", detail: "gone" })
            )
          : Effect.succeed(Fixtures.prediction)
      )
      const cwd = yield* folder(images)
      const { code, stderr, stdout } = yield* run(["segment", "a.png", "--url", url, "--json"], {
        cwd,
        env: { SEGFORMER_RETRY_DELAY: "50 millis" }
      })
      assert.strictEqual(code, 0)
      assert.match(stderr, /Retrying in [\d.]+ m?s \(2 of \d\): /)
      assert.deepInclude(lines(stdout)[0], { attempts: 2 })
    }).pipe(Effect.scoped)
  )
})

describe("a name that names no image", () => {
  it.live("is said to be empty, or to count pages from 0", () =>
    Effect.gen(function* () {
      const empty = yield* Effect.flip(Effect.provide(ImageSource.file("").open(), NodeFileSystem.layer))
      assert.strictEqual(empty.message, "The name of the image is empty")
      const cwd = yield* folder({ "a.png": Fixtures.image })
      for (const args of [
        ["segment", "a.png#0"],
        ["segment", "a.png#00"],
        ["tile", "a.png#0"],
        ["batch", "a.png#0", "--out", "o"]
      ])
        assert.match(
          (yield* run(args, { cwd })).stderr,
          /a\.png#0+[^\n]*: pages count from 1/,
          args.join(" ")
        )
    }).pipe(Effect.scoped)
  )
})

describe("a folder of results", () => {
  it.live("is told of each result of another image that is replaced, and of no other", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({
        "one/a.png": Fixtures.image,
        "two/a.png": Fixtures.image,
        "two/b.png": Fixtures.image
      })
      const first = yield* run(["segment", "one/a.png", "--out", "o"], { cwd })
      assert.strictEqual(first.stderr, "")
      for (const same of ["one/a.png", "./one/a.png", join(cwd, "one/a.png"), "one"])
        assert.strictEqual((yield* run(["segment", same, "--out", "o"], { cwd })).stderr, "")
      const other = yield* run(["segment", "two", "--out", "o", "--quiet"], { cwd })
      assert.strictEqual(other.code, 0)
      assert.strictEqual(
        other.stderr,
        "segformer: o/a.json was of one/a.png, and is replaced by that of two/a.png: to keep both give another --out\n"
      )
      assert.strictEqual(JSON.parse(readFileSync(join(cwd, "o/a.json"), "utf8")).image, "two/a.png")
      // A file of somebody else is of no image.
      writeFileSync(join(cwd, "o/b.json"), "[1, 2")
      assert.strictEqual((yield* run(["segment", "two/b.png", "--out", "o"], { cwd })).stderr, "")
    }).pipe(Effect.scoped)
  )

  it.live("is said to hold so many of so many, where some failed", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ ...images, "c.png": text })
      const some = yield* run(["segment", ".", "--out", "o"], { cwd })
      assert.strictEqual(some.code, 1)
      assert.match(some.stdout, /^2 of 3 images done, 1 failed, /)
      const one = yield* run(["segment", "a.png", "nowhere.png", "--out", "p"], { cwd })
      assert.match(one.stdout, /^1 of 2 images done, 1 failed, /)
    }).pipe(Effect.scoped)
  )
})
