import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type ImageFormat, ImageHeader } from "effect-segformer/image"
import * as samples from "./samples.ts"

const files: ReadonlyArray<
  readonly [string, () => Buffer | Promise<Buffer>, ImageFormat.ImageFormat, number]
> = [
  ["PNG", samples.png, "png", 1],
  ["baseline JPEG", samples.jpeg, "jpeg", 1],
  ["JPEG with EXIF orientation 6", samples.turnedJpeg, "jpeg", 6],
  ["PNG with EXIF orientation 6", samples.turnedPng, "png", 6],
  ["WebP with EXIF orientation 8", samples.turnedWebp, "webp", 8],
  ["progressive JPEG behind 40 kB of metadata", () => samples.farJpeg(40_000), "jpeg", 1],
  ["lossy WebP", samples.webp.lossy, "webp", 1],
  ["lossless WebP", samples.webp.lossless, "webp", 1],
  ["WebP with alpha", samples.webp.alpha, "webp", 1],
  ["GIF", samples.gif, "gif", 1],
  ["TIFF", samples.tiff, "tiff", 1],
  ["TIFF with its directory at the end", () => samples.farTiff(5000), "tiff", 8],
  ["big-endian TIFF", () => samples.farTiff(50, false), "tiff", 8],
  ["BMP", samples.bmp, "bmp", 1],
  ["BMP from top to bottom", () => samples.bmp(8, -6), "bmp", 1],
  ["BMP of OS/2", samples.oldBmp, "bmp", 1]
]

