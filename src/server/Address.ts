/**
 * Where a request comes from: the peer of its connection, or behind a proxy that is trusted the address that this one says
 * it has it from, in `X-Forwarded-For` or else in `Forwarded`. What anybody else writes there is not looked at.
 *
 * Lists of addresses (proxies that are trusted, callers that are let in) are written alike: addresses, networks, `loopback`.
 */
import { BlockList, isIP } from "node:net"
import { Context, Option, Result, Schema } from "effect"
import type { HttpServerRequest } from "effect/http"
import { NetAddress } from "effect/net"
import * as ErrorKind from "../ErrorKind.ts"
import * as Forwarded from "./Forwarded.ts"

/** The address of the request that a fiber answers, for limits: one of IPv4, or the network of 64 bits of one of IPv6. */
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

/** An address in its one spelling: an IPv4 within IPv6 is that IPv4, and there is no zone, bracket or port. */
const plain = (written: string): string => {
  const text = written.trim()
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(text) ?? []
  const [, beforePort] = /^([\d.]+):\d+$/.exec(text) ?? []
  const address = (bracketed ?? beforePort ?? text).replace(/%.*$/, "")
  return Result.match(NetAddress.ipFromString(address), {
    onFailure: () => address,
    onSuccess: (ip) => NetAddress.formatIp(NetAddress.toCanonical(ip))
  })
}

/** Of whom there is one to count: who has one address of IPv6 has the 2^64 of its network. */
const counted = (address: string): string => {
  const ip = Result.getOrUndefined(NetAddress.ipFromString(address))
  return NetAddress.isIpv6Address(ip)
    ? `${NetAddress.ipv6ToSegments(ip)
        .slice(0, 4)
        .map((segment) => segment.toString(16))
        .join(":")}::/64`
    : address
}

const kindOf = (address: string): "ipv4" | "ipv6" | undefined =>
  isIP(address) === 4 ? "ipv4" : isIP(address) === 6 ? "ipv6" : undefined

/** The addresses of a list, or the item that is none. */
const listOf = (items: ReadonlyArray<string>): Result.Result<BlockList, string> => {
  const list = new BlockList()
  for (const item of items) {
    if (item === "loopback") {
      list.addSubnet("127.0.0.0", 8, "ipv4")
      list.addAddress("::1", "ipv6")
      continue
    }
    const [text = "", bits, ...rest] = item.split("/")
    const address = plain(text)
    const kind = kindOf(address)
    const prefix = bits === undefined ? undefined : Number(bits)
    const isNetwork =
      prefix === undefined || (/^\d{1,3}$/.test(bits ?? "") && prefix <= (kind === "ipv4" ? 32 : 128))
    if (kind === undefined || rest.length > 0 || !isNetwork) return Result.fail(item)
    if (prefix === undefined) list.addAddress(address, kind)
    else list.addSubnet(address, prefix, kind)
  }
  return Result.succeed(list)
}

const isIn = (list: BlockList, address: string): boolean => {
  const kind = kindOf(address)
  return kind !== undefined && list.check(address, kind)
}

/** Whether an address is one of these, as `Addresses.whole` has it. */
export const among = (
  items: ReadonlyArray<string>
): Result.Result<(address: string) => boolean, InvalidAddress> =>
  Result.mapBoth(listOf(items), {
    onFailure: (address) => new InvalidAddress({ address }),
    onSuccess: (list) => (address: string) => isIn(list, address)
  })

/** Whose request it is. */
export interface Addresses {
  /** The address as it is, for those who ask who it is. */
  readonly whole: (request: HttpServerRequest.HttpServerRequest) => string
  /** The same as limits count it. */
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

const addressesBehind = (list: BlockList): Addresses => {
  const isTrusted = (address: string): boolean => isIn(list, address)
  const peerOf = (request: HttpServerRequest.HttpServerRequest): string =>
    plain(Option.getOrElse(request.remoteAddress, () => ""))
  const whole = (request: HttpServerRequest.HttpServerRequest): string => {
    let address = peerOf(request)
    // From the last hop on: each is believed as long as the one that says it is trusted.
    const { forwarded, "x-forwarded-for": listed = "" } = request.headers
    const hops = (
      listed.trim() === "" ? Forwarded.hopsOf(forwarded).map((hop) => hop.for ?? "") : listed.split(",")
    ).map(plain)
    while (isTrusted(address)) {
      const before = hops.pop()
      if (before === undefined || kindOf(before) === undefined) break
      address = before
    }
    return address
  }
  return {
    whole,
    of: (request) => counted(whole(request)),
    ofPeer: (address) => {
      const peer = plain(address ?? "")
      return isTrusted(peer) ? undefined : counted(peer)
    },
    isForwarded: (request) => isTrusted(peerOf(request))
  }
}
