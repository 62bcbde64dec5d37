/** `segformer runs`: its flags and help. */
import { Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"
import * as WorkerFlags from "./WorkerFlags.ts"

const flags = {
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
  run: Argument.String("run").pipe(
    Argument.withDescription("The name of the run"),
    Argument.optional,
    Argument.map(Option.getOrUndefined)
  ),
  db: WorkerFlags.db,
  shards: WorkerFlags.shards,
  json: Flags.off("json").pipe(Flag.withDescription("Print one JSON object per line"))
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = ({ action, run }: Options): Flags.Faults =>
  action === "list" && run !== undefined
    ? [`list says all runs. Of one: segformer runs status ${run}`]
    : action !== "list" && run === undefined
      ? [`which run? segformer runs ${action} RUN`]
      : []

export const command = Command.make("runs", flags).pipe(
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
