/** The folder in which a run is remembered: whose turn it is, what it was begun with, and its journal. */
import { join } from "node:path"
import { Effect, FileSystem, Schema, type Scope } from "effect"
import * as Lock from "../files/Lock.ts"
import { type NotWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import { RunChanged, RunFolderFailed, RunLocked } from "./BatchError.ts"
import * as Fingerprint from "./Fingerprint.ts"

const RunFile = Schema.fromJsonString(
  Schema.Struct({ version: Schema.Literal(1), fingerprint: Fingerprint.Fingerprint })
)

export interface RunFolderOptions {
  /** It is made where it is missing. */
  readonly folder: string
  readonly fingerprint: Fingerprint.Fingerprint
  /** Go on with a run that was begun with another fingerprint. */
  readonly allowChange: boolean
}

/** Takes a folder for this process until the scope ends. */
export const take = Effect.fnUntraced(function* ({
  allowChange,
  fingerprint,
  folder
}: RunFolderOptions): Effect.fn.Return<
  void,
  RunFolderFailed | RunLocked | RunChanged,
  Scope.Scope | FileSystem.FileSystem
> {
  const fs = yield* FileSystem.FileSystem
  const failed = (detail: string) => new RunFolderFailed({ folder, detail })
  const attempt = Effect.mapError((error: NotWritten) => failed(error.message))
  yield* attempt(WholeFile.makeFolder(folder))
  yield* Effect.mapError(Lock.acquire(folder), (error) =>
    error._tag === "Locked"
      ? new RunLocked({ folder, pid: error.pid, host: error.host })
      : failed(error.message)
  )
  const path = join(folder, "run.json")
  const text = yield* Effect.catch(fs.readFileString(path), (error) =>
    error.reason._tag === "NotFound" ? Effect.succeed(undefined) : Effect.fail(failed(error.message))
  )
  if (text !== undefined) {
    const known = yield* Effect.mapError(Schema.decodeUnknownEffect(RunFile)(text), (error) =>
      failed(`run.json is not one of this version: ${error.message}`)
    )
    const changes = Fingerprint.changes(known.fingerprint, fingerprint)
    if (changes.length === 0) return
    if (!allowChange) return yield* new RunChanged({ folder, changes })
  }
  const bytes = new TextEncoder().encode(`${JSON.stringify({ version: 1, fingerprint }, undefined, 2)}\n`)
  yield* attempt(WholeFile.write(path, bytes))
})
