/**
 * A label map as PNG, written band by band and packed off the event loop: grey of 8 or 16 bits, or indexed. Pixels are
 * class ids as they are, and `LabelPng.decode` reads them. `LabelPng` makes the same at once, wherever there is JavaScript.
 */
import { endianness } from "node:os"
import { crc32, createDeflate, deflateSync } from "node:zlib"
import { Effect } from "effect"
import type { ClassTable } from "../mask/ClassTable.ts"
import type { LabelData, LabelMap } from "../mask/LabelMap.ts"
import { MaskNotDecodable } from "../mask/MaskError.ts"
import * as Palette from "../mask/Palette.ts"
import * as PngNames from "../mask/PngNames.ts"
import * as PngWriting from "../mask/PngWriting.ts"
import * as Steps from "../mask/Steps.ts"
import { bytesOf, type Layout, type Writer } from "./LabelWriter.ts"

/** Bytes given to the compressor at a time: laying them out takes less than a millisecond. */
const most = 1024 * 1024

const chunk = (name: string, data: Uint8Array): Uint8Array => PngWriting.chunk(name, data, crc32)

/** What comes before the pixels. */
const startOf = ({ classes = [], depth, height, palette, width }: Layout): ReadonlyArray<Uint8Array> => [
  PngWriting.signature,
  PngWriting.header({ width, height, depth, channels: palette === undefined ? 1 : "index" }),
  PngNames.chunkOf(classes),
  ...(palette === undefined ? [] : [chunk("PLTE", Palette.toBytes(palette, 256))])
]

/** Bytes of a row: a filter (none, the best for ids) and samples. */
const strideOf = ({ depth, width }: Pick<Layout, "depth" | "width">): number => 1 + (width * depth) / 8

/** Rows as PNG holds them, the high byte of a sample first; into `space`, which is as large. */
const layOut = (labels: LabelData, layout: Layout, space: Uint8Array): Uint8Array => {
  const stride = strideOf(layout)
  const exact =
    labels.BYTES_PER_ELEMENT * 8 === layout.depth
      ? labels
      : layout.depth === 8
        ? Uint8Array.from(labels)
        : Uint16Array.from(labels)
  const samples = bytesOf(exact)
  for (let y = 0; y < labels.length / layout.width; y++) {
    space[y * stride] = 0
    const row = space.subarray(y * stride + 1, (y + 1) * stride)
    row.set(samples.subarray(y * (stride - 1), (y + 1) * (stride - 1)))
    if (layout.depth === 16 && endianness() === "LE") swap(row)
  }
  return space
}

const swap = (bytes: Uint8Array): void => {
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).swap16()
}

export const make = (layout: Layout): Writer => {
  const deflate = createDeflate({ level: 3, chunkSize: 128 * 1024 })
  let pieces: Array<Uint8Array> = []
  let failed: Error | undefined
  deflate.on("data", (piece: Uint8Array) => pieces.push(piece))
  deflate.on("error", (error) => {
    failed = error
  })
  const taken = (): ReadonlyArray<Uint8Array> => {
    if (failed !== undefined) throw failed
    const data = pieces.map((piece) => chunk("IDAT", piece))
    pieces = []
    return data
  }
  const stride = strideOf(layout)
  return {
    rows: Math.max(1, Math.floor(most / stride)),
    start: startOf(layout),
    write: async (labels) => {
      const rows = layOut(labels, layout, new Uint8Array((labels.length / layout.width) * stride))
      await new Promise<void>((resolve, reject) => {
        deflate.write(rows, (error) => (error ? reject(error) : resolve()))
      })
      return taken()
    },
    end: async (classes = []) => {
      await new Promise<void>((resolve, reject) => {
        deflate.once("end", resolve).once("error", reject)
        deflate.end()
      })
      return { pieces: [...taken(), PngNames.chunkOf(classes), PngWriting.end], patch: undefined }
    },
    close: () => {
      deflate.destroy()
    }
  }
}

export interface EncodeOptions {
  /** Makes an indexed picture in these colours, where 8 bits are enough for all ids. */
  readonly palette?: ClassTable | undefined
  /** What ids are called: noted in the file. */
  readonly classes?: ClassTable | undefined
  /** The highest id, where it is known: it spares a look at every pixel. */
  readonly maxId?: number | undefined
}

/** The whole file of a map: of 8 bits, or 16 where an id needs them. */
export const encode = (
  map: LabelMap,
  options: EncodeOptions = {}
): Effect.Effect<Uint8Array, MaskNotDecodable> => {
  // Two bytes a pixel and one a row, if need be.
  const isSmall = (map.width * 2 + 1) * map.height <= most
  const highest = options.maxId === undefined ? highestOf(map, isSmall) : Effect.succeed(options.maxId)
  return Effect.flatMap(highest, (maxId) => {
    if (maxId > 0xffff) {
      const detail = `id ${maxId} does not fit a PNG, which has at most 16 bits a pixel`
      return Effect.fail(new MaskNotDecodable({ mask: "label map", detail }))
    }
    const { height, width } = map
    const { classes, palette } = options
    const layout: Layout =
      maxId > 0xff ? { width, height, depth: 16, classes } : { width, height, depth: 8, classes, palette }
    return isSmall ? Effect.sync(() => small(map, layout)) : large(map, layout)
  })
}

const highestOf = (map: LabelMap, isSmall: boolean): Effect.Effect<number> => {
  // No byte needs more than a byte: which of them is the highest changes nothing.
  if (map.data.BYTES_PER_ELEMENT === 1) return Effect.succeed(0xff)
  return isSmall ? Effect.sync(() => Steps.runSync(highestIn(map))) : Steps.run(() => highestIn(map))
}

function* highestIn({ data, height, width }: LabelMap): Steps.Steps<number> {
  const step = Steps.rowsPerStep(width) * width
  let highest = 0
  for (let from = 0; from < width * height; from += step) {
    const to = Math.min(data.length, from + step)
    for (let at = from; at < to; at++) if (data[at]! > highest) highest = data[at]!
    yield
  }
  return highest
}

const scratch = new Uint8Array(most)

/** At once: it takes a few milliseconds, and the same memory each time. */
const small = (map: LabelMap, layout: Layout): Uint8Array => {
  const rows = layOut(map.data, layout, scratch.subarray(0, strideOf(layout) * map.height))
  // A small window is enough, and spares an allocation of a quarter of a megabyte.
  const packed = deflateSync(rows, { level: 3, windowBits: 13, memLevel: 6 })
  return Buffer.concat([...startOf(layout), chunk("IDAT", packed), PngWriting.end])
}

const large = (map: LabelMap, layout: Layout): Effect.Effect<Uint8Array> =>
  Effect.acquireUseRelease(
    Effect.sync(() => make(layout)),
    (writer) =>
      Effect.gen(function* () {
        const pieces = [...writer.start]
        const step = writer.rows * map.width
        for (let at = 0; at < map.data.length; at += step) {
          pieces.push(...(yield* Effect.promise(() => writer.write(map.data.subarray(at, at + step)))))
        }
        pieces.push(...(yield* Effect.promise(() => writer.end())).pieces)
        return Buffer.concat(pieces)
      }),
    (writer) => Effect.sync(writer.close)
  )
