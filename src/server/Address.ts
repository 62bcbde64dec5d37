/**
 * Where a request comes from: the peer of its connection, or behind a proxy that is trusted the address that this one says
 * it has it from, in `X-Forwarded-For` or else in `Forwarded`. What anybody else writes there is not looked at.
 *
 * A proxy may hide whom it has a request from (RFC 7239): behind a word of its own, `_word`, or as `unknown`. That is nobody
 * whom a list of addresses has, the proxy least of all; limits count each word by itself, and all who are unknown as one.
 *
 * Lists of addresses (proxies that are trusted, callers that are let in) are written alike: addresses, networks, `loopback`.
 */
import { Context, Option, Result, Schema } from "effect"
import type { Headers, HttpServerRequest } from "effect/http"
import { IpNetwork, NetAddress } from "effect/net"
import * as ErrorKind from "../ErrorKind.ts"
import * as Forwarded from "./Forwarded.ts"

/**
 * Whose request a fiber answers, as limits count it: an address of IPv4, the network of 64 bits of one of IPv6, or what a proxy
 * says in place of one.
 */
export const CurrentAddress = Context.Reference<string>("effect-segformer/server/Address/CurrentAddress", {
  defaultValue: () => ""
})

/** A proxy that no address or network is. */
export class InvalidProxy extends ErrorKind.ofCaller<InvalidProxy>()("InvalidProxy", {
  proxy: Schema.String
}) {
  override get message(): string {
    return `"${this.proxy}" is no address of a proxy: write 10.0.0.7, fd00::7, a network such as 10.0.0.0/8, or loopback`
  }
}

/** An address of callers that no address or network is. */
export class InvalidAddress extends ErrorKind.ofCaller<InvalidAddress>()("InvalidAddress", {
  address: Schema.String
}) {
  override get message(): string {
    return `"${this.address}" is no address to let in: write 10.0.0.7, fd00::7, a network such as 172.16.0.0/12, or loopback`
  }
}

/** Whose a request is: an address in its one spelling, or what a proxy says in place of it. */
type Node = NetAddress.IpAddress | string

/** Of whom nothing is known. */
const unknown = "unknown"

/** An address without zone, brackets and port: an IPv4 within IPv6 is that IPv4. */
const nodeOf = (written = ""): Node => {
  const text = written.trim()
  const [, bracketed, word] = /^(?:\[([^\]]+)\]|([\w.-]+))(?::(?:\d{1,5}|_[\w.-]+))?$/.exec(text) ?? []
  const name = bracketed ?? word ?? text
  return Result.match(NetAddress.ipFromString(name.replace(/%.*$/, "")), {
    onFailure: () => (/^_[\w.-]+$/.test(name) ? name : unknown),
    onSuccess: (ip) => NetAddress.toCanonical(ip)
  })
}

/** Of whom there is one to count: who has one address of IPv6 has the 2^64 of its network. */
const counted = (node: Node): string => {
  if (typeof node === "string") return node
  return NetAddress.isIpv6Address(node)
    ? `${NetAddress.ipv6ToSegments(node)
        .slice(0, 4)
        .map((segment) => segment.toString(16))
        .join(":")}::/64`
    : NetAddress.formatIp(node)
}

/** The networks that an item of a list is; none where it is none. */
const networksOf = (item: string): ReadonlyArray<IpNetwork.IpNetwork> => {
  if (item === "loopback") return ["127.0.0.0/8", "::1/128"].map(IpNetwork.fromStringUnsafe)
  const [text = "", bits, ...rest] = item.split("/")
  const address = nodeOf(text)
  if (typeof address === "string" || rest.length > 0 || !/^\d{1,3}$/.test(bits ?? "0")) return []
  // Of an IPv4 within IPv6, the 96 bits before it are counted too.
  const within = NetAddress.isIpv4Address(address) && text.includes(":") ? 96 : 0
  const prefix = bits === undefined ? NetAddress.width(address) : Number(bits) - within
  return Option.toArray(Result.getSuccess(IpNetwork.fromAddress(address, prefix)))
}

/** The networks of a list, or the item that is none. */
const listOf = (items: ReadonlyArray<string>): Result.Result<ReadonlyArray<IpNetwork.IpNetwork>, string> => {
  const wrong = items.find((item) => networksOf(item).length === 0)
  return wrong === undefined ? Result.succeed(items.flatMap(networksOf)) : Result.fail(wrong)
}

const isIn = (list: ReadonlyArray<IpNetwork.IpNetwork>, node: Node | undefined): boolean =>
  node !== undefined && typeof node !== "string" && list.some((network) => IpNetwork.contains(network, node))

/** Whether an address is one of these, as `Addresses.ip` has it. */
export const among = (
  items: ReadonlyArray<string>
): Result.Result<(address: NetAddress.IpAddress | undefined) => boolean, InvalidAddress> =>
  Result.mapBoth(listOf(items), {
    onFailure: (address) => new InvalidAddress({ address }),
    onSuccess: (list) => (address) => isIn(list, address)
  })

/** Whose request it is. */
export interface Addresses {
  /** The address, for those who ask who it is; `undefined` where nobody tells it. */
  readonly ip: (request: HttpServerRequest.HttpServerRequest) => NetAddress.IpAddress | undefined
  /** Whose it is as limits count it. */
  readonly of: (request: HttpServerRequest.HttpServerRequest) => string
  /** The same of a connection that has said nothing yet: `undefined` for a proxy's, which are many callers'. */
  readonly ofPeer: (address: string | undefined) => string | undefined
  /** Whether the request comes from a proxy whose word is taken. */
  readonly isForwarded: (request: HttpServerRequest.HttpServerRequest) => boolean
}

/** With the addresses or networks of trusted proxies. */
export const make = (proxies: ReadonlyArray<string> = []): Result.Result<Addresses, InvalidProxy> =>
  Result.mapBoth(listOf(proxies), {
    onFailure: (proxy) => new InvalidProxy({ proxy }),
    onSuccess: addressesBehind
  })

/** From whom each proxy says it has the request, from the first to the last; none where no proxy says anything. */
const hopsOf = (headers: Headers.Headers): Array<Node> => {
  const listed = (headers["x-forwarded-for"] ?? "").split(",").filter((each) => each.trim() !== "")
  const hops = listed.length > 0 ? listed : Forwarded.hopsOf(headers["forwarded"]).map((hop) => hop.for)
  const isHidden = "x-forwarded-host" in headers || "x-forwarded-proto" in headers
  return hops.length === 0 && isHidden ? [unknown] : hops.map(nodeOf)
}

const addressesBehind = (list: ReadonlyArray<IpNetwork.IpNetwork>): Addresses => {
  const peerOf = (request: HttpServerRequest.HttpServerRequest): Node =>
    nodeOf(Option.getOrUndefined(request.remoteAddress))
  const whose = (request: HttpServerRequest.HttpServerRequest): Node => {
    // From the last hop on: each is believed as long as the one that says it is trusted.
    const hops = hopsOf(request.headers)
    let node = peerOf(request)
    while (isIn(list, node)) {
      const before = hops.pop()
      if (before === undefined) break
      node = before
    }
    return node
  }
  return {
    ip: (request) => {
      const node = whose(request)
      return typeof node === "string" ? undefined : node
    },
    of: (request) => counted(whose(request)),
    ofPeer: (address) => {
      const peer = nodeOf(address)
      return isIn(list, peer) ? undefined : counted(peer)
    },
    isForwarded: (request) => isIn(list, peerOf(request))
  }
}
