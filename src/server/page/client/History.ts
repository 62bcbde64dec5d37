/**
 * What was looked at before, kept by the browser for the next visit: pictures with their results, the newest, within a bound.
 * Where a browser keeps nothing (a private window, a full disk), the page works all the same.
 */
import type { Packed } from "./Result.ts"

/** A picture with what models found on it. */
export interface Kept {
  readonly id: string
  readonly name: string
  readonly type: string
  readonly file: Blob
  /** By model. */
  readonly results: ReadonlyMap<string, Packed>
  /** The model whose result was looked at last. */
  readonly model: string
}

/** Bytes of pictures and results, and their number. */
export const bounds = { bytes: 300_000_000, pictures: 60 }

const store = "pictures"

let opened: Promise<IDBDatabase | undefined> | undefined

const database = (): Promise<IDBDatabase | undefined> =>
  (opened ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open("segformer", 1)
      request.addEventListener("upgradeneeded", () => {
        request.result.createObjectStore(store, { keyPath: "id" })
      })
      request.addEventListener("success", () => resolve(request.result))
      for (const name of ["error", "blocked"]) request.addEventListener(name, () => resolve(undefined))
    } catch {
      resolve(undefined)
    }
  }))

const act = async <A>(
  mode: IDBTransactionMode,
  work: (pictures: IDBObjectStore) => IDBRequest<A>
): Promise<A | undefined> => {
  const db = await database()
  if (db === undefined) return undefined
  return new Promise((resolve) => {
    try {
      const request = work(db.transaction(store, mode).objectStore(store))
      request.addEventListener("success", () => resolve(request.result))
      request.addEventListener("error", (event) => {
        event.preventDefault()
        resolve(undefined)
      })
    } catch {
      resolve(undefined)
    }
  })
}

const bytesOf = (kept: Kept): number => {
  let bytes = kept.file.size
  for (const { packed } of kept.results.values()) {
    bytes += packed.labels.deflate.length + (packed.confidence?.deflate.length ?? 0)
  }
  return bytes
}

/** Those of which there is room, from the newest back. */
export const within = <A extends Kept>(newestFirst: ReadonlyArray<A>): ReadonlyArray<A> => {
  let bytes = 0
  return newestFirst.filter((kept, at) => {
    bytes += bytesOf(kept)
    return at < bounds.pictures && bytes <= bounds.bytes
  })
}

const isKept = (value: unknown): value is Kept =>
  typeof value === "object" &&
  value !== null &&
  "results" in value &&
  value.results instanceof Map &&
  "file" in value &&
  value.file instanceof Blob

/** What is kept, the oldest first. */
export const load = async (): Promise<ReadonlyArray<Kept>> => {
  const all: ReadonlyArray<unknown> = (await act("readonly", (pictures) => pictures.getAll())) ?? []
  return all.filter(isKept).sort((a, b) => (a.id < b.id ? -1 : 1))
}

export const save = async (kept: Kept): Promise<void> => {
  await act("readwrite", (pictures) => pictures.put(kept))
}

export const remove = async (id: string): Promise<void> => {
  await act("readwrite", (pictures) => pictures.delete(id))
}

export const clear = async (): Promise<void> => {
  await act("readwrite", (pictures) => pictures.clear())
}
