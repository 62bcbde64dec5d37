/** What the tests of decoders ask them, and how they compare with libvips. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { ImageSource } from "effect-segformer"
import { ImageCodec } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import { type Decode, Problem } from "../../src/image/decoding/Decoding.ts"
import { type Pixels, withChannels } from "../../src/image/decoding/Pixels.ts"

export const asked = (bytes: Uint8Array, width: number, height: number): Decode => ({
  type: "decode",
  means: "pure",
  bytes,
  format: "png",
  width,
  height,
  orientation: 1,
  page: 1,
  channels: 4,
  stretch: undefined
})

export const bySharp = (bytes: Uint8Array) =>
  Effect.gen(function* () {
    const codec = yield* ImageCodec
    return yield* codec.decode(yield* ImageSource.bytes(bytes, { name: "picture" }).open(), { channels: 4 })
  }).pipe(Effect.provide(SharpCodec.layer))

export const furthest = (one: Uint8Array, other: Uint8Array): number => {
  assert.strictEqual(one.length, other.length)
  return one.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0)
}

/** How far a picture is from what libvips makes of the same bytes. */
export const apart = (bytes: Uint8Array, pixels: Pixels) =>
  Effect.map(bySharp(bytes), ({ data, height, width }) => {
    assert.deepStrictEqual([pixels.width, pixels.height], [width, height])
    return furthest(withChannels(pixels, 4), data)
  })

export const refusal = (decode: () => unknown): Problem => {
  try {
    decode()
  } catch (problem) {
    if (problem instanceof Problem) return problem
    throw problem
  }
  throw new Error("it was not refused")
}

/** Every mix of nine levels of red, green and blue, in 27 rows. */
export const cube = Uint8Array.from({ length: 729 * 3 }, (_, i) => {
  const pixel = Math.floor(i / 3)
  const level = [Math.floor(pixel / 81), Math.floor(pixel / 9) % 9, pixel % 9][i % 3]!
  return Math.min(255, level * 32)
})
