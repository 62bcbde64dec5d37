/** `segformer serve`, at work: a segmenter behind a socket until the process is told to stop. */
import { Duration, Effect, Layer } from "effect"
import { Dialects, SegFormerServer } from "../server/index.ts"
import { Transport } from "../Transport.ts"
import * as Backend from "./Backend.ts"
import * as ExitCode from "./ExitCode.ts"
import * as Screen from "./Screen.ts"

export interface Options {
  readonly host: string
  readonly port: number
  readonly url: string | undefined
  readonly model: string | undefined
  /** Names of dialects. */
  readonly protocol: ReadonlyArray<string>
  /** What the model is called. */
  readonly name: string | undefined
  readonly concurrency: number
  readonly sessions: number
  readonly queue: number
  readonly maxBytes: number | undefined
  readonly maxPixels: number | undefined
  /** Seconds. */
  readonly drain: number
}

/** Serves until it is interrupted, then drains. */
export const run = (options: Options): Effect.Effect<never, ExitCode.Ended> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { drain, host, port, protocol, ...rest } = options
      if (rest.url !== undefined && rest.model !== undefined) {
        return yield* new ExitCode.Ended({ code: ExitCode.usage, reason: "give --url or --model, not both" })
      }
      const dialects = yield* Effect.mapError(
        Dialects.load(protocol),
        (error) => new ExitCode.Ended({ code: ExitCode.usage, reason: error.message })
      )
      const transport = yield* Backend.make(rest)
      const server = yield* SegFormerServer.make({
        ...rest,
        dialects,
        host,
        port,
        drain: Duration.seconds(drain)
      }).pipe(
        Effect.provideService(Transport, transport),
        Effect.mapError((error) => new ExitCode.Ended({ code: ExitCode.unavailable, reason: error.message }))
      )
      yield* Effect.logInfo(`Serving ${transport.name} at ${server.url} (${protocol.join(", ")})`)
      ExitCode.stop.served = true
      return yield* Effect.onInterrupt(Effect.never, () =>
        Effect.logInfo(`Stopping: no new requests; those under way have ${drain} s to finish`)
      )
    })
  ).pipe(Effect.provide(Layer.merge(Backend.layerCodec, Screen.layerLog)))
