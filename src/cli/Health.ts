/** `segformer health`, at work. */
import { Effect } from "effect"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Flags from "./Flags.ts"
import type { Options } from "./HealthCommand.ts"
import * as Screen from "./Screen.ts"

/** How the model here is: it is loaded. */
const ofModel = Effect.fnUntraced(function* (options: Options) {
  const transport = yield* Backend.make(options)
  return { transport, health: yield* Effect.mapError(transport.health, ExitCode.by(ExitCode.unavailable)) }
})

/** How a service is to this caller: what it says of itself, and what an image would meet. */
const ofService = Effect.fnUntraced(function* (options: Options) {
  const Remote = yield* ExitCode.loaded(() => import("./Remote.ts"))
  const found = yield* Remote.connect(options)
  const ill = found.health.healthy ? yield* Remote.barred(found) : found.health.detail
  if (ill !== undefined) {
    const message = `${found.transport.name} is up, but cannot segment: ${ill}`
    return yield* ExitCode.by(ExitCode.unavailable)({ message })
  }
  return { transport: found.transport, health: found.health }
})

/** Says how the service or model is; fails with code 3 unless it is well. */
export const run = (options: Options): Effect.Effect<void, ExitCode.Ended> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { health, transport } = yield* Flags.isRemote(options) ? ofService(options) : ofModel(options)
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
