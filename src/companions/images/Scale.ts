/**
 * Cutting and resizing pixels in slices, so that nothing else in this process waits for a large picture. The result is
 * `Resample.resize`'s, to the bit.
 */
import { Effect } from "effect"
import type { Raster } from "../../image/ImageCodec.ts"
import * as Resample from "../../image/Resample.ts"
import type { Box } from "../../mask/Region.ts"

/** Pixels moved or weighed between two pauses: a few milliseconds of work. */
const pixelsPerSlice = 200_000

/** Runs `work` over `0..count` in slices of so many, with a pause after each. */
const inSlices = (
  count: number,
  each: number,
  work: (from: number, to: number) => void
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const slice = Math.max(1, Math.floor(pixelsPerSlice / each))
    for (let from = 0; from < count; from += slice) {
      work(from, Math.min(count, from + slice))
      yield* Effect.yieldNow
    }
  })

/** The pixels inside a box. */
export const crop = (raster: Raster, box: Box): Effect.Effect<Raster> =>
  Effect.suspend(() => {
    const { channels, width } = raster
    const data = new Uint8Array(box.width * box.height * channels)
    const row = box.width * channels
    return Effect.as(
      inSlices(box.height, box.width, (from, to) => {
        for (let y = from; y < to; y++) {
          const at = ((box.y + y) * width + box.x) * channels
          data.set(raster.data.subarray(at, at + row), y * row)
        }
      }),
      { width: box.width, height: box.height, channels, data }
    )
  })

/** Copies a picture to its place among the pixels of one of the same channels that is `width` wide. */
export const paste = (picture: Raster, into: Uint8Array, width: number, place: Box): Effect.Effect<void> => {
  const row = place.width * picture.channels
  return inSlices(place.height, place.width, (from, to) => {
    for (let y = from; y < to; y++) {
      const at = ((place.y + y) * width + place.x) * picture.channels
      into.set(picture.data.subarray(y * row, (y + 1) * row), at)
    }
  })
}

/** An RGB picture at another size, smoothed as Pillow's bilinear filter does. */
export const resize = (raster: Raster, width: number, height: number): Effect.Effect<Raster> =>
  Effect.suspend(() => {
    const narrowed = new Uint8Array(width * raster.height * 3)
    const data = new Uint8Array(width * height * 3)
    // The filter works on rows, then on columns; so bands of rows and strips of columns can be done one by one.
    const narrow = inSlices(raster.height, Math.max(raster.width, width), (from, to) => {
      const band = raster.data.subarray(from * raster.width * 3, to * raster.width * 3)
      narrowed.set(
        Resample.resize(band, raster.width, to - from, width, to - from, "bilinear"),
        from * width * 3
      )
    })
    const shorten = inSlices(width, Math.max(raster.height, height), (from, to) => {
      const size = (to - from) * 3
      const strip = new Uint8Array(size * raster.height)
      for (let y = 0; y < raster.height; y++) {
        const at = (y * width + from) * 3
        strip.set(narrowed.subarray(at, at + size), y * size)
      }
      const done = Resample.resize(strip, to - from, raster.height, to - from, height, "bilinear")
      for (let y = 0; y < height; y++)
        data.set(done.subarray(y * size, (y + 1) * size), (y * width + from) * 3)
    })
    return Effect.as(Effect.andThen(narrow, shorten), { width, height, channels: 3 as const, data })
  })
