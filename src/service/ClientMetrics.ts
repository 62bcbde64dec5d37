/** How long requests take, as OpenTelemetry's `http.client.request.duration`: by server, method, status and error. */
import { Clock, Context, Effect, type Exit, Metric } from "effect"
import { calls, errorTypeOf, standard } from "../TelemetryNames.ts"

const durations = calls.histogram("http.client.request.duration")

/** A server as attributes say it: without the brackets of IPv6, its port also where that is the usual one. */
export interface Place {
  readonly address: string
  readonly port: number
}

/** Meters and places that are remembered: making one costs more than using it. */
const most = 1000

/** Servers that are told apart. A program that fetches from wherever it is sent would have a series for each there is. */
const mostServers = 200
/** By the registry that has their series. */
const told = new WeakMap<object, Set<string>>()
const elsewhere: Place = { address: "_OTHER", port: 0 }

/** The place as metrics have it. */
const counted = (registry: object, place: Place): Place => {
  const servers = told.get(registry) ?? new Set()
  told.set(registry, servers)
  const name = `${place.address}:${place.port}`
  if (servers.has(name)) return place
  if (servers.size >= mostServers) return elsewhere
  servers.add(name)
  return place
}
const places = new Map<string, Place>()
const meters = new Map<string, Metric.Histogram<number>>()

const remembered = <A>(known: Map<string, A>, key: string, make: () => A): A => {
  const found = known.get(key)
  if (found !== undefined) return found
  const made = make()
  if (known.size < most) known.set(key, made)
  return made
}

const usualPort = (protocol: string): number => (protocol === "https:" ? 443 : 80)

/** Where a URL leads. */
export const placeOf = (url: string): Place =>
  remembered(places, /^[a-z]+:\/\/[^/?#]*/i.exec(url)?.[0] ?? url, () => {
    if (!URL.canParse(url)) return { address: "unknown", port: 0 }
    const { hostname, port, protocol } = new URL(url)
    return {
      address: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: port === "" ? usualPort(protocol) : Number(port)
    }
  })

/** What a request came to: a status, an error, or both. */
const typeOf = (status: number | undefined, exit: Exit.Exit<unknown, { readonly _tag: string }>) => {
  if (status !== undefined && status >= 400) return String(status)
  return exit._tag === "Success" ? undefined : errorTypeOf(exit.cause)
}

/** Measures one request. `self` is told where to say its status. */
export const timed = <A, E extends { readonly _tag: string }, R>(
  method: string,
  url: string,
  self: (answered: (status: number) => void) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Clock.clockWith((clock) => {
    const started = clock.monotonicTimeNanosUnsafe()
    let status: number | undefined
    const request = self((found) => {
      status = found
    })
    return Effect.onExit(request, (exit) => {
      const seconds = Number(clock.monotonicTimeNanosUnsafe() - started) / 1e9
      const type = typeOf(status, exit)
      return Effect.contextWith((context: Context.Context<never>) => {
        const { address, port } = counted(Context.get(context, Metric.MetricRegistry), placeOf(url))
        const meter = remembered(meters, `${method} ${address} ${port} ${status} ${type}`, () =>
          Metric.withAttributes(durations, {
            [standard.method]: method,
            [standard.address]: address,
            [standard.port]: String(port),
            ...(status === undefined ? {} : { [standard.status]: String(status) }),
            ...(type === undefined ? {} : { [standard.errorType]: type })
          })
        )
        meter.updateUnsafe(seconds, context)
        return Effect.void
      })
    })
  })
