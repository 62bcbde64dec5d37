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

/** What the first of the hops of `Forwarded` says that says it. */
const saidOf = (request: Request, what: "host" | "proto"): string | undefined =>
  Forwarded.hopsOf(request.headers["forwarded"]).find((hop) => hop[what] !== undefined)?.[what]

/** The name that a proxy was asked by: `X-Forwarded-Host`, or what `Forwarded` says. */
export const hostOf = (request: Request): string | undefined => {
  const host = first(request, "x-forwarded-host") ?? saidOf(request, "host")
  return host !== undefined && isHost(host) ? host : undefined
}

/** Scheme, host and that path, without a trailing slash: `https://example.com/seg`. */
export const addressOf = (request: Request): string => {
  const said = first(request, "x-forwarded-proto") ?? saidOf(request, "proto")
  const scheme = said?.toLowerCase() === "https" ? "https" : "http"
  return `${scheme}://${hostOf(request) ?? request.headers["host"] ?? "localhost"}${prefixOf(request)}`
}

/** A name or an address, with a port or without, and nothing more. */
export const isHost = (text: string): boolean => /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(text)
