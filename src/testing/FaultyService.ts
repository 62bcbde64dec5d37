/**
 * A real server on loopback that misbehaves on purpose, request by request, and counts what it was made to do: for
 * tests of programs that must hold when a service does not. It needs Node: `effect-segformer/testing/node`.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { ImageSource, segment } from "effect-segformer"
 * import { SegFormerHttp } from "effect-segformer/http"
 * import { Fixtures } from "effect-segformer/testing"
 * import { FaultyService } from "effect-segformer/testing/node"
 *
 * const program = Effect.gen(function* () {
 *   const service = yield* FaultyService.make([FaultyService.truncate({ body: "{", missing: 10 })])
 *   const transport = SegFormerHttp.layer({ baseUrl: service.url, policy: { retry: false } })
 *   const call = segment(ImageSource.bytes(Fixtures.image)).pipe(Effect.provide(transport))
 *   return [(yield* Effect.flip(call))._tag, service.requests.length]
 * }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
 * await Effect.runPromise(program) // => ["ConnectionFailed", 1]
 * ```
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { Readable } from "node:stream"
import { Duration, Effect, type Scope } from "effect"
import * as Bomb from "./Bomb.ts"
import { hold } from "./HeldPort.ts"

type Headers = Readonly<Record<string, string>>

/** What happens to one request. Each but `resetOnAccept` reads the whole request first. */
export interface Fault {
  /** Whether the work is done, as far as one can tell from how the answer is lost. */
  readonly executes: boolean
  readonly play: (response: ServerResponse) => void
}

export interface BodyOptions {
  readonly body?: string | Uint8Array | undefined
  readonly headers?: Headers | undefined
}

const bytesOf = (body: string | Uint8Array | undefined): Uint8Array =>
  typeof body === "string" ? new TextEncoder().encode(body) : (body ?? new Uint8Array())

const executed = (play: Fault["play"]): Fault => ({ executes: true, play })

/** A whole answer: 200 and JSON unless it says otherwise, so also a wrong type, a wrong shape, or 503 for ever. */
export const answer = (options: BodyOptions & { readonly status?: number | undefined } = {}): Fault => {
  const { headers, status = 200 } = options
  const body = bytesOf(options.body)
  return {
    executes: status >= 200 && status < 300,
    play: (response) => {
      response.writeHead(status, {
        "content-type": "application/json",
        ...headers,
        "content-length": String(body.length)
      })
      response.end(body)
    }
  }
}

/** A value as JSON. */
export const json = (value: unknown): Fault => answer({ body: JSON.stringify(value) })

/** A refusal with a status, and what it asks of `Retry-After`. */
export const refuse = (status: number, retryAfter?: string): Fault =>
  answer({ status, headers: retryAfter === undefined ? {} : { "retry-after": retryAfter } })

/** A redirect, 302 by default. */
export const redirect = (location: string, status = 302): Fault => answer({ status, headers: { location } })

/** The request is read and thrown away; the connection is reset. Nothing is executed. */
export const resetBeforeHeaders: Fault = {
  executes: false,
  play: ({ socket }) => void socket?.resetAndDestroy()
}

/** The work is done, and the connection reset before a byte of the answer. */
export const lostAnswer: Fault = { ...resetBeforeHeaders, executes: true }

/** Headers that promise more than the bytes that follow, and what happens once those have left. */
const part = (
  { body = "{", headers = {} }: BodyOptions,
  missing: number,
  then: (socket: Socket | null) => void
): Fault =>
  executed((response) => {
    const { socket } = response
    const bytes = bytesOf(body)
    start(response, headers, bytes.length + missing)
    response.write(bytes, () => then(socket))
  })

/** Headers and some bytes, then the connection is reset. */
export const resetInBody = (options: BodyOptions = {}): Fault =>
  // The bytes must have left before the reset, or the other side may never see them.
  part(options, 1000, (socket) => setTimeout(() => socket?.resetAndDestroy(), 10))

