/**
 * Which requests go through a proxy, as the environment says it: `HTTP_PROXY` for http, `HTTPS_PROXY` for https,
 * `ALL_PROXY` where that of the two is not set, `NO_PROXY` for none. In lower case they go before those in upper case, as with
 * `curl`.
 *
 * `NO_PROXY` holds hosts with commas between: a name is also its subdomains, `*.name` only those, `:8443` behind one a
 * port, `10.0.0.0/8` a network of addresses, and `*` everything.
 *
 * ```ts
 * import { Proxies } from "effect-segformer/service"
 *
 * const proxies = Proxies.from({ https_proxy: "proxy:3128", NO_PROXY: ".internal,10.0.0.0/8" })
 * Proxies.of(proxies, new URL("https://example.com/"))?.name // => "http://proxy:3128"
 * Proxies.of(proxies, new URL("https://10.1.2.3/")) // => undefined
 * Proxies.of(proxies, new URL("http://example.com/")) // => undefined
 * ```
 */
import { Option, Redacted, Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"
import type { Exception, Proxies, Proxy } from "./CurrentProxies.ts"

export { Current, none, type Proxies, type Proxy } from "./CurrentProxies.ts"

/** The proxy of an address; one without a scheme speaks http. */
export const parse = (text: string, from: string): Proxy => {
  const whole = /^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(whole) ? new URL(whole) : undefined
  // A URL takes quotes and the like for a part of a name, which no client does.
  const usable =
    url !== undefined &&
    (url.protocol === "http:" || url.protocol === "https:") &&
    /^(?:[\w.-]+|\[[\da-f:.]+\])$/i.test(url.hostname)
  return {
    name: url === undefined ? "what it names" : `${url.protocol}//${url.host}`,
    from,
    uri: Redacted.make(url?.href ?? ""),
    ...(usable
      ? {}
      : {
          wrong: `${from} is no address of a proxy: write it as http://host:port, or name in NO_PROXY what needs none`
        })
  }
}

/** The variables that are read. */
export const variables = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] as const

/** The proxies of an environment. */
export const from = (env: Readonly<Record<string, string | undefined>>): Proxies => {
  /** The first that is set, be it to nothing. */
  const named = (name: string, otherwise?: string): Proxy | undefined => {
    // What a web server sets from a header of a stranger is no setting (CVE-2016-5385).
    const upper =
      name === "http_proxy" && env["REQUEST_METHOD"] !== undefined ? undefined : name.toUpperCase()
    const found = env[name] !== undefined ? name : upper
    const given = found === undefined ? undefined : env[found]
    if (given === undefined) return otherwise === undefined ? undefined : named(otherwise)
    return found === undefined || given.trim() === "" ? undefined : parse(given.trim(), found)
  }
  return {
    http: named("http_proxy", "all_proxy"),
    https: named("https_proxy", "all_proxy"),
    not: exceptions(env["no_proxy"] ?? env["NO_PROXY"] ?? "")
  }
}

/** One proxy for all, but for what `NO_PROXY` says. */
export const only = (proxy: Proxy, { not }: Proxies): Proxies => ({ http: proxy, https: proxy, not })

const exceptions = (text: string): ReadonlyArray<Exception> =>
  text.split(/[,\s]+/).flatMap((word) => {
    if (word === "") return []
    const network = Option.getOrUndefined(Result.getSuccess(IpNetwork.fromString(word)))
    const [, bracketed, plain = word, port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(word) ?? [
      undefined,
      undefined,
      word,
      undefined
    ]
    const host = ascii((bracketed ?? plain).toLowerCase().replace(/\.$/, ""))
    return [{ host: host.replace(/^\*?\./, ""), subdomainsOnly: host.startsWith("*."), port, network }]
  })

/** A name as URLs have it. */
const ascii = (name: string): string => {
  const url = `http://${name.replace(/^\*?\./, "")}`
  return /[^\x20-\x7e]/.test(name) && URL.canParse(url)
    ? (/^\*?\./.exec(name)?.[0] ?? "") + new URL(url).hostname
    : name
}

const isExcepted = ({ host, network, port, subdomainsOnly }: Exception, url: URL): boolean => {
  if (port !== undefined && port !== (url.port || (url.protocol === "https:" ? "443" : "80"))) return false
  const name = url.hostname
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "")
    .toLowerCase()
  if (host === "*" || (name === host && !subdomainsOnly) || name.endsWith(`.${host}`)) return true
  const address = Option.getOrUndefined(Result.getSuccess(NetAddress.ipFromString(name)))
  return network !== undefined && address !== undefined && IpNetwork.contains(network, address)
}

/** The proxy that a request to an address goes through, if any. */
export const of = (self: Proxies, url: URL): Proxy | undefined => {
  const proxy = url.protocol === "https:" ? self.https : url.protocol === "http:" ? self.http : undefined
  return proxy === undefined || self.not.some((each) => isExcepted(each, url)) ? undefined : proxy
}

/** The name of the proxy that may answer for a service: it forwards requests over http, and of https it sees nothing. */
const forwarding = (self: Proxies, url: string): string | undefined =>
  url.startsWith("http://") && URL.canParse(url) ? of(self, new URL(url))?.name : undefined

/** Statuses that a proxy answers with by itself. */
const ofProxies = new Set([403, 407, 502, 503, 504])

/** What an answer says of a failure, with the proxy that may have said it in the place of the service. */
export const doubted = (
  answer: { readonly service: string; readonly status: number; readonly proxies?: Proxies | undefined },
  detail: string
): string => {
  if (answer.proxies === undefined || !ofProxies.has(answer.status)) return detail
  const proxy = forwarding(answer.proxies, answer.service)
  return proxy === undefined
    ? detail
    : `${detail.slice(0, 120)} (through the proxy ${proxy}, which may say so itself)`
}
