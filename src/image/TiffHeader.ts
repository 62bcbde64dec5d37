/** The pages of TIFF and BigTIFF: how large one is, how it is turned, and what of it a decoder may not know. */
import { Effect } from "effect"
import { ORIENTATION, orientationOf } from "./ExifOrientation.ts"
import { type Found, needMore, type Reader, refused, sized } from "./HeaderFound.ts"
import { type Directory, directoryAt, frameAt, type Layout, numberAt, widths } from "./TiffDirectory.ts"

const WIDTH = 0x0100
const HEIGHT = 0x0101
const BITS = 0x0102
const COMPRESSION = 0x0103
const PHOTOMETRIC = 0x0106
const SAMPLES = 0x0115
const COLOUR_MAP = 0x0140
const SUBFILE = 0x00fe
const SUB_DIRECTORIES = 0x014a
const TILE_WIDTH = 0x0142
const DNG = 0xc612

/** Where the first directory is, and how numbers are written. */
const startOf = (view: DataView): Layout & { readonly first: number } => {
  const little = view.getUint8(0) === 0x49
  const big = view.getUint16(2, little) === 43
  // A header of BigTIFF is 16 bytes long, and begins like this one.
  const first = big ? (view.byteLength < 16 ? 16 : numberAt(view, 8, 8, little)) : view.getUint32(4, little)
  return { little, big, first }
}

/** The most pages that are walked over: a chain may lead in a circle. */
const MOST_PAGES = 65_536

/** The directory of a page, or what is there instead. */
const pageOf = (view: DataView, page: number): Directory | Found => {
  const layout = startOf(view)
  const seen = new Set<number>()
  let at = layout.first
  for (let number = 1; number <= MOST_PAGES; number++) {
    if (at === 0 || seen.has(at)) {
      return number === 1
        ? refused("it holds no page", { isBroken: true })
        : refused(`it has ${number - 1} ${number === 2 ? "page" : "pages"}, and page ${page} was asked for`)
    }
    seen.add(at)
    if (number === page) {
      const directory = directoryAt(view, at, layout)
      if (typeof directory === "number") return needMore(directory)
      return { ...directory, next: seen.has(directory.next) ? 0 : directory.next }
    }
    const frame = frameAt(view, at, layout)
    if (typeof frame === "number") return needMore(frame)
    at = frame.next
  }
  return tooManyPages
}

/** Decoders count them all before they decode one. */
const tooManyPages = refused(`it has more than ${MOST_PAGES} pages`)

const raw =
  "it is a camera's raw file, of which only a small preview could be read. Develop it, and save a JPEG, PNG or TIFF"

export const tiff: Reader = (view, ascii, page) => {
  const directory = pageOf(view, page)
  if ("_tag" in directory) return directory
  if (directory.next !== 0 && pageOf(view, Infinity) === tooManyPages) return tooManyPages
  const { contradictions, next, tags, values } = directory
  const isReduced = ((values.get(SUBFILE) ?? 0) & 1) === 1
  if (tags.has(DNG) || ascii(8, 2) === "CR" || (page === 1 && isReduced && tags.has(SUB_DIRECTORIES)))
    return refused(raw)
  // Whoever reads it all the same reads it wrongly: it was never the same in two programs.
  if (values.get(COMPRESSION) === OLD_JPEG)
    return refused("its compression is old-style JPEG, which is not read here. Convert it to PNG")
  const photometric = values.get(PHOTOMETRIC)
  // libvips takes these numbers for red, green and blue, and libtiff converts those of a JPEG alone.
  if (photometric === YCBCR && values.get(COMPRESSION) !== JPEG)
    return refused("its colours are YCbCr that are not compressed as JPEG. Convert it to PNG")
  if (photometric === PALETTE && !tags.has(COLOUR_MAP))
    return refused("its colours are of a palette, which it does not have", { isBroken: true })
  for (const [tag, what] of [
    [WIDTH, "width"],
    [HEIGHT, "height"],
    [ORIENTATION, "orientation"]
  ] as const) {
    if (contradictions.has(tag))
      return refused(`its directory says its ${what} twice, and not the same`, { isBroken: true })
  }
  const width = values.get(WIDTH)
  const height = values.get(HEIGHT)
  if (width === undefined || height === undefined)
    return refused("its directory does not say how large it is", { isBroken: true })
  return sized(width, height, orientationOf(values.get(ORIENTATION)), next !== 0)
}

