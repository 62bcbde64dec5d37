/** The folder in which a run is remembered: whose turn it is, what it was begun with, and its journal. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs"
import { join } from "node:path"
import { Effect, Schema, type Scope } from "effect"
import { RunChanged, RunFolderFailed, type RunLocked } from "./BatchError.ts"
import * as Fingerprint from "./Fingerprint.ts"
import * as RunLock from "./RunLock.ts"

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
}: RunFolderOptions): Effect.fn.Return<void, RunFolderFailed | RunLocked | RunChanged, Scope.Scope> {
  const attempt = <A>(work: () => A) =>
    Effect.try({
      try: work,
      catch: (error) =>
        new RunFolderFailed({ folder, detail: error instanceof Error ? error.message : String(error) })
    })
  yield* attempt(() => mkdirSync(folder, { recursive: true }))
  yield* RunLock.acquire(folder)
  const path = join(folder, "run.json")
  const text = yield* attempt(() => readOr(path, undefined))
  if (text !== undefined) {
    const known = yield* Effect.mapError(
      Schema.decodeUnknownEffect(RunFile)(text),
      (error) =>
        new RunFolderFailed({ folder, detail: `run.json is not one of this version: ${error.message}` })
    )
    const changes = Fingerprint.changes(known.fingerprint, fingerprint)
    if (changes.length === 0) return
    if (!allowChange) return yield* new RunChanged({ folder, changes })
  }
  yield* attempt(() => writeWhole(path, `${JSON.stringify({ version: 1, fingerprint }, undefined, 2)}\n`))
})

const readOr = <A>(path: string, otherwise: A): string | A => {
  try {
    return readFileSync(path, "utf8")
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return otherwise
    throw error
  }
}

/** Only who has the lock writes, so one other name is enough. */
const writeWhole = (path: string, text: string): void => {
  const file = openSync(`${path}.part`, "w")
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.part`, path)
}
