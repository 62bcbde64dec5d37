/** Pictures resized here, beside the newest Pillow: the same, or one step of rounding apart where it goes the other way round. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Resample from "../../../src/image/Resample.ts"
import * as Python from "../../support/Python.ts"

/** Bytes that look like noise, the same each time. */
const noise = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => Math.imul(Math.imul(i, 2654435761) ^ (i >>> 7), 40503) >>> 13)

/** The height shrinks, and the width does not or by less: Pillow 13 runs the vertical pass first. */
const upright = [
  [150, 260, 256, 256],
  [400, 900, 300, 512],
  [120, 500, 100, 60]
] as const

const others = [
  [260, 150, 256, 256],
  [300, 400, 512, 512],
  [400, 300, 512, 512],
  [333, 333, 128, 128],
  [500, 120, 60, 100]
] as const

const sizes = [...upright, ...others]
const filters = ["bilinear", "bicubic"] as const
const nameOf = (size: ReadonlyArray<number>, filter: string) => `${size.join("-")}-${filter}`

describe("resizing beside Pillow 13", () => {
  const folder = mkdtempSync(join(tmpdir(), "segformer-truth-"))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  beforeAll(() => {
    const requests = sizes.flatMap((size) =>
      filters.map((filter) => [nameOf(size, filter), ...size, Resample.filters.indexOf(filter)] as const)
    )
    for (const [name, width, height] of requests)
      writeFileSync(join(folder, `${name}.rgb`), noise(width * height * 3))
    writeFileSync(join(folder, "requests.json"), JSON.stringify(requests))
    Python.environment("truth").run(fileURLToPath(new URL("resize.py", import.meta.url)), [folder])
  }, 300_000)

  const apart = (size: readonly [number, number, number, number], filter: (typeof filters)[number]) => {
    const [width, height, toWidth, toHeight] = size
    const ours = Resample.resize(noise(width * height * 3), width, height, toWidth, toHeight, filter)
    const theirs = readFileSync(join(folder, `${nameOf(size, filter)}.out`))
    assert.strictEqual(ours.length, theirs.length)
    let most = 0
    for (let i = 0; i < ours.length; i++) most = Math.max(most, Math.abs(ours[i]! - theirs[i]!))
    return most
  }

  for (const filter of filters) {
    it.each(others)(`is the same from %i x %i to %i x %i, ${filter}`, (...size) => {
      assert.strictEqual(apart(size, filter), 0)
    })
  }

  it.each(upright)("is a step of rounding apart from %i x %i to %i x %i, bilinear", (...size) => {
    assert.strictEqual(apart(size, "bilinear"), 1)
  })
})
