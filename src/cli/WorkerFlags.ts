/** Flags of the commands that work with a database of runs, and what they need of the package. */
import { Config, Effect } from "effect"
import { Flag } from "effect/cli"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"

export const db = Flag.Redacted("db").pipe(
  Flag.withMetavar("URL"),
  Flag.withDescription(
    "The PostgreSQL database of the runs, such as postgres://user:password@host/name. Better in SEGFORMER_DB than on a " +
      "command line, which others can see"
  ),
  Flags.orVariable("db", "SEGFORMER_DB", Config.Redacted)
)

/** Where the command line does not say. */
export const defaultShards = Config.withDefault(Config.Int("SEGFORMER_SHARDS"), 300)

/** As the command line says. */
export const givenShards = Flags.count("shards").pipe(
  Flag.withMetavar("COUNT"),
  Flag.withDescription(
    "Into how many parts the work is divided: the same for all processes of a database, always. 300 by default"
  )
)

export const shards = givenShards.pipe(
  Flags.orVariable("shards", "SEGFORMER_SHARDS", () => defaultShards),
  Flags.atLeast(1)
)

export const connections = Flags.count("connections").pipe(
  Flag.withMetavar("COUNT"),
  Flag.withDescription("Connections of this process to the database. 5 by default"),
  Flag.withDefault(5)
)

export const takeover = Flags.count("takeover").pipe(
  Flag.withMetavar("SECONDS"),
  Flag.withDescription(
    "How long a worker that is gone is waited for, before others do its work: the same for all. 15 by default"
  ),
  Flags.orVariable("takeover", "SEGFORMER_TAKEOVER", Config.Int),
  Flags.atLeast(1),
  Flag.withDefault(15)
)

/** The room for many machines, which stands on a package that is not always there. */
export const cluster = Effect.tryPromise({
  try: () => import("../batch/cluster.ts"),
  catch: () =>
    new ExitCode.Ended({
      code: ExitCode.unavailable,
      reason: "a database of runs needs the package @effect/sql-pg: npm install @effect/sql-pg"
    })
})

/** The exit code that suits an error of a database of runs. */
export const ended = (error: { readonly _tag: string; readonly message: string }): ExitCode.Ended => {
  const isUsage = error._tag === "UnknownRun" || error._tag === "SourceNotReadable"
  return ExitCode.by(isUsage ? ExitCode.usage : ExitCode.unavailable)(error)
}
