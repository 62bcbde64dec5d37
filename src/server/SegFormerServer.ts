/**
 * Any segmenter as an HTTP service: what is provided as `Transport` answers at `/v1` (the contract `SegFormerApi`), in
 * the dialects given, and on a page.
 *
 * Requests beyond what can be worked on or wait are refused with 503 and Retry-After before their body is read; bodies,
 * pixels and slow senders and readers are bounded. When its scope ends the server drains: it takes no new connection,
 * finishes what it has begun within `drain`, and closes.
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 * import { SegFormerServer } from "effect-segformer/server"
 * import { SharpCodec } from "effect-segformer/sharp"
 *
 * const segmenter = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
 * const server = SegFormerServer.layer({ port: 0 }).pipe(
 *   Layer.provide([segmenter, SharpCodec.layer, NodeFileSystem.layer])
 * )
 * const program = Effect.map(SegFormerServer, ({ url }) => url.startsWith("http://127.0.0.1:"))
 * await Effect.runPromise(Effect.provide(program, server)) // => true
 * ```
 */
import { createServer, type Server } from "node:http"
import { NodeHttpServer } from "@effect/platform-node"
import { Clock, Config, Context, Duration, Effect, FileSystem, Layer, Schema, type Scope } from "effect"
import { UrlParams } from "effect/http"
import { NetAddress } from "effect/net"
import * as ErrorKind from "../ErrorKind.ts"
import { ImageCodec } from "../image/ImageCodec.ts"
import { Transport } from "../Transport.ts"
import * as Address from "./Address.ts"
import * as Admission from "./Admission.ts"
import * as Application from "./Application.ts"
import * as Jobs from "./jobs/Jobs.ts"
import type { CannotKeepJobs } from "./jobs/JobsOptions.ts"
import * as Connections from "./Connections.ts"
import * as InspectionDialect from "./InspectionDialect.ts"
import * as MicroBatch from "./MicroBatch.ts"
import * as ServerMetrics from "./ServerMetrics.ts"
import * as Origins from "./Origins.ts"
import * as Page from "./page/Page.ts"
import * as ResultCache from "./ResultCache.ts"
import * as Security from "./Security.ts"
import * as ServerLimits from "./ServerLimits.ts"
import { defaultHost, type SegFormerServerOptions } from "./ServerOptions.ts"
import * as Serving from "./Serving.ts"
import type { Models, ServedModel } from "./v1/Models.ts"
import * as JobsHandlers from "./v1/JobsHandlers.ts"
import * as Routes from "./v1/Routes.ts"

/** The server cannot listen at its address. */
export class CannotListen extends ErrorKind.lasting<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Int,
  /** The system's code where there is one, such as EADDRINUSE. */
  code: Schema.optional(Schema.String),
  detail: Schema.String
}) {
  override get message(): string {
    const hint =
      this.code === "EADDRINUSE"
        ? ". Something listens there already: choose another port"
        : this.code === "EACCES"
          ? ". Ports below 1024 need rights this user lacks"
          : ""
    return `Cannot listen at ${this.host}:${this.port}: ${this.detail}${hint}`
  }
}

/** Why a server does not start. */
export type StartError =
  | CannotListen
  | CannotKeepJobs
  | Address.InvalidAddress
  | Address.InvalidProxy
  | Origins.InvalidOrigin
  | Security.TokensRequired

/** What answers, what reads and writes pictures, and where jobs are kept. */
export type Needs = Transport | ImageCodec | FileSystem.FileSystem

/** A server that listens. */
export class SegFormerServer extends Context.Service<
  SegFormerServer,
  {
    /** Such as http://127.0.0.1:8080, without a trailing slash. */
    readonly url: string
    readonly port: number
  }
>()("effect-segformer/server/SegFormerServer") {
  /** Listens until the scope ends, then drains. */
  static readonly make = Effect.fnUntraced(function* <E = never, R = never>(
    options: SegFormerServerOptions<E, R> = {}
  ): Effect.fn.Return<SegFormerServer["Service"], StartError | E, Needs | Scope.Scope | R> {
    const host = options.host ?? defaultHost
    yield* Security.check(host, options)
    const state = { draining: false }
    const limits = ServerLimits.make(options)
    const callers = yield* callersOf(options)
    const app = yield* application(options, limits, callers, state)
    const node = nodeServer(limits)
    const connections = Connections.watch(node, callers.addresses, limits)
    const http = yield* listen(node, options, limits)
    // Whoever still sends or reads when the time to drain is over is cut off: `close` alone would wait for them.
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    // Keys of some protocols travel in the query, and what a stranger calls theirs is not known: spans show none.
    yield* Effect.provideService(http.serve(app), UrlParams.CurrentRedactedNames, [/./s])
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        state.draining = true
        // Connections that come to rest from here on are of no more use, but would be waited for.
        const sweep = setInterval(connections.closeIdle, 20)
        node.once("close", () => clearInterval(sweep))
      })
    )
    const port = NetAddress.isInetAddress(http.address) ? http.address.port : 0
    return { url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, port }
  })

  static readonly layer = <E = never, R = never>(
    options?: SegFormerServerOptions<E, R>
  ): Layer.Layer<SegFormerServer, StartError | E, Needs | R> =>
    Layer.effect(SegFormerServer, SegFormerServer.make(options))

  /** The same, with its options from configuration: a `Config` for each, such as `{ port: Config.Port("PORT") }`. */
  static readonly layerConfig = <E = never, R = never>(
    config: Config.Wrap<SegFormerServerOptions<E, R>>
  ): Layer.Layer<SegFormerServer, StartError | E | Config.ConfigError, Needs | R> =>
    Layer.effect(
      SegFormerServer,
      Effect.flatMap(Config.unwrap<SegFormerServerOptions<E, R>>(config), (options) =>
        SegFormerServer.make(options)
      )
    )
}

