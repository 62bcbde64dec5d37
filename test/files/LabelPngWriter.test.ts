import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { LabelMap, LabelPng } from "effect-segformer/mask"
import * as LabelPngWriter from "../../src/files/LabelPngWriter.ts"

describe("label PNGs of Node", () => {
  it.effect("hold any ids up to 16 bits, and refuse others", () =>
    Effect.gen(function* () {
      const some = [
        Uint8Array.of(0, 3, 200, 255, 7, 1),
        Uint16Array.of(0, 256, 65_535, 3, 9, 1),
        Uint32Array.of(0, 256, 65_535, 3, 9, 1)
      ]
      for (const data of some) {
        const map = { width: 3, height: 2, data }
        const bytes = yield* LabelPngWriter.encode(map, { palette: [] })
        assert.isTrue(LabelMap.equals(Result.getOrThrow(LabelPng.decode(bytes)), map))
      }
      const data = Uint32Array.of(70_000)
      const error = yield* Effect.flip(LabelPngWriter.encode({ width: 1, height: 1, data }))
      assert.match(error.message, /id 70000 does not fit/)
    })
  )

  it.live.each([
    ["8 bits", LabelMap.filled(2000, 1500, 4)],
    ["16 bits", LabelMap.filled(1999, 701, 40_000)]
  ] as const)("of %s are whole where they are packed in many bands", ([, map]) =>
    Effect.gen(function* () {
      const data = map.data.map((_, i) => Math.floor(i / 31) % 251)
      data[data.length - 1] = map.data[0]!
      const png = yield* LabelPngWriter.encode({ ...map, data })
      assert.isTrue(LabelMap.equals(Result.getOrThrow(LabelPng.decode(png)), { ...map, data }))
    })
  )

  it.live("let others have their turn, again and again, while a large one is packed", () =>
    Effect.gen(function* () {
      const map = LabelMap.filled(4000, 3000, 1)
      for (let i = 0; i < map.data.length; i++) map.data[i] = (i >> 6) % 5
      let turns = 0
      let isDone = false
      const count = () => {
        turns++
        if (!isDone) setImmediate(count)
      }
      setImmediate(count)
      yield* LabelPngWriter.encode(map)
      isDone = true
      // Twelve megabytes, one at a time.
      assert.isAtLeast(turns, 12)
    })
  )
})
