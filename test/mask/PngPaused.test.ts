/** Large PNGs, read while others have their turn: the same samples and the same refusals. */
import { crc32, deflateSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Result } from "effect"
import * as PngFile from "../../src/mask/PngFile.ts"
import * as PngPaused from "../../src/mask/PngPaused.ts"

const chunk = (type: string, data: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(type, 4, "latin1")
  bytes.set(data, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}

const width = 601
const height = 450
const channels: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }

/** Rows with each of the filters in turn, whose bytes look like chance but for long runs. */
const rowsOf = (colorType: number, depth: number): Buffer => {
  const stride = Math.ceil((width * channels[colorType]! * depth) / 8) + 1
  const rows = Buffer.alloc(stride * height)
  for (let i = 0; i < rows.length; i++)
    rows[i] = i % stride === 0 ? Math.floor(i / stride) % 5 : Math.imul(i >> 6, 2_654_435_761) >>> 24
  return rows
}

const fileOf = (colorType: number, depth: number, data: Uint8Array): Buffer => {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colorType, 0, 0, 0], 8)
  const palette = Buffer.from(Uint8Array.from({ length: 768 }, (_, i) => (i * 7) & 0xff))
  const half = data.length >> 1
  return Buffer.concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    ...(colorType === 3 ? [chunk("PLTE", palette)] : []),
    chunk("IDAT", data.subarray(0, half)),
    chunk("IDAT", data.subarray(half)),
    chunk("IEND", new Uint8Array())
  ])
}

const both = (bytes: Uint8Array) =>
  Effect.gen(function* () {
    const paused = yield* Effect.result(PngPaused.read(bytes, "it"))
    return [paused, PngFile.read(bytes, "it")] as const
  })

