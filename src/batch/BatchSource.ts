/**
 * What a run works through: a folder, a glob, a list, a manifest, the listing of a web server, or a stream of one's own.
 * Sources are streams, so that ten million names need not be held (of a folder, those of one folder at a time); they may
 * grow between two runs.
 *
 * ```ts
 * import { BatchSource } from "effect-segformer/batch"
 *
 * BatchSource.of("panels/").name // => "panels/"
 * BatchSource.of("https://images.example.com/line-3/").isCountable // => false
 * ```
 */
import { basename, join } from "node:path"
import { Effect, FileSystem, Option, Stream } from "effect"
import { ImageNotReadable } from "../image/ImageError.ts"
import * as Folder from "../image/Folder.ts"
import * as PageName from "../image/PageName.ts"
import * as SystemError from "../SystemError.ts"
import { SourceNotReadable } from "./BatchError.ts"
import * as Item from "./Item.ts"
import * as Listing from "./Listing.ts"
import * as Manifest from "./Manifest.ts"

export interface BatchSource<out R = never> {
  /** As the user would write it. */
  readonly name: string
  /** The images. It can be read again, and then gives new ones too. */
  readonly items: Stream.Stream<Item.Item<R>, SourceNotReadable, R>
  /** Whether reading it costs so little that a run may count its images beforehand. */
  readonly isCountable: boolean
}

/**
 * The images of a folder and of the folders in it, by the endings of their names, as `ImageFormat` has them. What begins
 * with a dot and results of this package are left out; a folder that is there twice by links is read once. Keys are paths
 * below the folder.
 */
export const folder = (path: string): BatchSource<FileSystem.FileSystem> => ({
  name: path,
  items: Stream.mapBoth(Folder.files(path, Folder.isPicture), {
    onElement: ({ name, problem }) => {
      const whole = join(path, name)
      if (problem === undefined) return Item.file(whole, name)
      const failure = new ImageNotReadable({ source: whole, detail: SystemError.unreadable(problem) })
      return Item.make(`${name}/`, { name, open: () => Effect.fail(failure) })
    },
    onError: (error) => new SourceNotReadable({ source: path, detail: SystemError.unreadable(error) })
  }),
  isCountable: true
})

/**
 * The files that a pattern matches, `photos/**\/*.jpg`. Keys are their paths as matched. Results of this package are left out,
 * unless its last part names what they are called by (`*.overlay.*`); one that matches nothing else fails.
 */
export const glob = (pattern: string): BatchSource<FileSystem.FileSystem> => ({
  name: pattern,
  items: Stream.unwrap(
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const matches = yield* Effect.mapError(
        fs.glob(pattern),
        (error) => new SourceNotReadable({ source: pattern, detail: SystemError.unreadable(error) })
      )
      const isAsked = /\.(overlay|labels)\b/i.test(basename(pattern))
      const wanted = isAsked ? matches : matches.filter((match) => !Folder.isResult(match))
      if (wanted.length === 0 && matches.length > 0)
        return Stream.fail(
          new SourceNotReadable({
            source: pattern,
            detail:
              `all that it matches are results of this package (${matches[0]}), which are no images of the next run. ` +
              "A pattern that ends as they do, such as '*.overlay.png', takes them"
          })
        )
      return Stream.fromIterable(wanted).pipe(
        Stream.filterEffect((match) =>
          fs.stat(match).pipe(
            Effect.map(({ type }) => type !== "Directory"),
            Effect.orElseSucceed(() => true)
          )
        ),
        Stream.map((match) => Item.file(match))
      )
    })
  ),
  isCountable: true
})

/** Paths and http(s) URLs. Each is its own key. */
export const list = (locations: Iterable<string>, name: string = "list"): BatchSource<Item.Access> => ({
  name,
  items: Stream.map(Stream.fromIterable(locations), (location) => Item.at(location)),
  isCountable: true
})

/** The images that a file lists: CSV, JSON lines, or plain lines, by its ending. See `Manifest`. */
export const manifest = (path: string): BatchSource<Item.Access> => ({
  name: path,
  items: Manifest.items(path),
  isCountable: true
})

/** The images that a web server lists below an address. Keys are their paths below it. */
export const listing = (address: string): BatchSource<Item.Access> => ({
  name: address,
  items: Stream.suspend(() =>
    URL.canParse(address)
      ? Listing.items(address)
      : Stream.fail(new SourceNotReadable({ source: address, detail: "it is no address" }))
  ),
  isCountable: false
})

/** A stream of one's own. It is read again for what failed, and for pictures in the report. */
export const fromStream = <R, E extends { readonly message: string }, R2>(
  name: string,
  items: Stream.Stream<Item.Item<R>, E, R2>
): BatchSource<R | R2> => ({
  name,
  items: Stream.mapError(items, ({ message }) => new SourceNotReadable({ source: name, detail: message })),
  isCountable: false
})

/** What a word on a command line names: a listing, a folder, a manifest, a glob, or an image. */
export const of = (word: string): BatchSource<Item.Access> => {
  if (/^https?:\/\//i.test(word))
    return Folder.isPicture(word.split(/[?#]/, 1)[0]!) ? list([word], word) : listing(word)
  const sourceIn = Effect.fnUntraced(function* () {
    const fs = yield* FileSystem.FileSystem
    const info = Option.getOrUndefined(yield* Effect.option(fs.stat(word)))
    // A page of a file, where there is no file of that name.
    if (info === undefined && PageName.parse(word) !== undefined) return list([word], word)
    if (info?.type === "File") return Manifest.isManifest(word) ? manifest(word) : list([word], word)
    return info === undefined && /[*?[{]/.test(word) ? glob(word) : folder(word)
  })
  return {
    name: word,
    items: Stream.unwrap(Effect.map(sourceIn(), ({ items }) => items)),
    isCountable: true
  }
}
