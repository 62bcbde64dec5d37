import { createHash } from "node:crypto"
import sharp from "sharp"
import { assert, describe, it } from "@effect/vitest"
import * as Resample from "../../src/image/Resample.ts"
import checks from "./fixtures/pillow.json" with { type: "json" }
import { resize } from "./reference.ts"

/** The rule by which fixtures/make.py fills its pictures. */
const picture = (width: number, height: number): Uint8Array =>
  Uint8Array.from({ length: width * height * 3 }, (_, i) => Math.imul(i, 2654435761) >>> 13)

const run = (
  data: Uint8Array,
  [width, height, toWidth, toHeight]: readonly [number, number, number, number],
  filter: Resample.Filter,
  piece: number
): Uint8Array => {
  const resampler = Resample.make(width, height, toWidth, toHeight, filter)
  for (let at = 0; at < data.length; at += piece) resampler.push(data.subarray(at, at + piece))
  const result = new Uint8Array(toWidth * toHeight * 3)
  resampler.rows((row, y) => result.set(row, y * toWidth * 3))
  return result
}

describe("Resample", () => {
  for (const { height, sha256, toHeight, toWidth, width } of checks) {
    it(`gives Pillow's bytes for ${width} x ${height} to ${toWidth} x ${toHeight}, with each of its filters`, () => {
      const data = picture(width, height)
      for (const filter of Resample.filters) {
        const result = run(data, [width, height, toWidth, toHeight], filter, 65_536)
        assert.strictEqual(createHash("sha256").update(result).digest("hex"), sha256[filter], filter)
      }
    })
  }

  it("enlarges as Pillow does where people have written down its numbers", () => {
    const grey = [181, 66, 39, 114, 179, 115, 55, 178, 227]
    const data = Uint8Array.from(grey.flatMap((value) => [value, value, value]))
    const enlarged = run(data, [3, 3, 5, 5], "bilinear", data.length)
    assert.deepStrictEqual(
      Array.from({ length: 25 }, (_, i) => enlarged[i * 3]),
      [
        [181, 135, 66, 50, 39],
        [154, 137, 111, 86, 69],
        [114, 140, 179, 141, 115],
        [79, 118, 178, 181, 182],
        [55, 104, 178, 207, 227]
      ].flat()
    )
  })

  it("gives planes through tables that are its rows, whatever the filter, and in memory used before", () => {
    const scratch = { bytes: new Uint8Array() }
    const table = (factor: number) => Float32Array.from({ length: 256 }, (_, v) => v * factor - 1)
    const tables = [table(0.5), table(0.25), table(3)] as const
    for (const size of [
      [9, 2, 20, 31],
      [30, 40, 64, 64],
      [64, 9, 20, 9],
      [300, 200, 64, 48],
      [5, 5, 5, 17],
      [1, 1, 3, 3]
    ] as const) {
      const [width, height, toWidth, toHeight] = size
      const data = picture(width, height)
      for (const filter of [...Resample.filters, "libvips-bilinear"] as const) {
        const resampler = Resample.make(width, height, toWidth, toHeight, filter, scratch)
        for (let at = 0; at < data.length; at += 100) resampler.push(data.subarray(at, at + 100))
        const planes = new Float32Array(toWidth * toHeight * 3).fill(NaN)
        resampler.planes(tables, planes)
        const expected = new Float32Array(planes.length)
        run(data, size, filter, data.length).forEach((value, i) => {
          expected[(i % 3) * toWidth * toHeight + Math.floor(i / 3)] = tables[i % 3]![value]!
        })
        assert.deepStrictEqual(planes, expected, `${size.join(" ")} ${filter}`)
      }
    }
  })

  it("does not depend on how the bytes are cut", () => {
    const data = picture(41, 29)
    const whole = run(data, [41, 29, 16, 8], "bilinear", data.length)
    for (const piece of [1, 2, 122, 123, 124, 1000]) {
      assert.deepStrictEqual(run(data, [41, 29, 16, 8], "bilinear", piece), whole)
    }
  })

  it("samples as libvips' affine transform does where asked to, to within rounding", async () => {
    for (const [width, height, toWidth, toHeight] of [
      [97, 53, 64, 80],
      [31, 29, 100, 90],
      [400, 300, 40, 33]
    ] as const) {
      const data = picture(width, height)
      const theirs = await sharp(data, { raw: { width, height, channels: 3 } })
        .affine([toWidth / width, 0, 0, toHeight / height], { interpolator: "bilinear" })
        .raw()
        .toBuffer()
      const ours = run(data, [width, height, toWidth, toHeight], "libvips-bilinear", 1000)
      assert.strictEqual(ours.length, theirs.length)
      let furthest = 0
      ours.forEach((value, i) => (furthest = Math.max(furthest, Math.abs(value - theirs[i]!))))
      assert.isAtMost(furthest, 1)
    }
  })

  it("agrees with the reference that the label maps are tested against", () => {
    const data = picture(97, 53)
    assert.deepStrictEqual(
      run(data, [97, 53, 64, 80], "bilinear", 1000),
      resize({ width: 97, height: 53, data }, 64, 80).data
    )
  })
})
