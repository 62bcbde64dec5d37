/**
 * Digests of what is too large for memory: fed piece by piece, which WebCrypto cannot be. The runtime's own code does the
 * work. All that have files have some (Node, Bun, Deno): it is asked for when it is needed, so that what only imports this
 * module runs anywhere.
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
import { Effect } from "effect"

export type Algorithm = "sha-256" | "md5"

export interface Hasher {
  readonly update: (bytes: Uint8Array) => void
  /** 32 or 16 bytes. It ends the hasher. */
  readonly digest: () => Uint8Array
}

interface Runtime {
  readonly getBuiltinModule?:
    | ((id: string) => { readonly createHash: (algorithm: string) => Hasher } | undefined)
    | undefined
}

/** A hasher of the runtime. It throws where the runtime has none. */
export const make = (algorithm: Algorithm): Hasher => {
  const { process } = globalThis as { readonly process?: Runtime | undefined }
  const crypto = process?.getBuiltinModule?.("node:crypto")
  if (crypto === undefined) {
    throw new Error("Digests of files need a runtime with node:crypto: Node 22.3, Bun 1.2, Deno 2 or later")
  }
  const hash = crypto.createHash(algorithm.replace("-", ""))
  return { update: (bytes) => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) }
}

/** The platform takes no memory that threads share. */
const owned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes)

/** Whether {@link sha256} can be had: browsers keep it from pages that came by http. */
export const canDigest = (): boolean => Reflect.get(crypto, "subtle") !== undefined

/** The SHA-256 of bytes in memory, as hexadecimal: what a content is known by. It is worked out off the event loop. */
export const sha256 = (bytes: Uint8Array): Effect.Effect<string> =>
  Effect.promise(async () => toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", owned(bytes)))))

/** Bytes as lowercase hexadecimal. */
export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
