/** The folder of what a command writes. */
import { rmdir } from "node:fs/promises"
import { dirname } from "node:path"
import { Effect, FileSystem, type Scope } from "effect"
import type { NotWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"

/** Makes a folder, and those it lies in. Of a command that wrote nothing into them, those that were made are gone again. */
export const make = Effect.fnUntraced(function* (
  folder: string
): Effect.fn.Return<void, NotWritten, FileSystem.FileSystem | Scope.Scope> {
  const fs = yield* FileSystem.FileSystem
  const missing: Array<string> = []
  for (let at = folder; !(yield* Effect.orElseSucceed(fs.exists(at), () => true)); at = dirname(at)) {
    missing.push(at)
  }
  // No other call removes a folder only if it is empty.
  const drop = Effect.forEach(missing, (path) => Effect.ignore(Effect.tryPromise(() => rmdir(path))), {
    discard: true
  })
  yield* Effect.acquireRelease(WholeFile.makeFolder(folder), () => (missing.length > 0 ? drop : Effect.void))
})
