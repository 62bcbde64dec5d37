/** Colour profiles, made by hand: each kind of curve that ICC.1:2010 has for a display, and what is no display's. */
import { deflateSync } from "node:zlib"
import { chunk } from "./pngs.ts"

const fixed = (...values: ReadonlyArray<number>): Buffer => {
  const out = Buffer.alloc(values.length * 4)
  values.forEach((value, i) => out.writeInt32BE(Math.round(value * 65_536), i * 4))
  return out
}

const short = (...values: ReadonlyArray<number>): Buffer => {
  const out = Buffer.alloc(values.length * 2)
  values.forEach((value, i) => out.writeUInt16BE(value, i * 2))
  return out
}

const typed = (type: string, ...content: ReadonlyArray<Uint8Array>): Buffer =>
  Buffer.concat([Buffer.from(type, "latin1"), Buffer.alloc(4), ...content])

/** A table; one entry is a gamma in 8.8 bits, none is a straight line. */
export const curv = (...entries: ReadonlyArray<number>): Buffer =>
  typed("curv", fixed(entries.length / 65_536), short(...entries))

/** A formula of this kind, 0 to 4. */
export const para = (kind: number, ...parameters: ReadonlyArray<number>): Buffer =>
  typed("para", short(kind, 0), fixed(...parameters))

/** A table of a gamma, from so bright a black. */
export const power = (gamma: number, black = 0): Buffer =>
  curv(...Array.from({ length: 64 }, (_, i) => Math.round(black + (65_535 - black) * (i / 63) ** gamma)))

const xyz = (...values: readonly [number, number, number]): Buffer => typed("XYZ ", fixed(...values))

/** Red, green and blue under D50. */
export const srgbPrimaries = {
  rXYZ: xyz(0.4360747, 0.2225045, 0.0139322),
  gXYZ: xyz(0.3850649, 0.7168786, 0.0971045),
  bXYZ: xyz(0.1430804, 0.0606169, 0.7141733)
}

/** Those of Adobe RGB (1998), which reach further in green. */
export const widePrimaries = {
  rXYZ: xyz(0.6097559, 0.3111242, 0.0194811),
  gXYZ: xyz(0.2052401, 0.625656, 0.0608902),
  bXYZ: xyz(0.149224, 0.0632197, 0.7448387)
}

export interface Profile {
  readonly space?: string
  readonly connection?: string
  readonly tags: Readonly<Record<string, Uint8Array>>
}

export const profile = ({ connection = "XYZ ", space = "RGB ", tags }: Profile): Buffer => {
  const all = Object.entries({ wtpt: xyz(0.9642, 1, 0.8249), ...tags })
  const head = Buffer.alloc(132 + all.length * 12)
  head.writeUInt32BE(0x0420_0000, 8)
  head.write(`mntr${space}${connection}`, 12, "latin1")
  head.write("acsp", 36, "latin1")
  head.set(fixed(0.9642, 1, 0.8249), 68)
  head.writeUInt32BE(all.length, 128)
  const parts: Array<Uint8Array> = [head]
  let at = head.length
  all.forEach(([name, data], i) => {
    head.write(name, 132 + i * 12, "latin1")
    head.writeUInt32BE(at, 136 + i * 12)
    head.writeUInt32BE(data.length, 140 + i * 12)
    const padded = Buffer.alloc(Math.ceil(data.length / 4) * 4)
    padded.set(data)
    parts.push(padded)
    at += padded.length
  })
  head.writeUInt32BE(at, 0)
  return Buffer.concat(parts)
}

/** A display whose three colours have one curve. */
export const display = (curve: Uint8Array, primaries = srgbPrimaries): Buffer =>
  profile({ tags: { ...primaries, rTRC: curve, gTRC: curve, bTRC: curve } })

/** The chunk of a PNG. */
export const iccp = (bytes: Uint8Array): Buffer =>
  chunk("iCCP", Buffer.concat([Buffer.from("display\0\0", "latin1"), deflateSync(bytes)]))

/** The segments of a JPEG, in as many parts as are asked for. */
export const app2 = (bytes: Uint8Array, parts = 1): ReadonlyArray<Buffer> =>
  Array.from({ length: parts }, (_, i) => {
    const size = Math.ceil(bytes.length / parts)
    const part = bytes.subarray(i * size, (i + 1) * size)
    return Buffer.concat([
      Buffer.of(0xff, 0xe2),
      short(part.length + 16),
      Buffer.from("ICC_PROFILE\0", "latin1"),
      Buffer.of(i + 1, parts),
      part
    ])
  })
