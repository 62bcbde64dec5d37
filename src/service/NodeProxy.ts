/** Undici's clients, one that connects by itself and one for each proxy, as a single client that says which it went by. */
import { getCACertificates } from "node:tls"
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import Undici, { type Agent, type buildConnector, type Dispatcher } from "@effect/platform-node/Undici"
import { Config, Context, Effect, Layer, Option, Predicate, Redacted, Stream } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest, type HttpClientResponse } from "effect/http"
import * as AddressGuard from "./AddressGuard.ts"
import * as BodyFailure from "./BodyFailure.ts"
import * as Proxies from "./Proxies.ts"

export interface NodeProxyOptions {
  /**
   * `"environment"`: what `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, which is the default. An address such as
   * `http://user:password@proxy:3128` for all but what `NO_PROXY` says; `false` for none.
   */
  readonly proxy?: string | Redacted.Redacted | false | undefined
  /** Certificates of authorities that are trusted besides those that Node trusts, as PEM. */
  readonly ca?: string | ReadonlyArray<string> | undefined
}

/** What is set, by the `ConfigProvider` of the context and the environment of the process. */
const environment = Effect.map(
  Effect.forEach(
    [...Proxies.variables, ...Proxies.variables.map((name) => name.toUpperCase()), "REQUEST_METHOD"],
    (name) =>
      Effect.map(Effect.option(Config.String(name)), (value) => [name, Option.getOrUndefined(value)] as const)
  ),
  (found) => {
    const set = found.flatMap(([name, value]) => {
      const own = value ?? process.env[name]
      return own === undefined ? [] : [[name, own] as const]
    })
    return Object.fromEntries(set)
  }
)

/** The proxies that the options name. */
export const proxies = ({ proxy }: NodeProxyOptions): Effect.Effect<Proxies.Proxies> =>
  proxy === false
    ? Effect.succeed(Proxies.none)
    : Effect.map(environment, (env) => {
        const found = Proxies.from(env)
        return proxy === undefined
          ? found
          : Proxies.only(
              Proxies.parse(
                Redacted.isRedacted(proxy) ? Redacted.value(proxy) : proxy,
                "the proxy that was given"
              ),
              found
            )
      })

/** Options of TLS that trust an authority more. */
export const trusting = (ca: NodeProxyOptions["ca"]): { readonly ca: Array<string> } | undefined =>
  ca === undefined
    ? undefined
    : { ca: [...getCACertificates("default"), ...(typeof ca === "string" ? [ca] : ca)] }

export interface ClientOptions extends NodeProxyOptions {
  /** Of the connections that go by no proxy. */
  readonly agent?: Agent.Options | undefined
  /** Something around the dispatcher of each proxy, and around that without one. */
  readonly wrap?: ((dispatcher: Dispatcher, proxy: string | undefined) => Dispatcher) | undefined
  /** Options of TLS, of all connections. */
  readonly tls?: buildConnector.BuildOptions | undefined
  /** Judges an address before a proxy is asked for it: the connection to it is the proxy's. */
  readonly check?:
    | ((
        request: HttpClientRequest.HttpClientRequest,
        url: URL
      ) => Effect.Effect<void, HttpClientError.HttpClientError>)
    | undefined
}

/** Connections to services themselves, or by way of a proxy. */
export const dispatcher = (
  { agent = {}, ca, tls: own }: ClientOptions,
  proxy: string | undefined
): Dispatcher => {
  const tls = { ...own, ...trusting(ca) }
  const { connect = tls, ...rest } = agent
  return proxy === undefined
    ? new Undici.Agent({ ...rest, connect })
    : new Undici.ProxyAgent({ ...rest, uri: proxy, requestTls: tls, proxyTls: tls })
}

interface Http1Options extends Partial<Dispatcher.RequestOptions> {
  readonly allowH2: false
}

/**
 * Whether a service speaks HTTP/2 and nothing else: it says so in the handshake, or lets that pass and begins as HTTP/2 does, with
 * its settings. It has taken nothing of the request then.
 */
const isHttp2 = (cause: unknown): boolean => {
  if (BodyFailure.codeOf(cause) === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL") return true
  const data = Predicate.hasProperty(cause, "data") ? String(cause.data) : ""
  return data.startsWith("\0\0") && data.startsWith("\u0004\0", 3)
}

/**
 * A client that speaks HTTP/1.1 with whoever does: of an answer in HTTP/2 without a stated length, undici takes one that its
 * service breaks off for whole.
 */
const preferringHttp1 = (client: HttpClient.HttpClient): HttpClient.HttpClient => {
  const others = new Set<string>()
  return HttpClient.transform(client, (sent, request) => {
    const origin = URL.canParse(request.url) ? new URL(request.url).origin : request.url
    if (others.has(origin)) return sent
    const inHttp1 = Effect.updateService(sent, NodeHttpClient.UndiciOptions, (options): Http1Options => ({
      ...options,
      allowH2: false
    }))
    return Effect.catchIf(
      inHttp1,
      (error) => isHttp2(error.reason.cause),
      () => {
        others.add(origin)
        return sent
      }
    )
  })
}

/** The client, and in the context which proxies it goes by. */
export const layer = (options: ClientOptions = {}): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const found = yield* proxies(options)
      const direct = yield* clientOf(options, undefined)
      const through = new Map<string, HttpClient.HttpClient>()
      for (const proxy of [found.http, found.https]) {
        if (proxy === undefined || proxy.wrong !== undefined) continue
        const uri = Redacted.value(proxy.uri)
        if (!through.has(uri)) through.set(uri, yield* clientOf(options, uri))
      }
      const client = HttpClient.transform(direct, (sent, request) => {
        const url = URL.canParse(request.url) ? new URL(request.url) : undefined
        const proxy = url === undefined ? undefined : Proxies.of(found, url)
        if (url === undefined || proxy === undefined) return sent
        if (proxy.wrong !== undefined) return Effect.fail(AddressGuard.refused(request, proxy.wrong))
        const other = through.get(Redacted.value(proxy.uri))
        if (other === undefined) return sent
        const checked = options.check === undefined ? Effect.void : options.check(request, url)
        return Effect.andThen(
          checked,
          Effect.matchEffect(other.execute(request), {
            onFailure: (error) => Effect.fail(explained(error, proxy, url)),
            onSuccess: (response) => served(response, request, proxy, url)
          })
        )
      })
      return Context.make(HttpClient.HttpClient, client).pipe(Context.add(Proxies.Current, found))
    })
  )

