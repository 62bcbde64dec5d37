/**
 * Digests of what is too large for memory: fed piece by piece. The runtime's own code does the work where it has some
 * for this (Node, Bun, Deno), and plain arithmetic elsewhere: WebCrypto takes a whole at once only.
 *
 * ```ts
 * import { Hashing } from "effect-segformer/jobs"
 *
 * const hasher = Hashing.make("sha-256")
 * hasher.update(new TextEncoder().encode("a"))
 * hasher.update(new TextEncoder().encode("bc"))
 * Hashing.toHex(hasher.digest()).slice(0, 16) // => "ba7816bf8f01cfea"
 * ```
 */

export type Algorithm = "sha-256" | "md5"

export interface Hasher {
  readonly update: (bytes: Uint8Array) => void
  /** 32 or 16 bytes. It ends the hasher. */
  readonly digest: () => Uint8Array
}

interface NativeHash {
  readonly update: (bytes: Uint8Array) => unknown
  readonly digest: () => Uint8Array
}

interface Runtime {
  readonly getBuiltinModule?:
    | ((id: string) => { readonly createHash: (algorithm: string) => NativeHash } | undefined)
    | undefined
}

const native = (globalThis as { readonly process?: Runtime | undefined }).process?.getBuiltinModule?.(
  "node:crypto"
)

/** A hasher of the runtime where there is one. */
export const make = (algorithm: Algorithm): Hasher => {
  if (native === undefined) return portable(algorithm)
  const hash = native.createHash(algorithm.replace("-", ""))
  return { update: (bytes) => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) }
}

/** Bytes as lowercase hexadecimal. */
export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** The first 32 bits of the fractional parts of roots of the first primes (FIPS 180-4). */
const fractions = (count: number, root: (prime: number) => number): Uint32Array => {
  const words = new Uint32Array(count)
  for (let candidate = 2, found = 0; found < count; candidate++) {
    let isPrime = true
    for (let at = 2; at * at <= candidate; at++) if (candidate % at === 0) isPrime = false
    if (isPrime) words[found++] = (root(candidate) % 1) * 2 ** 32
  }
  return words
}

/** A block of 64 bytes into the state. */
type Compress = (state: Uint32Array, block: DataView) => void

const shaConstants = fractions(64, Math.cbrt)
const shaStart = fractions(8, Math.sqrt)
const schedule = new Uint32Array(64)

const rightRotated = (word: number, by: number) => (word >>> by) | (word << (32 - by))

const sha256: Compress = (state, block) => {
  for (let at = 0; at < 16; at++) schedule[at] = block.getUint32(at * 4)
  for (let at = 16; at < 64; at++) {
    const early = schedule[at - 15]!
    const late = schedule[at - 2]!
    schedule[at] =
      schedule[at - 16]! +
      schedule[at - 7]! +
      (rightRotated(early, 7) ^ rightRotated(early, 18) ^ (early >>> 3)) +
      (rightRotated(late, 17) ^ rightRotated(late, 19) ^ (late >>> 10))
  }
  // Not by destructuring: this runs for every 64 bytes.
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  let e = state[4]!
  let f = state[5]!
  let g = state[6]!
  let h = state[7]!
  for (let at = 0; at < 64; at++) {
    const first =
      (h +
        (rightRotated(e, 6) ^ rightRotated(e, 11) ^ rightRotated(e, 25)) +
        ((e & f) ^ (~e & g)) +
        shaConstants[at]! +
        schedule[at]!) |
      0
    const second =
      ((rightRotated(a, 2) ^ rightRotated(a, 13) ^ rightRotated(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0
    h = g
    g = f
    f = e
    e = (d + first) | 0
    d = c
    c = b
    b = a
    a = (first + second) | 0
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
  state[4]! += e
  state[5]! += f
  state[6]! += g
  state[7]! += h
}

/** MD5's constants are those of the sine (RFC 1321). */
const md5Constants = Uint32Array.from({ length: 64 }, (_, at) => Math.abs(Math.sin(at + 1)) * 2 ** 32)
const md5Shifts = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]
const md5Start = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)

const md5: Compress = (state, block) => {
  let a = state[0]!
  let b = state[1]!
  let c = state[2]!
  let d = state[3]!
  for (let at = 0; at < 64; at++) {
    const round = at >> 4
    const mixed =
      round === 0
        ? (b & c) | (~b & d)
        : round === 1
          ? (d & b) | (~d & c)
          : round === 2
            ? b ^ c ^ d
            : c ^ (b | ~d)
    const word = round === 0 ? at : round === 1 ? 5 * at + 1 : round === 2 ? 3 * at + 5 : 7 * at
    const sum = (a + mixed + md5Constants[at]! + block.getUint32((word & 15) * 4, true)) | 0
    const shift = md5Shifts[round * 4 + (at & 3)]!
    a = d
    d = c
    c = b
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
}

/** A hasher in plain arithmetic. */
export const portable = (algorithm: Algorithm): Hasher => {
  const isLittle = algorithm === "md5"
  const compress = isLittle ? md5 : sha256
  const state = Uint32Array.from(isLittle ? md5Start : shaStart)
  const rest = new Uint8Array(64)
  const restView = new DataView(rest.buffer)
  let held = 0
  let length = 0

  const update = (bytes: Uint8Array) => {
    length += bytes.length
    let at = 0
    if (held > 0) {
      at = Math.min(64 - held, bytes.length)
      rest.set(bytes.subarray(0, at), held)
      held += at
      if (held < 64) return
      compress(state, restView)
      held = 0
    }
    for (; at + 64 <= bytes.length; at += 64) {
      compress(state, new DataView(bytes.buffer, bytes.byteOffset + at, 64))
    }
    rest.set(bytes.subarray(at))
    held = bytes.length - at
  }

  const digest = () => {
    const bits = length * 8
    const end = new Uint8Array((held < 56 ? 64 : 128) - held)
    const view = new DataView(end.buffer)
    end[0] = 0x80
    // The length in bits, as 64 of them.
    view.setUint32(end.length - (isLittle ? 8 : 4), bits >>> 0, isLittle)
    view.setUint32(end.length - (isLittle ? 4 : 8), Math.floor(bits / 2 ** 32), isLittle)
    update(end)
    const bytes = new Uint8Array(state.length * 4)
    const out = new DataView(bytes.buffer)
    for (const [at, word] of state.entries()) out.setUint32(at * 4, word, isLittle)
    return bytes
  }

  return { update, digest }
}
