/**
 * Zip archives of files that are compressed already (PNG, JPEG): stored as they are, written as a stream, one file in
 * memory at a time.
 */
import { Effect, Stream } from "effect"
import { crc32 } from "node:zlib"

export interface ZipEntry<E = never> {
  /** With slashes, relative. */
  readonly path: string
  readonly bytes: Effect.Effect<Uint8Array, E>
}

const encoder = new TextEncoder()

/** 1 January 1980, the first day there is in a zip: names and bytes alone decide what an archive looks like. */
const day = 0x21

/** The archive, piece by piece. At most 65,535 files and 4 GiB, the limits of the format without its extension. */
export const stream = <E>(entries: ReadonlyArray<ZipEntry<E>>): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    const directory: Array<Uint8Array> = []
    let offset = 0
    const files = Stream.flatMap(Stream.fromIterable(entries), (entry) =>
      Stream.fromIterableEffect(
        Effect.map(entry.bytes, (bytes) => {
          const name = encoder.encode(entry.path)
          const sum = crc32(bytes)
          const local = header(0x04034b50, 30, name, bytes.length, sum)
          directory.push(central(name, bytes.length, sum, offset))
          offset += local.length + bytes.length
          return [local, bytes]
        })
      )
    )
    const end = Stream.suspend(() => {
      const size = directory.reduce((sum, record) => sum + record.length, 0)
      const view = new DataView(new ArrayBuffer(22))
      view.setUint32(0, 0x06054b50, true)
      view.setUint16(8, directory.length, true)
      view.setUint16(10, directory.length, true)
      view.setUint32(12, size, true)
      view.setUint32(16, offset, true)
      return Stream.fromIterable([...directory, new Uint8Array(view.buffer)])
    })
    return Stream.concat(files, end)
  })

/** What a local header and a record of the directory have in common, from the version on. */
const common = (view: DataView, at: number, name: Uint8Array, size: number, sum: number) => {
  view.setUint16(at, 20, true)
  view.setUint16(at + 2, 0x0800, true) // names are UTF-8
  view.setUint16(at + 8, day, true)
  view.setUint32(at + 10, sum, true)
  view.setUint32(at + 14, size, true)
  view.setUint32(at + 18, size, true)
  view.setUint16(at + 22, name.length, true)
}

const header = (signature: number, length: number, name: Uint8Array, size: number, sum: number) => {
  const bytes = new Uint8Array(length + name.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, signature, true)
  common(view, 4, name, size, sum)
  bytes.set(name, length)
  return bytes
}

const central = (name: Uint8Array, size: number, sum: number, offset: number) => {
  const bytes = new Uint8Array(46 + name.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x02014b50, true)
  view.setUint16(4, 20, true)
  common(view, 6, name, size, sum)
  view.setUint32(42, offset, true)
  bytes.set(name, 46)
  return bytes
}
