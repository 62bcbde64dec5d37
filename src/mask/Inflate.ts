/**
 * What zlib packs (RFC 1950 and 1951), unpacked into memory that is there, up to where that ends: a byte of it may be a thousand, and
 * `fflate` unpacks them all, or into memory of its own.
 */
import * as Steps from "./Steps.ts"

/** What `out` holds then. */
export interface Inflated {
  /** Bytes of it that were made. */
  readonly length: number
  /** Where the checksum stands behind what is packed; undefined where `out` was full before that. */
  readonly end: number | undefined
}

/** Symbols by their codes. */
interface Codes {
  /** By the next ten bits: a symbol, shifted by four, and how many bits its code has; 0 where it has more, or there is none. */
  readonly short: Uint16Array
  /** How many codes there are of each length, and their symbols by length. */
  readonly counts: Uint16Array
  readonly symbols: Uint16Array
}

const longest = 15
const shortBits = 10
const shortMask = (1 << shortBits) - 1

const emptyCodes = (): Codes => ({
  short: new Uint16Array(1 << shortBits),
  counts: new Uint16Array(longest + 1),
  symbols: new Uint16Array(288)
})

/** Where reading and writing stand. */
interface State {
  readonly packed: Uint8Array
  readonly out: Uint8Array
  /** Next byte to read. */
  at: number
  /** Bits that were read and not used, the next one lowest, and how many they are. */
  hold: number
  held: number
  /** Next byte to write. */
  to: number
  /** Of the block that is read; of each block anew, in the same memory. */
  readonly literals: Codes
  readonly distances: Codes
}

/** Ten bits in the other order: codes stand in the data highest bit first. */
const reversed = Uint16Array.from({ length: 1 << shortBits }, (_, code) => {
  let other = 0
  for (let bit = 0; bit < shortBits; bit++) other |= ((code >> bit) & 1) << (shortBits - 1 - bit)
  return other
})

/** The codes of symbols whose lengths these are; false where no codes have such lengths. */
const setCodes = ({ counts, short, symbols }: Codes, lengths: Uint8Array, mayBeOne: boolean): boolean => {
  counts.fill(0)
  for (let symbol = 0; symbol < lengths.length; symbol++) counts[lengths[symbol]!]!++
  const unused = counts[0]!
  counts[0] = 0
  const next = new Uint16Array(longest + 1)
  const places = new Uint16Array(longest + 1)
  let left = 1
  let code = 0
  let place = 0
  for (let bits = 1; bits <= longest; bits++) {
    const count = counts[bits]!
    left = left * 2 - count
    if (left < 0) return false
    next[bits] = code
    places[bits] = place
    code = (code + count) << 1
    place += count
  }
  // As zlib has it: none is left over, but where a single one of one bit, or none at all, is enough.
  const used = lengths.length - unused
  if (left > 0 && !(mayBeOne && (used === 0 || (used === 1 && counts[1] === 1)))) return false
  short.fill(0)
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const bits = lengths[symbol]!
    if (bits === 0) continue
    symbols[places[bits]!++] = symbol
    if (bits > shortBits) continue
    const first = reversed[next[bits]!++]! >> (shortBits - bits)
    for (let at = first; at <= shortMask; at += 1 << bits) short[at] = (symbol << 4) | bits
  }
  return true
}

/** As `short` has it, of a code that has more bits than ten; 0 where there is none. */
const longCode = ({ counts, symbols }: Codes, hold: number): number => {
  let code = 0
  let first = 0
  let place = 0
  for (let bits = 1; bits <= longest; bits++) {
    code |= (hold >> (bits - 1)) & 1
    const count = counts[bits]!
    if (code - first < count) return (symbols[place + code - first]! << 4) | bits
    place += count
    first = (first + count) << 1
    code <<= 1
  }
  return 0
}

/** Codes of blocks that bring none. */
const fixedLiterals = emptyCodes()
setCodes(
  fixedLiterals,
  Uint8Array.from({ length: 288 }, (_, symbol) =>
    symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8
  ),
  false
)
const fixedDistances = emptyCodes()
setCodes(fixedDistances, new Uint8Array(32).fill(5), false)

/** Bits that follow the symbol of a length or a distance, and what it is where they are 0. */
const lengthBits = Uint8Array.from({ length: 29 }, (_, i) => (i < 8 || i === 28 ? 0 : (i >> 2) - 1))
const distanceBits = Uint8Array.from({ length: 30 }, (_, i) => (i < 4 ? 0 : (i >> 1) - 1))
const basesOf = (bits: Uint8Array, first: number): Uint16Array => {
  let base = first
  return Uint16Array.from(bits, (count) => (base += 1 << count) - (1 << count))
}
const lengthBases = basesOf(lengthBits, 3)
lengthBases[28] = 258
const distanceBases = basesOf(distanceBits, 1)

/** So many bits are there to be looked at; behind the end they are 0. */
const hold = (state: State, count: number): void => {
  while (state.held < count) {
    state.hold |= state.packed[state.at++]! << state.held
    state.held += 8
  }
}

const take = (state: State, count: number): number => {
  hold(state, count)
  const bits = state.hold & ((1 << count) - 1)
  state.hold >>>= count
  state.held -= count
  return bits
}

/** Whether more was read than there is. */
const isBehind = ({ at, held, packed }: State): boolean => at - (held >> 3) > packed.length

