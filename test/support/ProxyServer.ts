/** A proxy on loopback: it makes tunnels for `CONNECT`, and forwards requests whose target is a whole address. */
import { createServer, request as send } from "node:http"
import { connect } from "node:net"
import { Effect, type Scope } from "effect"
import { listening } from "./TestServer.ts"

export interface ProxyServer {
  /** Such as http://127.0.0.1:41234. */
  readonly url: string
  readonly port: number
  /** Hosts that tunnels were asked to, and addresses that requests were forwarded to, in order. */
  readonly tunnels: Array<string>
  readonly forwarded: Array<string>
  /** Answers every request with this status instead. */
  refuses: number | undefined
}

export const make = (options: {
  /** As `name:password`. Anybody may use it without. */
  readonly account?: string | undefined
  /** Where names lead, instead of to where they resolve. */
  readonly hosts?: Readonly<Record<string, number>> | undefined
}): Effect.Effect<ProxyServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const tunnels: Array<string> = []
    const forwarded: Array<string> = []
    const expected =
      options.account === undefined ? undefined : `Basic ${Buffer.from(options.account).toString("base64")}`
    const state: { refuses: number | undefined } = { refuses: undefined }
    const refusal = (given: string | undefined) =>
      expected !== undefined && given !== expected ? 407 : state.refuses
    const server = createServer((request, response) => {
      const target = request.url ?? ""
      const status = refusal(request.headers["proxy-authorization"])
      if (status !== undefined) {
        request.resume()
        return void response.writeHead(status).end("<html><title>Proxy says no</title></html>")
      }
      forwarded.push(target)
      const { "proxy-authorization": _, ...headers } = request.headers
      const onward = send(target, { method: request.method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      onward.on("error", () => response.writeHead(502).end("upstream is away"))
      request.pipe(onward)
    })
    server.on("connect", (request, socket) => {
      const target = request.url ?? ""
      const status = refusal(request.headers["proxy-authorization"])
      if (status !== undefined) return void socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`)
      tunnels.push(target)
      const [host = "", port = "443"] = target.split(":")
      const own = options.hosts?.[host]
      const onward = connect(own ?? Number(port), own === undefined ? host : "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection Established\r\n\r\n")
        onward.pipe(socket)
        socket.pipe(onward)
      })
      onward.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"))
      socket.on("error", () => onward.destroy())
    })
    const { port } = yield* listening(server)
    return Object.assign(state, { url: `http://127.0.0.1:${port}`, port, tunnels, forwarded })
  })
