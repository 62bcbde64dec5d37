/**
 * Whether zstd data ends where a frame does (RFC 8878): Node's decoder takes data that was cut off for the whole. Only
 * headers are looked at; what the blocks hold is passed over.
 */
export interface ZstdFrames {
  readonly push: (bytes: Uint8Array) => void
  /** So far, every frame that began has ended, and at least one has. */
  readonly isWhole: () => boolean
}

/** Bytes of each header. */
const lengths = { magic: 4, descriptor: 1, block: 3, skippable: 4 } as const

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a5

/** Bytes of the id of a dictionary, and of the size of the content, by their flags. */
const dictionaryBytes = [0, 1, 2, 4] as const
const contentSizeBytes = [0, 2, 4, 8] as const

export const make = (): ZstdFrames => {
  let step: keyof typeof lengths | "unknown" = "magic"
  /** The header under way, little-endian, and how many of its bytes have come. */
  let value = 0
  let seen = 0
  /** Bytes to pass over. */
  let left = 0
  let hasChecksum = false
  let frames = 0

  const take = (): void => {
    switch (step) {
      case "magic":
        step = value === frameMagic ? "descriptor" : value >>> 4 === skippableMagic ? "skippable" : "unknown"
        return
      case "descriptor": {
        const isSingle = (value & 0x20) !== 0
        const contentSize = contentSizeBytes[value >>> 6] || (isSingle ? 1 : 0)
        hasChecksum = (value & 0x04) !== 0
        left = (isSingle ? 0 : 1) + dictionaryBytes[value & 3]! + contentSize
        step = "block"
        return
      }
      case "block": {
        const isLast = (value & 1) !== 0
        // A block of one byte repeated holds that byte alone.
        const size = ((value >>> 1) & 3) === 1 ? 1 : value >>> 3
        left = size + (isLast && hasChecksum ? 4 : 0)
        if (isLast) frames++
        step = isLast ? "magic" : "block"
        return
      }
      case "skippable":
        left = value
        step = "magic"
    }
  }

  return {
    push: (bytes) => {
      for (let at = 0; at < bytes.length;) {
        if (step === "unknown") return
        if (left > 0) {
          const passed = Math.min(left, bytes.length - at)
          left -= passed
          at += passed
          continue
        }
        value = (value | (bytes[at++]! << (8 * seen++))) >>> 0
        if (seen < lengths[step]) continue
        take()
        value = 0
        seen = 0
      }
    },
    isWhole: () => step === "magic" && seen === 0 && left === 0 && frames > 0
  }
}
