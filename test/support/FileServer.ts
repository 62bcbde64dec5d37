/**
 * A server of one file on loopback, on `node:http`: it knows `Range` and `If-Range`, cuts connections where it is told to,
 * and changes the file under way. Its bytes are made from their place, so that a gigabyte takes no memory.
 */
import { createHash } from "node:crypto"
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { listening } from "./TestServer.ts"

/** Bytes that repeat with a period no buffer has. */
const patternBytes = 1_000_003
const patternOf = (seed: number): Buffer => {
  const pattern = Buffer.allocUnsafe(patternBytes + 65536)
  let state = seed + 1
  for (let at = 0; at < patternBytes; at++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0
    pattern[at] = state >>> 16
  }
  pattern.copy(pattern, patternBytes, 0, 65536)
  return pattern
}
const patterns = new Map<number, Buffer>()

/** At most 64 KiB of the file from there. */
const piece = (seed: number, at: number, end: number): Buffer => {
  const pattern = patterns.get(seed) ?? patternOf(seed)
  patterns.set(seed, pattern)
  const from = at % patternBytes
  return pattern.subarray(from, from + Math.min(65536, end - at))
}

/** The SHA-256 or MD5 of such a file. */
export const digestOf = (size: number, seed = 0, algorithm = "sha256"): Buffer => {
  const hash = createHash(algorithm)
  for (let at = 0; at < size;) {
    const bytes = piece(seed, at, size)
    hash.update(bytes)
    at += bytes.length
  }
  return hash.digest()
}

/** What the server does with one request. */
export interface Turn {
  /** Which file it is now: another seed is another file, with another ETag. 0 by default. */
  readonly seed?: number | undefined
  readonly size?: number | undefined
  /** The connection breaks before this byte of the file. */
  readonly cutAt?: number | undefined
  /** The connection breaks behind the last byte, before anybody says that it is the last. */
  readonly openEnd?: boolean | undefined
  /** A part ends before this byte, and says so. */
  readonly partUntil?: number | undefined
  /** From this byte on nothing comes any more. */
  readonly stallAt?: number | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Which a part has. 206 by default. */
  readonly partStatus?: number | undefined
  /** So many bytes come behind what the answer says that it brings, of a length that it does not state. */
  readonly more?: number | undefined
  /** Another status, without a file. */
  readonly status?: number | undefined
  /** Knows no ranges. */
  readonly whole?: boolean | undefined
  readonly etag?: string | false | undefined
  /** Sends no Content-Length. */
  readonly chunked?: boolean | undefined
  /** Answers a range though the file has changed. */
  readonly ignoresIfRange?: boolean | undefined
}

export interface FileServer {
  readonly url: string
  /** Headers of each request, in order. */
  readonly requests: Array<IncomingHttpHeaders>
  readonly sockets: Set<Socket>
}

/** One turn for each request; the last one is for all that follow. */
export const make = (
  size: number,
  turns: ReadonlyArray<Turn>
): Effect.Effect<FileServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const requests: Array<IncomingHttpHeaders> = []
    const server = createServer((request, response) => {
      const turn = turns[requests.length] ?? turns.at(-1) ?? {}
      requests.push(request.headers)
      response.on("error", () => {})
      answer(request.headers, response, size, turn)
    })
    const { port, sockets } = yield* listening(server)
    return { url: `http://127.0.0.1:${port}`, requests, sockets }
  })

const answer = (asked: IncomingHttpHeaders, response: ServerResponse, whole: number, turn: Turn) => {
  const { cutAt, seed = 0, size = whole, stallAt } = turn
  if (turn.status !== undefined) {
    response.writeHead(turn.status, { ...turn.headers })
    response.end("no file")
    return
  }
  const etag = turn.etag ?? `"v${seed}-${size}"`
  const from = Number(/^bytes=(\d+)-$/.exec(asked.range ?? "")?.[1] ?? Number.NaN)
  const isSame = turn.ignoresIfRange === true || asked["if-range"] === undefined || asked["if-range"] === etag
  const isPart = !Number.isNaN(from) && isSame && turn.whole !== true
  if (isPart && from >= size) {
    response.writeHead(416, { "content-range": `bytes */${size}`, ...turn.headers })
    response.end()
    return
  }
  const start = isPart ? from : 0
  const until = isPart ? (turn.partUntil ?? size) : size
  response.writeHead(isPart ? (turn.partStatus ?? 206) : 200, {
    ...(etag === false ? {} : { etag }),
    ...(turn.chunked === true || turn.more !== undefined ? {} : { "content-length": until - start }),
    ...(isPart ? { "content-range": `bytes ${start}-${until - 1}/${size}` } : {}),
    ...turn.headers
  })
  const end = Math.min(until, cutAt ?? size, stallAt ?? size)
  let at = start
  const next = () => {
    while (at < end) {
      const bytes = piece(seed, at, end)
      at += bytes.length
      if (!response.write(bytes)) {
        response.once("drain", next)
        return
      }
    }
    if (end === until && turn.openEnd !== true) response.end(Buffer.alloc(turn.more ?? 0, "more"))
    // What was written is to arrive first.
    else if (stallAt === undefined) setTimeout(() => response.destroy(), 5)
  }
  next()
}