const clientOf = (options: ClientOptions, proxy: string | undefined) =>
  Effect.gen(function* () {
    const own = yield* Effect.acquireRelease(
      Effect.sync(() => dispatcher(options, proxy)),
      (dispatcher) => Effect.promise(() => dispatcher.destroy())
    )
    const used = options.wrap === undefined ? own : options.wrap(own, proxy)
    return preferringHttp1(
      yield* Effect.provideService(NodeHttpClient.makeUndici, NodeHttpClient.Dispatcher, used)
    )
  })

/** What Squid says where it has passed nothing on. */
const notPassedOn =
  /^ERR_(?:ACCESS_DENIED|CACHE_ACCESS_DENIED|CANNOT_FORWARD|CONNECT_FAIL|DNS_FAIL|FORWARDING_DENIED|INVALID_URL|SECURE_CONNECT_FAIL|UNSUP_REQ)\b/

/** How a proxy that forwards over http says that an answer is its own, and that the service was never asked. */
const ownAnswer = ({ headers, status }: HttpClientResponse.HttpClientResponse): string | undefined => {
  if (status < 400) return undefined
  const [squid] = notPassedOn.exec(headers["x-squid-error"] ?? "") ?? []
  if (squid !== undefined) return squid
  // What comes from services has their own name in this header.
  return /^tinyproxy\b/i.test(headers["server"] ?? "") && (status === 401 || status === 403 || status >= 500)
    ? "Tinyproxy"
    : undefined
}

/** What a proxy refuses with by itself, in words that say what to do. 401 is what some say of a wrong password. */
const refused = ({ from, name }: Proxies.Proxy, url: URL, status: number, own?: string): Error =>
  status === 407 || status === 401
    ? Object.assign(
        new Error(
          `the proxy ${name} asks for a name and a password (${status}): put them into ${from}, as http://name:password@host:port`
        ),
        { code: "ERR_PROXY_AUTHENTICATION" }
      )
    : Object.assign(
        new Error(
          `the proxy ${name} of ${from} made no connection to ${url.host}, and answered ${status}${own === undefined ? "" : ` (${own})`}`
        ),
        { code: status < 500 ? "ERR_PROXY_REFUSED" : "ERR_PROXY_UNREACHABLE" }
      )

/** The answer of the service; that of the proxy itself is a failure, whose words do not blame the service or its key. */
const served = (
  response: HttpClientResponse.HttpClientResponse,
  request: HttpClientRequest.HttpClientRequest,
  proxy: Proxies.Proxy,
  url: URL
): Effect.Effect<HttpClientResponse.HttpClientResponse, HttpClientError.HttpClientError> => {
  const own = ownAnswer(response)
  if (own === undefined) return Effect.succeed(response)
  const cause = refused(proxy, url, response.status, own)
  return Effect.andThen(
    Effect.ignore(Stream.runDrain(Stream.take(response.stream, 64))),
    Effect.fail(
      new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
    )
  )
}

/** What undici says of a proxy's answer to `CONNECT`, or to a request with a password that it does not take. */
const refusals = /Proxy response \((\d+)\)|Proxy Authentication Required \((407)\)/

/** The failure of a request through a proxy, in words that say whose it is. */
const explained = (
  error: HttpClientError.HttpClientError,
  proxy: Proxies.Proxy,
  url: URL
): HttpClientError.HttpClientError => {
  const { reason } = error
  if (reason._tag !== "TransportError") return error
  const { from, name } = proxy
  const text = BodyFailure.describe(reason.cause)
  const code = BodyFailure.codeOf(reason.cause)
  const [, tunnel, authentication] = refusals.exec(text) ?? []
  const status = tunnel ?? authentication
  const cause =
    status !== undefined
      ? refused(proxy, url, Number(status))
      : code !== undefined && BodyFailure.unreachable.has(code)
        ? Object.assign(new Error(`the proxy ${name} of ${from} cannot be reached: ${text}`), {
            code: "ERR_PROXY_UNREACHABLE"
          })
        : Object.assign(
            new Error(`${text}, through the proxy ${name} of ${from}`),
            code === undefined ? {} : { code }
          )
  return new HttpClientError.HttpClientError({
    reason: new HttpClientError.TransportError({ request: reason.request, cause })
  })
}
