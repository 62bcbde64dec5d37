/**
 * Any segmenter as an HTTP service: what is provided as `Transport` answers in the dialects given.
 *
 * Requests beyond what can be worked on or wait are refused with 503 and Retry-After before their body is read; bodies,
 * pixels and slow senders and readers are bounded. When its scope ends the server drains: it takes no new connection,
 * finishes what it has begun within `drain`, and closes.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 * import { SegFormerServer } from "effect-segformer/server"
 * import { SharpCodec } from "effect-segformer/sharp"
 *
 * const segmenter = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
 * const server = SegFormerServer.layer({ port: 0 }).pipe(Layer.provide([segmenter, SharpCodec.layer]))
 * const program = Effect.map(SegFormerServer, ({ url }) => url.startsWith("http://127.0.0.1:"))
 * await Effect.runPromise(Effect.provide(program, server)) // => true
 * ```
 */
import { createServer, type Server } from "node:http"
import type { Socket } from "node:net"
import { NodeFileSystem, NodeHttpServer, NodeHttpServerRequest } from "@effect/platform-node"
import { Clock, Context, Duration, Effect, FileSystem, Layer, Schema, type Scope } from "effect"
import { HttpRouter, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { HttpServerResponse as Response } from "effect/http"
import { NetAddress } from "effect/net"
import { ImageCodec } from "../image/ImageCodec.ts"
import { bytes } from "../image/ImageSource.ts"
import { segment } from "../Segmenter.ts"
import { Transport } from "../Transport.ts"
import * as Admission from "./Admission.ts"
import type { Dialect, DialectRoute, Served, ServerLimits } from "./Dialect.ts"
import * as InspectionDialect from "./InspectionDialect.ts"
import * as Paths from "./Paths.ts"
import * as Refusals from "./Refusal.ts"

export interface SegFormerServerOptions {
  /** 127.0.0.1 by default: this machine only. */
  readonly host?: string | undefined
  /** 8080 by default; 0 for any that is free. */
  readonly port?: number | undefined
  /** The inspection service's by default. The first one has paths that several have, and answers for those that none has. */
  readonly dialects?: ReadonlyArray<Dialect> | undefined
  /**
   * What the model is called in dialects whose requests name one. As the segmenter calls it by default; `segformer` is
   * understood as well.
   */
  readonly name?: string | undefined
  /** Bytes of one image file. 50 MiB by default. */
  readonly maxBytes?: number | undefined
  /** Width times height of one image. 50 million by default. */
  readonly maxPixels?: number | undefined
  /** Images in one request. 64 by default. */
  readonly maxImages?: number | undefined
  /** Bytes of one request with several images. 200 MiB by default. */
  readonly maxBatchBytes?: number | undefined
  /** Images worked on at once. 2 by default. */
  readonly concurrency?: number | undefined
  /** Requests that may wait besides those worked on. 32 by default; one more is refused. */
  readonly queue?: number | undefined
  /** Bytes of bodies held at once, over all requests. 512 MiB by default. */
  readonly maxHeldBytes?: number | undefined
  /** Connections open at once. 1,024 by default. */
  readonly maxConnections?: number | undefined
  /** For the headers of a request to arrive. 10 seconds by default. */
  readonly headersTimeout?: Duration.Input | undefined
  /** For its body. 60 seconds by default. */
  readonly bodyTimeout?: Duration.Input | undefined
  /** A client that takes nothing of its answer for so long is cut off. 30 seconds by default. */
  readonly writeTimeout?: Duration.Input | undefined
  /** How long requests under way may take to finish once the server is to stop. 20 seconds by default. */
  readonly drain?: Duration.Input | undefined
}

/** The server cannot listen at its address. */
export class CannotListen extends Schema.TaggedError<CannotListen>()("CannotListen", {
  host: Schema.String,
  port: Schema.Int,
  /** The system's code where there is one, such as EADDRINUSE. */
  code: Schema.optional(Schema.String),
  detail: Schema.String
}) {
  get isRetryable(): boolean {
    return false
  }
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
  static readonly make = Effect.fnUntraced(function* (
    options: SegFormerServerOptions = {}
  ): Effect.fn.Return<SegFormerServer["Service"], CannotListen, Transport | ImageCodec | Scope.Scope> {
    const files = yield* Effect.provide(FileSystem.FileSystem, NodeFileSystem.layer)
    const dialects = options.dialects ?? [InspectionDialect.make()]
    const served = yield* serve(options, files)
    const node = nodeServer(options)
    const sockets = new Set<Socket>()
    node.on("connection", (socket) => {
      sockets.add(socket)
      socket.once("close", () => sockets.delete(socket))
    })
    const http = yield* listen(node, options)
    // Whoever still sends or reads when the time to drain is over is cut off: `close` alone would wait for them.
    yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
    const state = { draining: false }
    const app = yield* application(dialects, served, state, options)
    yield* http.serve(app)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        state.draining = true
        // Connections that come to rest from here on are of no more use, but would be waited for; so would those,
        // to Node no idle ones, on which nothing has come yet.
        const sweep = setInterval(() => {
          node.closeIdleConnections()
          for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
        }, 20)
        node.once("close", () => clearInterval(sweep))
      })
    )
    const port = NetAddress.isInetAddress(http.address) ? http.address.port : 0
    const host = options.host ?? defaultHost
    return { url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, port }
  })

  static readonly layer = (
    options?: SegFormerServerOptions
  ): Layer.Layer<SegFormerServer, CannotListen, Transport | ImageCodec> =>
    Layer.effect(SegFormerServer, SegFormerServer.make(options))
}

