/** Every route of a server behind one authentication, one log, one drain and one way to fail. */
import { Array as Arr, Cause, Clock, Duration, Effect, Layer, type Scope } from "effect"
import { HttpRouter, HttpServerError, HttpServerRequest, type HttpServerResponse } from "effect/http"
import { HttpServerResponse as Response } from "effect/http"
import { HttpApiSchemaError } from "effect/http-api/HttpApiError"
import { type Addresses, CurrentAddress } from "./Address.ts"
import { CurrentCaller } from "./Caller.ts"
import type { Dialect, DialectRoute } from "./Dialect.ts"
import * as Face from "./Face.ts"
import type * as ServerMetrics from "./ServerMetrics.ts"
import type { Origins } from "./Origins.ts"
import * as Paths from "./Paths.ts"
import * as Refusals from "./Refusal.ts"
import * as Notes from "./Notes.ts"
import * as RequestId from "./RequestId.ts"
import * as Security from "./Security.ts"
import type { ServerLimits } from "./ServerLimits.ts"
import { refuse as refuseInV1 } from "./v1/Refuse.ts"
import { millisOf } from "../policy/MonotonicClock.ts"

export type App = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

export interface ApplicationOptions {
  /** With their routes; the first one has paths that several have, and answers for those that none has. */
  readonly dialects: ReadonlyArray<{
    readonly dialect: Dialect
    readonly routes: ReadonlyArray<DialectRoute>
  }>
  readonly api: Layer.Layer<never, never, HttpRouter.HttpRouter>
  readonly page: ReadonlyArray<DialectRoute>
  readonly authenticate: Security.Authenticate
  readonly addresses: Addresses
  readonly origins: Origins
  readonly measure: ServerMetrics.Measure
  readonly limits: Pick<ServerLimits, "bodyGrace" | "writeTimeout">
  /** Bytes of a refused request that are read and dropped, so that its client sees the answer. */
  readonly maxLinger: number
  readonly state: { readonly draining: boolean }
}

/** The contract as a dialect: it refuses in its own form, and has whatever paths the others leave. */
const v1: Dialect = { name: "v1", routes: () => Effect.succeed([]), refuse: refuseInV1 }

/** Paths that anybody may ask for: whether the server is up, and what it can do. */
const open: ReadonlyArray<string> = ["/health", "/ready", "/openapi.json", "/docs"]

const isSame = (a: DialectRoute, b: DialectRoute): boolean =>
  a.method === b.method && a.path.replaceAll(/:\w+/g, ":") === b.path.replaceAll(/:\w+/g, ":")

/** Of the routes with one path: the first that says that a request is its own, else the first that says nothing of requests. */
const chosen = (
  candidates: Arr.NonEmptyReadonlyArray<{ readonly dialect: Dialect; readonly route: DialectRoute }>
): RouteHandler => {
  const { path } = candidates[0].route
  const known = Arr.map(candidates, ({ dialect, route }) => ({
    takes: route.takes,
    handler: handled(dialect, route, path)
  }))
  const otherwise = known.find(({ takes }) => takes === undefined) ?? known[0]
  return Effect.flatMap(
    HttpServerRequest.HttpServerRequest,
    (request) => (known.find(({ takes }) => takes?.(request) === true) ?? otherwise).handler
  )
}

