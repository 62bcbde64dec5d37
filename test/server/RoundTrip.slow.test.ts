import { describe, it } from "@effect/vitest"
import { comesBack } from "./roundTrip.ts"

const sizes: ReadonlyArray<readonly [number, number]> = [
  [1, 50],
  [3, 7],
  [31, 33],
  [64, 64],
  [127, 255],
  [128, 128],
  [255, 256],
  [601, 799],
  [4000, 3000]
]

describe("SegFormerHttp against SegFormerServer", () => {
  it.live("gives the label maps and regions of the embedded model, up to 12 megapixels", () =>
    comesBack(sizes)
  )
})