describe("large PNGs", () => {
  for (const [colorType, depth] of [
    [0, 1],
    [0, 4],
    [0, 8],
    [0, 16],
    [2, 8],
    [2, 16],
    [3, 2],
    [3, 8],
    [4, 8],
    [6, 16]
  ] as const)
    it.live(`of colour type ${colorType} and ${depth} bits are those that are read at once`, () =>
      Effect.gen(function* () {
        const [paused, atOnce] = yield* both(
          fileOf(colorType, depth, deflateSync(rowsOf(colorType, depth), { level: 1 }))
        )
        const picture = Result.getOrThrow(paused)
        const { data, ...header } = Result.getOrThrow(atOnce)
        assert.strictEqual(Buffer.compare(Buffer.from(picture.data.buffer), Buffer.from(data.buffer)), 0)
        assert.deepStrictEqual({ ...picture, data: undefined }, { ...header, data: undefined })
      })
    )

  it.live("that are short, too long, cut off or changed are refused, or read, as they are at once", () =>
    Effect.gen(function* () {
      const rows = rowsOf(0, 8)
      const packed = deflateSync(rows, { level: 1 })
      const changed = fileOf(0, 8, packed)
      changed[changed.length - 40]! ^= 1
      const sum = Buffer.from(packed)
      sum[sum.length - 1]! ^= 1
      const noFilter = Buffer.from(rows)
      noFilter[0] = 9
      for (const [name, bytes, isRead] of [
        ["short", fileOf(0, 8, deflateSync(rows.subarray(0, -1), { level: 1 })), false],
        ["longer", fileOf(0, 8, deflateSync(Buffer.concat([rows, rows.subarray(0, 9)]), { level: 1 })), true],
        ["cut off", fileOf(0, 8, packed.subarray(0, -1000)), false],
        ["of another checksum", fileOf(0, 8, sum), false],
        ["no filter", fileOf(0, 8, deflateSync(noFilter, { level: 1 })), false],
        ["changed", changed, false],
        ["no zlib", fileOf(0, 8, rows.subarray(0, 5000)), false]
      ] as const) {
        const [paused, atOnce] = yield* both(bytes)
        assert.strictEqual(Result.isSuccess(paused), isRead, name)
        assert.strictEqual(Result.isSuccess(atOnce), isRead, `${name} at once`)
      }
      const error = yield* Effect.flip(PngPaused.read(fileOf(0, 8, packed), "it", width * height - 1))
      assert.match(error.detail, /more than the 270449 allowed/)
    })
  )

  it.live("that are short and have a byte after their data are refused, as they are at once", () =>
    Effect.gen(function* () {
      const rows = rowsOf(0, 8)
      const more = (data: Uint8Array) => fileOf(0, 8, Buffer.concat([deflateSync(data), Uint8Array.of(0)]))
      for (const missing of [1, 300, width]) {
        for (const result of yield* both(more(rows.subarray(0, -missing)))) {
          const detail = Result.isFailure(result) ? result.failure.detail : "it is read"
          assert.strictEqual(detail, "its data ends before its pixels do", `${missing} bytes`)
        }
      }
      const [paused, atOnce] = yield* both(more(rows))
      const expected = Result.getOrThrow(PngFile.read(fileOf(0, 8, deflateSync(rows)), "it")).data
      for (const result of [paused, atOnce])
        assert.strictEqual(
          Buffer.compare(Buffer.from(Result.getOrThrow(result).data), Buffer.from(expected)),
          0
        )
    })
  )

  it.live(
    "what goes on for long behind the pixels is not unpacked, of small ones that are long neither",
    () =>
      Effect.gen(function* () {
        const rows = rowsOf(0, 8)
        const read = (file: Buffer) => PngPaused.read(file, "it")
        const { data } = yield* read(fileOf(0, 8, deflateSync(rows, { level: 1 })))
        // It is cut off, far behind: whoever unpacks it all refuses it.
        const packed = deflateSync(Buffer.concat([rows, Buffer.alloc(30_000_000)])).subarray(0, -20)
        const long = yield* read(fileOf(0, 8, packed))
        assert.strictEqual(Buffer.compare(Buffer.from(long.data), Buffer.from(data)), 0)
        const small = fileOf(0, 8, packed)
        small.writeUInt32BE(2, 20)
        small.writeUInt32BE(crc32(small.subarray(12, 29)), 29)
        const first = Buffer.from(data.subarray(0, 2 * width))
        assert.strictEqual(Buffer.compare(Buffer.from((yield* read(small)).data), first), 0)
      })
  )

  /** On a clock on which every step is the last of its turn, whatever the machine. */
  const turnsWhile = Effect.fnUntraced(function* (bytes: Uint8Array) {
    let nanoseconds = 0n
    const slow: Clock.Clock = Object.assign(Object.create(yield* Clock.Clock), {
      monotonicTimeNanosUnsafe: () => (nanoseconds += 1_000_000_000n)
    })
    let turns = 0
    const other = yield* Effect.forkChild(
      Effect.forever(
        Effect.andThen(
          Effect.sync(() => turns++),
          Effect.yieldNow
        )
      )
    )
    const picture = yield* Effect.provideService(PngPaused.read(bytes, "it"), Clock.Clock, slow)
    yield* Fiber.interrupt(other)
    return [turns, Buffer.from(picture.data.buffer)] as const
  })

  it.live("let others have their turn", () =>
    Effect.gen(function* () {
      const [turns] = yield* turnsWhile(fileOf(6, 16, deflateSync(rowsOf(6, 16), { level: 1 })))
      assert.isAbove(turns, 1)
    })
  )

  it.live("do so where nothing inflates beside the event loop, too", () =>
    Effect.gen(function* () {
      const bytes = fileOf(6, 16, deflateSync(rowsOf(6, 16), { level: 1 }))
      const [, expected] = yield* turnsWhile(bytes)
      const own = globalThis.DecompressionStream
      yield* Effect.addFinalizer(() => Effect.sync(() => void (globalThis.DecompressionStream = own)))
      Reflect.deleteProperty(globalThis, "DecompressionStream")
      const [turns, data] = yield* turnsWhile(bytes)
      // 16 of them are for its rows, whoever unpacks.
      assert.isAbove(turns, 20)
      assert.strictEqual(Buffer.compare(data, expected), 0)
      const short = fileOf(6, 16, deflateSync(rowsOf(6, 16).subarray(0, -1), { level: 1 }))
      const error = yield* Effect.flip(PngPaused.read(short, "it"))
      assert.strictEqual(error.detail, "its data ends before its pixels do")
    }).pipe(Effect.scoped)
  )
})
