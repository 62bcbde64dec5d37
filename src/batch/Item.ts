/**
 * One image of a run: its key is what it is known by, in the journal, in results and in reports. Keys are stable from
 * run to run (a path within a folder, a URL, an id of a manifest), and each is done once.
 */
import { resolve } from "node:path"
import { crc32 } from "node:zlib"
import { Effect, FileSystem, Option } from "effect"
import type { HttpClient } from "effect/http"
import { CurrentImageCodec, ImageCodec } from "../image/ImageCodec.ts"
import { ImageNotReadable } from "../image/ImageError.ts"
import * as ImageSource from "../image/ImageSource.ts"
import * as PageName from "../image/PageName.ts"

export interface Item<out R = never> {
  readonly key: string
  readonly image: ImageSource.ImageSource<R>
  /** The path or URL by which another process finds it. Undefined where only this one can. */
  readonly location?: string | undefined
  /**
   * What is another where the image is, and costs little to know: of a file its path, its size and the time of its last
   * change, in eight digits. Where it is not as it was when the image was done, the image is read, and done again if its
   * content is another one. Undefined where nobody knows, as of a URL.
   */
  readonly version?: Effect.Effect<string | undefined, never, R> | undefined
}

/** What opening a location may need. */
export type Access = FileSystem.FileSystem | HttpClient.HttpClient

/** An item of one's own. */
export function make<S extends ImageSource.ImageSource<unknown>>(
  key: string,
  image: S
): Item<ImageSource.Services<S>>
export function make(key: string, image: ImageSource.ImageSource<unknown>): Item<unknown> {
  return { key, image }
}

/**
 * The item of a path or an http(s) URL, which is its key unless another one is given. `scan.tif#2` is the second page of
 * `scan.tif`, unless there is a file of that name: pages need an `ImageCodec` in the context.
 */
export const at = (location: string, key: string = location): Item<Access> => {
  if (!/^https?:\/\//i.test(location)) return file(location, key)
  const part = PageName.parse(location)
  const image = ImageSource.url(part?.path ?? location)
  return { key, location, image: part === undefined ? image : seen(image, { page: part.page }) }
}

/** The item of a path, as {@link at} has it. */
export const file = (path: string, key: string = path): Item<FileSystem.FileSystem> => {
  const part = PageName.parse(path)
  const image = whole(path)
  const version =
    part === undefined ? versionOf(path) : Effect.catch(versionOf(path), () => versionOf(part.path))
  return {
    key,
    location: path,
    image: part === undefined ? image : pageIfNot(path, image, part, {}),
    version: Effect.orElseSucceed(version, () => undefined)
  }
}

const versionOf = (path: string) =>
  Effect.map(
    Effect.flatMap(FileSystem.FileSystem, (fs) => fs.stat(path)),
    ({ mtime, size }) =>
      crc32(`${Option.getOrUndefined(mtime)?.getTime() ?? ""} ${size} ${resolve(path)}`)
        .toString(16)
        .padStart(8, "0")
  )

/** A page, unless there is a file of that very name. */
const pageIfNot = (
  path: string,
  image: ImageSource.ImageSource<FileSystem.FileSystem>,
  part: { readonly path: string; readonly page: number },
  view: ImageSource.View
): ImageSource.ImageSource<FileSystem.FileSystem> => ({
  name: whole(part.path).name,
  view: (more) => pageIfNot(path, image, part, more),
  open: (limits) =>
    Effect.flatMap(
      Effect.flatMap(FileSystem.FileSystem, (fs) => Effect.option(fs.stat(path))),
      (found) =>
        (found._tag === "Some"
          ? seen(image, view)
          : seen(whole(part.path), { ...view, page: part.page })
        ).open(limits)
    )
})

/** A view by the codec of the context; one that asks for nothing needs none. */
const seen = <R>(image: ImageSource.ImageSource<R>, view: ImageSource.View): ImageSource.ImageSource<R> =>
  view.page === undefined && view.stretch === undefined
    ? image
    : {
        name: image.name,
        view: (more) => seen(image, { page: view.page ?? more.page, stretch: view.stretch ?? more.stretch }),
        open: (limits) =>
          Effect.flatMap(CurrentImageCodec, (codec) =>
            codec === undefined
              ? Effect.fail(
                  new ImageNotReadable({
                    source: image.name,
                    detail: "a page of it is meant, and there is no decoder: provide SharpCodec.layer"
                  })
                )
              : Effect.provideService(ImageSource.view(image, view).open(limits), ImageCodec, codec)
          )
      }

/** The whole of a file. */
const whole = (path: string): ImageSource.ImageSource<FileSystem.FileSystem> => {
  const lazy = ImageSource.file(path)
  const { name } = lazy
  return {
    name,
    // A run needs all of the bytes at once, so they are read in one go. What is wrong with a file says who reads it
    // with more care.
    open: (limits) =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const { maxBytes } = ImageSource.limitsOf(limits)
        const { size, type } = yield* fs.stat(path)
        if (type !== "File" || size > maxBytes) return yield* lazy.open(limits)
        const image = yield* ImageSource.bytes(yield* fs.readFile(path), { name }).open(limits)
        return { ...image, source: path }
      }).pipe(Effect.catch(() => lazy.open(limits)))
  }
}
