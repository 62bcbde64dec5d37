/** Label maps of so many regions that a brush for each, which is of the whole image, would take all of the memory. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { type ExportFormat, Exports } from "effect-segformer/mask"
import * as Steps from "../../src/mask/Steps.ts"
import { exported } from "./support.ts"

/** 12 megapixels, and a speck on each square of 16. */
const map = { width: 4000, height: 3000, data: new Uint8Array(12_000_000) }
for (let y = 8; y < map.height; y += 16)
  for (let x = 8; x < map.width; x += 16) map.data[y * map.width + x] = 1

const written = (own: Partial<ExportFormat.Settings>) => {
  const format = Exports.formats.labelstudio
  if (format.per !== "run") throw new Error("a file of tasks is one of all images")
  return Steps.runSync(format.open({ ...exported, ...own }).add({ map, image: "a.png" }))
}

describe("brushes of very many regions", () => {
  it("are refused with what to do, which does", () => {
    const refused = written({})
    assert.match(
      Result.isFailure(refused) ? refused.failure : "",
      /too many to be a mask of the whole image each/
    )
    for (const own of [{ objects: "class" }, { shape: "polygon" }, { minArea: 2 }] as const)
      assert.isTrue(Result.isSuccess(written(own)))
  })
})
