/** Numbers between black and white, whichever of their ends the file says is white. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { ImageSource } from "effect-segformer"
import { Stretch } from "effect-segformer/image"
import { SharpCodec } from "effect-segformer/sharp"
import * as files from "./files.ts"
import * as Profiles from "./profiles.ts"
import { png } from "./pngs.ts"
import { decode, decodeLarge, grey } from "./reading.ts"

const bytesOf = ({ buffer }: { readonly buffer: ArrayBufferLike }) => Buffer.from(buffer)

/** Numbers in a file, its bits and the kind of its samples, and what is to be seen: as they are, and in colours where these are colours. */
const kinds: ReadonlyArray<{
  readonly name: string
  readonly bits: number
  readonly format?: number
  readonly samples?: number
  readonly strip: Uint8Array
  /** Without a stretch, where black is least and where white is. Of what are no colours there is none. */
  readonly seen?: readonly [black: ReadonlyArray<number>, white: ReadonlyArray<number>]
  readonly stretched: Readonly<Record<string, ReadonlyArray<number>>>
}> = [
  {
    name: "1 bit",
    bits: 1,
    strip: Uint8Array.of(0b0110_0000),
    seen: [
      [0, 255, 255],
      [255, 0, 0]
    ],
    stretched: {}
  },
  {
    name: "4 bits",
    bits: 4,
    strip: Uint8Array.of(0x0f, 0x30),
    seen: [
      [0, 255, 51],
      [255, 0, 204]
    ],
    stretched: {}
  },
  {
    name: "8 bits",
    bits: 8,
    strip: Uint8Array.of(0, 100, 255),
    seen: [
      [0, 100, 255],
      [255, 155, 0]
    ],
    stretched: {}
  },
  {
    name: "16 bits",
    bits: 16,
    strip: bytesOf(Uint16Array.of(0, 2048, 4095)),
    seen: [
      [0, 8, 15],
      [255, 247, 240]
    ],
    stretched: {
      "0,4095": [0, 128, 255],
      "4095,0": [255, 127, 0],
      "0%,100%": [0, 128, 255],
      "0,65535": [0, 8, 16]
    }
  },
  {
    name: "16 bits and alpha",
    bits: 16,
    samples: 2,
    strip: bytesOf(Uint16Array.of(0, 65_535, 2048, 65_535, 4095, 65_535)),
    seen: [
      [0, 8, 15],
      [255, 247, 240]
    ],
    stretched: { "0,4095": [0, 128, 255] }
  },
  {
    name: "32 bits",
    bits: 32,
    strip: bytesOf(Uint32Array.of(0, 1000, 70_000)),
    stretched: { "0,2000": [0, 128, 255], "70000,0": [255, 251, 0], "0%,100%": [0, 4, 255] }
  },
  {
    name: "signed 8 bits",
    bits: 8,
    format: 2,
    strip: bytesOf(Int8Array.of(-128, 0, 127)),
    stretched: { "-128,127": [0, 128, 255] }
  },
  {
    name: "signed 16 bits",
    bits: 16,
    format: 2,
    strip: bytesOf(Int16Array.of(-1000, 0, 1000)),
    stretched: { "-1000,1000": [0, 128, 255], "1000,-1000": [255, 128, 0] }
  },
  {
    name: "signed 32 bits",
    bits: 32,
    format: 2,
    strip: bytesOf(Int32Array.of(-1000, 0, 1000)),
    stretched: { "-1000,1000": [0, 128, 255] }
  },
  {
    name: "floats",
    bits: 32,
    format: 3,
    strip: bytesOf(Float32Array.of(0, 0.5, 1)),
    stretched: { "0,1": [0, 128, 255], "0%,100%": [0, 128, 255] }
  }
]

