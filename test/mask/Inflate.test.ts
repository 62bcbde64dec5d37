/** What zlib packs comes back as zlib unpacks it, and no further than there is room. */
import { constants, deflateSync, inflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { inflate, inflateSteps } from "../../src/mask/Inflate.ts"
import * as PngRows from "../../src/mask/PngRows.ts"

/** Bytes that follow from their place alone, and look like chance. */
const noise = (length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, 2_654_435_761) >>> 13) & 0xff))

/** Each byte half as often as the one before, in no order: their codes are as long as codes may be. */
const steep = Buffer.from(
  Uint8Array.from({ length: 60_000 }, (_, i) => Math.clz32(Math.imul(i + 1, 2_654_435_761)))
)

const contents: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  "a byte": Buffer.of(7),
  zeros: Buffer.alloc(300_000),
  noise: noise(150_000),
  steep,
  runs: Buffer.from(
    Uint8Array.from({ length: 200_000 }, (_, i) => (Math.imul(i >> 6, 2_654_435_761) >>> 9) & 0xff)
  ),
  "far back": Buffer.concat([noise(32_000), Buffer.alloc(700), noise(32_000), noise(31_000)]),
  text: Buffer.from(Array.from({ length: 9000 }, (_, i) => `class ${i * i} of ${i % 7}`).join())
}

/** Bits in the order in which they stand in the data, the last byte filled with 0. */
const bitsOf = (bits: string): Buffer =>
  Buffer.from(
    (bits.replaceAll(" ", "").match(/.{1,8}/g) ?? []).map((byte) =>
      Number.parseInt([...byte.padEnd(8, "0")].reverse().join(""), 2)
    )
  )
const head = Buffer.of(0x78, 0x9c)

const byZlib = (packed: Uint8Array) => {
  try {
    return inflateSync(packed)
  } catch {
    return undefined
  }
}

/** The same with the checksum. */
const sealed = (packed: Uint8Array) => PngRows.inflated(packed, 9000)

const isSame = (ours: Uint8Array | undefined, theirs: Uint8Array | undefined) =>
  ours === undefined || theirs === undefined ? ours === theirs : Buffer.compare(ours, theirs) === 0

