/** What is told of a picture's data besides its pixels, and means that they are not what they seem. */

/** What libjpeg warns of where a part of a picture is lost: its end (0xd9) stands where more should be. What else it warns of no viewer minds. */
export const isLost = (warning: string): boolean =>
  /premature end of data|bad Huffman|bad arithmetic|found marker 0xd9/.test(warning)

/** Primaries and curves of ITU-T H.273 that viewers take for those of sRGB, or that tell nothing. */
const primariesRead = new Set([0, 1, 2, 5, 6, 7])
const curvesRead = new Set([0, 1, 2, 4, 5, 6, 7, 13, 14, 15])
const wide: ReadonlyMap<number, string> = new Map([
  [16, "PQ"],
  [18, "HLG"]
])

/** Why colours by these numbers cannot be read, where no profile says what they are. */
export const unreadColours = (primaries: number, curve: number): string | undefined => {
  if (primariesRead.has(primaries) && curvesRead.has(curve)) return undefined
  const range = wide.get(curve)
  const what = range === undefined ? "not those of sRGB" : `of a high dynamic range (${range})`
  return `its colours are ${what} (primaries ${primaries}, curve ${curve} of H.273), which are not read here. Convert it to sRGB`
}

/** The first chunk of a name in a PNG, of those before the pixels: all that changes colours stands there. */
export const chunkOf = (png: Uint8Array, name: string): Uint8Array | undefined => {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength)
  for (let at = 8; at + 12 <= png.length;) {
    const length = view.getUint32(at)
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8))
    if (type === name) return png.subarray(at + 8, at + 8 + length)
    if (type === "IDAT" || type === "IEND") return undefined
    at += 12 + length
  }
  return undefined
}

/** The same of a PNG. */
export const unreadPng = (png: Uint8Array): string | undefined => {
  const [primaries, curve] = chunkOf(png, "cICP") ?? []
  return primaries === undefined || curve === undefined || chunkOf(png, "iCCP") !== undefined
    ? undefined
    : unreadColours(primaries, curve)
}
