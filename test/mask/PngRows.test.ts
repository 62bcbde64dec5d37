import { crc32, deflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { decode } from "fast-png"
import * as PngFile from "../../src/mask/PngFile.ts"
import * as PngRows from "../../src/mask/PngRows.ts"
import * as Steps from "../../src/mask/Steps.ts"

const chunk = (type: string, data: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(type, 4, "latin1")
  bytes.set(data, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}

interface Form {
  readonly colorType: number
  readonly depth: number
  readonly width?: number
  readonly height?: number
  readonly interlaced?: number
}

const channelsOf = ({ colorType }: Form) => ({ 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 })[colorType] ?? 0

/** Bytes that follow from their place alone, and look like chance. */
const noise = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed, 2_654_435_761) >>> 13) & 0xff)

/** Rows as they stand in a file, whose filters are these in turn: what the rows hold follows from them. */
const rowsOf = (form: Form, filters: ReadonlyArray<number>) => {
  const { depth, height = 7, width = 5 } = form
  const stride = Math.ceil((width * channelsOf(form) * depth) / 8)
  const rows = noise((stride + 1) * height)
  for (let y = 0; y < height; y++) rows[y * (stride + 1)] = filters[y % filters.length]!
  return rows
}

/** The same of the seven pictures of an interlaced one. */
const interlacedRowsOf = (
  form: Form & { readonly width: number; readonly height: number },
  filters: ReadonlyArray<number>
) => {
  const corners = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2]
  ] as const
  return Buffer.concat(
    corners.map(([x, y, across, down]) => {
      const width = Math.ceil((form.width - x) / across)
      const height = Math.ceil((form.height - y) / down)
      return width > 0 && height > 0 ? rowsOf({ ...form, width, height }, filters) : new Uint8Array()
    })
  )
}

const fileOf = (
  form: Form,
  rows: Uint8Array,
  more: ReadonlyArray<Buffer> = [],
  level = 6,
  packed = deflateSync(rows, { level })
): Buffer => {
  const { colorType, depth, height = 7, interlaced = 0, width = 5 } = form
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colorType, 0, 0, interlaced], 8)
  const half = packed.length >> 1
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    ...more,
    chunk("IDAT", packed.subarray(0, half)),
    chunk("IDAT", packed.subarray(half)),
    chunk("IEND", new Uint8Array())
  ])
}

const palette = chunk("PLTE", noise(256 * 3))
const transparency = chunk("tRNS", noise(3, 9))

const forms: ReadonlyArray<Form> = [
  ...[1, 2, 4, 8, 16].map((depth) => ({ colorType: 0, depth })),
  ...[8, 16].flatMap((depth) => [2, 4, 6].map((colorType) => ({ colorType, depth }))),
  ...[1, 2, 4, 8].map((depth) => ({ colorType: 3, depth }))
]

const nameOf = ({ colorType, depth }: Form) => `colour type ${colorType} of ${depth} bits`

/** What `fast-png` makes of a file, or that it refuses it. */
const byFastPng = (bytes: Uint8Array) => {
  try {
    return decode(bytes, { checkCrc: true })
  } catch {
    return undefined
  }
}

