/** zlib off the event loop: by Node's threads where there is Node, else by the streams that browsers have. */

interface Native {
  readonly deflate: (
    bytes: Uint8Array,
    options: { readonly level: number },
    done: (error: Error | null, packed: Uint8Array) => void
  ) => void
  readonly inflate: (
    bytes: Uint8Array,
    options: { readonly maxOutputLength: number },
    done: (error: Error | null, unpacked: Uint8Array) => void
  ) => void
}

/** Without an import that a bundle for browsers would trip over. */
const native: Native | undefined =
  typeof process === "object" && typeof process.getBuiltinModule === "function"
    ? process.getBuiltinModule("node:zlib")
    : undefined

const settle =
  (resolve: (bytes: Uint8Array) => void, reject: (error: Error) => void) =>
  (error: Error | null, bytes: Uint8Array): void =>
    error === null ? resolve(bytes) : reject(error)

/** A zlib stream of the bytes. */
export const deflate = (bytes: Uint8Array): Promise<Uint8Array> =>
  native === undefined
    ? through(bytes, new CompressionStream("deflate"), Infinity)
    : new Promise((resolve, reject) => native.deflate(bytes, { level: 3 }, settle(resolve, reject)))

/** What a zlib stream holds. Fails where it is none, and where it holds more than `most` bytes, once it has given so many. */
export const inflate = (bytes: Uint8Array, most: number): Promise<Uint8Array> =>
  native === undefined
    ? through(bytes, new DecompressionStream("deflate"), most)
    : new Promise((resolve, reject) =>
        native.inflate(bytes, { maxOutputLength: most }, settle(resolve, reject))
      )

const through = async (
  bytes: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  most: number
): Promise<Uint8Array> => {
  const pieces: Array<Uint8Array<ArrayBuffer>> = []
  let length = 0
  for await (const piece of new Blob([new Uint8Array(bytes)]).stream().pipeThrough(stream)) {
    length += piece.length
    if (length > most) throw new Error(`more than ${most} bytes`)
    pieces.push(piece)
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}
