/**
 * AVIF and HEIF (ISO/IEC 23008-12): the size of the primary item, after what its properties ask of every reader: a crop
 * (`clap`), a turn (`irot`) and a mirror (`imir`), in the order in which they are associated.
 */
import { unreadColours } from "./decoding/Coding.ts"
import {
  type Ascii,
  MOST_PARTS,
  needMore,
  type Reader,
  refused,
  sized,
  tooManyParts,
  unknown
} from "./HeaderFound.ts"

interface Box {
  readonly type: string
  /** Of what is in it. */
  readonly start: number
  readonly end: number
}

/** The boxes between two places, one after the other; the last one may end behind them. No more than one too many. */
const boxes = (view: DataView, ascii: Ascii, from: number, to: number): ReadonlyArray<Box> => {
  const found: Array<Box> = []
  for (let at = from; at + 8 <= to && found.length <= MOST_PARTS;) {
    const short = view.getUint32(at)
    const isLong = short === 1 && at + 16 <= to
    const size = isLong ? Number(view.getBigUint64(at + 8)) : short === 0 ? to - at : short
    const header = isLong ? 16 : 8
    if (size < header) break
    found.push({ type: ascii(at + 4, 4), start: at + header, end: at + size })
    at += size
  }
  return found
}

/** The boxes in a box that was read: those that lie in it. */
const within = (
  view: DataView,
  ascii: Ascii,
  { end, start }: Pick<Box, "start" | "end">
): ReadonlyArray<Box> => boxes(view, ascii, start, end).filter((box) => box.end <= end)

/** The first box of a type. */
const of = (all: ReadonlyArray<Box>, type: string): Box | undefined => all.find((box) => box.type === type)

/** The item that is the picture. */
const primaryItem = (view: DataView, { end, start }: Box): number | undefined =>
  start + 6 > end
    ? undefined
    : view.getUint8(start) === 0
      ? view.getUint16(start + 4)
      : start + 8 > end
        ? undefined
        : view.getUint32(start + 4)

/** Which properties an item has, by their number from 1, in the order that they are to be applied. */
const associated = (view: DataView, { end, start }: Box, item: number): ReadonlyArray<number> => {
  const version = view.getUint8(start)
  const isWide = (view.getUint8(start + 3) & 1) === 1
  const idBytes = version < 1 ? 2 : 4
  let at = start + 8
  for (let left = view.getUint32(start + 4); left > 0 && at + idBytes + 1 <= end; left--) {
    const id = idBytes === 2 ? view.getUint16(at) : view.getUint32(at)
    const count = view.getUint8(at + idBytes)
    at += idBytes + 1
    const bytes = isWide ? 2 : 1
    if (at + count * bytes > end) break
    if (id === item) {
      return Array.from({ length: count }, (_, i) =>
        isWide ? view.getUint16(at + i * 2) & 0x7fff : view.getUint8(at + i) & 0x7f
      )
    }
    at += count * bytes
  }
  return []
}

/** Which items say something of which others. */
const references = (view: DataView, ascii: Ascii, inside: ReadonlyArray<Box>) => {
  const iref = of(inside, "iref")
  if (iref === undefined || iref.start >= iref.end) return []
  const idBytes = view.getUint8(iref.start) > 0 ? 4 : 2
  const idAt = (at: number) => (idBytes === 4 ? view.getUint32(at) : view.getUint16(at))
  return within(view, ascii, { start: iref.start + 4, end: iref.end })
    .filter(({ end, start }) => start + idBytes + 2 <= end)
    .map(({ end, start, type }) => {
      const first = start + idBytes + 2
      const to = Array.from({ length: Math.floor((end - first) / idBytes) }, (_, i) =>
        idAt(first + i * idBytes)
      )
      return { type, from: idAt(start), to }
    })
}

/** What is a picture of its own: not a part, a preview or a layer (depth, transparency) of another, nor hidden. */
const pictures = (view: DataView, ascii: Ascii, inside: ReadonlyArray<Box>): number => {
  const iinf = of(inside, "iinf")
  if (iinf === undefined || iinf.start + 8 > iinf.end) return 1
  const lesser = new Set<number>()
  for (const { from, to, type } of references(view, ascii, inside)) {
    if (type === "thmb" || type === "auxl") lesser.add(from)
    if (type === "dimg") for (const part of to) lesser.add(part)
  }
  const from = iinf.start + (view.getUint8(iinf.start) === 0 ? 6 : 8)
  return within(view, ascii, { start: from, end: iinf.end }).filter(({ end, start, type }) => {
    if (type !== "infe" || start + 12 > end) return false
    const version = view.getUint8(start)
    const isHidden = (view.getUint8(start + 3) & 1) === 1
    const id = version === 3 ? view.getUint32(start + 4) : view.getUint16(start + 4)
    const kind = ascii(start + (version === 3 ? 10 : 8), 4)
    return !isHidden && !lesser.has(id) && /av01|[ah]vc1|hev1|vvc1|jpeg|grid|iovl|iden|unci/.test(kind)
  }).length
}

