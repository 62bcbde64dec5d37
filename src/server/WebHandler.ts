/**
 * A segmenter behind a function of the web's standards: a `Request` goes in, a `Response` comes out. Whatever calls such a
 * function mounts it: route handlers of Next.js, Hono, SvelteKit, `Deno.serve`, `Bun.serve`, workers.
 *
 * It answers what the server over Node answers, under the same limits on bodies, pixels and work. A request that is aborted
 * interrupts what is done for it, and an answer that nobody reads on ends. What belongs to connections (how many there are, how
 * slow a reader may be) is the affair of whoever hands requests on.
 *
 * ```ts
 * import { NodeFileSystem } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { Fixtures, SegFormerTest } from "effect-segformer/testing"
 * import { WebHandler } from "effect-segformer/server"
 * import { SharpCodec } from "effect-segformer/sharp"
 *
 * const segmenter = SegFormerTest.layer(() => Effect.succeed(Fixtures.prediction))
 * const { dispose, handler } = WebHandler.toWebHandler(
 *   Layer.mergeAll(segmenter, SharpCodec.layer, NodeFileSystem.layer),
 *   { allowAnyone: true, prefix: "/api/segformer", jobs: false }
 * )
 * const response = await handler(new Request("http://localhost/api/segformer/health"))
 * response.status // => 200
 * await dispose()
 * ```
 */
import { Context, Deferred, Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import { HttpBody, HttpEffect, HttpServerRequest, HttpServerResponse, UrlParams } from "effect/http"
import type { InvalidAddress, InvalidProxy } from "./Address.ts"
import * as Assembled from "./Assembled.ts"
import type { CannotKeepJobs } from "./jobs/JobsOptions.ts"
import type { InvalidOrigin } from "./Origins.ts"
import * as Security from "./Security.ts"
import * as ServerLimits from "./ServerLimits.ts"
import type { SegFormerServerOptions } from "./ServerOptions.ts"

/** Where a request comes from, which a `Request` does not say. */
export interface From {
  /** Of the peer, for limits by address, and for proxies that are trusted: all are one where none is given. */
  readonly address?: string | undefined
}

export type WebHandler = (request: Request, from?: From) => Promise<Response>

/** All that a server is told but where it listens. */
export interface WebHandlerOptions<out E = never, out R = never> extends Omit<
  SegFormerServerOptions<E, R>,
  "host" | "port"
> {
  /** Path under which it is mounted, such as `/api/segformer`. The page, whose addresses begin at the root, is off under one. */
  readonly prefix?: string | undefined
}

/** Why a handler cannot be made. */
export type WebStartError =
  | CannotKeepJobs
  | InvalidAddress
  | InvalidProxy
  | InvalidOrigin
  | Security.TokensRequired

const CurrentFrom = Context.Reference<From>("effect-segformer/server/WebHandler/CurrentFrom", {
  defaultValue: () => ({})
})

/** What is below a path: `undefined` for a request to elsewhere. */
const below = (prefix: string, url: string): string | undefined => {
  if (prefix === "") return url
  const rest = url.slice(prefix.length)
  if (!url.startsWith(prefix) || !/^($|[/?])/.test(rest)) return undefined
  return rest.startsWith("/") ? rest : `/${rest}`
}

/** The handler. It works until the scope ends, then drains: what it has begun is finished within `drain`. */
export const make = Effect.fnUntraced(function* <E = never, R = never>(
  options: WebHandlerOptions<E, R> = {}
): Effect.fn.Return<WebHandler, WebStartError | E, Assembled.Needs | Scope.Scope | R> {
  yield* Security.check("", options)
  const prefix = (options.prefix ?? "").replace(/\/+$/, "")
  const state = { draining: false }
  const limits = ServerLimits.make(options)
  const callers = yield* Assembled.callersOf(options)
  const given = { ...options, page: prefix === "" && options.page !== false }
  const app = yield* Assembled.make(given, limits, callers, state)
  // Whoever made it has its logger, its tracer, its clock.
  const context = yield* Effect.context<never>()

  /** What works on requests that are answered, to the last byte; who waits until there is none. */
  const working = new Set<Fiber.Fiber<unknown, unknown>>()
  let onIdle: (() => void) | undefined
  const cut = yield* Deferred.make<void>()
  const idle = Effect.callback<void>((resume) => {
    if (working.size === 0) return resume(Effect.void)
    onIdle = () => resume(Effect.void)
  })
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      state.draining = true
      return Effect.timeoutOption(idle, limits.drain)
    }).pipe(
      Effect.andThen(Deferred.succeed(cut, undefined)),
      Effect.andThen(Effect.suspend(() => Fiber.interruptAll(working)))
    )
  )
  const counted = Effect.withFiber((fiber) =>
    Effect.acquireRelease(
      Effect.sync(() => working.add(fiber)),
      () =>
        Effect.sync(() => {
          working.delete(fiber)
          if (working.size === 0) onIdle?.()
        })
    )
  )

  const answer = Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const url = below(prefix, request.url)
    if (url === undefined) {
      const detail = `This handler is mounted at ${prefix}: what is not below it is for others. Hand on requests with their whole path`
      return HttpServerResponse.jsonUnsafe({ message: detail }, { status: 404 })
    }
    yield* counted
    const { address } = yield* CurrentFrom
    const { host } = new URL(request.originalUrl)
    const seen = request.modify({
      url,
      // A `Request` need not have the header, and always has the name it was asked by.
      headers: "host" in request.headers ? request.headers : { host, ...request.headers },
      remoteAddress: Option.fromUndefinedOr(address)
    })
    const response = yield* Effect.provideService(app, HttpServerRequest.HttpServerRequest, seen)
    return ended(placed(response))
  })

  /** Addresses of this server's own are below where it is mounted. */
  const placed = (response: HttpServerResponse.HttpServerResponse) => {
    const { location } = response.headers
    return prefix !== "" && location?.startsWith("/") === true
      ? HttpServerResponse.setHeader(response, "location", prefix + location)
      : response
  }

  /** An answer that comes in pieces ends with the handler, where it is not done within the time to drain. */
  const ended = (response: HttpServerResponse.HttpServerResponse) => {
    const { body } = response
    if (body._tag !== "Stream") return response
    const stream = Stream.interruptWhen(body.stream, Deferred.await(cut))
    return HttpServerResponse.setBody(response, HttpBody.stream(stream, body.contentType, body.contentLength))
  }

  // Keys of some protocols travel in the query: spans show none.
  const handle = HttpEffect.toWebHandlerWith<never, HttpServerRequest.HttpServerRequest | Scope.Scope>(
    Context.add(context, UrlParams.CurrentRedactedNames, [/./s])
  )(answer)
  return (request: Request, from?: From) => handle(request, Context.make(CurrentFrom, from ?? {}))
})

