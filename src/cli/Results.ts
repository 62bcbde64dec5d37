/**
 * Files of results: each is written beside its place under another name, and moved there when it is whole. What is
 * interrupted leaves nothing behind.
 */
import { join } from "node:path"
import { Effect, FileSystem, type PlatformError } from "effect"

export interface ResultFile {
  readonly name: string
  readonly bytes: Uint8Array
}

let counter = 0

/** Writes files of one image into a folder, all or none of them; gives their paths. */
export const write = (
  folder: string,
  files: ReadonlyArray<ResultFile>
): Effect.Effect<ReadonlyArray<string>, PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => {
    const staged = files.map((file) => ({
      ...file,
      path: join(folder, file.name),
      part: join(folder, `.segformer-${process.pid}-${counter++}.part`)
    }))
    return Effect.forEach(staged, ({ bytes, part }) => fs.writeFile(part, bytes), { discard: true }).pipe(
      Effect.andThen(
        // Once the first one is in its place, the others follow.
        Effect.uninterruptible(
          Effect.forEach(staged, ({ part, path }) => Effect.as(fs.rename(part, path), path))
        )
      ),
      Effect.onError(() =>
        Effect.forEach(staged, ({ part }) => Effect.ignore(fs.remove(part, { force: true })), {
          discard: true
        })
      )
    )
  })