describe("the rows of a PNG", () => {
  it.each(forms.map((form) => [nameOf(form), form] as const))("%s, by each filter", (_, form) => {
    for (const filters of [[0], [1], [2], [3], [4], [4, 3, 2, 1, 0]]) {
      const rows = rowsOf(form, filters)
      const shape = { ...form, width: 5, height: 7, interlaced: false, channels: channelsOf(form) }
      const unpacked = Steps.runSync(PngRows.unfiltered(rows, shape))
      const expected = byFastPng(fileOf(form, rows, form.colorType === 3 ? [palette] : []))
      assert.deepStrictEqual(unpacked, expected?.data as Uint8Array, `filters ${filters.join()}`)
    }
  })

  it("of more than a megabyte, and those that come after", () => {
    const form = { colorType: 2, depth: 8, width: 700, height: 600 }
    const large = fileOf(form, rowsOf(form, [4]))
    const small = fileOf(forms[3]!, rowsOf(forms[3]!, [2]))
    for (const bytes of [large, small, large]) {
      const read = Result.getOrThrow(PngFile.read(bytes, "it"))
      assert.isTrue(Buffer.from(read.data).equals(Buffer.from(byFastPng(bytes)!.data)))
    }
  })

  it("what is kept is not what the next file is unpacked into", () => {
    const rows = rowsOf(forms[3]!, [0])
    const first = Result.getOrThrow(PngFile.read(fileOf(forms[3]!, rows), "it"))
    const before = Uint8Array.from(first.data)
    Result.getOrThrow(PngFile.read(fileOf(forms[3]!, rowsOf(forms[3]!, [4])), "it"))
    assert.deepStrictEqual(first.data, before)
    assert.strictEqual(first.data.buffer.byteLength, first.data.length)
  })

  it("data that ends before the pixels do is refused, and not filled with a class", () => {
    for (const form of forms) {
      const rows = rowsOf(form, [0])
      const more = form.colorType === 3 ? [palette] : []
      for (const missing of [1, 2, 5, rows.length - 1, rows.length]) {
        const read = PngFile.read(fileOf(form, rows.subarray(0, rows.length - missing), more), "it")
        assert(Result.isFailure(read), `${nameOf(form)}, ${missing} bytes fewer`)
        assert.match(read.failure.detail, /ends before its pixels do|no data/)
      }
      // What is more belongs to nothing.
      const longer = Buffer.concat([rows, noise(40)])
      const read = Result.getOrThrow(PngFile.read(fileOf(form, longer, more), "it"))
      assert.deepStrictEqual(read.data, Result.getOrThrow(PngFile.read(fileOf(form, rows, more), "it")).data)
    }
  })

  it("what comes behind the pixels is none of them, however it is packed", () => {
    const form = { colorType: 0, depth: 8 }
    const rows = rowsOf(form, [1])
    const expected = Result.getOrThrow(PngFile.read(fileOf(form, rows), "it")).data
    for (const [level, behind] of [
      [0, noise(1)],
      [0, noise(60_000)],
      [6, noise(60_000)],
      [6, new Uint8Array(200_000)]
    ] as const) {
      const file = fileOf(form, Buffer.concat([rows, behind]), [], level)
      const read = Result.getOrThrow(PngFile.read(file, "it"))
      assert.deepStrictEqual(read.data, expected, `${behind.length} bytes more, level ${level}`)
    }
  })

  it("what goes on far behind the pixels is not unpacked: it is broken there, which whoever unpacks it finds", () => {
    const form = { colorType: 0, depth: 8 }
    const rows = rowsOf(form, [1])
    const expected = Result.getOrThrow(PngFile.read(fileOf(form, rows), "it")).data
    const packed = deflateSync(Buffer.concat([rows, new Uint8Array(3_000_000)]))
    for (const broken of [packed.subarray(0, -20), Buffer.concat([packed.subarray(0, -20), noise(30)])]) {
      const read = Result.getOrThrow(PngFile.read(fileOf(form, rows, [], 6, broken), "it"))
      assert.deepStrictEqual(read.data, expected)
    }
  })

  it.each(forms.filter(({ depth }) => depth < 8).map((form) => [nameOf(form), form] as const))(
    "%s, interlaced, is refused",
    (_, form) => {
      const rows = interlacedRowsOf({ ...form, width: 5, height: 7, interlaced: 1 }, [0])
      const file = fileOf({ ...form, interlaced: 1 }, rows, form.colorType === 3 ? [palette] : [])
      const error = Result.getOrThrow(Result.flip(PngFile.read(file, "it")))
      assert.strictEqual(error.detail, `it is interlaced with ${form.depth} bits, which is not supported`)
    }
  )

  it.each(forms.filter(({ depth }) => depth >= 8).map((form) => [nameOf(form), form] as const))(
    "%s, interlaced",
    (_, form) => {
      for (const [width, height] of [
        [1, 1],
        [2, 1],
        [1, 3],
        [4, 4],
        [5, 7],
        [8, 8],
        [13, 21]
      ] as const) {
        for (const filters of [[0], [1], [2], [3], [4], [4, 3, 2, 1, 0]]) {
          const asked = { ...form, width, height, interlaced: 1 }
          const rows = interlacedRowsOf(asked, filters)
          const file = fileOf(asked, rows, form.colorType === 3 ? [palette] : [])
          const read = Result.getOrThrow(PngFile.read(file, "it"))
          assert.deepStrictEqual(read.data, byFastPng(file)?.data as Uint8Array, `${width} x ${height}`)
        }
      }
    }
  )

  it("packed data that is cut off is refused", () => {
    const form = { colorType: 0, depth: 8 }
    const rows = rowsOf(form, [2])
    const packed = deflateSync(rows)
    for (const missing of [1, 4, 12, 30]) {
      const read = PngFile.read(fileOf(form, rows, [], 6, packed.subarray(0, packed.length - missing)), "it")
      assert(Result.isFailure(read))
      assert.include(read.failure.detail, "it is broken")
    }
  })

  it("so it is where nothing is left of it, which gave the pixels of the file before", () => {
    const form = { colorType: 0, depth: 8 }
    Result.getOrThrow(PngFile.read(fileOf(form, rowsOf(form, [0])), "it"))
    const packed = deflateSync(rowsOf(form, [0]))
    for (let length = 1; length < 12; length++) {
      const read = PngFile.read(fileOf(form, noise(0), [], 6, packed.subarray(0, length)), "it")
      assert(Result.isFailure(read), `${length} bytes`)
      assert.include(read.failure.detail, "it is broken")
    }
  })

  it("packed data that its checksum does not go with is refused, as Pillow and sharp do", () => {
    const form = { colorType: 0, depth: 8 }
    const rows = rowsOf(form, [0])
    const { data } = Result.getOrThrow(PngFile.read(fileOf(form, rows), "it"))
    const read = (packed: Uint8Array) => PngFile.read(fileOf(form, rows, [], 6, Buffer.from(packed)), "it")
    for (const level of [0, 6]) {
      const packed = deflateSync(rows, { level })
      for (let at = packed.length - 10; at < packed.length; at++) {
        const bytes = Buffer.from(packed)
        bytes[at]! ^= 4
        assert(Result.isFailure(read(bytes)), `byte ${at - packed.length} of level ${level}`)
      }
      // What follows the checksum belongs to nothing.
      for (const more of [1, 3, 4, 100])
        assert.deepStrictEqual(Result.getOrThrow(read(Buffer.concat([packed, noise(more)]))).data, data)
    }
    const longer = deflateSync(Buffer.concat([rows, noise(9)]))
    assert.deepStrictEqual(Result.getOrThrow(read(longer)).data, data)
    longer[longer.length - 1]! ^= 1
    assert.isTrue(Result.isFailure(read(longer)))
  })

  it("the checksum of what is large, and of the highest bytes", () => {
    const form = { colorType: 2, depth: 8, width: 700, height: 600 }
    const rows = new Uint8Array(600 * 2101).fill(255)
    for (let y = 0; y < 600; y++) rows[y * 2101] = 0
    const read = Result.getOrThrow(PngFile.read(fileOf(form, rows), "it"))
    assert.isTrue(read.data.every((value) => value === 255))
  })

  it("so it is of an interlaced one", () => {
    // 5 x 7 in seven passes, each row behind its filter.
    const form = { colorType: 0, depth: 8, interlaced: 1 }
    const size = 2 + 2 + 3 + 2 * 2 + 2 * 4 + 4 * 3 + 3 * 6
    assert.isTrue(Result.isSuccess(PngFile.read(fileOf(form, new Uint8Array(size)), "it")))
    assert.isTrue(Result.isSuccess(PngFile.read(fileOf(form, new Uint8Array(size + 9)), "it")))
    for (const missing of [1, 2, 7, 20]) {
      const read = PngFile.read(fileOf(form, new Uint8Array(size - missing)), "it")
      assert(Result.isFailure(read))
      assert.include(read.failure.detail, "ends before its pixels do")
    }
  })

  it("nothing is unpacked of a filter that does not exist, or of no packed data at all", () => {
    const form = { colorType: 0, depth: 8 }
    const rows = rowsOf(form, [0])
    const shape = { width: 5, height: 7, depth: 8, channels: 1, interlaced: false }
    const size = PngRows.sizeOf(shape)
    assert.deepStrictEqual(PngRows.inflated(deflateSync(rows), size), rows)
    assert.include(Steps.runSync(PngRows.unfiltered(rowsOf(form, [5]), shape)), "filter 5")
    for (const packed of [deflateSync(rows).subarray(0, 20), noise(40), new Uint8Array()])
      assert.isUndefined(PngRows.inflated(packed, size))
  })

  it("data in chunks of a byte is read, with pauses; more of them than its pixels can need are refused", () => {
    const form = { colorType: 0, depth: 8, width: 90, height: 60 }
    const whole = fileOf(form, rowsOf(form, [2]), [], 0)
    const { data } = Result.getOrThrow(PngFile.read(whole, "it"))
    const packed = deflateSync(rowsOf(form, [2]), { level: 0 })
    const bytes = Array.from(packed, (_, i) => chunk("IDAT", packed.subarray(i, i + 1)))
    const file = (chunks: ReadonlyArray<Buffer>) =>
      Buffer.concat([whole.subarray(0, 33), ...chunks, chunk("IEND", noise(0))])
    assert.deepStrictEqual(Result.getOrThrow(PngFile.read(file(bytes), "it")).data, data)
    const steps = PngFile.partsOf(Result.getOrThrow(PngFile.prepare(file(bytes), "it")))
    assert.isFalse(steps.next().done)
    const empty = chunk("IDAT", noise(0))
    const read = PngFile.read(file([...bytes, ...Array.from({ length: 70_000 }, () => empty)]), "it")
    assert(Result.isFailure(read))
    assert.include(read.failure.detail, "more data than its pixels can need")
  })

  it("colours of an index, with and without how opaque they are", () => {
    const form = { colorType: 3, depth: 8 }
    for (const more of [[palette], [palette, transparency]]) {
      const read = Result.getOrThrow(PngFile.read(fileOf(form, rowsOf(form, [0]), more), "it"))
      const expected = byFastPng(fileOf(form, rowsOf(form, [0]), more))!
      const colors = read.palette!.map((color, id) =>
        read.paletteAlpha === undefined ? [...color] : [...color, read.paletteAlpha[id]!]
      )
      assert.deepStrictEqual(colors, expected.palette)
    }
    assert.isTrue(Result.isFailure(PngFile.read(fileOf(form, rowsOf(form, [0])), "it")))
  })

  it("colours that stand beside a picture of colours are none of an index", () => {
    for (const colorType of [2, 6]) {
      const form = { colorType, depth: 8 }
      const read = Result.getOrThrow(PngFile.read(fileOf(form, rowsOf(form, [0]), [palette]), "it"))
      assert.isUndefined(read.palette)
      assert.deepStrictEqual(read.data, byFastPng(fileOf(form, rowsOf(form, [0])))!.data as Uint8Array)
    }
  })

  it("a file of which any byte is another has the pixels that it had, or is refused", () => {
    const form = { colorType: 3, depth: 8 }
    const whole = fileOf(form, rowsOf(form, [4, 1]), [chunk("PLTE", noise(30)), transparency])
    const { data } = Result.getOrThrow(PngFile.read(whole, "it"))
    let refused = 0
    for (let at = 33; at < whole.length; at++) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 1 << (at % 8)
      const read = PngFile.read(bytes, "it")
      if (Result.isSuccess(read)) assert.deepStrictEqual(read.success.data, data, `byte ${at}`)
      else refused++
    }
    // Those that name a chunk without which it is whole, or stand in it, cost that chunk alone.
    assert.isAbove(refused, (whole.length - 33) * 0.8)
  })
})