/**
 * The same for programs without Effect: what a segmenter needs comes as a layer, which is built with the first request. Where it
 * cannot be built the promise of each request is rejected with the reason, and the next one tries again. `dispose` drains and
 * lets everything go, for good: requests after it are answered with 503, and build nothing that nobody would let go.
 */
export const toWebHandler = <E = never, R = never, E2 = never>(
  layer: Layer.Layer<Assembled.Needs | R, E2>,
  options: WebHandlerOptions<E, R> = {}
): { readonly handler: WebHandler; readonly dispose: () => Promise<void> } => {
  let made: Promise<{ readonly handle: WebHandler; readonly scope: Scope.Closeable }> | undefined
  const build = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const building = Effect.flatMap(Layer.buildWithScope(layer, scope), (context) =>
      Effect.provide(Scope.provide(make(options), scope), context)
    )
    const handle = yield* Effect.onError(building, () => Scope.close(scope, Exit.void))
    return { handle, scope }
  })
  const start = () => {
    made ??= Effect.runPromise(build).catch((error: unknown) => {
      made = undefined
      throw error
    })
    return made
  }
  return {
    handler: async (request, from) => {
      const { handle } = await start()
      return handle(request, from)
    },
    dispose: async () => {
      made ??= Promise.resolve({ handle: gone, scope: Scope.makeUnsafe() })
      const { scope } = await made
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

/** What a handler answers that was disposed of before it was built: nobody is there to say it in a protocol's form. */
const gone: WebHandler = async () =>
  new Response("The service is shutting down", { status: 503, headers: { "retry-after": "5" } })
