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
import { Config, Context, Duration, Effect, Layer, Schema, type Scope } from "effect"
import { UrlParams } from "effect/http"
import { NetAddress } from "effect/net"
import * as ErrorKind from "../ErrorKind.ts"
import type * as Address from "./Address.ts"
import * as Assembled from "./Assembled.ts"
import type { CannotKeepJobs } from "./jobs/JobsOptions.ts"
import * as Connections from "./Connections.ts"
import * as Face from "./Face.ts"
import * as NodeFace from "./NodeFace.ts"
import type * as Origins from "./Origins.ts"
import * as Security from "./Security.ts"
import * as ServerLimits from "./ServerLimits.ts"
import { defaultHost, type SegFormerServerOptions } from "./ServerOptions.ts"
import * as WebHandler from "./WebHandler.ts"
import * as Wrapped from "../policy/Wrapped.ts"
import { messageOf } from "../SystemError.ts"

/** The server cannot listen at its address. */
export class CannotListen extends ErrorKind.ofCaller<CannotListen>()("CannotListen", {
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
  ): Effect.fn.Return<SegFormerServer["Service"], StartError | E, Assembled.Needs | Scope.Scope | R> {
    const host = options.host ?? defaultHost
    yield* Security.check(host, options)
    const state = { draining: false }
    const limits = ServerLimits.make(options)
    const callers = yield* Assembled.callersOf(options)
    const app = Effect.provideService(
      yield* Assembled.make(options, limits, callers, state),
      Face.Current,
      NodeFace.face
    )
    const node = nodeServer(limits)
    // By bytes they are bounded. Beyond a number Node leaves out those that come last, a proxy's word of who asks among them.
    node.maxHeadersCount = 0
    const connections = Connections.watch(node, callers.addresses, limits)
    const http = yield* listen(node, options, limits)
    // Whoever still sends or reads when the time to drain is over is cut off: `close` alone would wait for them.
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    // Keys of some protocols travel in the query, and what a stranger calls theirs is not known: spans show none.
    yield* Effect.provideService(http.serve(app), UrlParams.CurrentRedactedNames, [/./s])
    // No other protocol is spoken here. Who offers one (curl --http2, Java) sends its body with the question, which Node then drops.
    node.removeAllListeners("upgrade")
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
  ): Layer.Layer<SegFormerServer, StartError | E, Assembled.Needs | R> =>
    Layer.effect(SegFormerServer, SegFormerServer.make(options))

  /** The same answers as a function of the web's standards, which listens nowhere itself: see {@link WebHandler.toWebHandler}. */
  static readonly toWebHandler = WebHandler.toWebHandler

  /** The same, with its options from configuration: a `Config` for each, such as `{ port: Config.Port("PORT") }`. */
  static readonly layerConfig = <E = never, R = never>(
    config: Wrapped.Wrap<SegFormerServerOptions<E, R>>
  ): Layer.Layer<SegFormerServer, StartError | E | Config.ConfigError, Assembled.Needs | R> =>
    Layer.effect(
      SegFormerServer,
      Effect.flatMap(Wrapped.unwrap<SegFormerServerOptions<E, R>>(config), (options) =>
        SegFormerServer.make(options)
      )
    )
}

const nodeServer = (limits: ServerLimits.ServerLimits): Server => {
  const headersTimeout = Duration.toMillis(limits.headersTimeout)
  return createServer({
    headersTimeout,
    // The dialect answers a slow body with a sentence; this cuts what does not even listen to it.
    requestTimeout: Duration.toMillis(limits.bodyTimeout) + headersTimeout + 5000,
    // Longer than proxies keep connections that are at rest (60 s mostly): who closes one first while the other sends on it breaks a
    // request. Where they are too many, or the server stops, the oldest make room at once.
    keepAliveTimeout: 75_000,
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
        detail: messageOf(cause)
      })
  )
}