const MIN_IS_WHITE = 0
const PALETTE = 3
const YCBCR = 6
const OLD_JPEG = 6
const JPEG = 7
const compressions: ReadonlyArray<readonly [name: string, ...numbers: ReadonlyArray<number>]> = [
  ["old-style JPEG", OLD_JPEG],
  ["JBIG", 9, 10, 34_661],
  ["NeXT", 32_766],
  ["ThunderScan", 32_809],
  ["JPEG 2000", 33_003, 33_005, 34_712],
  ["SGI LogLuv", 34_676, 34_677],
  ["LERC", 34_887],
  ["LZMA", 34_925],
  ["PNG", 34_933],
  ["JPEG XR", 34_934],
  ["Zstandard", 50_000],
  ["WebP", 50_001],
  ["JPEG XL", 50_002, 52_546]
]

const photometrics: ReadonlyMap<number, string> = new Map([
  [4, "a mask of what is transparent"],
  [5, "inks"],
  [8, "CIE L*a*b*"],
  [9, "ICC L*a*b*"],
  [10, "ITU L*a*b*"],
  [32_803, "a camera's colour filters"],
  [32_844, "LogL"],
  [32_845, "LogLuv"],
  [34_892, "a camera's own"]
])

/**
 * What is unusual about a page, for when its decoder fails: its compression, its colours, its bits, how its samples lie.
 * Empty where nothing is.
 */
export const unusual = (bytes: Uint8Array, page = 1): ReadonlyArray<string> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const directory = view.byteLength < 16 ? unusualNone : pageOf(view, page)
  if ("_tag" in directory) return []
  const { values } = directory
  const bits = values.get(BITS) ?? 1
  const samples = values.get(SAMPLES) ?? 1
  const compression = values.get(COMPRESSION) ?? 1
  const photometric = values.get(PHOTOMETRIC)
  const known = compressions.find((numbers) => numbers.includes(compression))?.[0]
  const colours = photometric === undefined ? "of no kind that it tells" : photometrics.get(photometric)
  return [
    ...(known === undefined ? [] : [`its compression is ${known}`]),
    ...(colours === undefined ? [] : [`its colours are ${colours}`]),
    ...([1, 2, 4, 8, 16, 32].includes(bits) ? [] : [`it has ${bits} bits a sample`]),
    ...(samples > 4 ? [`it has ${samples} samples a pixel`] : []),
    ...(values.get(0x011c) === 2 ? ["its samples lie in planes"] : [])
  ]
}

/** Pages behind one that cost its decoder nothing. */
const FEW_PAGES = 64

/** The same file without the pages behind this one, where they are many: its decoder would walk over all of them, in a time that grows with the square of their number. */
export const upToPage = (bytes: Uint8Array, page: number): Uint8Array => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const layout = startOf(view)
  let end = 0
  for (let at = layout.first, number = 1; at !== 0 && number <= page + FEW_PAGES; number++) {
    const frame = frameAt(view, at, layout)
    if (typeof frame === "number") return bytes
    if (number === page) end = frame.end
    at = frame.next
    if (number === page + FEW_PAGES && at !== 0)
      return new Uint8Array(bytes).fill(0, end, end + widths(layout)[2])
  }
  return bytes
}

/** What decoders do not tell of a page: whether its pixels lie in tiles, and whether its highest number is black. */
export interface Laid {
  readonly isTiled: boolean
  readonly isMinWhite: boolean
}

/** How a page is laid out. `range` reads a part of the file, or what there is of it. */
export const laid = Effect.fnUntraced(function* <E>(
  range: (offset: number, length: number) => Effect.Effect<Uint8Array, E>,
  page: number
): Effect.fn.Return<Laid, E> {
  const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const layout = startOf(viewOf(yield* range(0, 16)))
  const [countBytes, entryBytes, offsetBytes] = widths(layout)
  let at = layout.first
  for (let number = 1; at > 0 && number <= Math.min(page, MOST_PAGES); number++) {
    const start = viewOf(yield* range(at, countBytes))
    // What has more entries is none that its decoder would take.
    const count = start.byteLength < countBytes ? Infinity : numberAt(start, 0, countBytes, layout.little)
    if (count > 65_535) break
    const entries = viewOf(yield* range(at, countBytes + count * entryBytes + offsetBytes))
    // Values that lie elsewhere are not in it: none of those that count here.
    const found = directoryAt(entries, 0, layout)
    if (typeof found === "number") break
    const { next, tags, values } = found
    if (number === page)
      return { isTiled: tags.has(TILE_WIDTH), isMinWhite: values.get(PHOTOMETRIC) === MIN_IS_WHITE }
    at = next
  }
  return { isTiled: false, isMinWhite: false }
})

const unusualNone: Found = { _tag: "Unknown" }
