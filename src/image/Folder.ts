/**
 * The files of a folder and of the folders in it: which of them are images by name, and each real folder once, whatever
 * links lead to it. A folder is read when those before it are used up, so that a tree of any size goes through.
 */
import { Effect, FileSystem, type PlatformError, Stream } from "effect"
import * as ImageFormat from "./ImageFormat.ts"
import * as OtherFormat from "./OtherFormat.ts"

/** What a run of this package wrote is no input of the next one. */
const results = /\.(overlay\.(png|jpg)|labels\.png)$/i
/** Whether a file is such a result by its name. */
export const isResult = (path: string): boolean => results.test(path)

/** Whether a file is an image by its name, of a kind that is read here or not, and not a result. */
export const isPicture = (path: string): boolean =>
  (ImageFormat.ofName(path) !== undefined || OtherFormat.isNamed(path)) && !isResult(path)

/** A file, or a folder that cannot be read. */
export interface Found {
  /** Its path below the root, with `/` between. */
  readonly name: string
  /** Why the folder cannot be read. */
  readonly problem?: PlatformError.PlatformError | undefined
}

/** Text by its code units, as everything here is ordered: the same on every machine and in every language. */
export const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

const nameOf = (below: string, entry: string): string => (below === "" ? entry : `${below}/${entry}`)

/** Names that are given at a time. */
const piece = 1000

/**
 * The files whose names are wanted, in the order of their names, each folder in its place among them. What begins with a
 * dot is left out. Links are followed: one that leads nowhere is a file, and a folder behind one is read after all
 * others, unless it is one of them. Only the root must be there.
 */
export const files = (
  root: string,
  isWanted: (name: string) => boolean
): Stream.Stream<Found, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Stream.unwrap(
    Effect.map(FileSystem.FileSystem, (fs) => {
      const pathOf = (name: string) => (name === "" ? root : `${root.replace(/[\\/]+$/, "")}/${name}`)
      const isFolder = (name: string) =>
        fs.stat(pathOf(name)).pipe(
          Effect.map(({ type }) => type === "Directory"),
          Effect.orElseSucceed(() => false)
        )
      // What is still to come, the next last: files, or a folder below the root, which itself is the empty text.
      const pending: Array<Array<string> | string> = [""]
      let links: Array<string> = []
      const seen = new Set<string>()

      const read = Effect.fnUntraced(function* (below: string) {
        const path = pathOf(below)
        const place = yield* Effect.orElseSucceed(fs.realPath(path), () => path)
        if (seen.has(place)) return []
        seen.add(place)
        // Names alone are kept, not what else is known of each: there may be very many.
        const entries: Array<string> = []
        const folders = new Set<string>()
        for (const { name: entry, type } of yield* fs.readDirectoryEntries(path)) {
          if (entry.startsWith(".")) continue
          if (type === "Directory") folders.add(entry)
          else if (type !== "File" && (yield* isFolder(nameOf(below, entry)))) {
            links.push(nameOf(below, entry))
            continue
          } else if (!isWanted(entry)) continue
          entries.push(entry)
        }
        entries.sort(byName)
        const parts: Array<Array<string> | string> = []
        let from = 0
        for (const [at, entry] of entries.entries()) {
          if (!folders.has(entry)) continue
          if (at > from) parts.push(entries.slice(from, at).map((name) => nameOf(below, name)))
          parts.push(nameOf(below, entry))
          from = at + 1
        }
        for (; from < entries.length; from += piece)
          parts.push(entries.slice(from, from + piece).map((name) => nameOf(below, name)))
        return parts
      })

      /** Links that were met meanwhile, in their order, once all that is really here is read: no link takes its place. */
      const next = (): Array<string> | string | undefined => {
        if (pending.length === 0 && links.length > 0) {
          for (const link of links.sort(byName).reverse()) pending.push(link)
          links = []
        }
        return pending.pop()
      }

      return Stream.flattenIterable(
        Stream.unfold(undefined, () => {
          const part = next()
          if (typeof part !== "string") {
            const found: ReadonlyArray<Found> | undefined = part?.map((name) => ({ name }))
            return Effect.succeed(found && ([found, undefined] as const))
          }
          return read(part).pipe(
            Effect.map((parts): ReadonlyArray<Found> => {
              for (const one of parts.reverse()) pending.push(one)
              return []
            }),
            Effect.catchIf(
              () => part !== "",
              (problem) => Effect.succeed<ReadonlyArray<Found>>([{ name: part, problem }])
            ),
            Effect.map((found) => [found, undefined] as const)
          )
        })
      )
    })
  )
