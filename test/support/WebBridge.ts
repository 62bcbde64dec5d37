/**
 * What a framework does around a function of the web's standards: a socket's request becomes a `Request`, the `Response` goes
 * back over the socket, and a client that leaves aborts what was begun for it. On `node:http`, for tests.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { Effect, type Scope } from "effect"
import { type Listening, listening } from "./TestServer.ts"

export type Handler = (request: Request, from: { readonly address: string }) => Promise<Response>

/** The body of a request as it comes, no faster than it is read; and what throws away the rest. */
const bodyOf = (incoming: IncomingMessage) => {
  let dropped = false
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      incoming.pause()
      incoming.on("data", (chunk: Buffer) => {
        if (dropped) return
        controller.enqueue(new Uint8Array(chunk))
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause()
      })
      incoming.on("end", () => dropped || controller.close())
      incoming.on("close", () => incoming.complete || dropped || controller.error(new Error("cut off")))
      incoming.on("error", () => {})
    },
    pull: () => void incoming.resume()
  })
  const drop = () => {
    dropped = true
    incoming.resume()
  }
  return { body, drop }
}

const requestOf = (incoming: IncomingMessage, body: BodyInit, signal: AbortSignal): Request => {
  const headers = new Headers()
  for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i]!, incoming.rawHeaders[i + 1]!)
  }
  const { method = "GET" } = incoming
  const url = new URL(incoming.url ?? "/", `http://${incoming.headers.host ?? "localhost"}`)
  const hasBody = method !== "GET" && method !== "HEAD"
  return new Request(url, { method, headers, signal, ...(hasBody ? { body, duplex: "half" } : {}) })
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
      const { body, drop } = bodyOf(incoming)
      // What nobody has read of a body when its answer is out is thrown away, as frameworks do.
      outgoing.on("finish", drop)
      handler(requestOf(incoming, body, gone.signal), { address }).then(
        (response) => write(response, outgoing).catch(() => outgoing.destroy()),
        () => outgoing.destroy()
      )
    })
  )
