/**
 * Colours by an ICC profile as sRGB: profiles that are three primaries (or a grey) and their curves, which those of cameras,
 * phones and displays are. What has tables of its own in their place (printers, scanners) is not read here.
 *
 * Layout and numbers are those of ICC.1:2010; colours outside of sRGB are cut off, as with any other intent for such profiles.
 */

import { isOf, type Space, textAt } from "./ProfileSpace.ts"

/** From a picture's bytes to sRGB, in place; `undefined` where they are sRGB already, or the profile says nothing of them; or why they cannot be. */
export type Conversion =
  | ((data: Uint8Array, channels: number) => void)
  | undefined
  | { readonly unread: string }

/** To linear sRGB from XYZ under D50, which profiles speak of. */
const fromXyz = [
  [3.1341359, -1.6173864, -0.4906619],
  [-0.9787955, 1.9162544, 0.0334428],
  [0.0719554, -0.2289769, 1.4053859]
] as const

const encodeSrgb = (v: number): number => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055)

/** Steps from linear to a byte: fine enough that dark ones are told apart. */
const steps = 16_384

const toByte = Uint8Array.from({ length: steps + 1 }, (_, i) => Math.round(255 * encodeSrgb(i / steps)))

const byteOf = (linear: number): number =>
  toByte[linear <= 0 ? 0 : linear >= 1 ? steps : Math.round(linear * steps)]!

export const conversion = (profile: Uint8Array, space: Space): Conversion => {
  const unread = (what: string) => ({ unread: `its colour profile ${what}, which is not read here` })
  if (profile.length < 132 || !isOf(profile, space)) return undefined
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength)
  const text = (at: number) => textAt(profile, at)
  const tags = new Map<string, number>()
  for (
    let i = 0, count = Math.min(view.getUint32(128), 100);
    i < count && 144 + i * 12 <= profile.length;
    i++
  ) {
    tags.set(text(132 + i * 12), view.getUint32(136 + i * 12))
  }
  if (text(20) !== "XYZ " || tags.has("A2B0")) return unread("has tables for its colours")
  try {
    if (space === "GRAY") {
      const curve = curveOf(view, tags.get("kTRC"))
      if (curve === undefined) return unread("has no curve")
      const { offset, scale } = fromBlack(curve[0]!)
      const bytes = Uint8Array.from(curve, (v) => byteOf(v * scale + offset))
      if (bytes.every((byte, i) => Math.abs(byte - i) <= 1)) return undefined
      return (data, channels) => {
        const colours = channels < 3 ? 1 : 3
        for (let at = 0; at < data.length; at += channels)
          for (let c = 0; c < colours; c++) data[at + c] = bytes[data[at + c]!]!
      }
    }
    const curves = ["rTRC", "gTRC", "bTRC"].map((name) => curveOf(view, tags.get(name)))
    const primaries = ["rXYZ", "gXYZ", "bXYZ"].map((name) => xyzOf(view, tags.get(name)))
    const [red, green, blue] = curves
    const [pr, pg, pb] = primaries
    if (!red || !green || !blue || !pr || !pg || !pb) return unread("has no primaries")
    const { offset, scale } = fromBlack(pr[1] * red[0]! + pg[1] * green[0]! + pb[1] * blue[0]!)
    const m = fromXyz.map((row) =>
      [pr, pg, pb].map((p) => scale * (row[0] * p[0] + row[1] * p[1] + row[2] * p[2]))
    )
    const [a, b, c] = m[0]!
    const [d, e, f] = m[1]!
    const [g, h, k] = m[2]!
    const convert = (data: Uint8Array, channels: number) => {
      for (let at = 0; at < data.length; at += channels) {
        const r = red[data[at]!]!
        const gr = green[data[at + 1]!]!
        const bl = blue[data[at + 2]!]!
        data[at] = byteOf(a! * r + b! * gr + c! * bl + offset)
        data[at + 1] = byteOf(d! * r + e! * gr + f! * bl + offset)
        data[at + 2] = byteOf(g! * r + h! * gr + k! * bl + offset)
      }
    }
    return isIdentity(convert) ? undefined : convert
  } catch {
    // As libvips has it: one that is cut off is none.
    return undefined
  }
}

/** The darkest that is taken for black: a lightness of 50, as Little CMS has it. */
const darkest = ((50 + 16) / 116) ** 3

/** A display's black, of this luminance, is the black of sRGB, and what is between it and white is spread: that is what libvips does. */
const fromBlack = (luminance: number) => {
  const black = Math.min(Math.max(0, luminance), darkest)
  return { scale: 1 / (1 - black), offset: -black / (1 - black) }
}

/** Whether a conversion changes no colour of a grid by more than a step. */
const isIdentity = (convert: (data: Uint8Array, channels: number) => void): boolean => {
  const levels = [0, 16, 64, 128, 192, 224, 255]
  const grid = Uint8Array.from(levels.flatMap((r) => levels.flatMap((g) => levels.flatMap((b) => [r, g, b]))))
  const found = grid.slice()
  convert(found, 3)
  return found.every((value, i) => Math.abs(value - grid[i]!) <= 1)
}

const fixed = (view: DataView, at: number): number => view.getInt32(at) / 65_536

const xyzOf = (view: DataView, at: number | undefined): readonly [number, number, number] | undefined =>
  at === undefined ? undefined : [fixed(view, at + 8), fixed(view, at + 12), fixed(view, at + 16)]

/** Linear light, 0 to 1, of each of the 256 bytes. */
const curveOf = (view: DataView, at: number | undefined): Float64Array | undefined => {
  if (at === undefined) return undefined
  const kind = view.getUint32(at)
  const each = (curve: (v: number) => number) => Float64Array.from({ length: 256 }, (_, i) => curve(i / 255))
  // "curv"
  if (kind === 0x63757276) {
    const count = view.getUint32(at + 8)
    if (count === 0) return each((v) => v)
    if (count === 1) {
      const gamma = view.getUint16(at + 12) / 256
      return each((v) => v ** gamma)
    }
    return each((v) => {
      const place = v * (count - 1)
      const low = Math.floor(place)
      const entry = (i: number) => view.getUint16(at + 12 + 2 * Math.min(i, count - 1)) / 65_535
      return entry(low) + (entry(low + 1) - entry(low)) * (place - low)
    })
  }
  // "para"
  if (kind !== 0x70617261) return undefined
  const type = view.getUint16(at + 8)
  const p = (i: number) => fixed(view, at + 12 + 4 * i)
  const gamma = p(0)
  switch (type) {
    case 0:
      return each((v) => v ** gamma)
    case 1:
      return each((v) => (v >= -p(2) / p(1) ? (p(1) * v + p(2)) ** gamma : 0))
    case 2:
      return each((v) => (v >= -p(2) / p(1) ? (p(1) * v + p(2)) ** gamma + p(3) : p(3)))
    case 3:
      return each((v) => (v >= p(4) ? (p(1) * v + p(2)) ** gamma : p(3) * v))
    case 4:
      return each((v) => (v >= p(4) ? (p(1) * v + p(2)) ** gamma + p(5) : p(3) * v + p(6)))
    default:
      return undefined
  }
}
