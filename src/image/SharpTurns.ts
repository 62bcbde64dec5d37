/**
 * libvips has one text for the whole process in which it says why something failed. To be told of one picture, nothing else may be
 * decoded meanwhile. By promises and not by permits: what is interrupted is decoded to its end all the same.
 */

let running = 0
let isIdle = (): void => {}
/** Until whoever is alone is done. */
let gate: Promise<void> | undefined

/** While others do the same. */
export const beside = async <A>(decode: () => Promise<A>): Promise<A> => {
  if (gate !== undefined) return gate.then(() => beside(decode))
  running++
  try {
    return await decode()
  } finally {
    running--
    if (running === 0) isIdle()
  }
}

/** Once all others are done, and before any other begins. */
export const alone = async <A>(decode: () => Promise<A>): Promise<A> => {
  if (gate !== undefined) return gate.then(() => alone(decode))
  let open = (): void => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  try {
    if (running > 0) {
      await new Promise<void>((resolve) => {
        isIdle = resolve
      })
    }
    return await decode()
  } finally {
    gate = undefined
    open()
  }
}