layer(Layer.mergeAll(SharpCodec.layer, NodeFileSystem.layer), { excludeTestServices: true })(
  "numbers",
  (it) => {
    for (const { bits, format = 1, name, samples = 1, seen, stretched, strip } of kinds)
      for (const end of ["white", "black"] as const)
        it.effect(`of ${name}, the highest of which the file says is ${end}`, () =>
          Effect.gen(function* () {
            const extra: ReadonlyArray<files.Entry> = [
              [262, 3, end === "white" ? 1 : 0],
              ...(samples === 2 ? [[338, 3, 2] as const] : [])
            ]
            const bytes = files.tiff(files.page(3, 1, bits, strip, { extra, format, samples }))
            const colours = seen?.[end === "white" ? 0 : 1]
            if (colours !== undefined) {
              assert.deepStrictEqual(grey((yield* decode(bytes)).data), colours)
              assert.deepStrictEqual(grey((yield* decodeLarge(bytes)).data), colours)
            }
            // Of 8 bits and fewer nothing is changed.
            const each = Object.entries(bits > 8 || format > 1 ? stretched : { "0,10": colours ?? [] })
            for (const [text, expected] of each) {
              const stretch = Stretch.parse(text)
              assert.deepStrictEqual(grey((yield* decode(bytes, { stretch })).data), expected, text)
              assert.deepStrictEqual(grey((yield* decodeLarge(bytes, { stretch })).data), expected, text)
              const view = ImageSource.view(ImageSource.bytes(bytes, { name: "a.tif" }), { stretch })
              const sent = yield* decode(yield* (yield* view.open()).bytes)
              assert.deepStrictEqual(grey(sent.data), expected, text)
            }
          })
        )

    it.effect("of the second page are those of its own directory", () =>
      Effect.gen(function* () {
        const page = (photometric: number) =>
          files.page(3, 1, 16, bytesOf(Uint16Array.of(0, 2048, 4095)), { extra: [[262, 3, photometric]] })
        const stretch = Stretch.parse("0,4095")
        for (const pages of [
          [0, 1],
          [1, 0],
          [0, 0]
        ]) {
          const bytes = files.tiff(...pages.map(page))
          const source = ImageSource.bytes(bytes, { name: "a.tif" })
          for (const page of [1, 2]) {
            const image = yield* ImageSource.view(source, { page, stretch }).open()
            assert.deepStrictEqual(grey((yield* decode(yield* image.bytes)).data), [0, 128, 255])
            assert.deepStrictEqual(grey((yield* decodeLarge(bytes, { page, stretch })).data), [0, 128, 255])
          }
        }
      })
    )

    it.effect("of grey with 16 bits are by the profile, or refused where it cannot be read", () =>
      Effect.gen(function* () {
        const rows = Uint8Array.from({ length: 6 }, (_, i) => [0, 128, 255][i >> 1]!)
        const of = (...bytes: ReadonlyArray<Uint8Array>) =>
          png({ width: 3, height: 1, colorType: 0, depth: 16, rows, chunks: bytes.map(Profiles.iccp) })
        // Light that is straight: half of it is a grey of 188.
        const straight = of(Profiles.profile({ space: "GRAY", tags: { kTRC: Profiles.curv() } }))
        for (const read of [decode(straight), decodeLarge(straight)])
          assert.deepStrictEqual(grey((yield* read).data), [0, 188, 255])
        const tables = of(
          Profiles.profile({ space: "GRAY", connection: "Lab ", tags: { kTRC: Profiles.curv() } })
        )
        for (const read of [decode(tables), decodeLarge(tables)]) {
          const error = yield* Effect.flip(read)
          assert.strictEqual(error._tag, "UnsupportedImage")
          assert.match(error.message, /its colour profile has tables for its colours.*Convert it to sRGB/)
        }
        // Numbers have no colours.
        const stretch = Stretch.parse("0,65535")
        assert.deepStrictEqual(grey((yield* decode(tables, { stretch })).data), [0, 128, 255])
      })
    )
  }
)
