/**
 * Folders that go with their scope. What a killed process has left goes when the next one is made in the same place: their
 * names say whose they are, from the moment that they are there.
 */
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Effect, FileSystem, type PlatformError, type Scope } from "effect"
import * as Lock from "./Lock.ts"

/** What names of ours look like: nothing else is ever removed. */
const prefix = "segformer-tmp-"
const ours = /^segformer-tmp-([\da-f]+-\d+-[\da-f]+)-[^-]{6}$/

/** A folder in another, or in the system's place for such, until the scope ends. */
export const make = Effect.fnUntraced(function* (
  within?: string
): Effect.fn.Return<string, PlatformError.PlatformError, Scope.Scope | FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  yield* sweep(within ?? tmpdir())
  const mark = Lock.markOf(process.pid) ?? "unknown"
  return yield* fs.makeTempDirectoryScoped({ directory: within, prefix: `${prefix}${mark}-` })
})

/** Removes what processes that are gone have left in a folder. */
export const sweep = (within: string): Effect.Effect<void, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    for (const name of yield* fs.readDirectory(within)) {
      const [, mark] = ours.exec(name) ?? []
      if (mark === undefined || !Lock.isGone(mark)) continue
      yield* Effect.ignore(fs.remove(join(within, name), { recursive: true, force: true }))
    }
  }).pipe(Effect.ignore)