/** Who may ask, by where a request comes from. */
interface Callers {
  readonly addresses: Address.Addresses
  readonly origins: Origins.Origins
}

const callersOf = (
  options: SegFormerServerOptions<unknown, unknown>
): Effect.Effect<Callers, Address.InvalidProxy | Origins.InvalidOrigin> =>
  Effect.gen(function* () {
    const addresses = yield* Effect.fromResult(Address.make(options.trustProxy))
    const origins = yield* Effect.fromResult(Origins.make(options.cors ?? [], addresses))
    return { addresses, origins }
  })

const nodeServer = (limits: ServerLimits.ServerLimits): Server => {
  const headersTimeout = Duration.toMillis(limits.headersTimeout)
  return createServer({
    headersTimeout,
    // The dialect answers a slow body with a sentence; this cuts what does not even listen to it.
    requestTimeout: Duration.toMillis(limits.bodyTimeout) + headersTimeout + 5000,
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: Math.max(100, Math.min(2000, headersTimeout / 2))
  })
}

const listen = (
  node: Server,
  options: SegFormerServerOptions<unknown, unknown>,
  { drain }: ServerLimits.ServerLimits
) => {
  const host = options.host ?? defaultHost
  const port = options.port ?? 8080
  return Effect.mapError(
    NodeHttpServer.make(() => node, { host, port, gracefulShutdownTimeout: drain }),
    ({ cause }) =>
      new CannotListen({
        host,
        port,
        code: cause instanceof Error && "code" in cause ? String(cause.code) : undefined,
        detail: cause instanceof Error ? cause.message : String(cause)
      })
  )
}

/** Everything that answers, over the models there are. */
const application = Effect.fnUntraced(function* <E, R>(
  options: SegFormerServerOptions<E, R>,
  given: ServerLimits.ServerLimits,
  { addresses, origins }: Callers,
  state: { readonly draining: boolean }
): Effect.fn.Return<Application.App, E | CannotKeepJobs, Needs | Scope.Scope | R> {
  const clock = yield* Clock.Clock
  const batched = (transport: Transport["Service"]) =>
    options.batch === false ? Effect.succeed(transport) : MicroBatch.make(transport, options.batch)
  const alone = yield* Transport
  const transport = yield* batched(alone)
  const batchSize = (options.batch === false ? undefined : options.batch?.size) ?? MicroBatch.defaultSize
  const limits =
    options.concurrency === undefined && transport !== alone
      ? { ...given, concurrency: batchSize * 2 }
      : given
  const admission = Admission.make(limits)
  const cache = limits.maxCacheBytes > 0 ? ResultCache.make(limits.maxCacheBytes) : undefined
  const counts = { segmented: 0, failed: 0 }
  const shared: Serving.Shared = {
    admission,
    limits,
    codec: yield* ImageCodec,
    files: yield* FileSystem.FileSystem,
    cache,
    counts,
    started: clock.monotonicTimeNanosUnsafe(),
    active: options.active
  }
  const main = yield* Serving.make(transport, "default", options.name, shared)
  const under = options.routes ?? {}
  const more: Array<ServedModel> = []
  for (const [name, layer] of Object.entries(options.models ?? {})) {
    const transport = yield* batched(Context.get(yield* Layer.build(layer), Transport))
    const served = (yield* Serving.make(transport, `model ${name}`, name, shared))(under["v1"])
    more.push({ name: Effect.succeed(name), isDefault: false, kind: kindOf(transport), served })
  }
  const served = main(under["v1"])
  const name = Effect.match(served.describe, { onSuccess: ({ name }) => name, onFailure: () => "segformer" })
  const models: Models = [{ name, isDefault: true, kind: kindOf(transport), served }, ...more]

  const dialects = yield* Effect.forEach(options.dialects ?? [InspectionDialect.make()], (dialect) =>
    Effect.map(dialect.routes(main(under[dialect.name])), (routes) => ({ dialect, routes }))
  )
  const jobs =
    options.jobs === false
      ? undefined
      : yield* Jobs.make(shared.files, JobsHandlers.work(models), options.jobs ?? {})
  const page = options.page === false ? [] : yield* Page.routes(served.limits)
  yield* ServerMetrics.kept({ admission, cache })
  return yield* Application.make({
    dialects,
    api: Routes.layer({
      models,
      jobs,
      metrics: ServerMetrics.text({ admission, cache })
    }),
    page,
    authenticate: Security.authenticate(options, addresses),
    addresses,
    origins,
    measure: ServerMetrics.makeMeasure(),
    writeTimeout: limits.writeTimeout,
    maxLinger: 2 * limits.maxRequestBytes,
    state
  })
})

/** A transport is called by the address of its service, or by the name of its model. */
const kindOf = ({ name }: Transport["Service"]): string => (/^https?:/.test(name) ? "service" : "model")
