/** `segformer worker`, at work: a runner of the cluster until the process is told to stop. */
import { createServer } from "node:net"
import { Context, Duration, Effect, Layer, Schema } from "effect"
import * as Backend from "./Backend.ts"
import * as BatchSinks from "./BatchSinks.ts"
import * as ExitCode from "./ExitCode.ts"
import { isRemote } from "./Flags.ts"
import * as Screen from "./Screen.ts"
import * as SharedLimits from "./SharedLimits.ts"
import type { Options } from "./WorkerCommand.ts"
import * as WorkerFlags from "./WorkerFlags.ts"
import { WorkerSpec } from "./WorkerSpec.ts"

/** Works until it is interrupted. */
export const run = (options: Options) =>
  Effect.scoped(work(options)).pipe(
    Effect.provide([Backend.layerCodec, Backend.layerHttpClient(options), Screen.layerLog])
  )

const work = Effect.fnUntraced(function* (options: Options) {
  const { concurrency, model, redis, url } = options
  const { ClusterEngine, ClusterWorker } = yield* WorkerFlags.cluster
  const limits = redis === undefined ? Context.empty() : yield* SharedLimits.make(redis)
  const worker = ClusterWorker.layer({
    concurrency,
    work: Effect.fnUntraced(function* ({ id, spec }) {
      const wanted = yield* Effect.mapError(Schema.decodeUnknownEffect(WorkerSpec)(spec), () =>
        ExitCode.wrong(`"${id}" was not submitted by a \`segformer batch\` of this version`)
      )
      const { header, service } = options
      const way = { proxy: options.proxy, ca: options.ca, header, atOnce: concurrency }
      const isTold = isRemote({ url, service }) || model !== undefined
      const given: Backend.BackendOptions = isTold
        ? { ...way, url, service, model, palette: model === undefined ? wanted.palette : undefined }
        : { ...way, ...wanted }
      const asked = { ...given, uncertainty: wanted.sinks.rank !== undefined }
      const transport = yield* Effect.provideContext(Backend.make(asked), limits)
      return {
        transport,
        sinks: BatchSinks.make(wanted.sinks),
        segment: { limits: wanted.limits },
        fingerprint: {
          ...(yield* Backend.modelFingerprint(given)),
          ...Backend.fingerprint(yield* Backend.settingsOf(given))
        }
      }
    })
  })
  const engine = ClusterEngine.layerRunner({
    database: options.db,
    host: options.host,
    port: options.port === 0 ? yield* freePort : options.port,
    weight: options.weight,
    shards: options.shards,
    connections: options.connections,
    takeover: Duration.seconds(options.takeover)
  })
  yield* Effect.mapError(Layer.build(Layer.provide(worker, engine)), WorkerFlags.ended)
  ExitCode.stop.served = true
  return yield* Effect.onInterrupt(Effect.never, () =>
    Effect.logInfo("Stopping: what is under way has 5 s to finish, the rest is for other workers")
  )
})

/** The engine must know its port before it listens there. */
const freePort: Effect.Effect<number> = Effect.callback((resume) => {
  const server = createServer()
  server.listen(0, () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" ? (address?.port ?? 0) : 0)))
  })
})
