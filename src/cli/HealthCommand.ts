/** `segformer health`: whether a service, or a model here, can segment now. */
import { Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import * as Screen from "./Screen.ts"

const flags = {
  url: Flags.url.pipe(Flag.withDescription("The service to ask. Without it, the model here is loaded")),
  model: Flags.model,
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print a JSON object"), Flag.withDefault(false))
}

export const command = Command.make("health", flags, (options) =>
  Effect.scoped(
    Effect.gen(function* () {
      const url = Option.getOrUndefined(options.url)
      const model = Option.getOrUndefined(options.model)
      const transport = yield* Backend.make({ url, model })
      const health = yield* Effect.mapError(
        transport.health,
        (error) => new ExitCode.Ended({ code: ExitCode.unavailable, reason: error.message })
      )
      const described = yield* Effect.orElseSucceed(transport.describe, () => ({
        name: "unknown",
        classes: []
      }))
      const names = described.classes.map((info) => info.name)
      yield* Screen.say(
        options.json
          ? JSON.stringify({ segmenter: transport.name, ...health, model: described.name, classes: names })
          : Screen.plain(
              `${transport.name}: ${health.detail}, model ${described.name}` +
                (names.length === 0
                  ? ""
                  : `, ${names.length} classes (${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""})`)
            )
      )
      if (!health.healthy) return yield* new ExitCode.Ended({ code: ExitCode.unavailable })
    })
  ).pipe(
    Effect.tapError((error) =>
      options.json && error.reason !== undefined
        ? Screen.say(JSON.stringify({ healthy: false, detail: error.reason }))
        : Effect.void
    ),
    Effect.provide(Backend.layerCodec)
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
