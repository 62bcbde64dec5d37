/**
 * Requests that a page of somebody else makes a browser send. What changes anything (any method but GET, HEAD and
 * OPTIONS) is taken from this server's own page, from programs, and from the origins that its owner names; those may read
 * answers too (CORS).
 *
 * Browsers say where a request comes from: `Sec-Fetch-Site` to addresses that they trust, `Origin` to all. Programs say
 * neither.
 */
import { Result, Schema } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import * as ErrorKind from "../ErrorKind.ts"
import type { Addresses } from "./Address.ts"
import * as Outside from "./Outside.ts"
import { Refusal } from "./Refusal.ts"

/** An origin that none is. */
export class InvalidOrigin extends ErrorKind.ofCaller<InvalidOrigin>()("InvalidOrigin", {
  origin: Schema.String
}) {
  override get message(): string {
    return `"${this.origin}" is no origin: write one such as https://app.example or http://localhost:3000, or * for all`
  }
}

export interface Origins {
  /** Why a request is not taken, because of where it comes from. */
  readonly refusal: (request: HttpServerRequest.HttpServerRequest) => Refusal | undefined
  /** The answer to a browser that asks whether it may ask. */
  readonly preflight: (
    request: HttpServerRequest.HttpServerRequest
  ) => HttpServerResponse.HttpServerResponse | undefined
  /** What allows a page of another origin to read the answer. */
  readonly headers: (
    request: HttpServerRequest.HttpServerRequest,
    vary: string | undefined
  ) => Readonly<Record<string, string>>
}

const safe = new Set(["GET", "HEAD", "OPTIONS"])

const foreign = new Refusal({
  status: 403,
  detail:
    "This request comes from a page of another origin, which may not change anything here. The owner of this service may " +
    "allow an origin (--cors)"
})

const isOrigin = (text: string): boolean =>
  URL.canParse(text) && new URL(text).origin === text && text !== "null"

/** With the origins that are allowed; `*` allows all. */
export const make = (
  allowed: ReadonlyArray<string>,
  addresses: Addresses
): Result.Result<Origins, InvalidOrigin> => {
  const all = allowed.includes("*")
  const known = new Set(
    allowed.filter((origin) => origin !== "*").map((text) => text.replace(/\/$/, "").toLowerCase())
  )
  const wrong = [...known].find((origin) => !isOrigin(origin))
  return wrong === undefined
    ? Result.succeed(originsOf(all, known, addresses))
    : Result.fail(new InvalidOrigin({ origin: wrong }))
}

const originsOf = (all: boolean, known: ReadonlySet<string>, addresses: Addresses): Origins => {
  const originOf = (request: HttpServerRequest.HttpServerRequest) => request.headers["origin"]
  const isAllowed = (origin: string | undefined): boolean =>
    origin !== undefined && (all || known.has(origin.toLowerCase()))

  /** Whether a page of this origin is one of this server's, by the name under which it was asked. */
  const isOwn = (origin: string, request: HttpServerRequest.HttpServerRequest): boolean => {
    if (!URL.canParse(origin)) return false
    const { host, protocol } = new URL(origin)
    const names = [
      request.headers["host"],
      addresses.isForwarded(request) ? Outside.hostOf(request) : undefined
    ]
    return names.some((name) => {
      const url = `${protocol}//${name ?? ""}`
      return name !== undefined && URL.canParse(url) && new URL(url).host === host
    })
  }

  return {
    refusal: (request) => {
      if (safe.has(request.method)) return undefined
      const origin = originOf(request)
      if (isAllowed(origin)) return undefined
      const site = request.headers["sec-fetch-site"]
      if (site !== undefined) return site === "same-origin" || site === "none" ? undefined : foreign
      return origin === undefined || isOwn(origin, request) ? undefined : foreign
    },
    preflight: (request) => {
      const origin = originOf(request)
      const method = request.headers["access-control-request-method"]
      if (request.method !== "OPTIONS" || method === undefined || !isAllowed(origin)) return undefined
      return HttpServerResponse.empty({
        status: 204,
        headers: {
          "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE",
          "access-control-allow-headers": request.headers["access-control-request-headers"] ?? "",
          "access-control-max-age": "600"
        }
      })
    },
    headers: (request, vary) => {
      if (!all && known.size === 0) return {}
      const origin = originOf(request)
      const varying = { vary: vary === undefined ? "origin" : `${vary}, origin` }
      return origin === undefined || !isAllowed(origin)
        ? varying
        : {
            ...varying,
            "access-control-allow-origin": origin,
            "access-control-expose-headers": "location, retry-after, warning, x-request-id"
          }
    }
  }
}
