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
import { Effect, Layer } from "effect"
import { HttpClient, HttpClientError, type HttpClientRequest } from "effect/http"
import * as Hosts from "./Hosts.ts"

export interface AddressGuardOptions {
  /** The only hosts that may be asked. Any by default. */
  readonly hosts?: Hosts.Hosts | undefined
  /** Hosts that may lead to private addresses, such as a service on this machine. None by default. */
  readonly allowPrivate?: Hosts.Hosts | undefined
}

type Range = readonly [base: ReadonlyArray<number>, bits: number]

/** IPv4 that is not on the public internet (RFC 6890 and its successors). */
const private4: ReadonlyArray<Range> = [
  [[0, 0, 0, 0], 8],
  [[10, 0, 0, 0], 8],
  [[100, 64, 0, 0], 10],
  [[127, 0, 0, 0], 8],
  [[169, 254, 0, 0], 16],
  [[172, 16, 0, 0], 12],
  [[192, 0, 0, 0], 24],
  [[192, 0, 2, 0], 24],
  [[192, 88, 99, 0], 24],
  [[192, 168, 0, 0], 16],
  [[198, 18, 0, 0], 15],
  [[198, 51, 100, 0], 24],
  [[203, 0, 113, 0], 24],
  [[224, 0, 0, 0], 4],
  [[240, 0, 0, 0], 4]
]

const groups = (...values: ReadonlyArray<number>): ReadonlyArray<number> => {
  const all = [...values, ...Array.from({ length: 8 - values.length }, () => 0)]
  return all.flatMap((group) => [group >> 8, group & 255])
}

/** The public internet is 2000::/3, of which these are not. */
const public6: Range = [groups(0x2000), 3]
const private6: ReadonlyArray<Range> = [
  [groups(0x2001), 23],
  [groups(0x2001, 0xdb8), 32],
  [groups(0x3fff), 20]
]

/** IPv6 that carries an IPv4 address, and where in its 16 bytes. */
const carriers: ReadonlyArray<readonly [Range, number]> = [
  [[groups(0, 0, 0, 0, 0, 0xffff), 96], 12],
  [[groups(0x64, 0xff9b), 96], 12],
  [[groups(0x2002), 16], 2]
]

const within = (bytes: ReadonlyArray<number>, [base, bits]: Range): boolean => {
  for (let at = 0, left = bits; left > 0; at++, left -= 8) {
    const mask = left >= 8 ? 255 : (255 << (8 - left)) & 255
    if (((bytes[at] ?? 0) & mask) !== ((base[at] ?? 0) & mask)) return false
  }
  return true
}

const parse4 = (text: string): ReadonlyArray<number> | undefined => {
  const parts = text.split(".")
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255))
    return undefined
  return parts.map(Number)
}

const parse6 = (text: string): ReadonlyArray<number> | undefined => {
  const dotted = /^(.*:)([\d.]+)$/.exec(text)
  const tail = dotted?.[2]?.includes(".") === true ? parse4(dotted[2]) : undefined
  if (dotted?.[2]?.includes(".") === true && tail === undefined) return undefined
  const written =
    tail === undefined
      ? text
      : `${dotted?.[1]}${((tail[0]! << 8) | tail[1]!).toString(16)}:${((tail[2]! << 8) | tail[3]!).toString(16)}`
  const halves = written.split("::")
  if (halves.length > 2) return undefined
  const [head = [], rest = []] = halves.map((half) => (half === "" ? [] : half.split(":")))
  const missing = 8 - head.length - rest.length
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined
  const all = [...head, ...Array.from({ length: missing }, () => "0"), ...rest]
  if (!all.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined
  return groups(...all.map((group) => Number.parseInt(group, 16)))
}

/**
 * Whether an IPv4 or IPv6 address is one of the public internet: not private, loopback, link-local, multicast or
 * reserved, nor an IPv6 that carries such an IPv4. What is no address is not public.
 */
export const isPublic = (address: string): boolean => {
  const text = address.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "")
  const four = parse4(text)
  if (four !== undefined) return !private4.some((range) => within(four, range))
  const six = parse6(text)
  if (six === undefined) return false
  const carrier = carriers.find(([range]) => within(six, range))
  if (carrier !== undefined) return isPublic(six.slice(carrier[1], carrier[1] + 4).join("."))
  return within(six, public6) && !private6.some((range) => within(six, range))
}

/** Whether a host is an address and no name. `URL` has turned `0x7f.1`, `2130706433` and the like into plain ones. */
export const isAddress = (host: string): boolean =>
  parse4(host) !== undefined || parse6(host.replace(/^\[(.*)\]$/, "$1")) !== undefined

/** Why a URL may not be asked, as far as it says so itself; `undefined` where it may. */
export const refusal = (url: URL, options: AddressGuardOptions = {}): string | undefined => {
  if (url.protocol !== "http:" && url.protocol !== "https:") return "it is no http(s) URL"
  if (options.hosts !== undefined && !Hosts.allows(options.hosts, url)) {
    return `its host ${url.host} is not one of \`hosts\``
  }
  if (Hosts.allows(options.allowPrivate ?? [], url)) return undefined
  const name = url.hostname.replace(/\.$/, "")
  if (name === "localhost" || name.endsWith(".localhost") || (isAddress(name) && !isPublic(name))) {
    return `${name} is an address of this machine or of a private network. Name its host in \`allowPrivate\` if that is meant`
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
    Effect.map(HttpClient.HttpClient, (client) =>
      HttpClient.mapRequestEffect(client, (request) => {
        const detail = URL.canParse(request.url) ? refusal(new URL(request.url), options) : "it is no URL"
        return detail === undefined ? Effect.succeed(request) : Effect.fail(refused(request, detail))
      })
    )
  )
