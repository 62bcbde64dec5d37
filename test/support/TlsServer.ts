/**
 * A server over TLS whose certificate nobody trusts. Its key is of no use for anything else.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import { createServer } from "node:https"
import type { Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { listening } from "./TestServer.ts"

export interface TlsServer {
  /** Such as https://127.0.0.1:41234. */
  readonly url: string
  /** Handshakes that began. */
  readonly connections: number
  /** Requests that were read. */
  readonly requests: number
  readonly sockets: Set<Socket>
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const empty: Answer = (_, response) => void response.end("{}")

/** A server that answers as told. */
export const makeWith = Effect.fnUntraced(function* (
  answer: Answer
): Effect.fn.Return<TlsServer, never, Scope.Scope> {
  let connections = 0
  let requests = 0
  const server = createServer({ key, cert }, (request, response) => {
    requests++
    answer(request, response)
  })
  server.on("connection", () => connections++)
  server.on("tlsClientError", (_, socket) => socket.destroy())
  const { port, sockets } = yield* listening(server)
  return {
    url: `https://127.0.0.1:${port}`,
    get connections() {
      return connections
    },
    get requests() {
      return requests
    },
    sockets
  }
})

export const make: Effect.Effect<TlsServer, never, Scope.Scope> = makeWith(empty)

export const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZ9nkRi2AjRzDYYkO
0g13cJB8jrv9Fl97OYyQJzm6QhehRANCAAQQX3uhCKnlcL8KJARg/q2QXFM//aJo
D+T0QTi1imdpscx0WR//5esvdsL1euwfkj755ZwgSidL7szUg1TYkYgo
-----END PRIVATE KEY-----
`

/** Its certificate, which is its own authority. */
export const cert = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUHo0PwyZV7n4LTQCYqB8HdP+ImkQwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA0MDQwMFoYDzIxMjYxMDI4
MDQwNDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQQX3uhCKnlcL8KJARg/q2QXFM//aJoD+T0QTi1imdpscx0WR//5esv
dsL1euwfkj755ZwgSidL7szUg1TYkYgoo28wbTAdBgNVHQ4EFgQUIEMEA1JNQuyH
l5eVLySknQTw9dUwHwYDVR0jBBgwFoAUIEMEA1JNQuyHl5eVLySknQTw9dUwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhANlX/jFCKMc2Q6p9hfxNPV2izZ0LBEb4nFG5qwhJPmnUAiBJ
BJ6a3aHT+XvnnsdkUqKlX4y7+OYyH7By+wi26v0TZw==
-----END CERTIFICATE-----
`
