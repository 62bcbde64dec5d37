/**
 * Files for callers to fetch later, in a folder that ends with the server. Callers name them by paths of ours, which
 * are looked up in a table: nothing of a request ever becomes a path of the file system.
 */
import { Effect, type FileSystem, type PlatformError, type Scope } from "effect"

/** Keeps a file of a batch under `id/name`. */
type Keep = (name: string, bytes: Uint8Array) => Effect.Effect<void, PlatformError.PlatformError>

export interface StoredFile {
  /** `id/name`, as callers write it. */
  readonly path: string
  readonly bytes: Effect.Effect<Uint8Array, PlatformError.PlatformError>
}

export interface ResultStore {
  /** A new batch. Until the scope ends, it is not made room with. */
  readonly create: (id: string) => Effect.Effect<Keep, never, Scope.Scope>
  readonly file: (path: string) => StoredFile | undefined
  /** `undefined` where there is none of this id, or it had to make room. */
  readonly batch: (id: string) => ReadonlyArray<StoredFile> | undefined
}

interface Batch {
  readonly files: Map<string, StoredFile & { readonly location: string }>
  bytes: number
  pinned: boolean
}

/** A store that keeps at most so many bytes: the oldest batches make room. */
export const make = (
  fs: FileSystem.FileSystem,
  maxBytes: number
): Effect.Effect<ResultStore, PlatformError.PlatformError, Scope.Scope> =>
  Effect.map(fs.makeTempDirectoryScoped({ prefix: "segformer-" }), (folder): ResultStore => {
    const batches = new Map<string, Batch>()
    let total = 0
    let next = 0

    const makeRoom = Effect.suspend(() => {
      const leaving: Array<string> = []
      for (const [id, batch] of batches) {
        if (total <= maxBytes) break
        if (batch.pinned) continue
        batches.delete(id)
        total -= batch.bytes
        for (const file of batch.files.values()) leaving.push(file.location)
      }
      return Effect.forEach(leaving, (location) => Effect.ignore(fs.remove(location)), { discard: true })
    })

    return {
      create: (id) =>
        Effect.map(
          Effect.acquireRelease(
            Effect.sync(() => {
              const batch: Batch = { files: new Map(), bytes: 0, pinned: true }
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
                  batch.bytes += bytes.length
                  total += bytes.length
                }).pipe(Effect.andThen(makeRoom))
              })
        ),
      file: (path) => batches.get(path.split("/", 1)[0]!)?.files.get(path),
      batch: (id) => {
        const batch = batches.get(id)
        return batch === undefined ? undefined : [...batch.files.values()]
      }
    }
  })
