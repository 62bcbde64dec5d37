/**
 * `AddressGuard` for Node: also a name that resolves to a private, loopback or link-local address is refused. The check
 * stands in the lookup of the connection itself, so that the address checked is the one connected to: a name that
 * resolves otherwise a moment later gains nothing. Where a request goes through a proxy, which connects for itself, the name
 * is looked up here before the proxy is asked.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ImageSource } from "effect-segformer"
 * import { NodeAddressGuard } from "effect-segformer/service/node"
 *
 * const image = ImageSource.url("http://localhost:9/internal.png").open()
 * const error = await Effect.runPromise(Effect.flip(Effect.provide(image, NodeAddressGuard.layer())))
 * error._tag // => "InvalidUrl"
 * ```
 */
import { lookup as systemLookup } from "node:dns"
import type { LookupFunction } from "node:net"
import Undici, { type Agent, type buildConnector } from "@effect/platform-node/Undici"
import { Config, Effect, Layer } from "effect"
import { HttpClient, type HttpClientError, type HttpClientRequest } from "effect/http"
import * as AddressGuard from "./AddressGuard.ts"
import * as BodyFailure from "./BodyFailure.ts"
import * as Hosts from "./Hosts.ts"
import * as NodeProxy from "./NodeProxy.ts"
import * as Wrapped from "../policy/Wrapped.ts"

export interface NodeAddressGuardOptions
  extends AddressGuard.AddressGuardOptions, NodeProxy.NodeProxyOptions {
  /** Of the pool of connections. */
  readonly agent?: Omit<Agent.Options, "connect"> | undefined
  /** Resolves names. That of the system by default. */
  readonly lookup?: LookupFunction | undefined
}

const code = "ERR_PRIVATE_ADDRESS"

const privateAddress = (name: string, address: string) =>
  Object.assign(
    new Error(
      `${name} resolves to ${address}, an address of this machine or of a private network. Name its host, with its port where the URL has one, in \`allowPrivate\` if that is meant`
    ),
    { code }
  )

/** A lookup that fails where any address of the name is not public. */
export const guarded =
  (lookup: LookupFunction): LookupFunction =>
  (name, options, callback) =>
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, [])
      const addresses = typeof found === "string" ? [{ address: found, family: 0 }] : found
      const wrong = addresses.find(({ address }) => !AddressGuard.isPublic(address))
      if (wrong !== undefined) return callback(privateAddress(name, wrong.address), [])
      const [first] = addresses
      if (options.all === true || first === undefined) return callback(null, addresses)
      callback(null, first.address, first.family)
    })

/** The lookup of the system, in the form that connections ask for. */
const system: LookupFunction = (name, options, callback) => systemLookup(name, options, callback)

/** A client over undici that connects to public addresses only, and to what `allowPrivate` names. */
export const layer = (options: NodeAddressGuardOptions = {}): Layer.Layer<HttpClient.HttpClient> => {
  const lookup = options.lookup ?? system
  const tls = NodeProxy.trusting(options.ca)
  const connectors = (allowH2: boolean) => ({
    free: Undici.buildConnector({ ...tls, lookup, allowH2 }),
    strict: Undici.buildConnector({ ...tls, lookup: guarded(lookup), allowH2 })
  })
  const [inAny, inHttp1] = [connectors(true), connectors(false)]
  const connect: buildConnector.connector = (target, callback) => {
    const name = target.hostname.replace(/^\[(.*)\]$/, "$1")
    const host = name.includes(":") ? `[${name}]` : name
    const url = new URL(`${target.protocol}//${host}${target.port === "" ? "" : `:${target.port}`}`)
    const isAllowed = Hosts.allows(options.allowPrivate ?? [], url)
    // An address is connected to without a lookup.
    if (!isAllowed && AddressGuard.isAddress(name) && !AddressGuard.isPublic(name)) {
      return callback(privateAddress(name, name), null)
    }
    const { free, strict } = Reflect.get(target, "allowH2") === false ? inHttp1 : inAny
    return (isAllowed ? free : strict)(target, callback)
  }
  /** The proxy connects, and looks names up for itself: what one resolves to here is all that can be judged. */
  const check = (request: HttpClientRequest.HttpClientRequest, url: URL) => {
    const name = url.hostname
    if (Hosts.allows(options.allowPrivate ?? [], url) || AddressGuard.isAddress(name)) return Effect.void
    return Effect.callback<void, HttpClientError.HttpClientError>((resume) => {
      guarded(lookup)(name, { all: true }, (error) => {
        if (error === null) return resume(Effect.void)
        const detail =
          BodyFailure.codeOf(error) === code
            ? BodyFailure.describe(error)
            : `${name} cannot be looked up here (${BodyFailure.describe(error)}), so nobody knows where a proxy would take it. Name its host, with its port where the URL has one, in \`allowPrivate\` if it may go anywhere`
        resume(Effect.fail(AddressGuard.refused(request, detail)))
      })
    })
  }
  const pool = NodeProxy.layer({
    proxy: options.proxy,
    ca: options.ca,
    agent: { ...options.agent, connect },
    check
  })
  const explained = Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.transform(client, (response, request) =>
        Effect.mapError(response, (error) =>
          BodyFailure.codeOf(error.reason.cause) === code
            ? AddressGuard.refused(request, BodyFailure.describe(error.reason.cause))
            : error
        )
      )
    )
  )
  return AddressGuard.layer(options).pipe(Layer.provide(explained), Layer.provide(pool))
}

/** The same, with its options from configuration. */
export const layerConfig = (
  config: Wrapped.Wrap<NodeAddressGuardOptions>
): Layer.Layer<HttpClient.HttpClient, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Wrapped.unwrap<NodeAddressGuardOptions>(config), layer))
