/** A disk that is full in the middle of a file: the failure of one image, said, and nothing partial left. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import sharp from "sharp"
import { runProcess } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import { serve, type Predict } from "../server/support.ts"

/** KiB of a file that there is room for. */
const room = 64

/** Pixels that do not compress. */
const noise = (side: number) => {
  let state = 7
  const data = Buffer.from(
    Uint8Array.from(
      { length: side * side * 3 },
      () => (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) >> 16
    )
  )
  return sharp(data, { raw: { width: side, height: side, channels: 3 } })
    .png()
    .toBuffer()
}

const classes = Array.from({ length: 200 }, (_, id) => ({ id, name: `class ${id}` }))

/** Label maps that do not compress either, of what is not small. */
const predict: Predict = ({ image: { height, width } }) =>
  Effect.sync(() => {
    let state = 11
    const data = Uint8Array.from({ length: width * height }, () =>
      width < 100 ? 1 : ((state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) >> 16) % 200
    )
    return {
      _tag: "Labels",
      classes,
      labelMap: { width, height, data }
    }
  })

/** All files, those of runs that are remembered left aside. */
const filesIn = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes(".segformer"))
    .map(({ name }) => name)
    .sort()

const full = /would be larger than it may be there/

describe("a disk that is full in the middle of a file", () => {
  const small = Effect.promise(() => noise(16))
  const large = Effect.promise(() => noise(400))

  it.live("costs `segment` that image alone", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(predict)
      const cwd = yield* folder({ "a.png": yield* small, "b.png": yield* large, "c.png": yield* small })
      const args = ["segment", "a.png", "b.png", "c.png", "--out", "out", "--url", url]
      const { code, stderr } = yield* runProcess(args, { cwd, fileSize: room })
      assert.strictEqual(code, 1, stderr)
      assert.match(stderr, /b\.\w+/)
      assert.match(stderr, full)
      assert.deepStrictEqual(
        filesIn(join(cwd, "out")),
        ["a", "c"].flatMap((name) => [`${name}.json`, `${name}.labels.png`, `${name}.overlay.png`])
      )
    }).pipe(Effect.scoped)
  )

  it.live("costs `batch` that image alone, which is done once there is room", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(predict)
      const cwd = yield* folder({
        "in/a.png": yield* small,
        "in/b.png": yield* large,
        "in/c.png": yield* Effect.promise(() => noise(17))
      })
      const args = ["batch", "in", "--out", "out", "--url", url, "--no-report", "--quiet"]
      const { code, stderr } = yield* runProcess(args, { cwd, fileSize: room })
      assert.strictEqual(code, 1, stderr)
      assert.match(stderr, full)
      assert.match(readFileSync(join(cwd, "out/failed.csv"), "utf8"), /b\.png/)
      assert.deepStrictEqual(filesIn(join(cwd, "out")), [
        "a.png.labels.png",
        "c.png.labels.png",
        "failed.csv"
      ])
      const again = yield* runProcess([...args, "--retry-failed"], { cwd })
      assert.strictEqual(again.code, 0, again.stderr)
      assert.include(filesIn(join(cwd, "out")), "b.png.labels.png")
    }).pipe(Effect.scoped)
  )

  it.live("ends `tile` and `export` with nothing left behind", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(predict, undefined, {
        describe: Effect.succeed({ name: "test", classes })
      })
      const flat = sharp({ create: { width: 400, height: 400, channels: 3, background: "#808080" } }).png()
      const cwd = yield* folder({ "b.png": yield* Effect.promise(() => flat.toBuffer()) })
      // Its unpacked pixels are what takes most.
      const args = ["tile", "b.png", "--out", "b.tif", "--temp", ".", "--url", url]
      const tiled = yield* runProcess(args, { cwd, fileSize: room })
      assert.strictEqual(tiled.code, 1, tiled.stderr)
      assert.match(tiled.stderr, /there is no place for its tiles/)
      assert.deepStrictEqual(readdirSync(cwd), ["b.png"])
      const whole = yield* runProcess(["tile", "b.png", "--out", "b.labels.png", "--url", url], { cwd })
      assert.strictEqual(whole.code, 0, whole.stderr)
      for (const args of [
        ["npy", "b.labels.png", "--out", "out"],
        ["coco", "b.labels.png", "--out", "b.json"],
        ["csv", "b.labels.png", "--regions", "--out", "b.csv"]
      ]) {
        const exported = yield* runProcess(["export", ...args], { cwd, fileSize: room })
        assert.strictEqual(exported.code, 1, `${args[0]}: ${exported.stderr}`)
        assert.match(exported.stderr, full, args[0])
        assert.deepStrictEqual(filesIn(cwd), ["b.labels.png", "b.png"], args[0])
      }
    }).pipe(Effect.scoped)
  )
})
