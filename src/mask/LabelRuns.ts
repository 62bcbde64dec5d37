/**
 * A label map as runs of equal ids, row by row: the cheapest form to send one in. Each run is its id in 1, 2 or 4 bytes
 * (little-endian), then its length as LEB128, seven bits a byte. No run is longer than the map, and together they fill it.
 *
 * ```ts
 * import { LabelRuns } from "effect-segformer/mask"
 *
 * const bytes = LabelRuns.encode({ width: 4, height: 2, data: Uint8Array.of(0, 0, 0, 0, 0, 3, 3, 3) })
 * bytes // => Uint8Array.of(0, 5, 3, 3)
 * const map = LabelRuns.decode(bytes, { width: 4, height: 2, bits: 8 })
 * map._tag === "Success" && map.success.data // => Uint8Array.of(0, 0, 0, 0, 0, 3, 3, 3)
 * ```
 */
import { Result } from "effect"
import type { LabelMap } from "./LabelMap.ts"
import { failing, type MaskNotDecodable } from "./MaskError.ts"
import * as Steps from "./Steps.ts"

/** How many bits an id takes: those of the map's storage. */
export type Bits = 8 | 16 | 32

export const bitsOf = ({ data }: LabelMap): Bits =>
  data instanceof Uint8Array ? 8 : data instanceof Uint16Array ? 16 : 32

/** Bytes of the longest length, which has 32 bits. */
const longest = 5

/** {@link encode} in steps. */
export function* encodeSteps(map: LabelMap): Steps.Steps<Uint8Array> {
  const { data } = map
  const width = bitsOf(map) / 8
  let bytes = new Uint8Array(4096)
  let at = 0
  let pause = Steps.pixelsPerStep
  for (let from = 0; from < data.length;) {
    const id = data[from]!
    let end = from + 1
    while (end < data.length && data[end] === id) end++
    if (at + width + longest > bytes.length) {
      const larger = new Uint8Array(bytes.length * 2)
      larger.set(bytes)
      bytes = larger
    }
    for (let byte = 0; byte < width; byte++) bytes[at++] = id >>> (8 * byte)
    let length = end - from
    while (length > 0x7f) {
      bytes[at++] = (length & 0x7f) | 0x80
      length >>>= 7
    }
    bytes[at++] = length
    from = end
    if (from > pause) {
      pause = from + Steps.pixelsPerStep
      yield
    }
  }
  return bytes.subarray(0, at)
}

/** The runs of a label map. */
export const encode: (map: LabelMap) => Uint8Array = Steps.sync(encodeSteps)

/** The label map of runs. Fails where they do not fill it, or are cut off. */
export const decode = (
  bytes: Uint8Array,
  { bits, height, width }: { readonly width: number; readonly height: number; readonly bits: Bits }
): Result.Result<LabelMap, MaskNotDecodable> => {
  const wrong = failing("label map")
  const pixels = width * height
  const data =
    bits === 8 ? new Uint8Array(pixels) : bits === 16 ? new Uint16Array(pixels) : new Uint32Array(pixels)
  const size = bits / 8
  let filled = 0
  let at = 0
  while (at < bytes.length) {
    if (at + size >= bytes.length) return wrong("its last run is cut off")
    let id = 0
    for (let byte = 0; byte < size; byte++) id += bytes[at++]! * 2 ** (8 * byte)
    let length = 0
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length) return wrong("its last run is cut off")
      const byte = bytes[at++]!
      length += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) break
      if (shift > 28) return wrong("a run in it is longer than any map")
    }
    if (length === 0 || filled + length > pixels)
      return wrong(`its runs do not fill ${width} x ${height} pixels`)
    data.fill(id, filled, filled + length)
    filled += length
  }
  return filled === pixels
    ? Result.succeed({ width, height, data })
    : wrong(`its runs fill ${filled} of ${pixels} pixels`)
}
