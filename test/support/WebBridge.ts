/**
 * What a framework does around a function of the web's standards: a socket's request becomes a `Request`, the `Response` goes
 * back over the socket, and a client that leaves aborts what was begun for it. On `node:http`, for tests.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { Effect, type Scope } from "effect"
import { type Listening, listening } from "./TestServer.ts"

export type Handler = (request: Request, from: { readonly address: string }) => Promise<Response>

const requestOf = (incoming: IncomingMessage, signal: AbortSignal): Request => {
  const headers = new Headers()
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!)
  }
  const { method = "GET" } = incoming
  const hasBody = method !== "GET" && method !== "HEAD"
  const init = { method, headers, signal, duplex: "half" }
  const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? "localhost"}`)
  // The types of Node's streams and of the web's differ in names alone.
  return new Request(url, hasBody ? Object.assign(init, { body: Readable.toWeb(incoming) }) : init)
}

const write = async (response: Response, outgoing: ServerResponse): Promise<void> => {
  outgoing.writeHead(response.status, [...response.headers].flat())
  const { body } = response
  if (body === null) return void outgoing.end()
  const reader = body.getReader()
  outgoing.on("close", () => void reader.cancel().catch(() => {}))
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return void outgoing.end()
    if (!outgoing.write(value))
      await new Promise<void>((resolve) => outgoing.once("drain", resolve).once("close", resolve))
  }
}

/** Serves a handler on a free port of loopback. */
export const bridge = (handler: Handler): Effect.Effect<Listening, never, Scope.Scope> =>
  listening(
    createServer((incoming, outgoing) => {
      const gone = new AbortController()
      outgoing.on("close", () => outgoing.writableFinished || gone.abort())
      const address = incoming.socket.remoteAddress ?? ""
      handler(requestOf(incoming, gone.signal), { address }).then(
        (response) => write(response, outgoing).catch(() => outgoing.destroy()),
        () => outgoing.destroy()
      )
    })
  )
