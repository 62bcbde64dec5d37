/**
 * Numbers of 16 bits (IEEE 754 binary16), in which models take pictures and give logits. `Float16Array` is in no Node before 24.
 *
 * No Effect here: the ONNX transport runs it in its session's process.
 */

/** Every half as a 32-bit number: 256 kB, made on first use. */
let halves: Float32Array | undefined

export const table = (): Float32Array => {
  if (halves !== undefined) return halves
  halves = new Float32Array(65_536)
  for (let bits = 0; bits < 65_536; bits++) {
    const exponent = (bits >> 10) & 31
    const fraction = bits & 1023
    const sign = bits & 0x8000 ? -1 : 1
    halves[bits] =
      exponent === 31
        ? fraction === 0
          ? sign * Infinity
          : Number.NaN
        : exponent === 0
          ? sign * fraction * 2 ** -24
          : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
  }
  return halves
}

/** 32-bit numbers as halves, to the nearest and of two to the even one. */
export const toHalves = (values: Float32Array): Uint16Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const word = bits[i]!
    const sign = (word >>> 16) & 0x8000
    const magnitude = word & 0x7fffffff
    if (magnitude >= 0x47800000) {
      out[i] = sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00)
    } else if (magnitude < 0x38800000) {
      // A multiple of 2^-24; adding 0.5 lets the addition round it.
      const small = Math.abs(values[i]!) * 2 ** 24
      const floor = Math.floor(small)
      const rest = small - floor
      out[i] = sign | (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor)
    } else {
      const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
      out[i] = sign | ((rounded - 0x38000000) >>> 13)
    }
  }
  return out
}

/** Halves as 32-bit numbers. */
export const fromHalves = (bits: Uint16Array): Float32Array => {
  const values = table()
  const out = new Float32Array(bits.length)
  for (let i = 0; i < bits.length; i++) out[i] = values[bits[i]!]!
  return out
}