/** The order in which a block says how long the codes are by which it says how long its codes are. */
const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** The codes that a block brings; false where they are none. */
const readCodes = (state: State): boolean => {
  const literals = take(state, 5) + 257
  const distances = take(state, 5) + 1
  const count = take(state, 4) + 4
  if (literals > 286 || distances > 30) return false
  const own = new Uint8Array(19)
  for (let i = 0; i < count; i++) own[order[i]!] = take(state, 3)
  if (!setCodes(state.literals, own, false)) return false
  const { short } = state.literals
  const lengths = new Uint8Array(literals + distances)
  for (let i = 0; i < lengths.length;) {
    hold(state, shortBits)
    const code = short[state.hold & shortMask]!
    take(state, code & 15)
    const symbol = code >> 4
    if (symbol < 16) {
      lengths[i++] = symbol
      continue
    }
    if (symbol === 16 && i === 0) return false
    const length = symbol === 16 ? lengths[i - 1]! : 0
    const repeated =
      symbol === 16 ? 3 + take(state, 2) : symbol === 17 ? 3 + take(state, 3) : 11 + take(state, 7)
    if (i + repeated > lengths.length) return false
    lengths.fill(length, i, i + repeated)
    i += repeated
  }
  // 256 is the end of a block.
  return (
    lengths[256] !== 0 &&
    setCodes(state.literals, lengths.subarray(0, literals), true) &&
    setCodes(state.distances, lengths.subarray(literals), true)
  )
}

/** Goes on with a block until so many bytes are there: whether its end was reached, undefined where it is broken. */
const readBlock = (state: State, literals: Codes, distances: Codes, until: number): boolean | undefined => {
  const { out, packed } = state
  const room = out.length
  const end = packed.length
  // What is in the state is read and written ten times as slowly.
  let { at, held, hold, to } = state
  let isEnd = false
  while (to < until) {
    while (held < 20) {
      hold |= packed[at++]! << held
      held += 8
    }
    const code = literals.short[hold & shortMask]! || longCode(literals, hold)
    hold >>>= code & 15
    held -= code & 15
    if (code === 0 || at - (held >> 3) > end) return undefined
    const symbol = code >> 4
    if (symbol < 256) {
      out[to++] = symbol
      continue
    }
    if (symbol === 256) {
      isEnd = true
      break
    }
    if (symbol > 285) return undefined
    const more = lengthBits[symbol - 257]!
    const length = lengthBases[symbol - 257]! + (hold & ((1 << more) - 1))
    hold >>>= more
    held -= more
    while (held < longest) {
      hold |= packed[at++]! << held
      held += 8
    }
    const far = distances.short[hold & shortMask]! || longCode(distances, hold)
    hold >>>= far & 15
    held -= far & 15
    if (far === 0 || far >> 4 > 29) return undefined
    const farther = distanceBits[far >> 4]!
    while (held < farther) {
      hold |= packed[at++]! << held
      held += 8
    }
    const distance = distanceBases[far >> 4]! + (hold & ((1 << farther) - 1))
    hold >>>= farther
    held -= farther
    if (distance > to || at - (held >> 3) > end) return undefined
    const stop = Math.min(room, to + length)
    for (let from = to - distance; to < stop;) out[to++] = out[from++]!
  }
  state.at = at
  state.hold = hold
  state.held = held
  state.to = to
  return isEnd
}

/** A block that is copied; false where it is broken. */
const copyBlock = (state: State): boolean => {
  const { out, packed } = state
  // It begins with a byte.
  const at = state.at - (state.held >> 3)
  state.hold = state.held = 0
  if (at + 4 > packed.length) return false
  const length = packed[at]! | (packed[at + 1]! << 8)
  if (length + (packed[at + 2]! | (packed[at + 3]! << 8)) !== 0xffff) return false
  state.at = at + 4 + length
  const bytes = packed.subarray(at + 4, Math.min(state.at, at + 4 + out.length - state.to))
  out.set(bytes, state.to)
  state.to += bytes.length
  return state.at <= packed.length || state.to === out.length
}

/** Blocks between two pauses: one that gives nothing costs its codes. */
const blocksPerStep = 256

/** Unpacks until `out` is full, or all is unpacked; undefined where it is not packed as it should be. No checksum is looked at. */
export function* inflateSteps(packed: Uint8Array, out: Uint8Array): Steps.Steps<Inflated | undefined> {
  const [method = 0, flags = 0] = packed
  const isZlib = (method & 15) === 8 && method >> 4 < 8 && (method * 256 + flags) % 31 === 0
  // What needs a dictionary says so.
  if (!isZlib || (flags & 32) !== 0) return undefined
  const codes = { literals: emptyCodes(), distances: emptyCodes() }
  const state: State = { packed, out, at: 2, hold: 0, held: 0, to: 0, ...codes }
  for (let blocks = 1; ; blocks++) {
    if (blocks % blocksPerStep === 0) yield
    const isLast = take(state, 1) === 1
    const kind = take(state, 2)
    if (isBehind(state) || kind === 3) return undefined
    if (kind === 0) {
      if (!copyBlock(state)) return undefined
    } else {
      if (kind === 2 && !readCodes(state)) return undefined
      const [literals, distances] =
        kind === 1 ? [fixedLiterals, fixedDistances] : [state.literals, state.distances]
      for (;;) {
        const until = Math.min(out.length, state.to + Steps.pixelsPerStep)
        const isEnd = readBlock(state, literals, distances, until)
        if (isEnd === undefined) return undefined
        if (isEnd || state.to === out.length) break
        yield
      }
    }
    if (state.to === out.length) return { length: state.to, end: undefined }
    if (isLast) return { length: state.to, end: state.at - (state.held >> 3) }
  }
}

/** The same at once. */
export const inflate = Steps.sync(inflateSteps)
