/**
 * What is to be added to a file: bytes in one buffer, so that what waits to be written is no object of its own, and can be
 * read by its place in the file as if it stood there already.
 */
export interface Tail {
  /** Where the next bytes will stand. */
  readonly end: () => number
  /** Bytes not written yet. */
  readonly size: () => number
  /** Adds text; gives the number of its bytes. */
  readonly add: (text: string) => number
  /** Takes what is there, for writing; `settle` says that it was written. One at a time. */
  readonly take: () => Buffer
  readonly settle: () => void
  /** The bytes from a place on, as far as they are here; undefined where they are in the file. */
  readonly from: (at: number) => Buffer | undefined
}

const smallest = 64 * 1024

/** The tail of a file of so many bytes. */
export const make = (written: number): Tail => {
  /** Where what is being written starts, and where what is added now does. */
  let takenAt = written
  let taken = Buffer.alloc(0)
  let freshAt = written
  let fresh = Buffer.alloc(smallest)
  let used = 0
  return {
    end: () => freshAt + used,
    size: () => taken.length + used,
    add: (text) => {
      // A UTF-16 unit is at most three bytes.
      if (used + text.length * 3 > fresh.length) {
        const larger = Buffer.alloc(Math.max(fresh.length * 2, used + text.length * 3))
        fresh.copy(larger, 0, 0, used)
        fresh = larger
      }
      const length = fresh.write(text, used)
      used += length
      return length
    },
    take: () => {
      takenAt = freshAt
      taken = fresh.subarray(0, used)
      freshAt += used
      if (used > 0) fresh = Buffer.alloc(smallest)
      used = 0
      return taken
    },
    settle: () => {
      takenAt = freshAt
      taken = Buffer.alloc(0)
    },
    from: (at) =>
      at >= freshAt
        ? fresh.subarray(Math.min(used, at - freshAt), used)
        : at >= takenAt
          ? taken.subarray(at - takenAt)
          : undefined
  }
}
