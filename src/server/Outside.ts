/**
 * Where callers reach this server, for the addresses that answers name: as a proxy before it says, else as the request does.
 * It is told to the caller alone who said it, and nothing is decided by it.
 */
import type { HttpServerRequest } from "effect/http"
import * as Forwarded from "./Forwarded.ts"

type Request = HttpServerRequest.HttpServerRequest

/** The first of a list: that of the proxy which callers reach. */
const first = (request: Request, name: string): string | undefined =>
  request.headers[name]?.split(",")[0]?.trim()

/** The path that a proxy has this server under (`X-Forwarded-Prefix`), such as `/seg`; empty without one. */
export const prefixOf = (request: Request): string => {
  const prefix = first(request, "x-forwarded-prefix")?.replace(/\/+$/, "") ?? ""
  return /^(?:\/[\w.~%-]+)+$/.test(prefix) ? prefix : ""
}

/** The name that a proxy was asked by: `X-Forwarded-Host`, or what the first hop of `Forwarded` says. */
export const hostOf = (request: Request): string | undefined => {
  const host = first(request, "x-forwarded-host") ?? Forwarded.hopsOf(request.headers["forwarded"])[0]?.host
  return host !== undefined && isHost(host) ? host : undefined
}

/** Scheme, host and that path, without a trailing slash: `https://example.com/seg`. */
export const addressOf = (request: Request): string => {
  const said = first(request, "x-forwarded-proto") ?? Forwarded.hopsOf(request.headers["forwarded"])[0]?.proto
  const scheme = said?.toLowerCase() === "https" ? "https" : "http"
  return `${scheme}://${hostOf(request) ?? request.headers["host"] ?? "localhost"}${prefixOf(request)}`
}

/** A name or an address, with a port or without, and nothing more. */
const isHost = (text: string): boolean => /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(text)