describe("ImageHeader", () => {
  it.each(files)("reads type, size and orientation of a %s", async (_, make, format, orientation) => {
    const file = await make()
    const known = { _tag: "Known", format, width: 8, height: 6, orientation } as const
    // Of a GIF where its frame begins: with a comma, and the corner at 0, 0.
    const frames = [Buffer.from(file).indexOf(Uint8Array.of(0x2c, 0, 0, 0, 0))]
    assert.deepStrictEqual(ImageHeader.parse(file), format === "gif" ? { ...known, frames } : known)
  })

  it("reads an AVIF", async () => {
    const header = ImageHeader.parse(await samples.avif())
    assert.deepStrictEqual(header, { _tag: "Known", format: "avif", width: 80, height: 60, orientation: 1 })
  })

  it.each(files)(
    "asks for more of a %s until it has seen enough, and for no more than there is",
    async (_, make) => {
      const whole = await make()
      const expected = ImageHeader.parse(whole)
      // A little at a time, from the shortest start that shows the type.
      let length = 30
      for (let step = 0; step < 10_000; step++) {
        const parsed = ImageHeader.parse(whole.subarray(0, length))
        if (parsed._tag !== "NeedMore") {
          assert.deepInclude(parsed, { _tag: "Known", width: 8, height: 6 })
          return
        }
        assert.isAbove(parsed.bytes, length)
        length = Math.min(parsed.bytes, length + 500)
      }
      assert.fail(`never got to ${JSON.stringify(expected)}`)
    }
  )

  it("finds the size of a JPEG behind a megabyte of metadata by asking for more", async () => {
    const whole = await samples.farJpeg(1_000_000)
    const first = ImageHeader.parse(whole.subarray(0, 64 * 1024))
    assert.strictEqual(first._tag, "NeedMore")
    assert.deepInclude(ImageHeader.parse(whole), { width: 8, height: 6 })
  })

  it.each([
    ["a text that starts with BM", "BMW and Mercedes are car makers from the south of Germany"],
    ["a text that starts with GIF", "GIF is a format of 1987"],
    ["HTML", "<!doctype html><title>404 Not Found</title>"],
    ["a film", "\0\0\0\x18ftypmp42\0\0\0\0mp42isom and more"],
    ["a RIFF that is a sound", "RIFF\0\0\0\0WAVEfmt and more and more"]
  ])("%s is no image", (_, text) => {
    assert.strictEqual(ImageHeader.parse(Buffer.from(text, "latin1"))._tag, "Unknown")
  })

  it("an image without width or height is none", () => {
    const file = samples.hugePngHeader()
    file.writeUInt32BE(0, 16)
    const bare = Buffer.from("\xff\xd8\xff\xd9 and then nothing at all", "latin1")
    for (const bytes of [file, samples.bmp(-8, 6), bare])
      assert.deepInclude(ImageHeader.parse(bytes), { _tag: "Refused", isBroken: true })
  })

  const starts = [
    [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
    [0xff, 0xd8, 0xff],
    [...Buffer.from("RIFF\0\x01\0\0WEBPVP8X")],
    [...Buffer.from("GIF89a")],
    [...Buffer.from("BM")],
    [...Buffer.from("II*\0")],
    [...Buffer.from("MM\0*")],
    [...Buffer.from("\0\0\0\x1cftypavif\0\0\0\0avifmif1\0\0\0\x40meta")],
    []
  ]

  it("random bytes never throw, whatever they start with", () => {
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 400 }), (start, rest) => {
        const bytes = Uint8Array.from([...start, ...rest])
        const parsed = ImageHeader.parse(bytes)
        if (parsed._tag === "NeedMore") assert.isAbove(parsed.bytes, bytes.length)
        assert.isBoolean(ImageHeader.isWholePng(bytes))
      }),
      { numRuns: 5000 }
    )
  })

  it("a real file with some bytes changed never throws", async () => {
    const whole = await Promise.all([
      samples.turnedJpeg(),
      samples.turnedPng(),
      samples.turnedWebp(),
      samples.avif(),
      samples.tiff(),
      samples.webp.alpha()
    ])
    fc.assert(
      fc.property(
        fc.constantFrom(...whole),
        fc.array(fc.tuple(fc.nat({ max: 600 }), fc.nat({ max: 255 })), { maxLength: 20 }),
        fc.nat(),
        (file, changes, cut) => {
          const bytes = Uint8Array.from(file.subarray(0, cut % file.length))
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
          assert.include(["Known", "NeedMore", "Unknown", "Refused"], ImageHeader.parse(bytes)._tag)
        }
      ),
      { numRuns: 3000 }
    )
  })

  it("a picture behind more parts than anybody writes is refused, and not looked for", async () => {
    const [jpeg, png, webp] = [await samples.jpeg(), samples.hugePngHeader(), await samples.turnedWebp()]
    const filled = (file: Uint8Array, at: number, part: string) =>
      Buffer.concat([
        file.subarray(0, at),
        Buffer.alloc(40_000 * (part.length / 2), part, "hex"),
        file.subarray(at)
      ])
    const brand = Buffer.from("0000001866747970686569630000000068656963", "hex")
    const longer = Buffer.from(webp)
    longer.writeUInt32LE(longer.length + 400_000, 4)
    for (const bytes of [
      filled(jpeg, 2, "ffe10002"),
      filled(png, 33, "0000000061624364ffffffff"),
      filled(longer, 30, "4142434400000000"),
      filled(Buffer.concat([brand, Buffer.alloc(4)]), 24, "0000000866726565")
    ]) {
      const parsed = ImageHeader.parse(bytes)
      assert.strictEqual(parsed._tag, "Refused")
      assert.match("detail" in parsed ? parsed.detail : "", /more than 32768 parts before its picture/)
    }
  })

  it("boxes within boxes within boxes do not exhaust the stack", () => {
    const depth = 200_000
    const file = Buffer.alloc(20 + depth * 8)
    file.write("\0\0\0\x14ftypavif\0\0\0\0avif", "latin1")
    for (let level = 0; level < depth; level++) {
      file.writeUInt32BE(file.length - 20 - level * 8, 20 + level * 8)
      file.write("ipco", 24 + level * 8, "latin1")
    }
    assert.strictEqual(ImageHeader.parse(file)._tag, "NeedMore")
  })

  it("tells a whole PNG from one that is cut off anywhere", async () => {
    const whole = await samples.png()
    assert.isTrue(ImageHeader.isWholePng(whole))
    assert.isTrue(ImageHeader.isWholePng(Buffer.concat([whole, Buffer.from("trailing bytes")])))
    for (let length = 0; length < whole.length; length++) {
      assert.isFalse(ImageHeader.isWholePng(whole.subarray(0, length)), `cut at ${length}`)
    }
  })
})
