/**
 * Which redirects are followed, and what goes along: no header of ours crosses origins, https never leads to http,
 * and a body that would be lost is not sent without it.
 */
import { Effect } from "effect"
import * as Headers from "effect/http/Headers"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { withoutQuery } from "./Body.ts"
import type { Origin } from "./BodyFailure.ts"
import * as Hosts from "./Hosts.ts"
import { nothing } from "./Hiding.ts"
import { RedirectRefused } from "./ServiceError.ts"
import { excerpt } from "./WireError.ts"

/** `"refuse"`, or which hosts a redirect may lead to besides the service's own origin. */
export type Redirects =
  | "refuse"
  | { readonly max?: number | undefined; readonly hosts?: Hosts.Hosts | "any" | undefined }

/** The same text where it is bytes of UTF-8 that a client has read one by one, as clients read headers. */
const asUtf8 = (text: string): string => {
  if (!/[\x80-\xff]/.test(text) || /[^\0-\xff]/.test(text)) return text
  try {
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0))
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return text
  }
}

/** The places that a `Location` names: none where it is empty, and where the header came twice, which clients join, maybe two. */
const placesIn = (location: string | undefined): ReadonlyArray<string> => [
  ...new Set(
    (location ?? "").split(/,\s+/).flatMap((each) => (each.trim() === "" ? [] : asUtf8(each.trim())))
  )
]

/** The request that a redirect leads to, or why it is not followed. */
export const follow = (options: {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  /** As the header has it. */
  readonly location: string | undefined
  readonly origin: Origin
  /** Addresses that were asked so far. */
  readonly asked: ReadonlyArray<string>
  readonly rules: Redirects
  /** The origin to which our headers may go. */
  readonly base: string
}): Effect.Effect<HttpClientRequest.HttpClientRequest, RedirectRefused> => {
  const { asked, base, location, origin, request, rules, status } = options
  const places = placesIn(location)
  const [written] = places
  const target =
    written !== undefined && places.length === 1 && URL.canParse(written, request.url)
      ? new URL(written, request.url)
      : undefined
  const refuse = (detail: string) =>
    Effect.suspend(() => {
      const { hide = nothing, requestId, service } = origin
      const place =
        target === undefined
          ? places.map(withoutQuery).join(" and to ") || "a place that it does not name"
          : target.origin === "null"
            ? target.protocol
            : target.origin + target.pathname
      return Effect.fail(
        new RedirectRefused({ service, requestId, status, location: excerpt(hide(place)), detail })
      )
    })
  if (status === 0) return refuse("a browser shows nobody where. Call that address itself")
  if (written === undefined) return refuse("its `Location` is empty")
  if (rules === "refuse")
    return refuse("redirects are not followed. Call that address itself, or set `redirects`")
  if (places.length > 1) return refuse("a redirect leads to one place")
  if (target === undefined || (target.protocol !== "http:" && target.protocol !== "https:"))
    return refuse("that is no http(s) URL")
  const next = target.origin + target.pathname + target.search
  if (asked.length >= (rules.max ?? 5)) {
    const hop = `that is hop ${asked.length + 1}, one more than \`redirects.max\` allows`
    return refuse(asked.includes(next) || next === request.url ? `it leads in a circle, and ${hop}` : hop)
  }
  const from = new URL(request.url)
  const isOurs = target.origin === base
  const { hosts } = rules
  if (!isOurs && hosts !== "any" && !Hosts.allows(hosts ?? [], target))
    return refuse("that host is not in `redirects.hosts`")
  if (from.protocol === "https:" && target.protocol === "http:") return refuse("it leads from https to http")
  const keepsBody = status === 307 || status === 308
  if (!keepsBody && request.method !== "GET" && request.method !== "HEAD" && status !== 303) {
    return refuse(`a ${request.method} cannot be repeated there`)
  }
  const repeats = keepsBody || request.method === "GET" || request.method === "HEAD"
  const { headers } = request
  // No header of ours crosses origins: not the key, nor cookies, nor ids. What describes the body goes with it.
  const kept = isOurs
    ? headers
    : Headers.fromInput(
        ["accept", "accept-encoding", "user-agent", "content-type", "content-length"].flatMap((name) =>
          headers[name] === undefined ? [] : [[name, headers[name]] as const]
        )
      )
  return Effect.succeed(
    repeats
      ? HttpClientRequest.updateHeaders(HttpClientRequest.setUrl(request, next), () => kept)
      : HttpClientRequest.get(next, {
          headers: Headers.removeMany(kept, ["content-type", "content-length"])
        })
  )
}
