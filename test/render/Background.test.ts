/** Names that say that there is nothing to find. */
import { assert, describe, it } from "@effect/vitest"
import { Background } from "effect-segformer/render"
import { isGround, isRest } from "../../src/render/Background.ts"

describe("a class is by its name", () => {
  const grounds = ["background", "Background", "_background_", "back ground", "back_ground", "BG", "<bg>"]
  const nones = ["none", "void", "unlabeled", "unlabelled", "Unlabeled "]
  const rests = ["other", "others", "nothing"]
  const things = ["road", "backgrounds", "no background", "avoid", "bg2", "brother", "ignorer", "_", ""]
  const among = (names: ReadonlyArray<string>, is: (name: string) => boolean) => names.filter(is)

  it("background, where it is no object", () => {
    const names = [...grounds, ...nones, "ignore"]
    assert.deepStrictEqual(among([...names, ...rests, ...things], Background.isName), names)
  })

  it("what is behind all things", () => {
    assert.deepStrictEqual(among([...grounds, ...nones, "ignore", ...rests, ...things], isGround), grounds)
  })

  it("what is left of an image", () => {
    const names = [...grounds, ...nones, ...rests]
    assert.deepStrictEqual(among([...names, "ignore", ...things], isRest), names)
  })
})