/** Headers promise so many bytes more than come before the connection is closed in peace. */
export const truncate = (options: BodyOptions & { readonly missing: number }): Fault =>
  part({ body: "", ...options }, options.missing, (socket) => socket?.end())

/** Headers and some bytes, and then nothing more, on a connection that stays open. */
export const stall = (options: BodyOptions = {}): Fault => part(options, 1000, () => {})

/** The request is read, and nothing ever comes back. */
export const silence: Fault = executed(() => {})

/** The body, a byte at a time. */
export const drip = (body: string | Uint8Array, every: Duration.Input = "50 millis"): Fault =>
  executed((response) => {
    const bytes = bytesOf(body)
    start(response, {}, bytes.length)
    let at = 0
    const timer = setInterval(() => {
      if (at < bytes.length) response.write(bytes.subarray(at, ++at))
      else response.end()
    }, Duration.toMillis(every))
    response.once("close", () => clearInterval(timer))
  })

/** A body of so many bytes, 10 GB by default, made as it is read; its length announced or not. */
export const endless = (options: { readonly bytes?: number; readonly announced?: boolean } = {}): Fault =>
  executed((response) => {
    const { announced = false, bytes = 10_000_000_000 } = options
    start(response, {}, announced ? bytes : undefined)
    Readable.from(Bomb.repeat(new Uint8Array(64 * 1024).fill(0x20), bytes)).pipe(response)
  })

/** A small body that decompresses to so many bytes, 512 MiB by default. */
export const bomb = (encoding: Bomb.Encoding, bytes = 512 * 1024 * 1024): Fault =>
  executed((response) => {
    void Bomb.make(encoding, bytes).then((body) => {
      start(response, { "content-encoding": encoding }, body.length)
      response.end(body)
    })
  })

/** Bytes that are no HTTP. */
export const garbage = (bytes: string | Uint8Array = "SSH-2.0-OpenSSH_9.6\r\n\r\n"): Fault => ({
  executes: false,
  play: ({ socket }) => void socket?.end(bytes)
})

/** The fault, after a while: a slow start, a queue, a cold model. */
export const delay = (duration: Duration.Input, { executes, play }: Fault): Fault => ({
  executes,
  play: (response) => {
    const timer = setTimeout(() => play(response), Duration.toMillis(duration))
    response.once("close", () => clearTimeout(timer))
  }
})

/** A script that takes turns for ever: so many requests of the one, so many of the other. */
export const flap =
  (good: Fault, bad: Fault, turns: { readonly good: number; readonly bad: number }) =>
  ({ index }: SeenRequest): Fault =>
    index % (turns.good + turns.bad) < turns.good ? good : bad

/** One request, as the service saw it. */
export interface SeenRequest {
  /** 0 for the first that this server has read. */
  readonly index: number
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** In bytes, of which only the first 64 KiB are kept. */
  readonly bodyBytes: number
  readonly body: Uint8Array
  /** Milliseconds of a monotonic clock, when it had been read. */
  readonly at: number
}

/** A fault for each request in order, the last one for all that follow; or a function of the request. */
export type Script = readonly [Fault, ...ReadonlyArray<Fault>] | ((request: SeenRequest) => Fault)

/** A running server. Its counts are live: read them when they are wanted. */
export interface FaultyService {
  /** Such as `http://127.0.0.1:41234`. */
  readonly url: string
  readonly port: number
  readonly requests: ReadonlyArray<SeenRequest>
  /** How often work was done, whether or not its answer arrived. An error's status does no work. */
  readonly executions: number
  /** Connections open now. */
  readonly sockets: number
  /** Connections accepted so far. */
  readonly connections: number
  /** The most requests that were under way at once. */
  readonly mostAtOnce: number
  /** From now on it behaves so. */
  readonly behave: (script: Script) => void
  /** Closes the port and every connection: callers are refused until it is up again, at the same port, which nobody else is given. */
  readonly down: Effect.Effect<void>
  readonly up: Effect.Effect<void>
}

