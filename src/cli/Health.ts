/** `segformer health`, at work. */
import { Effect } from "effect"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import type { Options } from "./HealthCommand.ts"
import * as Screen from "./Screen.ts"

/** Says how the service or model is; fails with code 3 unless it is well. */
export const run = (options: Options): Effect.Effect<void, ExitCode.Ended> =>
  Effect.scoped(
    Effect.gen(function* () {
      const transport = yield* Backend.make(options)
      const health = yield* Effect.mapError(transport.health, ExitCode.by(ExitCode.unavailable))
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
                (names.length === 0 ? "" : `, ${names.length} classes (${Screen.some(names)})`)
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
