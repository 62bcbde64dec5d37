/** Services that speak HTTP/2, beside HTTP/1.1 or alone. */
import * as http2 from "node:http2"
import * as net from "node:net"
import * as tls from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { HttpBody } from "effect/http"
import { Exchange } from "effect-segformer/service"
import { NodeAddressGuard, NodeHttp } from "effect-segformer/service/node"
import { listening } from "../support/TestServer.ts"
import * as TlsServer from "../support/TlsServer.ts"
import { attempt, send, text } from "./support.ts"

type Answer = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void

const serving = (allowHTTP1: boolean, answer: Answer) =>
  Effect.gen(function* () {
    const { cert, key } = TlsServer
    const server = http2.createSecureServer({ key, cert, allowHTTP1 }, (request, response) => {
      response.on("error", () => {})
      answer(request, response)
    })
    server.on("session", (session) => session.on("error", () => {}))
    const { port } = yield* listening(server)
    return { url: `https://127.0.0.1:${port}` }
  })

/** HTTP/2 alone behind a TLS that lets any protocol pass, as OpenSSL's does unless it is told otherwise: who asks for HTTP/1.1 gets HTTP/2's settings. */
const lenient = Effect.gen(function* () {
  const { cert, key } = TlsServer
  const strict = yield* listening(
    http2.createSecureServer({ key, cert }, (request, response) =>
      response.end(`${request.httpVersion} ${request.method}`)
    )
  )
  const plain = tls.createServer({ key, cert }, (socket) => {
    socket.on("error", () => {})
    http2.performServerHandshake(socket).on("error", () => {})
  })
  const other = yield* listening(plain)
  const front = net.createServer((socket) => {
    socket.on("error", () => {})
    socket.once("data", (hello) => {
      const { port } = hello.includes("\u0002h2") ? strict : other
      const behind = net.connect(port, "127.0.0.1")
      behind.on("error", () => {})
      behind.write(hello)
      socket.pipe(behind).pipe(socket)
    })
  })
  const { port } = yield* listening(front)
  return { url: `https://127.0.0.1:${port}` }
})

const clients = [
  ["NodeHttp", () => NodeHttp.layer({ ca: TlsServer.cert })],
  ["NodeAddressGuard", (host: string) => NodeAddressGuard.layer({ ca: TlsServer.cert, allowPrivate: [host] })]
] as const

describe.each(clients)("%s and HTTP/2", (_, client) => {
  const trusting = ({ url }: { readonly url: string }) => Effect.provide(client(new URL(url).host))

  it.live.each([false, true])("an answer that breaks off is not whole, its length stated: %s", (isStated) =>
    Effect.gen(function* () {
      const server = yield* serving(true, (request, response) => {
        response.writeHead(200, isStated ? { "content-length": "100" } : {})
        response.write('{"a":1}')
        // Once that much has arrived.
        setTimeout(() => {
          if (request.httpVersion === "2.0") request.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR)
          else request.socket.destroy()
        }, 20)
      })
      const error = yield* Effect.flip(send(server)).pipe(trusting(server))
      assert.strictEqual(error._tag, "ConnectionFailed")
      assert.isTrue(error.isRetryable)
    }).pipe(Effect.scoped)
  )

  it.live("a service that speaks nothing else, and does not say so, is called all the same", () =>
    Effect.gen(function* () {
      const server = yield* lenient
      const calls = Effect.gen(function* () {
        const exchange = yield* Exchange.make({ baseUrl: server.url })
        for (let time = 0; time < 2; time++) {
          const body = HttpBody.text("a body")
          const answer = yield* exchange.send({ method: "POST", path: "/thing", body }, attempt())
          assert.strictEqual(text(answer), "2.0 POST")
        }
      })
      yield* calls.pipe(trusting(server))
    }).pipe(Effect.scoped)
  )

  it.live("a service that speaks nothing else is called all the same, with its body, again and again", () =>
    Effect.gen(function* () {
      const server = yield* serving(false, (request, response) => {
        const chunks: Array<Uint8Array> = []
        request.on("data", (chunk: Uint8Array) => chunks.push(chunk))
        request.on("end", () => response.end(`${request.httpVersion} ${Buffer.concat(chunks).toString()}`))
      })
      const calls = Effect.gen(function* () {
        const exchange = yield* Exchange.make({ baseUrl: server.url })
        for (const said of ["one", "two"]) {
          const body = HttpBody.text(said)
          const answer = yield* exchange.send({ method: "POST", path: "/thing", body }, attempt())
          assert.strictEqual(text(answer), `2.0 ${said}`)
        }
      })
      yield* calls.pipe(trusting(server))
    }).pipe(Effect.scoped)
  )
})
