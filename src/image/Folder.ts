/**
 * The files of a folder and of the folders in it: which of them are images by name, and each real folder once, whatever
 * links lead to it. A folder is read when those before it are used up, so that a tree of any size goes through.
 */
import { Effect, FileSystem, type PlatformError, Stream } from "effect"
import * as ImageFormat from "./ImageFormat.ts"

/** What a run of this package wrote is no input of the next one. */
const results = /\.(overlay\.(png|jpg)|labels\.png)$/i

/** Whether a file is an image by its name, and not a result. */
export const isPicture = (path: string): boolean =>
  ImageFormat.ofName(path) !== undefined && !results.test(path)

/** A file, or a folder that cannot be read. */
export interface Found {
  /** Its path below the root, with `/` between. */
  readonly name: string
  /** Why the folder cannot be read. */
  readonly problem?: PlatformError.PlatformError | undefined
}

/**
 * The files whose names are wanted, in no order. What begins with a dot is left out. Links are followed: one that leads
 * nowhere is a file, and a folder behind one is read after all others, unless it is one of them. Only the root must be
 * there.
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
      // Below the root; the root itself is the empty text.
      const folders = [""]
      const links: Array<string> = []
      const seen = new Set<string>()

      const read = Effect.fnUntraced(function* (below: string) {
        const path = pathOf(below)
        const place = yield* Effect.orElseSucceed(fs.realPath(path), () => path)
        if (seen.has(place)) return []
        seen.add(place)
        const found: Array<Found> = []
        for (const { name: entry, type } of yield* fs.readDirectoryEntries(path)) {
          if (entry.startsWith(".")) continue
          const name = below === "" ? entry : `${below}/${entry}`
          if (type === "Directory") folders.push(name)
          else if (type !== "File" && (yield* isFolder(name))) links.push(name)
          else if (isWanted(entry)) found.push({ name })
        }
        return found
      })

      return Stream.flattenIterable(
        Stream.unfold(undefined, () => {
          // Those that are really here come first, so that no link takes their place.
          const folder = folders.pop() ?? links.sort().shift()
          if (folder === undefined) return Effect.succeed(undefined)
          return read(folder).pipe(
            Effect.catchIf(
              () => folder !== "",
              (problem) => Effect.succeed<ReadonlyArray<Found>>([{ name: folder, problem }])
            ),
            Effect.map((found) => [found, undefined] as const)
          )
        })
      )
    })
  )

/** Why a folder cannot be read, in words. */
export const reasonOf = ({ reason }: PlatformError.PlatformError): string =>
  reason._tag === "NotFound"
    ? "there is no such file or folder"
    : reason._tag === "PermissionDenied"
      ? "this user may not read it"
      : reason.message