export const make = Effect.fnUntraced(function* (
  options: ApplicationOptions
): Effect.fn.Return<App, never, Scope.Scope> {
  const { addresses, dialects, limits, origins, state } = options
  const first = dialects[0]?.dialect ?? v1
  const router = yield* HttpRouter.make
  const paths = Paths.make()
  /** `GET` of these needs no token. */
  const unguarded = new Set(open)
  /** Which route answered a request. */
  const routeOf = new WeakMap<object, string>()
  const add = (method: DialectRoute["method"], path: `/${string}`, handler: RouteHandler) =>
    router.addAll([
      HttpRouter.route(
        method,
        path,
        Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
          routeOf.set(request.source, path)
          return handler
        })
      )
    ])
  for (const route of options.page) unguarded.add(route.path)
  const document = options.page.find(({ path }) => path === "/")
  for (const { dialect, routes } of dialects) {
    for (const route of routes) {
      // `/health` is a path of several protocols: the dialect that is named first has it.
      if (!paths.add(dialect, route)) continue
      const others = dialects.flatMap((other) =>
        other.dialect === dialect
          ? []
          : other.routes
              .filter((one) => isSame(one, route))
              .map((one) => ({ dialect: other.dialect, route: one }))
      )
      const handler = chosen([{ dialect, route }, ...others])
      const shared = document !== undefined && route.method === "GET" && route.path === "/"
      yield* add(route.method, route.path, shared ? forPeople(handled(v1, document), handler) : handler)
    }
  }
  /** Leaves paths to the dialects that have them. */
  const unclaimed = HttpRouter.HttpRouter.of({
    ...router,
    addAll: <const Routes extends ReadonlyArray<HttpRouter.Route<unknown, unknown>>>(routes: Routes) =>
      router.addAll(routes.filter((route): route is Routes[number] => paths.add(v1, route)))
  })
  const noted = HttpRouter.middleware((handled) =>
    Effect.flatMap(
      Effect.all([HttpServerRequest.HttpServerRequest, HttpRouter.RouteContext]),
      ([request, { route }]) => {
        routeOf.set(request.source, route.path)
        return handled
      }
    )
  )
  yield* Layer.build(
    options.api.pipe(
      Layer.provide(noted.layer),
      Layer.provide(Layer.succeed(HttpRouter.HttpRouter, unclaimed))
    )
  )
  for (const route of options.page) {
    if (paths.add(v1, route)) yield* add(route.method, route.path, handled(v1, route))
  }
  const routed = router.asHttpEffect()

  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const path = request.url.split(/[?#]/, 1)[0] ?? ""
    const requestId = RequestId.of(request)
    const refuse = (refusal: Refusals.Refusal) =>
      (paths.owner(path) ?? paths.nearest(path) ?? first).refuse(refusal, requestId)
    const isOpen = (request.method === "GET" || request.method === "HEAD") && unguarded.has(path)
    const foreign = Security.wrongHost(request) ?? origins.refusal(request)
    const preflight = origins.preflight(request)
    const answer =
      preflight !== undefined
        ? Effect.succeed(preflight)
        : foreign !== undefined
          ? Effect.fail(foreign)
          : isOpen
            ? routed
            : Effect.flatMap(options.authenticate(request, paths.owner(path)?.token?.(request)), (caller) =>
                caller === undefined
                  ? routed
                  : Effect.annotateLogs(
                      Effect.provideService(routed, CurrentCaller, caller),
                      "caller",
                      caller.subject
                    )
              )
    const safe = state.draining
      ? Effect.succeed(refuse(stopping))
      : Effect.catchCause(answer, (cause) => {
          const failure = cause.reasons[0]
          if (failure?._tag === "Interrupt") return Effect.interrupt
          const error = failure?._tag === "Fail" ? failure.error : failure?.defect
          if (error instanceof Refusals.Refusal) return Effect.succeed(refuse(error))
          if (HttpApiSchemaError.is(error)) {
            const { cause, kind } = error
            return Effect.succeed(refuse(Refusals.bad(`${kind}: ${cause.message.replaceAll(/\s+/g, " ")}`)))
          }
          if (HttpServerError.isHttpServerError(error) && error.reason._tag === "RouteNotFound") {
            return Effect.succeed(refuse(unknown(request, path, paths)))
          }
          return Effect.map(Refusals.ofDefect(`${request.method} ${path}`, error), refuse)
        })
    /** What is said to whoever hands requests on, where nobody waits for an answer any more. */
    const spoken = (answered: HttpServerResponse.HttpServerResponse) =>
      Effect.map(Face.Current, (face) => {
        // Work that ends since nobody waits for it, or a body that comes no further, is no fault of the request or of this server.
        const caller = answered.status < 400 ? "there" : face.caller(request)
        return caller === "gone"
          ? Response.setStatus(refuse(gone), 499)
          : caller === "late"
            ? refuse(late)
            : answered
      })
    return logged(
      request,
      path,
      Notes.collect(safe).pipe(
        Effect.map(([answer, headers]) => Response.setHeaders(answer, { ...headers, ...answer.headers })),
        Effect.provideService(RequestId.RequestId, requestId),
        Effect.provideService(CurrentAddress, addresses.of(request)),
        Effect.catchCause((cause) =>
          Effect.flatMap(Face.Current, (face) =>
            face.caller(request) === undefined || !Cause.hasInterruptsOnly(cause)
              ? Effect.failCause(cause)
              : Effect.succeed(refuse(stopping))
          )
        ),
        Effect.flatMap(spoken)
      ),
      (status, seconds) =>
        options.measure(request.method, routeOf.get(request.source) ?? "none", status, seconds)
    ).pipe(
      Effect.flatMap((response) =>
        Effect.map(Face.Current, (face) => {
          const last = state.draining || response.status === 408
          const told = Response.setHeaders(response, {
            ...Security.headers,
            "x-request-id": requestId,
            ...response.headers,
            ...origins.headers(request, response.headers["vary"])
          })
          return face.sent(request, told, {
            grace: limits.bodyGrace,
            last,
            // What stops takes nothing more.
            maxLinger: state.draining ? 0 : options.maxLinger,
            writeTimeout: limits.writeTimeout
          })
        })
      )
    )
  })
})

