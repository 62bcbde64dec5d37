/** Random bytes drawn from the system in blocks: one draw costs as much as a hundred. */
const pool = new Uint8Array(4096)
let used = pool.length

/** `bytes` random bytes as lowercase hexadecimal, unguessable. */
export const randomHex = (bytes: number): string => {
  if (used + bytes > pool.length) {
    crypto.getRandomValues(pool)
    used = 0
  }
  let text = ""
  for (const end = used + bytes; used < end; used++) {
    text += (pool[used]! + 0x100).toString(16).slice(1)
    // What was given out must not be found in memory later.
    pool[used] = 0
  }
  return text
}
