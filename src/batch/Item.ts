/**
 * One image of a run: its key is what it is known by, in the journal, in results and in reports. Keys are stable from
 * run to run (a path within a folder, a URL, an id of a manifest), and each is done once.
 */
import { Effect, FileSystem } from "effect"
import type { HttpClient } from "effect/http"
import * as ImageSource from "../image/ImageSource.ts"

export interface Item<out R = never> {
  readonly key: string
  readonly image: ImageSource.ImageSource<R>
  /** The path or URL by which another process finds it. Undefined where only this one can. */
  readonly location?: string | undefined
}

/** What opening a location may need. */
export type Access = FileSystem.FileSystem | HttpClient.HttpClient

/** An item of one's own. */
export const make = <R>(key: string, image: ImageSource.ImageSource<R>): Item<R> => ({ key, image })

/** The item of a path or an http(s) URL, which is its key unless another one is given. */
export const at = (location: string, key: string = location): Item<Access> =>
  /^https?:\/\//i.test(location) ? { key, location, image: ImageSource.url(location) } : file(location, key)

/** The item of a path. */
export const file = (path: string, key: string = path): Item<FileSystem.FileSystem> => {
  const lazy = ImageSource.file(path)
  const { name } = lazy
  return {
    key,
    location: path,
    image: {
      name,
      // A run needs all of the bytes at once, so they are read in one go. What is wrong with a file says who reads it
      // with more care.
      open: (limits) =>
        Effect.gen(function* () {
          const fs = yield* FileSystem.FileSystem
          const { maxBytes } = { ...ImageSource.defaultLimits, ...limits }
          const { size, type } = yield* fs.stat(path)
          if (type !== "File" || size > maxBytes) return yield* lazy.open(limits)
          const image = yield* ImageSource.bytes(yield* fs.readFile(path), { name }).open(limits)
          return { ...image, source: path }
        }).pipe(Effect.catch(() => lazy.open(limits)))
    }
  }
}
