/** Folders for tests: made where temporary files belong, gone with the scope. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect, FileSystem, type Scope } from "effect"

/** A folder with files in it, whose names may hold folders. */
export const folder = (
  files: Readonly<Record<string, Uint8Array | string>> = {}
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const path = yield* fs.makeTempDirectoryScoped({ prefix: "segformer-test-" })
    fill(path, files)
    return path
  }).pipe(Effect.orDie, Effect.provide(NodeFileSystem.layer))

/** More files in a folder that is there. */
export const fill = (path: string, files: Readonly<Record<string, Uint8Array | string>>): void => {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), content)
  }
}

/** Names in a folder, hidden ones included, sorted. */
export const names = (path: string): ReadonlyArray<string> => readdirSync(path).sort()