type RouteHandler = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope | HttpRouter.RouteContext
>

const stopping = new Refusals.Refusal({
  status: 503,
  detail: "The service is shutting down",
  retryAfter: Duration.seconds(5)
})

/** Said to whoever hands requests on, for its log: the caller is gone. As others have it, and Effect, it goes out as 499. */
const gone = new Refusals.Refusal({
  status: 400,
  detail: "The request was aborted before it was answered",
  tag: "RequestAborted"
})

/** Said by whoever hands requests on: their platform has a time for each. */
const late = new Refusals.Refusal({
  status: 504,
  detail: "The request was not answered within the time that its platform gives it"
})

/** A path that nobody has, or not with this method. */
const unknown = (request: HttpServerRequest.HttpServerRequest, path: string, paths: Paths.Paths) => {
  const methods = paths.methods(path)
  // Where the method is one of them, the router could not read what is in the path: an escape that is none.
  return methods === undefined || methods.includes(request.method)
    ? Refusals.notFound(`There is no ${request.method} ${path} here`)
    : new Refusals.Refusal({
        status: 405,
        detail: `${path} is asked with ${methods.join(", ")}, not ${request.method}`,
        allow: methods.join(", ")
      })
}

/** What a path calls its parts, in order. */
const namesOf = (path: string): ReadonlyArray<string> => path.match(/(?<=:)\w+/g) ?? []

/** A route as the router has it: under the path of another dialect, the parts are still called what this one calls them. */
const handled = (dialect: Dialect, route: DialectRoute, path: string = route.path): RouteHandler => {
  const names = namesOf(route.path)
  const found = namesOf(path)
  return Effect.flatMap(
    Effect.all([HttpServerRequest.HttpServerRequest, HttpRouter.params, RequestId.RequestId]),
    ([request, parameters, requestId]) =>
      Effect.catch(
        route.handle(
          request,
          path === route.path
            ? parameters
            : Object.fromEntries(names.map((name, index) => [name, parameters[found[index] ?? ""]]))
        ),
        (refusal) => Effect.as(Refusals.noted(refusal), (route.refuse ?? dialect.refuse)(refusal, requestId))
      )
  )
}

/** The page for browsers, which ask for HTML by name; a protocol's own answer for programs. */
const forPeople = (page: RouteHandler, otherwise: RouteHandler): RouteHandler =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
    /\btext\/html\b/i.test(request.headers["accept"] ?? "") ? page : otherwise
  )

/** One line per request: method, path, status, time. */
const logged = <E, R>(
  request: HttpServerRequest.HttpServerRequest,
  path: string,
  self: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  measure: (status: number, seconds: number) => Effect.Effect<void>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R> =>
  Clock.clockWith((clock) => {
    const started = millisOf(clock)
    const line = (what: string | number, status: number) => {
      const took = millisOf(clock) - started
      return Effect.andThen(
        Effect.logInfo(`${request.method} ${path.slice(0, 200)} ${what} ${took.toFixed(1)} ms`),
        measure(status, took / 1000)
      )
    }
    return Effect.onExit(self, (exit) =>
      exit._tag === "Success"
        ? line(exit.value.status, exit.value.status)
        : line("interrupted, the client is gone or the server stops", 499)
    )
  })
