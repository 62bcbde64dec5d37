/**
 * Files for callers to fetch later, in a folder that ends with the server. Callers name them by paths of ours, which
 * are looked up in a table: nothing of a request ever becomes a path of the file system.
 */
import { Effect, FileSystem, type PlatformError, type Scope } from "effect"
import * as WholeFile from "../files/WholeFile.ts"
import * as TemporaryFolder from "../files/TemporaryFolder.ts"
import { largest } from "./Caller.ts"

/** Keeps a file of a batch under `id/name`. */
type Keep = (name: string, bytes: Uint8Array) => Effect.Effect<void, PlatformError.PlatformError>

export interface StoredFile {
  /** `id/name`, as callers write it. */
  readonly path: string
  readonly bytes: Effect.Effect<Uint8Array, PlatformError.PlatformError>
}

export interface ResultStore {
  /** A new batch of a caller. Until the scope ends, it is not made room with. */
  readonly create: (id: string, owner: string | undefined) => Effect.Effect<Keep, never, Scope.Scope>
  readonly file: (path: string, owner: string | undefined) => StoredFile | undefined
  /** `undefined` where this caller has none of this id, or it had to make room. */
  readonly batch: (id: string, owner: string | undefined) => ReadonlyArray<StoredFile> | undefined
}

interface Batch {
  readonly owner: string | undefined
  readonly files: Map<string, StoredFile & { readonly location: string }>
  bytes: number
  pinned: boolean
}

/** A store that keeps at most so many bytes: the oldest batches of the caller who has most make room. */
export const make = (
  fs: FileSystem.FileSystem,
  maxBytes: number
): Effect.Effect<ResultStore, PlatformError.PlatformError, Scope.Scope> =>
  Effect.map(
    Effect.provideService(TemporaryFolder.make(), FileSystem.FileSystem, fs),
    (folder): ResultStore => {
      const batches = new Map<string, Batch>()
      let total = 0
      let next = 0

      const makeRoom = Effect.suspend(() => {
        const leaving: Array<string> = []
        while (total > maxBytes) {
          const free = [...batches].filter(([, { pinned }]) => !pinned)
          const most = largest(free.map(([, { bytes, owner }]) => [owner, bytes] as const))
          const oldest = free.find(([, { owner }]) => owner === most)
          if (oldest === undefined) break
          const [id, batch] = oldest
          batches.delete(id)
          total -= batch.bytes
          for (const file of batch.files.values()) leaving.push(file.location)
        }
        return Effect.forEach(leaving, (location) => Effect.ignore(fs.remove(location)), { discard: true })
      })

      const ofOwner = (id: string, owner: string | undefined): Batch | undefined => {
        const batch = batches.get(id)
        return batch?.owner === owner ? batch : undefined
      }

      return {
        create: (id, owner) =>
          Effect.map(
            Effect.acquireRelease(
              Effect.sync(() => {
                const batch: Batch = { owner, files: new Map(), bytes: 0, pinned: true }
                batches.set(id, batch)
                return batch
              }),
              (batch) =>
                Effect.suspend(() => {
                  batch.pinned = false
                  return makeRoom
                })
            ),
            (batch): Keep =>
              (name, bytes) =>
                Effect.suspend(() => {
                  const path = `${id}/${name}`
                  const location = `${folder}/${next++}`
                  return Effect.map(fs.writeFile(location, bytes), () => {
                    batch.files.set(path, { path, location, bytes: fs.readFile(location) })
                    const taken = WholeFile.diskSize(bytes.length)
                    batch.bytes += taken
                    total += taken
                  }).pipe(Effect.andThen(makeRoom))
                })
          ),
        file: (path, owner) => ofOwner(path.split("/", 1)[0]!, owner)?.files.get(path),
        batch: (id, owner) => {
          const batch = ofOwner(id, owner)
          return batch === undefined ? undefined : [...batch.files.values()]
        }
      }
    }
  )
