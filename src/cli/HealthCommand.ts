/** `segformer health`: its flags and help. */
import { Command, Flag } from "effect/cli"
import * as Flags from "./Flags.ts"

const flags = {
  ...Flags.remote,
  url: Flags.url.pipe(
    Flag.withDescription(
      "The service to ask; SEGFORMER_SERVICE_URL says it too. Without it, the model here is loaded"
    )
  ),
  model: Flags.model,
  json: Flags.json
}

export type Options = Command.Command.Config.Infer<typeof flags>

export const faults = Flags.backendFaults

export const command = Command.make("health", flags).pipe(
  Command.withShortDescription("Ask whether a service or model can segment"),
  Command.withDescription(
    "Ask a service, or load the model here. Exit code 0 if it can segment now, 3 if not. Of a service that does not say how it is " +
      "counts what its route of images answers to a request without one: 0 if it misses something, 3 if there is no such route, one " +
      "that says nothing of what it misses, or one that answers as other addresses do."
  ),
  Command.withExamples([
    { command: "segformer health --url http://127.0.0.1:8080", description: "A service" },
    { command: "segformer health", description: "The model in this package" }
  ])
)
