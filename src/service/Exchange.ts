/**
 * One request to an HTTP service and its whole answer: the part of a call that every protocol shares.
 *
 * An exchange owns what Effect's HTTP clients leave open: the body is read under limits before and after
 * decompression, a connection that breaks in the middle of a body is told from bad data, redirects are refused or
 * followed hop by hop without our headers, and each request carries `User-Agent`, `X-Request-Id` and
 * `Idempotency-Key`. It makes one attempt and never retries.
 */
import { Context, Effect, Option, Redacted, Stream, Tracer } from "effect"
import type { HttpBody, HttpClientResponse } from "effect/http"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import type { HttpMethod } from "effect/http/HttpMethod"
import type { Attempt } from "../policy/Attempt.ts"
import * as Range from "../policy/Range.ts"
import { version } from "../version.ts"
import { standard } from "../TelemetryNames.ts"
import { type Answer, isSuccess, type Opened } from "./Answer.ts"
import * as BaseUrl from "./BaseUrl.ts"
import * as Body from "./Body.ts"
import { type BodyLimits, defaultLimits, discard, noLimits } from "./BodyBounds.ts"
import type { Origin } from "./BodyFailure.ts"
import { Platform, type Pool } from "./BodyPlatform.ts"
import * as ClientMetrics from "./ClientMetrics.ts"
import * as ConnectionError from "./ConnectionError.ts"
import * as CurrentProxies from "./CurrentProxies.ts"
import * as Hiding from "./Hiding.ts"
import * as Hosts from "./Hosts.ts"
import * as Multipart from "./Multipart.ts"
import { failure } from "./Outcome.ts"
import * as OwnHeaders from "./OwnHeaders.ts"
import type * as Redirects from "./Redirects.ts"
import * as RequestLog from "./RequestLog.ts"
import type { ServiceError } from "./ServiceError.ts"
import { excerpt, type InvalidUrl } from "./WireError.ts"
import { type CodeNotLoaded, lazily } from "./CodeNotLoaded.ts"

export { parse as parseBaseUrl } from "./BaseUrl.ts"
export { type Answer, drop, type ErrorBody, isSuccess, type Opened } from "./Answer.ts"
export { failure, ok } from "./Outcome.ts"
export type { Redirects } from "./Redirects.ts"
export { LogRequests } from "./RequestLog.ts"

export interface ExchangeOptions {
  /**
   * Where the service lives, with or without a path. A slash at its end counts where the address is a route itself, and for
   * nothing before the path of a call. A query is kept on every request.
   */
  readonly baseUrl: string
  /** Sent as `Authorization: Bearer`, to the service's own origin only. */
  readonly apiKey?: Redacted.Redacted | undefined
  /** Sent on every request, to the service's own origin only. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /**
   * What else no error, id, span or line may say, such as a key that travels in a body. The key, the headers that are
   * redacted or have the name of a secret, and the query of the base URL are kept out without being named here.
   */
  readonly secrets?: ReadonlyArray<Redacted.Redacted> | undefined
  readonly limits?: Partial<BodyLimits> | undefined
  /** `"refuse"` by default. */
  readonly redirects?: Redirects.Redirects | undefined
  /** The header that carries the call's key, the same on each attempt. `Idempotency-Key` by default; `false`: none. */
  readonly idempotencyHeader?: string | false | undefined
  /** The application's own name, such as `app/1.0`, before this library's in `User-Agent`. By default {@link UserAgent}. */
  readonly userAgent?: string | undefined
  /** At which level the log has a line before and after each request: `"debug"` by default. */
  readonly logRequests?: RequestLog.LogRequests | undefined
  /** The connections that requests share, but for streams: each of those holds one of its own for as long as it is read. */
  readonly pool?: Pool | undefined
}

/** One request, relative to the base URL. */
export interface Call {
  readonly method: HttpMethod
  /** Appended to the path of the base URL. Starts with a slash, may have a query. */
  readonly path: string
  readonly accept?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: HttpBody.HttpBody | Multipart.Form | undefined
  /**
   * For whoever is done with each chunk of a stream before asking for the next, such as a file that is written: over
   * `NodeHttp` its memory is then freed at once, and not when garbage is collected, which halves the time of gigabytes
   * and their memory to a quarter. A chunk that is kept for longer becomes empty. Off by default.
   */
  readonly lendsChunks?: boolean | undefined
}

