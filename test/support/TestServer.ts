/**
 * Real HTTP servers on loopback for tests, on `node:http` and `node:net`: they are written from the protocols'
 * descriptions and share no code with the clients.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { createServer as createTcpServer, type Server, type Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { hold } from "../../src/testing/HeldPort.ts"

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage["headers"]
  readonly body: Buffer
}

export interface TestServer {
  /** Such as http://127.0.0.1:41234, without a trailing slash. */
  readonly url: string
  readonly port: number
  /** What was asked, in order. */
  readonly requests: Array<SeenRequest>
  /** Sockets open now. */
  readonly sockets: Set<Socket>
}

export type Handler = (request: SeenRequest, response: ServerResponse) => void | Promise<void>

/** A server that has read the whole request before it answers. */
export const http = (handler: Handler): Effect.Effect<TestServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const requests: Array<SeenRequest> = []
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("error", () => {})
      response.on("error", () => {})
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("end", () => {
        const seen: SeenRequest = {
          method: request.method ?? "",
          path: request.url ?? "",
          headers: request.headers,
          body: Buffer.concat(chunks)
        }
        requests.push(seen)
        // What a handler cannot read is no request for it.
        const answered = (async () => handler(seen, response))()
        answered.catch((cause: unknown) => sendJson(response, { error: `unreadable: ${String(cause)}` }, 400))
      })
    })
    const { port, sockets } = yield* listening(server)
    return { url: `http://127.0.0.1:${port}`, port, requests, sockets }
  })

/** A server below HTTP: it gets each socket with the bytes of its first request. */
export const tcp = (
  handler: (socket: Socket, head: Buffer) => void
): Effect.Effect<TestServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const requests: Array<SeenRequest> = []
    const server = createTcpServer((socket) => {
      socket.once("data", (head: Buffer) => {
        requests.push({ method: "", path: "", headers: {}, body: head })
        handler(socket, head)
      })
    })
    const { port, sockets } = yield* listening(server)
    return { url: `http://127.0.0.1:${port}`, port, requests, sockets }
  })

export interface Listening {
  readonly port: number
  /** Open now. */
  readonly sockets: Set<Socket>
}

/** Listens on loopback until the scope ends, which breaks what is open. */
export const listening = (server: Server): Effect.Effect<Listening, never, Scope.Scope> => {
  const sockets = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  })
  return Effect.acquireRelease(
    Effect.callback<Listening>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ port, sockets }))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
}

/** Below those that systems give out by themselves, to whoever asks for any: none of the many others takes it meanwhile. */
const aside = (): number => 20_000 + Math.floor(Math.random() * 10_000)

/** A port for another program to listen on, which is free now. */
export const freePort: Effect.Effect<number> = Effect.callback((resume) => {
  const attempt = () => {
    const port = aside()
    const server = createTcpServer()
    server.once("error", attempt)
    server.listen(port, "127.0.0.1", () => server.close(() => resume(Effect.succeed(port))))
  }
  attempt()
})

/** A port on which nobody listens, for as long as this process lives. */
export const closedPort: Effect.Effect<number> = Effect.gen(function* () {
  while (true) {
    const port = aside()
    if ((yield* hold(port)) !== undefined) return port
  }
})

export const sendJson = (
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Record<string, string> = {}
) => {
  const body = Buffer.from(JSON.stringify(value))
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": body.length,
    ...headers
  })
  response.end(body)
}
