/**
 * A compact index from ids to places in a file: 9 bytes a slot in typed arrays, however long the ids are, so that ten
 * million of them take some 150 to 200 MB. Of an id only a hash is kept; whoever asks reads the place and says whether
 * it is the right one, so that two ids with one hash are told apart.
 *
 * It is made of 256 tables that grow one at a time: no growth moves more than a 256th of the ids.
 */
export interface HashIndex {
  /** Ids held. */
  readonly size: () => number
  /** The place of an id, or -1. `isIt` says whether the entry at a place is of this id. */
  readonly find: (id: string, isIt: (at: number) => boolean) => number
  /** Whether this is the place that is held for an id. */
  readonly isAt: (id: string, at: number) => boolean
  /** Sets the place of an id, below 2^40; gives the one before, or -1. */
  readonly set: (id: string, at: number, isIt: (at: number) => boolean) => number
}

/** One of the tables: open addressing, a power of two slots. */
interface Table {
  /** The hash of the id in each slot; 0 where the slot is free. */
  readonly tags: Uint32Array
  readonly lows: Uint32Array
  readonly highs: Uint8Array
  used: number
}

const table = (slots: number): Table => ({
  tags: new Uint32Array(slots),
  lows: new Uint32Array(slots),
  highs: new Uint8Array(slots),
  used: 0
})

/** MurmurHash3's mixing over UTF-16 units; never 0. */
const hash = (id: string): number => {
  let h = id.length
  for (let i = 0; i < id.length; i++) {
    h ^= Math.imul(Math.imul(id.charCodeAt(i), 0xcc9e2d51) ^ (h >>> 15), 0x1b873593)
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0 || 1
}

const wrap = 0x1_0000_0000

/** The place in a slot. */
const placeOf = (self: Table, slot: number): number => self.highs[slot]! * wrap + self.lows[slot]!

/** The slot with this tag whose place is right, or the free one where the search ends. The low bits chose the table. */
const slotOf = (self: Table, tag: number, isIt: (at: number) => boolean): number => {
  const mask = self.tags.length - 1
  let slot = (tag >>> 8) & mask
  while (self.tags[slot] !== 0 && !(self.tags[slot] === tag && isIt(placeOf(self, slot)))) {
    slot = (slot + 1) & mask
  }
  return slot
}

const put = (self: Table, slot: number, tag: number, at: number): void => {
  self.tags[slot] = tag
  self.lows[slot] = at % wrap
  self.highs[slot] = at / wrap
}

const grown = (self: Table): Table => {
  const larger = table(self.tags.length * 2)
  for (let slot = 0; slot < self.tags.length; slot++) {
    const tag = self.tags[slot]!
    if (tag !== 0) put(larger, slotOf(larger, tag, never), tag, placeOf(self, slot))
  }
  larger.used = self.used
  return larger
}

const never = () => false

/** An empty index. */
export const make = (): HashIndex => {
  const tables = Array.from({ length: 256 }, () => table(16))
  let size = 0
  return {
    size: () => size,
    find: (id, isIt) => {
      const tag = hash(id)
      const own = tables[tag & 255]!
      const slot = slotOf(own, tag, isIt)
      return own.tags[slot] === 0 ? -1 : placeOf(own, slot)
    },
    isAt: (id, at) => {
      const tag = hash(id)
      const own = tables[tag & 255]!
      return own.tags[slotOf(own, tag, (place) => place === at)] !== 0
    },
    set: (id, at, isIt) => {
      const tag = hash(id)
      const own = tables[tag & 255]!
      const slot = slotOf(own, tag, isIt)
      const before = own.tags[slot] === 0 ? -1 : placeOf(own, slot)
      put(own, slot, tag, at)
      if (before >= 0) return before
      size++
      own.used++
      if (own.used > own.tags.length * 0.8) tables[tag & 255] = grown(own)
      return -1
    }
  }
}
