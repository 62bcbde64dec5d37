/** The folder in which a run is remembered: whose turn it is, what it was begun with, and its journal. */
import { join } from "node:path"
import { Effect, FileSystem, Schema, type Scope } from "effect"
import * as Lock from "../files/Lock.ts"
import { type NotWritten } from "../files/NotWritten.ts"
import * as WholeFile from "../files/WholeFile.ts"
import { RunChanged, RunFolderFailed, RunLocked } from "./BatchError.ts"
import * as Fingerprint from "./Fingerprint.ts"

const RunFile = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    fingerprint: Fingerprint.Fingerprint,
    /** What the ids of all its results mean: none where nobody said, or where some have other names than others. */
    classes: Schema.optional(Schema.Array(Schema.Struct({ id: Schema.Int, name: Schema.String })))
  })
)
type Classes = ReadonlyArray<{ readonly id: number; readonly name: string }>

const named = (classes: Classes): Classes => classes.map(({ id, name }) => ({ id, name }))
const isSame = (a: Classes, b: Classes): boolean => JSON.stringify(named(a)) === JSON.stringify(named(b))

const fileName = "run.json"

/** The model of a run's results and the names of its classes, as far as it noted them; nothing where the folder holds no run. */
export const modelOf = (
  folder: string
): Effect.Effect<
  { readonly model: string | undefined; readonly classes: Classes } | undefined,
  never,
  FileSystem.FileSystem
> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(join(folder, fileName))).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(RunFile)),
    Effect.map(({ classes = [], fingerprint }) => ({ model: fingerprint["model"], classes })),
    Effect.orElseSucceed(() => undefined)
  )

export interface RunFolderOptions {
  /** It is made where it is missing. */
  readonly folder: string
  readonly fingerprint: Fingerprint.Fingerprint
  /** What the model calls its classes. */
  readonly classes?: Classes | undefined
  /** Go on with a run that was begun with another fingerprint. */
  readonly allowChange: boolean
}

/** Takes a folder for this process until the scope ends. */
export const take = Effect.fnUntraced(function* ({
  allowChange,
  classes = [],
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
  const path = join(folder, fileName)
  const text = yield* Effect.catch(fs.readFileString(path), (error) =>
    error.reason._tag === "NotFound" ? Effect.succeed(undefined) : Effect.fail(failed(error.message))
  )
  let meant = named(classes)
  if (text !== undefined) {
    const known = yield* Effect.mapError(Schema.decodeUnknownEffect(RunFile)(text), () =>
      failed(
        "its run.json is broken, or of another version. If the model and the options are those that the run began with, remove that file, and go on; else use another folder"
      )
    )
    const changes = Fingerprint.changes(known.fingerprint, fingerprint)
    if (changes.length > 0 && !allowChange) return yield* new RunChanged({ folder, changes })
    if (known.classes !== undefined && !isSame(known.classes, classes)) meant = []
    if (changes.length === 0 && known.classes !== undefined && isSame(known.classes, meant)) return
  }
  const bytes = new TextEncoder().encode(
    `${JSON.stringify({ version: 1, fingerprint, classes: meant }, undefined, 2)}\n`
  )
  yield* attempt(WholeFile.write(path, bytes))
})
