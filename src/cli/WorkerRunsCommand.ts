/** `segformer runs`: its flags and help. The work is in `WorkerRuns`, which is loaded when there is work. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as WorkerFlags from "./WorkerFlags.ts"

const config = {
  action: Argument.Literals("action", [
    "list",
    "status",
    "pause",
    "resume",
    "cancel",
    "failures",
    "forget"
  ]).pipe(
    Argument.withDescription("What to do with a run; list says which there are"),
    Argument.withDefault("list")
  ),
  run: Argument.String("run").pipe(Argument.withDescription("The name of the run"), Argument.optional),
  db: WorkerFlags.db,
  shards: WorkerFlags.shards,
  json: Flag.Boolean("json").pipe(
    Flag.withDescription("Print one JSON object per line"),
    Flag.withDefault(false)
  )
} as const

export const command = Command.make("runs", config, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("./WorkerRuns.ts")),
    ({ run }) => run({ ...options, run: Option.getOrUndefined(options.run) })
  )
).pipe(
  Command.withShortDescription("Look after the runs in a database"),
  Command.withDescription(
    "Say how the runs stand that `segformer batch --db` has submitted; pause, resume or cancel one; list what failed; " +
      "forget one, whose results stay. Workers follow within a second; what is under way is done."
  ),
  Command.withExamples([
    { command: "segformer runs", description: "All runs, with the database in SEGFORMER_DB" },
    { command: "segformer runs pause line-3", description: "Begins no other image until it is resumed" }
  ])
)
