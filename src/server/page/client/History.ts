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
  /** By model; none where it waits, or has failed. */
  readonly results: ReadonlyMap<string, Packed>
  /** The model whose result was looked at last, or that is asked. */
  readonly model: string
  /** Why it failed. */
  readonly problem?: string | undefined
  /** The tab that has it segmented. */
  readonly tab?: string | undefined
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
      request.addEventListener("success", () => {
        const db = request.result
        // Whoever empties the store or has a newer one waits for nobody, and what comes next is kept anew.
        const leave = () => {
          opened = undefined
          db.close()
        }
        for (const name of ["versionchange", "close"]) db.addEventListener(name, leave)
        resolve(db)
      })
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
      const transaction = db.transaction(store, mode)
      const request = work(transaction.objectStore(store))
      // A full disk may say so as late as at the end.
      transaction.addEventListener("complete", () => resolve(request.result))
      for (const name of ["abort", "error"]) transaction.addEventListener(name, () => resolve(undefined))
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

const locks: LockManager | undefined = "locks" in navigator ? navigator.locks : undefined

const lockOf = (tab: string): string => `segformer:${tab}`

let own: string | undefined

const begin = (): string => {
  const key = "segformer.tab"
  let name: string = Math.random().toString(36).slice(2)
  try {
    name = sessionStorage.getItem(key) ?? name
    sessionStorage.setItem(key, name)
  } catch {
    // A browser that keeps nothing keeps no pictures either.
  }
  void locks?.request(lockOf(name), () => new Promise(() => {}))
  return name
}

/** This tab, also after it is loaded again. It holds a lock for as long as it lives, where the browser has such. */
export const tab = (): string => (own ??= begin())

/** Those that no other tab works on. */
const ours = async (all: ReadonlyArray<Kept>): Promise<ReadonlyArray<Kept>> => {
  const held = new Set((await locks?.query())?.held?.map(({ name }) => name))
  return all.filter(
    ({ problem, results, tab: of }) =>
      results.size > 0 || problem !== undefined || of === undefined || of === tab() || !held.has(lockOf(of))
  )
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
  return ours(all.filter(isKept).sort((a, b) => (a.id < b.id ? -1 : 1)))
}

/** Whether it was kept. */
export const save = async (kept: Kept): Promise<boolean> =>
  (await act("readwrite", (pictures) => pictures.put(kept))) !== undefined

export const remove = async (id: string): Promise<void> => {
  await act("readwrite", (pictures) => pictures.delete(id))
}

export const clear = async (): Promise<void> => {
  await act("readwrite", (pictures) => pictures.clear())
}
