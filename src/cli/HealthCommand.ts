/** `segformer health`: its flags and help. The work is in `Health`, which is loaded when there is work. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"

const flags = {
  url: Flags.url.pipe(Flag.withDescription("The service to ask. Without it, the model here is loaded")),
  model: Flags.model,
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print a JSON object"), Flag.withDefault(false))
}

export const command = Command.make("health", flags, (options) =>
  Effect.flatMap(
    Effect.promise(() => import("./Health.ts")),
    ({ run }) =>
      run({
        json: options.json,
        url: Option.getOrUndefined(options.url),
        model: Option.getOrUndefined(options.model)
      })
  )
).pipe(
  Command.withShortDescription("Ask whether a service or model can segment"),
  Command.withDescription(
    "Ask a service, or load the model here. Exit code 0 if it can segment now, 3 if not."
  ),
  Command.withExamples([
    { command: "segformer health --url http://127.0.0.1:8080", description: "A service" },
    { command: "segformer health", description: "The model in this package" }
  ])
)