export interface Exchange {
  /** Origin and path of the service, without query: what errors call it. */
  readonly service: string
  readonly origin: string
  /** Takes our secrets out of a text. */
  readonly hide: Hiding.Hide
  readonly send: (call: Call, attempt: Attempt) => Effect.Effect<Answer, ServiceError>
  /**
   * A GET of an address that an answer named. Our headers go along to the service's own origin only; another host must
   * be one of `hosts`, and so must those that it redirects to.
   */
  readonly fetch: (
    url: string,
    attempt: Attempt,
    options?: { readonly accept?: string | undefined; readonly hosts?: Hosts.Hosts | undefined }
  ) => Effect.Effect<Answer, ServiceError>
  /**
   * The headers, then the body as it comes, for what is too large for memory. Limits are those that were given: a
   * stream has none by default. A status other than 2xx is a failure, by default {@link failure}.
   */
  readonly open: (
    call: Call,
    attempt: Attempt,
    refused?: (answer: Answer) => Effect.Effect<never, ServiceError>
  ) => Effect.Effect<Opened, ServiceError>
  /** The body that `open` gives, as one stream. */
  readonly stream: (call: Call, attempt: Attempt) => Stream.Stream<Uint8Array, ServiceError>
}

interface Identified extends Origin {
  readonly requestId: string
  readonly hide: Hiding.Hide
}

/** An answer that leads elsewhere. */
interface Redirected {
  readonly status: number
  readonly location: string | undefined
  readonly origin: Identified
}

/** How far a request has come, and by which rules and connections it goes on. */
interface Way {
  readonly asked?: ReadonlyArray<string>
  readonly rules?: Redirects.Redirects
  readonly within?: Context.Context<never>
}

/** Loaded when an answer leads elsewhere. */
const following = lazily(() => import("./Redirects.ts"))

/** Loaded with the first stream that is sent by a client that states no length of its own. */
const lengths = lazily(() => import("./StatedLength.ts"))

const library = `effect-segformer/${version}`

/**
 * An application's own name, such as `app/1.0`, for all clients that are made beneath it: each request's `User-Agent` is
 * then `app/1.0 effect-segformer/x.y.z`. `Layer.succeed(Exchange.UserAgent)("app/1.0")` is its layer.
 */
export const UserAgent = Context.Reference<string | undefined>(
  "effect-segformer/service/Exchange/UserAgent",
  {
    defaultValue: () => undefined
  }
)

/** Bytes of an error's body that are read: enough for its message. */
const errorBytes = 64 * 1024

