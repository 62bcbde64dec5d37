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

/** The request that a redirect leads to, or why it is not followed. */
export const follow = (options: {
  readonly request: HttpClientRequest.HttpClientRequest
  readonly status: number
  /** As the header has it. */
  readonly location: string | undefined
  readonly origin: Origin
  /** Redirects followed so far. */
  readonly hops: number
  readonly rules: Redirects
  /** The origin to which our headers may go. */
  readonly base: string
}): Effect.Effect<HttpClientRequest.HttpClientRequest, RedirectRefused> => {
  const { base, hops, location, origin, request, rules, status } = options
  const target =
    location !== undefined && URL.canParse(location, request.url) ? new URL(location, request.url) : undefined
  const refuse = (detail: string) =>
    Effect.suspend(() => {
      const { hide = nothing, requestId, service } = origin
      const place =
        target === undefined
          ? withoutQuery(location ?? "a place it does not name")
          : target.origin === "null"
            ? target.protocol
            : target.origin + target.pathname
      return Effect.fail(
        new RedirectRefused({ service, requestId, status, location: excerpt(hide(place)), detail })
      )
    })
  if (rules === "refuse")
    return refuse("redirects are not followed. Call that address itself, or set `redirects`")
  if (target === undefined || (target.protocol !== "http:" && target.protocol !== "https:"))
    return refuse("that is no http(s) URL")
  if (hops >= (rules.max ?? 5))
    return refuse(`that is hop ${hops + 1}, one more than \`redirects.max\` allows`)
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
  const next = target.origin + target.pathname + target.search
  return Effect.succeed(
    repeats
      ? HttpClientRequest.updateHeaders(HttpClientRequest.setUrl(request, next), () => kept)
      : HttpClientRequest.get(next, {
          headers: Headers.removeMany(kept, ["content-type", "content-length"])
        })
  )
}
