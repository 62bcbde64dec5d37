import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Warm from "../support/Warm.ts"
import * as support from "./support.ts"

const sizes: ReadonlyArray<readonly [width: number, height: number]> = [
  [3, 7],
  [200, 1],
  [2, 2],
  [63, 65],
  [100, 75],
  [128, 128],
  [256, 255],
  [513, 512],
  [512, 700],
  [640, 480],
  [1024, 1023],
  [1999, 301],
  [4000, 3000]
]

describe("the embedded model", () => {
  it.live("gives the label map of the plain reference, pixel for pixel, up to 12 megapixels", () =>
    Effect.gen(function* () {
      const seen = yield* support.agrees(sizes)
      assert.isAtLeast(seen.size, 4)
    }).pipe(Effect.provide(Warm.model))
  )
})
