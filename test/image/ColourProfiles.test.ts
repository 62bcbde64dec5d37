/** Colour profiles: what they make of pixels, beside libvips, and which say nothing of them. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SharpCodec } from "effect-segformer/sharp"
import sharp from "sharp"
import * as IccProfile from "../../src/image/decoding/IccProfile.ts"
import * as Jpeg from "../../src/image/decoding/Jpeg.ts"
import * as Png from "../../src/image/decoding/Png.ts"
import { apart, asked, bySharp, cube, furthest, refusal } from "./decoded.ts"
import { insert, page, tiff } from "./files.ts"
import { chunk, png } from "./pngs.ts"
import * as Profiles from "./profiles.ts"
import { decode, decodeLarge } from "./reading.ts"

const cubePng = (...chunks: ReadonlyArray<Uint8Array>) =>
  png({ width: 27, height: 27, colorType: 2, rows: cube, chunks })

const srgbCurve = Profiles.para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
const table = Profiles.power(2.1)

describe("colour profiles", () => {
  // Where black is not 0, libvips interpolates between colours of a grid.
  const kinds: ReadonlyArray<readonly [name: string, curve: Uint8Array, within?: number]> = [
    ["a straight line", Profiles.curv()],
    ["a gamma", Profiles.curv(Math.round(1.8 * 256))],
    ["a table", table],
    ["formula 0", Profiles.para(0, 2.2)],
    ["formula 1", Profiles.para(1, 2, 0.9, 0.1), 3],
    ["formula 2", Profiles.para(2, 2, Math.sqrt(0.9) + 0.1, -0.1, 0.1), 3],
    ["formula 3", srgbCurve],
    ["formula 4", Profiles.para(4, 2.2, 0.95 ** (1 / 2.2) - 0.05, 0.05, 0.3, 0.1, 0.05, 0.02), 3],
    ["a table whose black is bright", Profiles.power(2, 20_000), 3]
  ]
  for (const [name, curve, within = 2] of kinds) {
    for (const [space, primaries] of [
      ["sRGB's", Profiles.srgbPrimaries],
      ["wider", Profiles.widePrimaries]
    ] as const) {
      it.live(`are brought to sRGB by ${name} and ${space} primaries, as libvips does it`, () =>
        Effect.gen(function* () {
          const bytes = cubePng(Profiles.iccp(Profiles.display(curve, primaries)))
          assert.isAtMost(yield* apart(bytes, Png.decode(asked(bytes, 27, 27))), within)
        })
      )
    }
  }

  // libvips works with 16 bits in another space, which must not be what comes out.
  it.live("are applied to 16 bits as to 8, in each type of file, as a whole and in parts", () =>
    Effect.gen(function* () {
      const deep = Buffer.alloc(cube.length * 2)
      cube.forEach((value, i) => deep.writeUInt16BE(value * 257, i * 2))
      const little = Buffer.from(deep).swap16()
      for (const [primaries, changed] of [
        [Profiles.srgbPrimaries, 0],
        [Profiles.widePrimaries, 30]
      ] as const) {
        const profile = Profiles.display(srgbCurve, primaries)
        const chunks = [Profiles.iccp(profile)]
        const { data } = yield* decode(cubePng(...chunks))
        assert.isAtLeast(furthest(data, cube), changed)
        const files = [
          png({ width: 27, height: 27, depth: 16, colorType: 2, rows: deep, chunks }),
          tiff(page(27, 27, 16, little, { samples: 3, extra: [[34_675, 1, Array.from(profile)]] }))
        ]
        for (const bytes of files) {
          assert.isAtMost(furthest((yield* decode(bytes)).data, data), 2)
          assert.isAtMost(furthest((yield* decodeLarge(bytes)).data, data), 2)
        }
      }
    }).pipe(Effect.provide([SharpCodec.layer, NodeFileSystem.layer]))
  )

  const grey = (curve: Uint8Array) => Profiles.profile({ space: "GRAY", tags: { kTRC: curve } })
  const greyPng = (curve: Uint8Array, colorType: 0 | 4) => {
    const rows = Uint8Array.from({ length: colorType === 0 ? 256 : 512 }, (_, i) =>
      colorType === 0 ? i : i % 2 === 0 ? i / 2 : 77
    )
    return png({ width: 16, height: 16, colorType, rows, chunks: [Profiles.iccp(grey(curve))] })
  }

  it.live("of grey pictures change their one colour, and no alpha", () =>
    Effect.gen(function* () {
      for (const [colorType, curve] of [
        [0, Profiles.curv(Math.round(1.4 * 256))],
        [4, Profiles.curv(Math.round(1.4 * 256))],
        [0, Profiles.power(2, 3000)]
      ] as const) {
        const bytes = greyPng(curve, colorType)
        const pixels = Png.decode(asked(bytes, 16, 16))
        assert.strictEqual(pixels.channels, colorType === 0 ? 1 : 2)
        assert.isAtMost(yield* apart(bytes, pixels), 2)
      }
    })
  )

  it("that are sRGB change nothing", () => {
    assert.isUndefined(IccProfile.conversion(Profiles.display(srgbCurve), "RGB "))
    assert.isUndefined(IccProfile.conversion(grey(srgbCurve), "GRAY"))
  })

  it("that are no display's are refused with the reason", () => {
    const { bXYZ: _, ...twoPrimaries } = Profiles.srgbPrimaries
    const curves = { rTRC: srgbCurve, gTRC: srgbCurve, bTRC: srgbCurve }
    const refused: ReadonlyArray<readonly [RegExp, Uint8Array]> = [
      [/has tables/, Profiles.profile({ connection: "Lab ", tags: {} })],
      [/has tables/, Profiles.profile({ tags: { A2B0: Buffer.alloc(32), ...curves } })],
      [/has no primaries/, Profiles.profile({ tags: { ...twoPrimaries, ...curves } })],
      [/has no primaries/, Profiles.display(Profiles.para(9, 1))],
      [/has no primaries/, Profiles.display(Buffer.concat([Buffer.from("mft2"), Buffer.alloc(20)]))]
    ]
    for (const [words, bytes] of refused) {
      const found = IccProfile.conversion(bytes, "RGB ")
      assert.isTrue(typeof found === "object" && words.test(found.unread), `${words}`)
      const file = cubePng(Profiles.iccp(bytes))
      const problem = refusal(() => Png.decode(asked(file, 27, 27)))
      assert.strictEqual(problem.kind, "unsupported")
      assert.match(problem.message, words)
    }
  })

  it("of grey without a curve are refused", () => {
    const found = IccProfile.conversion(Profiles.profile({ space: "GRAY", tags: {} }), "GRAY")
    assert.match(typeof found === "object" ? found.unread : "", /has no curve/)
  })

  it.live(
    "of other colours than the picture has, or of no device, or that are cut off, say nothing of it",
    () =>
      Effect.gen(function* () {
        const dark = Profiles.power(3)
        const wide = Profiles.display(dark, Profiles.widePrimaries)
        const changed = (at: number, ...bytes: ReadonlyArray<number>) => {
          const profile = Buffer.from(wide)
          profile.set(bytes, at)
          return profile
        }
        const spaces = ["Lab ", "XYZ ", "CMYK", "HSV ", "GRAY"].map((space) =>
          changed(16, ...Buffer.from(space))
        )
        const kinds = ["link", "abst", "nmcl"].map((kind) => changed(12, ...Buffer.from(kind)))
        const jpeg = yield* Effect.promise(() =>
          sharp(cube, { raw: { width: 27, height: 27, channels: 3 } })
            .jpeg({ chromaSubsampling: "4:4:4" })
            .toUint8Array()
        )
        const plain = Buffer.from(jpeg.data)
        const expected = yield* bySharp(plain)
        const others = [
          ...spaces,
          ...kinds,
          grey(dark),
          changed(8, 9),
          changed(36, 0, 0, 0, 0),
          wide.subarray(0, 100),
          wide.subarray(0, wide.length - 40)
        ]
        for (const [i, profile] of others.entries()) {
          const file = insert(plain, 2, Profiles.app2(profile)[0]!)
          assert.deepStrictEqual((yield* bySharp(file)).data, expected.data, `${i}`)
          assert.deepStrictEqual((yield* Effect.promise(() => Jpeg.decode(file))).data, expected.data, `${i}`)
          const png = cubePng(Profiles.iccp(profile))
          assert.deepStrictEqual(Png.decode(asked(png, 27, 27)).data, cube, `${i}`)
          assert.strictEqual(yield* apart(png, Png.decode(asked(png, 27, 27))), 0, `${i}`)
        }
        // One of three colours changed only every third pixel of a grey picture, by its neighbours.
        for (const colorType of [0, 4] as const) {
          const rows = Uint8Array.from({ length: colorType === 0 ? 256 : 512 }, (_, i) => i % 256)
          const bytes = png({ width: 16, height: 16, colorType, rows, chunks: [Profiles.iccp(wide)] })
          const pixels = Png.decode(asked(bytes, 16, 16))
          assert.deepStrictEqual(pixels.data, rows)
          assert.strictEqual(yield* apart(bytes, pixels), 0)
        }
        const long = changed(0, 0, 1, 0, 0)
        const file = cubePng(Profiles.iccp(long))
        assert.strictEqual(
          yield* apart(file, Png.decode(asked(file, 27, 27))),
          0,
          "of another length than it says"
        )
      })
  )

  it.live("count for grey of 16 bits too", () =>
    Effect.gen(function* () {
      const rows = Uint8Array.from({ length: 512 }, (_, i) => i >> 1)
      const chunks = [Profiles.iccp(grey(Profiles.power(1.4)))]
      const bytes = png({ width: 16, height: 16, colorType: 0, depth: 16, rows, chunks })
      const pixels = Png.decode(asked(bytes, 16, 16))
      assert.isAbove(Math.abs(pixels.data[128]! - 128), 20)
      assert.isAtMost(yield* apart(bytes, pixels), 2)
    })
  )

  it("that cannot be unpacked are none, as libpng has it", () => {
    for (const bad of ["display", "display\0\0no zlib"]) {
      const file = cubePng(chunk("iCCP", Buffer.from(bad, "latin1")))
      assert.deepStrictEqual(Png.decode(asked(file, 27, 27)).data, cube)
    }
  })
})