/** An exchange with one service, over the `HttpClient` of the context. */
export const make = Effect.fnUntraced(function* (
  options: ExchangeOptions
): Effect.fn.Return<Exchange, InvalidUrl, HttpClient.HttpClient> {
  const base = yield* BaseUrl.parse(options.baseUrl)
  const client = yield* HttpClient.HttpClient
  const sendsPieces = yield* Multipart.SendsPieces
  const platform = yield* Platform
  const proxies = yield* CurrentProxies.Current
  const application = options.userAgent ?? (yield* UserAgent)
  const userAgent = application === undefined || application === "" ? library : `${application} ${library}`
  const context = Context.make(FetchHttpClient.RequestInit, {
    ...Option.getOrUndefined(yield* Effect.serviceOption(FetchHttpClient.RequestInit)),
    // `fetch` follows redirects by itself unless told not to.
    redirect: "manual"
  }).pipe(
    // The attempt has a span of its own, which gets what the client would have put on another.
    Context.add(HttpClient.TracerDisabledWhen, () => true)
  )
  const pooled = options.pool === undefined ? context : Context.merge(context, options.pool)
  const limits = Range.limits("limits", options.limits, defaultLimits)
  const streamLimits = Range.limits("limits", options.limits, noLimits)
  const { idempotencyHeader = "idempotency-key" } = options
  const keyHeader = idempotencyHeader === false ? undefined : idempotencyHeader.toLowerCase()
  const redirects = options.redirects ?? "refuse"
  const prefix = BaseUrl.prefixOf(base)

  const ownHeaders = OwnHeaders.make({
    apiKey: options.apiKey,
    headers: { "user-agent": userAgent, ...options.headers }
  })
  const ours = yield* Effect.orDie(
    OwnHeaders.hidingOf(
      [
        ...(options.apiKey === undefined ? [] : [Redacted.value(options.apiKey)]),
        ...Hiding.ofQuery(base.search),
        ...(options.secrets ?? []).map((secret) => Redacted.value(secret))
      ],
      options.headers
    )
  )
  /** What an address may tell: a service repeats in it what it likes, but not in what we have called ourselves. */
  const placeOf = (address: string, hide: Hiding.Hide) => {
    const place = Body.withoutQuery(address)
    const known = [prefix, base.origin].find((start) => place.startsWith(start)) ?? ""
    return known + hide(place.slice(known.length))
  }
  /** Of an address that is not ours the query is a secret as well: whoever has it has the file. */
  const hidden = (search: string): Effect.Effect<Hiding.Hide, CodeNotLoaded> =>
    search === "" || search === base.search
      ? Effect.succeed(ours)
      : Effect.map(OwnHeaders.hidingOf(Hiding.ofQuery(search)), (theirs) => Hiding.both(ours, theirs))

  const toRequest = (call: Call, attempt: Attempt): HttpClientRequest.HttpClientRequest =>
    HttpClientRequest.make(call.method)(BaseUrl.requestOf(base, call.path), {
      headers: {
        accept: call.accept ?? "application/json",
        // What comes back is pictures: compressing them again costs time and saves nothing.
        "accept-encoding": "identity",
        "x-request-id": attempt.callId,
        ...(keyHeader === undefined ? {} : { [keyHeader]: attempt.idempotencyKey }),
        ...ownHeaders,
        ...call.headers
      },
      body: call.body === undefined ? undefined : Multipart.toBody(call.body, sendsPieces)
    })

  const execute = (
    request: HttpClientRequest.HttpClientRequest,
    service: string,
    attempt: Attempt,
    within: Context.Context<never>,
    hide: Hiding.Hide
  ): Effect.Effect<HttpClientResponse.HttpClientResponse, ServiceError> =>
    Effect.withFiber((fiber) => {
      const span = Context.getOrUndefined(fiber.context, Tracer.ParentSpan)
      let traced = request
      if (span?._tag === "Span") {
        const { address, port } = ClientMetrics.placeOf(service)
        span.attribute(standard.method, request.method)
        span.attribute(standard.url, service)
        span.attribute(standard.address, address)
        span.attribute(standard.port, port)
        if (attempt.number > 1) span.attribute(standard.resendCount, attempt.number - 1)
        if (request.url.startsWith(`${base.origin}/`) && fiber.getRef(HttpClient.TracerPropagationEnabled)) {
          traced = HttpClientRequest.setHeaders(request, HttpTraceContext.toHeaders(span))
        }
      }
      const sent = (stated: Effect.Effect<HttpClientRequest.HttpClientRequest, HttpClientError>) =>
        Effect.mapBoth(Effect.provideContext(Effect.flatMap(stated, client.execute), within), {
          onFailure: (error) => ConnectionError.from(error, service, attempt.callId, hide),
          onSuccess: (response) => {
            if (span?._tag === "Span") {
              span.attribute(standard.status, response.status)
              if (response.status >= 400) span.attribute(standard.errorType, String(response.status))
            }
            return response
          }
        })
      return sendsPieces || traced.body._tag !== "Stream"
        ? sent(Effect.succeed(traced))
        : Effect.flatMap(lengths, ({ withLength }) => sent(withLength(traced)))
    })

  /** Sends, follows what redirects the rules allow, and hands the final response on. */
  const exchange = <A>(
    request: HttpClientRequest.HttpClientRequest,
    attempt: Attempt,
    use: (
      response: HttpClientResponse.HttpClientResponse,
      origin: Identified
    ) => Effect.Effect<A, ServiceError>,
    { asked = [], rules = redirects, within = pooled }: Way = {}
  ): Effect.Effect<A, ServiceError> =>
    Effect.flatMap(hidden(request.url.slice(Body.withoutQuery(request.url).length)), (hide) => {
      const service = placeOf(request.url, hide)
      attempt.phase = "waiting"
      const hop = ClientMetrics.timed(request.method, service, (answered) =>
        Effect.flatMap(
          execute(request, service, attempt, within, hide),
          (response): Effect.Effect<{ readonly value: A } | Redirected, ServiceError> => {
            const requestId = excerpt(hide(response.headers["x-request-id"] ?? "")) || attempt.callId
            const origin = { service, requestId, hide }
            attempt.phase = "receiving"
            const { status } = response
            answered(status)
            // 304 leads nowhere, 305 to a proxy. A browser shows a redirect that it was told not to follow as status 0.
            const leads = status === 0 || (status >= 300 && status < 400 && (status < 304 || status > 306))
            const { location } = response.headers
            return !leads || (location === undefined && status !== 0)
              ? Effect.map(use(response, origin), (value) => ({ value }))
              : Effect.as(discard(response), { status, location, origin })
          }
        )
      )
      return Effect.flatMap(hop, (ended) =>
        "value" in ended
          ? Effect.succeed(ended.value)
          : Effect.flatMap(following, ({ follow }) =>
              Effect.flatMap(follow({ request, asked, rules, base: base.origin, ...ended }), (next) =>
                exchange(next, attempt, use, { asked: [...asked, request.url], rules, within })
              )
            )
      )
    })

  const logged = <A extends { readonly status: number }, E extends { readonly _tag: string }>(
    self: Effect.Effect<A, E>,
    called: { readonly method: HttpMethod; readonly url: string },
    attempt: Attempt
  ): Effect.Effect<A, E> => RequestLog.around(self, called, attempt, options.logRequests ?? "debug")

  const called = (call: Call) => ({
    method: call.method,
    url: placeOf(BaseUrl.addressOf(base, call.path), ours)
  })

  const answer = (
    response: HttpClientResponse.HttpClientResponse,
    origin: Identified,
    attempt: Attempt
  ): Effect.Effect<Answer, ServiceError> =>
    Effect.map(
      isSuccess(response)
        ? Body.bytes(response, limits, origin, platform)
        : Body.head(response, errorBytes, origin, platform),
      (body) => {
        attempt.phase = "decoding"
        return {
          ...origin,
          status: response.status,
          headers: response.headers,
          proxies,
          body
        }
      }
    )

  const send = (call: Call, attempt: Attempt): Effect.Effect<Answer, ServiceError> =>
    logged(
      exchange(toRequest(call, attempt), attempt, (response, origin) => answer(response, origin, attempt)),
      called(call),
      attempt
    )

  const fetch: Exchange["fetch"] = (address, attempt, { accept = "*/*", hosts = [] } = {}) =>
    Effect.gen(function* () {
      const url = URL.canParse(address) ? new URL(address) : undefined
      if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
        return yield* BaseUrl.invalid(
          excerpt(placeOf(address, ours)),
          `${prefix} named it, but it is no http(s) URL`
        )
      const file = url.origin + url.pathname
      const place = placeOf(file, yield* hidden(url.search))
      const isOurs = url.origin === base.origin
      if (!isOurs && !Hosts.allows(hosts, url))
        return yield* BaseUrl.invalid(place, `${prefix} named it, but its host is not in \`hosts\``)
      if (base.protocol === "https:" && url.protocol === "http:")
        return yield* BaseUrl.invalid(place, `${prefix} named it, but it leads from https to http`)
      const request = HttpClientRequest.get(file + url.search, {
        headers: isOurs
          ? { ...toRequest({ method: "GET", path: "", accept }, attempt).headers }
          : { accept, "accept-encoding": "identity", "user-agent": userAgent }
      })
      const rules = { max: 5, hosts }
      return yield* logged(
        exchange(request, attempt, (response, origin) => answer(response, origin, attempt), {
          rules
        }),
        { method: "GET", url: place },
        attempt
      )
    })

  const open: Exchange["open"] = (call, attempt, refused = failure) =>
    logged(
      exchange(
        toRequest(call, attempt),
        attempt,
        (response, origin) =>
          isSuccess(response)
            ? Effect.succeed<Opened>({
                ...origin,
                status: response.status,
                headers: response.headers,
                body: Body.stream(response, streamLimits, origin, { platform, lent: call.lendsChunks })
              })
            : Effect.flatMap(answer(response, origin, attempt), refused),
        { within: context }
      ),
      called(call),
      attempt
    )

  const stream: Exchange["stream"] = (call, attempt) =>
    Stream.unwrap(Effect.map(open(call, attempt), ({ body }) => body))

  return { service: prefix, origin: base.origin, hide: ours, send, fetch, open, stream }
})