export interface FaultyServiceOptions {
  /** Repeats the first answer to an `Idempotency-Key` that it has seen, and does not execute again. Off by default. */
  readonly honoursKeys?: boolean | undefined
  /** Resets so many connections as they are accepted, before it listens to any. 0 by default. */
  readonly resetOnAccept?: number | undefined
}

/** Starts a server that ends, with every connection, when its scope does. */
export const make = (
  script: Script,
  options?: FaultyServiceOptions
): Effect.Effect<FaultyService, never, Scope.Scope> =>
  Effect.gen(function* () {
    let behaviour = script
    let turn = 0
    let connections = 0
    let executions = 0
    let underWay = 0
    let mostAtOnce = 0
    let port = 0
    const requests: Array<SeenRequest> = []
    const sockets = new Set<Socket>()
    const seenKeys = new Set<string>()

    const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      mostAtOnce = Math.max(mostAtOnce, ++underWay)
      response.once("close", () => underWay--)
      read(request, (whole) => {
        const seen: SeenRequest = { index: requests.length, ...whole }
        requests.push(seen)
        const fault =
          typeof behaviour === "function" ? behaviour(seen) : (behaviour[turn++] ?? behaviour.at(-1))
        if (fault === undefined) return
        const key = seen.headers["idempotency-key"]
        const known = options?.honoursKeys === true && typeof key === "string" && seenKeys.has(key)
        if (fault.executes && !known) {
          executions++
          if (typeof key === "string") seenKeys.add(key)
        }
        response.on("error", () => {})
        fault.play(response)
      })
    })
    server.on("connection", (socket) => {
      connections++
      socket.on("error", () => {})
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
      if (connections <= (options?.resetOnAccept ?? 0)) socket.resetAndDestroy()
    })
    server.on("clientError", (_, socket) => socket.destroy())

    let held: Socket | undefined
    const release = () => {
      held?.resetAndDestroy()
      held = undefined
    }
    const up = Effect.callback<void>((resume) => {
      release()
      const refused = (cause: Error) => resume(Effect.die(cause))
      server.once("error", refused).listen(port, "127.0.0.1", () => {
        server.off("error", refused)
        const address = server.address()
        if (typeof address === "object" && address !== null) port = address.port
        resume(Effect.void)
      })
    })
    const closed = Effect.callback<void>((resume) => {
      server.close(() => resume(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
    const down = Effect.gen(function* () {
      release()
      ;[, held] = yield* Effect.all([closed, hold(port)], { concurrency: "unbounded" })
    })
    yield* Effect.acquireRelease(up, () => Effect.andThen(closed, Effect.sync(release)))

    return {
      url: `http://127.0.0.1:${port}`,
      port,
      requests,
      get executions() {
        return executions
      },
      get sockets() {
        return sockets.size
      },
      get connections() {
        return connections
      },
      get mostAtOnce() {
        return mostAtOnce
      },
      behave: (next) => {
        behaviour = next
        turn = 0
      },
      down,
      up
    }
  })

const keptBytes = 64 * 1024

const read = (request: IncomingMessage, done: (seen: Omit<SeenRequest, "index">) => void): void => {
  const kept: Array<Uint8Array> = []
  let bodyBytes = 0
  request.on("error", () => {})
  request.on("data", (chunk: Uint8Array) => {
    if (bodyBytes < keptBytes) kept.push(chunk.subarray(0, keptBytes - bodyBytes))
    bodyBytes += chunk.length
  })
  request.on("end", () => {
    done({
      method: request.method ?? "",
      path: request.url ?? "",
      headers: request.headers,
      bodyBytes,
      body: Buffer.concat(kept),
      at: performance.now()
    })
  })
}

const start = (response: ServerResponse, headers: Headers, length: number | undefined): void => {
  response.writeHead(200, {
    "content-type": "application/json",
    ...headers,
    ...(length === undefined ? {} : { "content-length": String(length) })
  })
  response.flushHeaders()
}