describe("what zlib packs", () => {
  describe.each(Object.entries(contents))("%s", (_, raw) => {
    it.each([
      ["its strategy", constants.Z_DEFAULT_STRATEGY],
      ["codes that are fixed", constants.Z_FIXED],
      ["codes alone", constants.Z_HUFFMAN_ONLY],
      ["runs", constants.Z_RLE]
    ] as const)("by %s comes back, in blocks of any kind and size", (_, strategy) => {
      for (const level of [0, 1, 6, 9])
        for (const memLevel of [1, 9]) {
          const packed = deflateSync(raw, { level, memLevel, strategy, windowBits: memLevel === 1 ? 9 : 15 })
          const out = new Uint8Array(raw.length + 1)
          const length = inflate(Buffer.concat([packed, Buffer.of(1, 2, 3)]), out)
          assert.isTrue(isSame(out.subarray(0, length), raw), `level ${level}, memory ${memLevel}`)
        }
    })
  })

  it("is refused wherever it is cut off", () => {
    for (const raw of [steep.subarray(0, 3000), noise(200), Buffer.alloc(5000)])
      for (const level of [0, 6]) {
        const packed = deflateSync(raw, { level })
        for (let length = 0; length < packed.length; length++)
          assert.isUndefined(sealed(packed.subarray(0, length)), `${length} bytes`)
        assert.isTrue(isSame(sealed(packed), raw))
      }
  })

  it("of which a bit is another is read where zlib reads it, and else refused or as it was", () => {
    let read = 0
    for (const raw of [
      contents["text"]!.subarray(0, 200),
      steep.subarray(0, 300),
      Buffer.alloc(70),
      noise(40)
    ])
      for (const strategy of [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED])
        for (const level of [0, 9]) {
          const packed = deflateSync(raw, { level, strategy })
          for (let bit = 0; bit < packed.length * 8; bit++) {
            const bytes = Buffer.from(packed)
            bytes[bit >> 3]! ^= 1 << (bit & 7)
            const theirs = byZlib(bytes)
            const ours = sealed(bytes)
            const right = theirs ?? (ours === undefined ? undefined : raw)
            assert.isTrue(isSame(ours, right), `bit ${bit} of ${packed.toString("hex")}`)
            if (theirs !== undefined) read++
          }
        }
    // How fast it was packed, and bits that fill a byte, are told by nothing else.
    assert.isAbove(read, 0)
  })

  it("in no way that there is", () => {
    const end = Buffer.of(0, 0, 0, 1)
    for (const [name, bits] of [
      ["a kind of block that there is not", "1 11"],
      ["a length that there is not", "1 10 11000110"],
      ["a distance that there is not", "1 10 00110000 0000001 11110 00000"],
      ["a distance beyond the beginning", "1 10 00110000 0000001 00001"],
      ["287 literals", "1 01 01111 00000 0000"],
      ["31 distances", "1 01 00000 01111 0000"],
      ["no codes of codes", "1 01 00000 00000 0000 000 000 000 000"],
      ["a code of codes alone", "1 01 00000 00000 0000 000 000 100 000"],
      ["more codes of codes than there can be", "1 01 00000 00000 0000 100 100 100 000"],
      ["a length again where there was none", "1 01 00000 00000 0000 100 100 000 000 0 00"],
      [
        "more lengths than there are symbols",
        "1 01 00000 00000 0000 000 100 100 000 1 1111111 1 1111111 1 1111111"
      ]
    ] as const) {
      const packed = Buffer.concat([head, bitsOf(bits), Buffer.alloc(40)])
      assert.isUndefined(byZlib(Buffer.concat([packed, end])), name)
      assert.isUndefined(inflate(packed, new Uint8Array(100)), name)
    }
    const whole = deflateSync(noise(9))
    for (const [at, byte] of [
      [0, 0x77],
      [0, 0x88],
      [1, 0x9d],
      [1, 0xbb]
    ] as const) {
      const bytes = Buffer.from(whole)
      bytes[at] = byte
      assert.isUndefined(byZlib(bytes))
      assert.isUndefined(inflate(bytes, new Uint8Array(100)))
    }
  })

  it("fills its room and nothing behind it, and is unpacked no further", () => {
    const rooms = [1, 2, 257, 258, 259, 1000, 65_535, 65_536]
    for (const [name, raw] of Object.entries(contents).filter(([, { length }]) => length > 65_536))
      for (const level of [0, 6])
        for (const room of rooms) {
          const packed = deflateSync(raw, { level })
          const memory = new Uint8Array(room + 300).fill(99)
          const made = inflate(packed, memory.subarray(0, room))
          assert.strictEqual(made, room, `${room} of ${name}`)
          assert.isTrue(isSame(memory.subarray(0, room), raw.subarray(0, room)))
          assert.isTrue(memory.subarray(room).every((byte) => byte === 99))
        }
  })

  it("pauses as it goes on, and in blocks that give nothing", () => {
    const pausesOf = (packed: Uint8Array, room: number) => {
      const steps = inflateSteps(packed, new Uint8Array(room))
      let pauses = 0
      for (;;) {
        const next = steps.next()
        if (next.done === true) return [next.value, pauses]
        pauses++
      }
    }
    const packed = deflateSync(noise(1 << 20))
    assert.deepStrictEqual(pausesOf(packed, 1 << 21), [1 << 20, (packed.length - 1) >> 14])
    // A bomb is unpacked no further than where its room ends.
    const bomb = deflateSync(Buffer.alloc(1 << 26))
    assert.isAbove(bomb.length, 3 << 14)
    assert.deepStrictEqual(pausesOf(bomb, 1 << 10), [1 << 10, 0])
    // Eight of ten bits each.
    const empty = bitsOf("0 10 0000000".repeat(8))
    const blocks = Buffer.concat([head, Buffer.alloc(1 << 20).map((_, i) => empty[i % 10]!)])
    assert.deepStrictEqual(pausesOf(blocks, 10), [0, 5])
  })
})