const defaultHost = "127.0.0.1"

const millis = (value: Duration.Input | undefined, otherwise: number): number =>
  value === undefined ? otherwise : Duration.toMillis(value)

const nodeServer = (options: SegFormerServerOptions): Server => {
  const headersTimeout = millis(options.headersTimeout, 10_000)
  const server = createServer({
    headersTimeout,
    // The dialect answers a slow body with a sentence; this cuts what does not even listen to it.
    requestTimeout: millis(options.bodyTimeout, 60_000) + headersTimeout + 5000,
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: Math.max(100, Math.min(2000, headersTimeout / 2))
  })
  server.maxConnections = options.maxConnections ?? 1024
  return server
}

const listen = (node: Server, options: SegFormerServerOptions) => {
  const host = options.host ?? defaultHost
  const port = options.port ?? 8080
  return Effect.mapError(
    NodeHttpServer.make(() => node, { host, port, gracefulShutdownTimeout: options.drain ?? "20 seconds" }),
    ({ cause }) =>
      new CannotListen({
        host,
        port,
        code: cause instanceof Error && "code" in cause ? String(cause.code) : undefined,
        detail: cause instanceof Error ? cause.message : String(cause)
      })
  )
}

/** What dialects are given: the segmenter behind limits and a queue. */
const serve = Effect.fnUntraced(function* (
  options: SegFormerServerOptions,
  files: FileSystem.FileSystem
): Effect.fn.Return<Served, never, Transport | ImageCodec> {
  const transport = yield* Transport
  const codec = yield* ImageCodec
  const clock = yield* Clock.Clock
  const started = clock.monotonicTimeNanosUnsafe()
  const concurrency = options.concurrency ?? 2
  const limits: ServerLimits = {
    maxBytes: options.maxBytes ?? 50 * 1024 * 1024,
    maxPixels: options.maxPixels ?? 50_000_000,
    maxImages: options.maxImages ?? 64,
    maxBatchBytes: options.maxBatchBytes ?? 200 * 1024 * 1024,
    bodyTimeout: millis(options.bodyTimeout, 60_000)
  }
  const admission = Admission.make({
    concurrency,
    queue: options.queue ?? 32,
    maxHeldBytes: options.maxHeldBytes ?? 512 * 1024 * 1024
  })
  const counts = { segmented: 0, failed: 0 }
  const { name } = options
  // Asked with nearly every request in some dialects, and where it is another service's, over the network.
  const describe = yield* remembered(
    Effect.map(transport.describe, (model) => ({ ...model, name: name ?? model.name }))
  )
  return {
    limits,
    concurrency,
    codec,
    files,
    enter: admission.enter,
    health: Effect.catch(transport.health, (error) =>
      Effect.succeed({ healthy: false, detail: error.message })
    ),
    describe: Effect.mapError(describe, Refusals.fromError),
    state: Effect.sync(() => {
      const { present, working } = admission.state()
      return {
        uptime: Number(clock.monotonicTimeNanosUnsafe() - started) / 1e9,
        present,
        working,
        ...counts
      }
    }),
    segment: (upload, use) =>
      admission.work(
        bytes(upload.bytes, { name: upload.name })
          .open(limits)
          .pipe(
            Effect.flatMap((image) =>
              Effect.map(
                segment({ name: image.name, open: () => Effect.succeed(image) }),
                (segmentation) => ({ image, segmentation })
              )
            ),
            Effect.provideService(Transport, transport),
            Effect.mapError(Refusals.fromError),
            Effect.flatMap(use),
            Effect.onExit((exit) =>
              Effect.sync(() => {
                if (exit._tag === "Success") counts.segmented++
                else counts.failed++
              })
            )
          )
      )
  }
})