/** What each orientation of EXIF does: first mirrored (m, left to right), then turned so often by 90° clockwise. */
const turnsOf = ["0", "m0", "2", "m2", "m3", "1", "m1", "3"]

const exifOf = (isMirrored: boolean, turns: number): number =>
  1 + turnsOf.indexOf(`${isMirrored ? "m" : ""}${((turns % 4) + 4) % 4}`)

const sequence = refused(
  "it is a sequence of pictures (a video). Take a frame of it, as PNG or JPEG (ffmpeg -i in.avif frame-%05d.png)"
)

export const isoMedia: Reader = (view, ascii) => {
  // Who reads still pictures of this kind goes by the first brand.
  if (ascii(8, 4) === "avis") return sequence
  const top = boxes(view, ascii, 0, view.byteLength)
  if (top.length > MOST_PARTS) return tooManyParts
  const meta = of(top, "meta")
  const last = top.at(-1)
  if (meta === undefined) {
    if (of(top, "moov") !== undefined) return sequence
    // What else there is stands behind what was seen, if it is there.
    return needMore(Math.max(last?.end ?? 0, view.byteLength) + 64 * 1024)
  }
  if (meta.end > view.byteLength) return needMore(meta.end)
  const inside = within(view, ascii, { start: meta.start + 4, end: meta.end })
  if (inside.length > MOST_PARTS) return tooManyParts
  const pitm = of(inside, "pitm")
  const iprp = of(inside, "iprp")
  if (pitm === undefined || iprp === undefined) return unknown
  const item = primaryItem(view, pitm)
  const properties = within(view, ascii, iprp)
  const ipco = of(properties, "ipco")
  if (item === undefined || ipco === undefined) return unknown
  const all = within(view, ascii, ipco)
  const own = properties
    .filter(({ end, start, type }) => type === "ipma" && start + 8 <= end)
    .flatMap((ipma) => associated(view, ipma, item))
    .flatMap((number) => all[number - 1] ?? [])

  let width = 0
  let height = 0
  let isMirrored = false
  let turns = 0
  for (const { end, start, type } of own) {
    if (type === "ispe" && start + 12 <= end) {
      width = view.getUint32(start + 4)
      height = view.getUint32(start + 8)
    } else if (type === "clap" && start + 32 <= end) {
      // Of the crop only its size matters here: numerator and denominator of each side.
      const [w, wd, h, hd] = [0, 4, 8, 12].map((at) => view.getUint32(start + at))
      const seen = [Math.round(w! / wd!), Math.round(h! / hd!)] as const
      const [across, down] = turns % 2 === 0 ? seen : [seen[1], seen[0]]
      if (!(across > 0 && down > 0 && across <= width && down <= height))
        return refused("it is to be cropped to more than it has", { isBroken: true })
      width = across
      height = down
    } else if (type === "irot" && start < end) {
      turns -= view.getUint8(start) & 3
    } else if (type === "imir" && start < end) {
      // After what was turned before: a mirror top to bottom is one left to right and half a turn.
      const isUpsideDown = (view.getUint8(start) & 1) === 0
      isMirrored = !isMirrored
      turns = (isUpsideDown ? 2 : 0) - turns
    }
  }
  // Beside the picture there may be a sequence, which a brand says.
  const ftyp = of(top, "ftyp")
  const brands = ftyp === undefined ? "" : ascii(ftyp.start, ftyp.end - ftyp.start)
  const hasMore = /avis|msf1|hev[cx]/.test(brands) || pictures(view, ascii, inside) > 1
  const found = sized(width, height, exifOf(isMirrored, turns), hasMore)
  const isMultiplied = references(view, ascii, inside).some(
    ({ from, type }) => type === "prem" && from === item
  )
  const unread = isMultiplied
    ? "its colours are multiplied by its transparency, which is not read here. Convert it to PNG"
    : coloursOf(view, ascii, own)
  if (found._tag !== "Sized") return found
  const nclx = own.find(
    ({ end, start, type }) => type === "colr" && start + 11 <= end && ascii(start, 4) === "nclx"
  )
  return {
    ...found,
    ...(unread === undefined ? {} : { unread }),
    ...(nclx !== undefined && view.getUint16(nclx.start + 8) === UNSPECIFIED
      ? { matrixAt: nclx.start + 8 }
      : {})
  }
}

/** Of H.273. */
const UNSPECIFIED = 2

/** Why the colours of a picture cannot be read, where it has no profile of them. */
const coloursOf = (view: DataView, ascii: Ascii, own: ReadonlyArray<Box>): string | undefined => {
  const colours = own.filter(({ end, start, type }) => type === "colr" && start + 8 <= end)
  const [nclx] = colours
  return nclx === undefined || colours.some(({ start }) => ascii(start, 4) !== "nclx")
    ? undefined
    : unreadColours(view.getUint16(nclx.start + 4), view.getUint16(nclx.start + 6))
}
