import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result } from "effect"
import { Command } from "effect/cli"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import sharp from "sharp"
import * as ExitCode from "../../src/cli/ExitCode.ts"
import { command } from "../../src/cli/Program.ts"
import { run as cli, runProcess, start } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

/** Runs a command line in this process; gives its exit code. */
const run = (...args: ReadonlyArray<string>): Effect.Effect<number> =>
  Command.runWith(command, { version: "0.0.0" })(args).pipe(
    Effect.provide(NodeServices.layer),
    Effect.exit,
    Effect.map((exit) => ExitCode.of(Exit.asVoid(exit)))
  )

const sample = "docs/images/sample.jpg"

const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.delay(until(condition), "20 millis")))

describe("segformer tile", () => {
  it.live("writes the labels of a picture, in windows of its own size, and leaves nothing else", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const out = join(path, "labels.png")
      assert.strictEqual(yield* run("tile", sample, "--out", out, "--temp", path, "--quiet"), 0)
      assert.deepStrictEqual(readdirSync(path), ["labels.png"])
      const labels = Result.getOrThrow(LabelPng.decode(readFileSync(out)))
      assert.deepInclude(labels, { width: 960, height: 640 })
      assert.isAbove(LabelMap.histogram(labels).size, 3)

      // Mirror images change the average, and little else.
      const flipped = join(path, "flipped.png")
      const flip = ["--flip", "x", "--flip", "y", "--weights", "distance", "--json"]
      assert.strictEqual(yield* run("tile", sample, "--out", flipped, ...flip), 0)
      const again = Result.getOrThrow(LabelPng.decode(readFileSync(flipped)))
      let others = 0
      for (let i = 0; i < again.data.length; i++) if (again.data[i] !== labels.data[i]) others++
      assert.isAbove(others, 0)
      assert.isBelow(others / again.data.length, 0.02)
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(process.platform !== "linux")(
    "runs in a process that gives memory back, once, and as the user says where he does",
    () =>
      Effect.gen(function* () {
        // Printed by whatever is started, before anything else.
        const told =
          "data:text/javascript,console.error('arenas', process.env.MALLOC_ARENA_MAX, ...process.execArgv)"
        // Said so, help is not ready made: the command is loaded for it.
        const arenas = (env: Record<string, string>, args = ["tile", "--help=true"]) =>
          Effect.map(
            runProcess(args, { env: { NODE_OPTIONS: `--import "${told}"`, ...env } }),
            ({ code, stderr }) => {
              assert.strictEqual(code, 0)
              return stderr.split("\n").filter((line) => line.startsWith("arenas"))
            }
          )
        const condition = "-C effect-segformer-source"
        assert.deepStrictEqual(yield* arenas({}), [
          `arenas undefined ${condition}`,
          `arenas 2 ${condition} --max-semi-space-size=2`
        ])
        assert.deepStrictEqual(yield* arenas({ MALLOC_ARENA_MAX: "3" }), [`arenas 3 ${condition}`])
        assert.deepStrictEqual(yield* arenas({}, ["segment", "--help=true"]), [
          `arenas undefined ${condition}`
        ])
      })
  )

  it.live("takes files alone: an address is a mistake of the command line", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* run("tile", "http://127.0.0.1:1/a.tif"), 2)
    })
  )

  it.live("interrupted, ends with 130 and leaves neither labels nor tiles behind", () =>
    Effect.gen(function* () {
      const picture = yield* Effect.promise(() =>
        sharp(sample).resize(4000, 4000, { fit: "fill" }).jpeg().toBuffer()
      )
      const cwd = yield* folder({ "a.jpg": picture })
      const running = yield* start(["tile", "a.jpg", "--temp", "."], { cwd, detached: true })
      yield* until(
        () => readdirSync(cwd).length === 3 && readdirSync(cwd).some((name) => name.endsWith(".part"))
      )
      process.kill(-(running.process.pid ?? 0), "SIGINT")
      const { code } = yield* Effect.promise(() => running.ended)
      assert.strictEqual(code, 130)
      assert.deepStrictEqual(readdirSync(cwd), ["a.jpg"])
    }).pipe(Effect.scoped)
  )

  it.live("ends with the code that says what is wrong", () =>
    Effect.gen(function* () {
      const path = yield* folder()
      const out = join(path, "labels.tif")
      assert.strictEqual(yield* run("tile", join(path, "none.tif"), "--out", out), 1)
      assert.strictEqual(yield* run("tile", sample, "--out", out, "--stride", "600"), 2)
      assert.strictEqual(yield* run("tile", sample, "--url", "http://a", "--model", "b"), 2)
      assert.strictEqual(yield* run("tile", sample, "--out", out, "--model", join(path, "none")), 3)
      assert.strictEqual(yield* run("tile", sample, "--out", join(path, "a.jpg")), 2)
      // What stands in the way is called by its name, and a folder that is missing is made where there is something to put in.
      const below = yield* cli(["tile", sample, "--out", join(sample, "a.tif")])
      assert.strictEqual(below.code, 1)
      assert.match(below.stderr, /cannot write \S+a\.tif: a file stands where a folder should be/)
      assert.strictEqual(yield* run("tile", join(path, "none.tif"), "--out", join(path, "new", "a.tif")), 1)
      assert.isFalse(existsSync(join(path, "new")))
      assert.strictEqual(yield* run("tile", sample, "--out", join(path, "new", "a.tif"), "--quiet"), 0)
      assert.isFalse(existsSync(out))
    }).pipe(Effect.scoped)
  )
})
