/** `sharp`, an optional package: how it is loaded, and what its answers and errors are here. */
import { Effect } from "effect"
import { DependencyMissing } from "./ImageError.ts"
import { firstLineOf } from "../SystemError.ts"

export type SharpModule = typeof import("sharp").default

/** The package, or what to install. `from` is a parameter so that a test can take it away. */
export const load = (
  purpose: string,
  from: () => Promise<SharpModule> = async () => (await import("sharp")).default
): Effect.Effect<SharpModule, DependencyMissing> =>
  Effect.tryPromise({
    try: async () => {
      const sharp = await from()
      // Its cache keeps decoded tiles for operations that repeat; each picture comes once.
      sharp.cache(false)
      return sharp
    },
    catch: (cause) => new DependencyMissing({ packages: ["sharp"], purpose, detail: firstLineOf(cause) })
  })

/** The same memory without Node's additions. */
export const plain = ({ buffer, byteLength, byteOffset }: Buffer): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** The same memory as numbers; a copy where it does not lie as those must. */
export const floats = ({ buffer, byteLength, byteOffset }: Buffer): Float32Array =>
  byteOffset % 4 === 0
    ? new Float32Array(buffer, byteOffset, byteLength / 4)
    : new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength))
