/** Colours of ids that palettes lack, ids of palettes in files, and the bytes of a canvas as NumPy has them. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Npy, Palette, PaletteFile } from "effect-segformer/mask"

describe("the colours of ids below 256", () => {
  for (const name of Palette.names)
    it(`are one for each that ${name} lacks, and none of its classes'`, () => {
      const palette = Palette.byName(name)!
      const own = new Set(palette.map(({ color }) => Palette.toHex(color)))
      const lacking = Array.from({ length: 256 - palette.length }, (_, i) => i + palette.length)
      const colors = new Set(lacking.map((id) => Palette.toHex(Palette.colorOf(palette, id))))
      assert.strictEqual(colors.size, lacking.length)
      assert.strictEqual(new Set([...colors, ...own]).size, colors.size + own.size)
      for (const id of [256, 300, 511, 65535])
        assert.isUndefined(Palette.idOf(palette, Palette.colorOf(palette, id)), `${id}`)
    })
})

describe("ids of a palette in a file", () => {
  it("go up to the largest of 32 bits", () => {
    for (const id of [1_000_000_000, 4_294_967_295]) {
      const [json] = Result.getOrThrow(
        PaletteFile.parse(JSON.stringify([{ id, name: "a", color: "#010203" }]))
      )
      const [line] = Result.getOrThrow(PaletteFile.parse(`id,name,r,g,b\n${id},a,1,2,3`))
      assert.deepStrictEqual([json?.id, line?.id], [id, id])
    }
    for (const id of [4_294_967_296, -1, 0.5])
      assert.isTrue(Result.isFailure(PaletteFile.parse(JSON.stringify([{ id, color: "#010203" }]))), `${id}`)
  })
})

describe("the bytes of a canvas", () => {
  it("are NumPy's u1, as those of Buffer are", () => {
    const bytes = Uint8Array.of(1, 2, 255, 0)
    for (const data of [new Uint8ClampedArray(bytes), Buffer.from(bytes), bytes]) {
      // Callers without types give what a canvas has.
      const array: Npy.NpyArray = Object.assign({ shape: [2, 2], data: bytes }, { data })
      assert.deepStrictEqual(Result.getOrThrow(Npy.decode(Npy.encode(array))), { shape: [2, 2], data: bytes })
    }
  })
})
