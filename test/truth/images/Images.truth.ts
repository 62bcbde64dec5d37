/** Each image of the sets as it is decoded here, beside Pillow: the same, or in the table of differences. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { ImageSource } from "effect-segformer"
import { ImageCodec, type Raster } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import { LargeImage } from "effect-segformer/tiled"
import * as Python from "../../support/Python.ts"
import { differences, type Outcome, reasonOf } from "./differences.ts"
import * as Sets from "./sets.ts"

interface Theirs {
  readonly width?: number
  readonly height?: number
  readonly error?: string
}

/** Largest and mean difference of a byte that rounding makes: profiles and YCbCr by two programs. */
const ROUNDING = 2

const decode = (path: string) =>
  Effect.flatMap(ImageCodec, (codec) =>
    Effect.flatMap(ImageSource.file(path).open(), (image) => codec.decode(image))
  )

const decodeLarge = (path: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { height, width, window } = yield* LargeImage.file(path, { limits: ImageSource.defaultLimits })
      const image = yield* window({ x: 0, y: 0, width, height })
      return yield* Effect.flatMap(ImageCodec, (codec) => codec.decode(image))
    })
  )

const isSame = (raster: Raster, theirs: Theirs, bytes: Uint8Array): boolean =>
  raster.width === theirs.width &&
  raster.height === theirs.height &&
  raster.data.every((value, i) => Math.abs(value - bytes[i]!) <= ROUNDING)

describe("the test images of Pillow, libpng and libtiff", () => {
  let sets: ReturnType<typeof Sets.load>
  let theirs: ReadonlyArray<Theirs>
  const folder = mkdtempSync(join(tmpdir(), "segformer-truth-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  beforeAll(() => {
    sets = Sets.load()
    const list = join(folder, "paths.json")
    mkdirSync(join(folder, "out"))
    writeFileSync(list, JSON.stringify(sets.names.map((name) => join(sets.root, name))))
    const script = fileURLToPath(new URL("decode.py", import.meta.url))
    const lines = Python.environment("truth")
      .run(script, [list, join(folder, "out")])
      .trim()
      .split("\n")
    theirs = lines.map((line): Theirs => JSON.parse(line))
  })

  it("come out as Pillow has them, or are in the table, and are the same in parts", async () => {
    assert.isAbove(sets.names.length, 900)
    assert.strictEqual(theirs.length, sets.names.length)
    const wrong: Array<string> = []
    const used = new Set<string>()
    const counts = { same: 0, refusedByBoth: 0, refused: 0, differs: 0, read: 0 }
    const one = Effect.fnUntraced(function* (name: string, index: number) {
      const path = join(sets.root, name)
      const own = yield* Effect.result(decode(path))
      const large = yield* Effect.result(decodeLarge(path))
      if (Result.isSuccess(own)) {
        const isEqual = Result.isSuccess(large) && Buffer.compare(own.success.data, large.success.data) === 0
        if (!isEqual) wrong.push(`${name}: other pixels in parts`)
      } else if (Result.isSuccess(large)) wrong.push(`${name}: read in parts, and not as a whole`)
      const their = theirs[index]!
      let outcome: Outcome
      if (Result.isFailure(own)) {
        if (their.error !== undefined) return void counts.refusedByBoth++
        outcome = "refused"
      } else if (their.error !== undefined) outcome = "read"
      else if (isSame(own.success, their, readFileSync(join(folder, "out", `${index}.rgb`))))
        return void counts.same++
      else outcome = "differs"
      counts[outcome]++
      const reason = reasonOf(name, outcome)
      if (reason === undefined) {
        const why = Result.isFailure(own) ? own.failure.message : (their.error ?? "")
        wrong.push(`${name}: ${outcome}, for no reason that is known (${why})`)
      } else used.add(reason)
    })
    await Effect.runPromise(
      Effect.provide(Effect.forEach(sets.names, one, { discard: true }), [
        SharpCodec.layer,
        NodeFileSystem.layer
      ])
    )
    assert.deepStrictEqual(wrong, [])
    for (const { reason } of differences) assert.isTrue(used.has(reason), `no file is left for: ${reason}`)
    assert.isAbove(counts.same, 800)
    console.log(counts)
  })

  it("are told in the guide with every reason", () => {
    const guide = readFileSync(new URL("../../../docs/image-files.md", import.meta.url), "utf8").replaceAll(
      /\s+/g,
      " "
    )
    for (const { reason } of differences) assert.include(guide, reason)
  })
})
