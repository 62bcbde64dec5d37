/**
 * Zip archives of files that are compressed already (PNG, JPEG): stored as they are, written as a stream, one file in
 * memory at a time.
 */
import { Effect, Stream } from "effect"
import { Zip, ZipPassThrough } from "fflate"

export interface ZipEntry<E = never> {
  /** With slashes, relative. */
  readonly path: string
  readonly bytes: Effect.Effect<Uint8Array, E>
}

/** The first day there is in a zip: names and bytes alone decide what an archive looks like. */
const day = new Date(1980, 0, 1)

/** The archive, piece by piece. At most 65,535 files and 4 GiB, the limits of the format without its extension. */
export const stream = <E>(entries: ReadonlyArray<ZipEntry<E>>): Stream.Stream<Uint8Array, E> =>
  Stream.suspend(() => {
    const pieces: Array<Uint8Array> = []
    // What is stored as it is fails in no way that could be met here.
    const zip = new Zip((error, piece) => {
      if (error !== null) throw error
      pieces.push(piece)
    })
    const written = () => pieces.splice(0)
    const files = Stream.flatMap(Stream.fromIterable(entries), (entry) =>
      Stream.fromIterableEffect(
        Effect.map(entry.bytes, (bytes) => {
          const file = new ZipPassThrough(entry.path)
          file.mtime = day
          zip.add(file)
          file.push(bytes, true)
          return written()
        })
      )
    )
    const end = Stream.suspend(() => {
      zip.end()
      return Stream.fromIterable(written())
    })
    return Stream.concat(files, end)
  })
