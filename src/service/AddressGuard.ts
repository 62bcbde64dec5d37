/**
 * Keeps requests to addresses that a stranger chose (a URL in an answer, an image's URL from a user) away from what only
 * this machine can reach: its own services, the local network, the metadata of its cloud.
 *
 * This part runs anywhere and judges what a URL says. What a name resolves to is judged on Node:
 * `effect-segformer/service/node`.
 *
 * ```ts
 * import { AddressGuard } from "effect-segformer/service"
 *
 * AddressGuard.isPublic("169.254.169.254") // => false
 * AddressGuard.isPublic("::ffff:10.0.0.1") // => false
 * AddressGuard.isPublic("1.1.1.1") // => true
 * ```
 */
import { Config, Effect, Layer, Option, Result } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest } from "effect/http"
import { IpNetwork, NetAddress } from "effect/net"
import * as Hosts from "./Hosts.ts"
import * as Wrapped from "../policy/Wrapped.ts"

export interface AddressGuardOptions {
  /** The only hosts that may be asked. Any by default. */
  readonly hosts?: Hosts.Hosts | undefined
  /** Hosts that may lead to private addresses, such as a service on this machine. None by default. */
  readonly allowPrivate?: Hosts.Hosts | undefined
}

const network = (text: string): IpNetwork.IpNetwork => IpNetwork.fromStringUnsafe(text)

const isIn = (address: NetAddress.IpAddress, ranges: ReadonlyArray<IpNetwork.IpNetwork>): boolean =>
  ranges.some((range) => IpNetwork.contains(range, address))

/** IPv4 that is not on the public internet (RFC 6890 and its successors). */
const private4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  // Public by its number; what answers there within Azure is the machine's own host.
  "168.63.129.16/32",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4"
].map(network)

/** The public internet is 2000::/3, of which these are not. */
const public6 = network("2000::/3")
const private6 = ["2001::/23", "2001:db8::/32", "3fff::/20"].map(network)

/** IPv6 that carries an IPv4 address, and where in its 16 bytes. */
const carriers: ReadonlyArray<readonly [IpNetwork.IpNetwork, number]> = [
  [network("::ffff:0:0/96"), 12],
  [network("64:ff9b::/96"), 12],
  [network("2002::/16"), 2]
]

const parse = (text: string): NetAddress.IpAddress | undefined =>
  Option.getOrUndefined(Result.getSuccess(NetAddress.ipFromString(text)))

/**
 * Whether an IPv4 or IPv6 address is one of the public internet: not private, loopback, link-local, multicast or
 * reserved, nor an IPv6 that carries such an IPv4. What is no address is not public.
 */
export const isPublic = (text: string): boolean => {
  const address = parse(text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, ""))
  if (address === undefined) return false
  if (NetAddress.isIpv4Address(address)) return !isIn(address, private4)
  const carrier = carriers.find(([range]) => IpNetwork.contains(range, address))
  if (carrier !== undefined) {
    const [, at] = carrier
    return isPublic(
      NetAddress.ipv6ToOctets(address)
        .slice(at, at + 4)
        .join(".")
    )
  }
  return IpNetwork.contains(public6, address) && !isIn(address, private6)
}

/** Whether a host is an address and no name. `URL` has turned `0x7f.1`, `2130706433` and the like into plain ones. */
export const isAddress = (host: string): boolean => parse(host.replace(/^\[(.*:.*)\]$/, "$1")) !== undefined

/** Whether only this machine can reach a host. A name is taken for what it says: `localhost` and what ends in it. */
export const isLoopback = (host: string): boolean => {
  const address = parse(host.replace(/^\[(.*)\]$/, "$1"))
  if (address !== undefined) return NetAddress.isLoopback(NetAddress.toCanonical(address))
  const name = host.toLowerCase()
  return name === "localhost" || name.endsWith(".localhost")
}

/**
 * Whether no public DNS has a name, so that whatever it leads to is of this machine or its network: one word, or an ending
 * that is kept for that (RFC 6761, 6762 and 8375, ICANN's `.internal`), such as that of a cloud's metadata.
 */
export const isPrivateName = (name: string): boolean =>
  !name.includes(".") || /\.(?:home\.arpa|internal|lan|local|localdomain|localhost|svc)$/i.test(name)

/** Why a URL may not be asked, as far as it says so itself; `undefined` where it may. */
export const refusal = (url: URL, options: AddressGuardOptions = {}): string | undefined => {
  if (url.protocol !== "http:" && url.protocol !== "https:") return "it is no http(s) URL"
  if (options.hosts !== undefined && !Hosts.allows(options.hosts, url)) {
    return `its host ${url.host} is not one of \`hosts\``
  }
  if (Hosts.allows(options.allowPrivate ?? [], url)) return undefined
  const name = url.hostname.replace(/\.$/, "")
  if (isAddress(name) ? !isPublic(name) : isPrivateName(name)) {
    return `${name} is an address of this machine or of a private network. Name "${url.host}" in \`allowPrivate\` if that is meant`
  }
  return undefined
}

/** A failure of the client that says that its URL is not to be used. It is never retried. */
export const refused = (
  request: HttpClientRequest.HttpClientRequest,
  detail: string
): HttpClientError.HttpClientError =>
  new HttpClientError.HttpClientError({
    reason: new HttpClientError.InvalidUrlError({ request, cause: new Error(detail), description: detail })
  })

/** A client for public addresses and, where given, certain hosts only, over another. */
export const make = (
  client: HttpClient.HttpClient,
  options: AddressGuardOptions = {}
): HttpClient.HttpClient =>
  HttpClient.mapRequestEffect(client, (request) => {
    const detail = URL.canParse(request.url) ? refusal(new URL(request.url), options) : "it is no URL"
    return detail === undefined ? Effect.succeed(request) : Effect.fail(refused(request, detail))
  })

/**
 * The client of the context, for public addresses and, where given, certain hosts only. Each hop of a redirect that
 * this library follows is a request of its own, and judged like the first. A client that follows redirects by itself is
 * not held by it.
 */
export const layer = (
  options: AddressGuardOptions = {}
): Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.map(HttpClient.HttpClient, (client) => make(client, options))
  )

/** The same, with its options from configuration. */
export const layerConfig = (
  config: Wrapped.Wrap<AddressGuardOptions>
): Layer.Layer<HttpClient.HttpClient, Config.ConfigError, HttpClient.HttpClient> =>
  Layer.unwrap(Effect.map(Wrapped.unwrap<AddressGuardOptions>(config), layer))