/** How long a description is taken for true, in milliseconds. */
const rememberedFor = 10_000

/** The same value for a while, once there is one: failures are not kept. */
const remembered = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<Effect.Effect<A, E>> =>
  Effect.map(Clock.Clock, (clock) => {
    let known: { readonly value: A; readonly at: bigint } | undefined
    return Effect.suspend(() => {
      const now = clock.monotonicTimeNanosUnsafe()
      if (known !== undefined && Number(now - known.at) / 1e6 < rememberedFor) {
        return Effect.succeed(known.value)
      }
      return Effect.tap(self, (value) =>
        Effect.sync(() => {
          known = { value, at: now }
        })
      )
    })
  })

type App = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** Every dialect's routes behind one log, one drain and one way to fail. */
const application = Effect.fnUntraced(function* (
  dialects: ReadonlyArray<Dialect>,
  served: Served,
  state: { readonly draining: boolean },
  options: SegFormerServerOptions
): Effect.fn.Return<App, never, Scope.Scope> {
  const router = yield* HttpRouter.make
  const paths = Paths.make()
  for (const dialect of dialects) {
    for (const route of yield* dialect.routes(served)) {
      // `/health` is a path of several protocols: the dialect that is named first has it.
      if (!paths.add(dialect, route)) continue
      yield* router.addAll([HttpRouter.route(route.method, route.path, handler(dialect, route))])
    }
  }
  const routed = router.asHttpEffect()
  const writeTimeout = millis(options.writeTimeout, 30_000)

  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const path = request.url.split(/[?#]/, 1)[0] ?? ""
    const refuseUnknown = (refusal: Refusals.Refusal) =>
      (paths.nearest(path) ?? dialects[0])?.refuse(refusal) ?? Response.empty({ status: refusal.status })
    const answer = state.draining
      ? Effect.succeed(
          refuseUnknown(
            new Refusals.Refusal({
              status: 503,
              detail: "The service is shutting down",
              retryAfter: Duration.seconds(5)
            })
          )
        )
      : Effect.catchCause(routed, (cause) => {
          const failure = cause.reasons[0]
          if (failure?._tag === "Interrupt") return Effect.interrupt
          const allow = paths.methods(path)?.join(", ")
          // A handler's own failures are answered in its dialect: what is left is a path that nobody has, or a bug.
          return failure?._tag === "Fail"
            ? Effect.succeed(
                refuseUnknown(
                  allow === undefined
                    ? Refusals.notFound(`There is no ${request.method} ${path} here`)
                    : new Refusals.Refusal({
                        status: 405,
                        detail: `${path} is asked with ${allow}, not ${request.method}`,
                        allow
                      })
                )
              )
            : Effect.as(
                Effect.logError(`${request.method} ${path} failed by a defect`, cause),
                refuseUnknown(
                  new Refusals.Refusal({ status: 500, detail: "The service failed. Its log says why" })
                )
              )
        })
    return logged(request, path, answer).pipe(
      Effect.map((response) => {
        const { socket } = NodeHttpServerRequest.toIncomingMessage(request)
        // From here on only the client can be slow. The server sets it back when the connection is used again.
        socket.setTimeout(writeTimeout)
        const last = state.draining || response.status === 408
        return last ? Response.setHeader(response, "connection", "close") : response
      })
    )
  })
})

const handler = (dialect: Dialect, route: DialectRoute) =>
  Effect.flatMap(
    Effect.all([HttpServerRequest.HttpServerRequest, HttpRouter.params]),
    ([request, parameters]) =>
      Effect.catch(route.handle(request, parameters), (refusal) =>
        Effect.as(
          refusal.status >= 500 && refusal.internal !== undefined
            ? Effect.logWarning(refusal.internal)
            : Effect.void,
          (route.refuse ?? dialect.refuse)(refusal)
        )
      )
  )

/** One line per request: method, path, status, time. */
const logged = <E, R>(
  request: HttpServerRequest.HttpServerRequest,
  path: string,
  self: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> =>
  Clock.clockWith((clock) => {
    const started = clock.monotonicTimeNanosUnsafe()
    const line = (what: string | number) => {
      const took = Number(clock.monotonicTimeNanosUnsafe() - started) / 1e6
      return Effect.logInfo(`${request.method} ${path.slice(0, 200)} ${what} ${took.toFixed(1)} ms`)
    }
    return Effect.onExit(self, (exit) =>
      line(
        exit._tag === "Success" ? exit.value.status : "interrupted, the client is gone or the server stops"
      )
    )
  })
