/** Rows: names, certificates, gateways and framings: what stands between a program and its service. */
import assert from "node:assert/strict"
import type { LookupFunction } from "node:net"
import { gzipSync } from "node:zlib"
import { Effect, Layer, type Scope } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { NodeAddressGuard, NodeHttp } from "effect-segformer/service/node"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { uploadAnswer } from "../http/servers/InspectionServer.ts"
import * as TestServer from "../support/TestServer.ts"
import * as TlsServer from "../support/TlsServer.ts"
import { attempts, ends, tags } from "./expect.ts"
import { good, image, quick, type Row, type Scenario, type Seen, watch } from "./Harness.ts"

const html = (title: string) => `<!doctype html><title>${title}</title>${"<p>please wait</p>".repeat(200)}`
const page = (status: number, title: string) =>
  Faulty.answer({ status, headers: { "content-type": "text/html" }, body: html(title) })

/** An answer written by hand, and the connection closed after it. */
const raw = (...lines: ReadonlyArray<string>) => Faulty.garbage(lines.join("\r\n"))
const whole = JSON.stringify(uploadAnswer())

/** The message quotes what came, and at most 200 characters of it. */
const quotes = (seen: Seen) => {
  for (const error of seen.errors) {
    assert.ok("detail" in error && error.detail.length <= 200, `detail of ${error.message.length}`)
    assert.ok(error.message.length < 600, error.message)
  }
}

export const gateways: ReadonlyArray<Scenario> = [
  {
    fault: "502 for ever, with the page of a gateway",
    script: [page(502, "Bad Gateway")],
    holds: (seen) => (ends("ServiceUnavailable", 4)(seen), quotes(seen))
  },
  {
    fault: "407, with the page of a proxy that wants a login",
    script: [page(407, "Sign in")],
    holds: (seen) => (ends("RequestRejected", 1)(seen), quotes(seen))
  },
  { fault: "425 for ever", script: [Faulty.refuse(425)], holds: ends("RequestRejected", 4) },
  { fault: "504 for ever", script: [Faulty.refuse(504)], holds: ends("ServiceUnavailable", 4) },
  {
    fault: "413, the image is too large for it",
    script: [Faulty.refuse(413)],
    holds: ends("RequestRejected", 1)
  },
  {
    fault: "204: success, and nothing",
    script: [raw("HTTP/1.1 204 No Content", "connection: close", "", "")],
    holds: ends("ResponseNotDecodable", 1)
  },
  {
    fault: "Retry-After of a billion seconds",
    script: [Faulty.refuse(503, "1000000000")],
    holds: ends("ServiceUnavailable", 1)
  },
  {
    fault: "100 connections at once, of which 50 are reset as they are accepted",
    calls: 100,
    script: [good],
    service: { resetOnAccept: 50 },
    http: { policy: { ...quick, concurrency: 100, breaker: false, retryBudget: false } },
    holds: (seen) => {
      tags(seen, "success")
      assert.equal(seen.executions, 100)
    }
  },
  {
    fault: "the service is restarted between two calls",
    calls: 2,
    script: [good],
    act: (call, server) =>
      Effect.gen(function* () {
        const first = yield* Effect.exit(call)
        yield* server.down
        yield* server.up
        return [first, yield* Effect.exit(call)]
      }),
    holds: ends("success", 2)
  }
]

export const framings: ReadonlyArray<Scenario> = [
  {
    fault: "headers of a megabyte",
    script: [raw("HTTP/1.1 200 OK", `x-padding: ${"x".repeat(1_000_000)}`, "", "")],
    holds: ends("ConnectionFailed", 1)
  },
  {
    fault: "a chunk whose length is no number",
    script: [raw("HTTP/1.1 200 OK", "transfer-encoding: chunked", "", "zz", "{}", "")],
    holds: ends("ConnectionFailed", 1)
  },
  {
    fault: "chunks without the last",
    script: [raw("HTTP/1.1 200 OK", "transfer-encoding: chunked", "", "2", "{}", "")],
    holds: ends("ConnectionFailed", 4)
  },
  {
    fault: "early hints before the answer",
    script: [
      raw(
        "HTTP/1.1 103 Early Hints",
        "link: </a>; rel=preload",
        "",
        "HTTP/1.1 200 OK",
        `content-length: ${whole.length}`,
        "connection: close",
        "",
        whole
      )
    ],
    holds: ends("success", 1)
  },
  {
    fault: "HTTP/1.0, the body ends with the connection",
    script: [raw("HTTP/1.0 200 OK", "content-type: application/json", "", whole)],
    holds: ends("success", 1)
  },
  {
    fault: "fewer bytes announced than come",
    script: [raw("HTTP/1.1 200 OK", "content-length: 10", "connection: close", "", whole)],
    holds: (seen) => {
      // What is left over may be seen before or after the ten bytes were taken for the whole.
      assert.ok(["ResponseNotDecodable", "ConnectionFailed"].includes(seen.tags[0] ?? ""), seen.tags[0])
    }
  },
  {
    fault: "a byte order mark before the JSON",
    script: [Faulty.answer({ body: `\uFEFF${whole}` })],
    holds: ends("success", 1)
  },
  {
    fault: "JSON nested 100,000 deep",
    script: [Faulty.answer({ body: "[".repeat(100_000) + "]".repeat(100_000) })],
    holds: ends("ResponseNotDecodable", 1)
  },
  {
    fault: "an answer that names __proto__",
    script: [Faulty.answer({ body: whole.replace("{", '{"__proto__": {"polluted": true}, ') })],
    holds: (seen) => {
      attempts(seen, 1)
      assert.equal(Reflect.get({}, "polluted"), undefined)
    }
  },
  {
    fault: "gzip that is cut off, its length as announced",
    script: [
      Faulty.answer({ headers: { "content-encoding": "gzip" }, body: gzipSync(whole).subarray(0, -20) })
    ],
    holds: ends("ResponseNotDecodable", 1)
  },
  {
    fault: "an encoding that nobody knows, of bytes that are no JSON",
    script: [Faulty.answer({ headers: { "content-encoding": "x-secret" }, body: gzipSync(whole) })],
    holds: ends("ResponseNotDecodable", 1)
  }
]

/** A call over a client of its own, to a place where no service of ours is. */
const row = (
  fault: string,
  make: Effect.Effect<
    {
      readonly client: Layer.Layer<HttpClient.HttpClient>
      readonly baseUrl: string
      readonly tried: () => number
    },
    never,
    Scope.Scope
  >,
  tag: string,
  expected: number
): Row => {
  let tried = 0
  return {
    fault,
    calls: 1,
    run: Effect.gen(function* () {
      const nobody = yield* Faulty.make([good])
      const place = yield* make
      const transport = SegFormerHttp.layer({ baseUrl: place.baseUrl, policy: quick }).pipe(
        Layer.provide(place.client),
        Layer.orDie
      )
      const seen = yield* watch(
        nobody,
        Effect.map(Effect.exit(Effect.provide(segment(image), transport)), (exit) => [exit])
      )
      tried = place.tried()
      return seen
    }),
    holds: (seen) => {
      tags(seen, tag)
      assert.equal(tried, expected, "attempts")
    }
  }
}

/** A name that the resolver answers with an error. */
const resolving = (code: string) =>
  Effect.sync(() => {
    let tried = 0
    const lookup: LookupFunction = (name, _, callback) => {
      tried++
      callback(Object.assign(new Error(`getaddrinfo ${code} ${name}`), { code }), [])
    }
    const client = NodeAddressGuard.layer({ lookup })
    return { client, baseUrl: "http://segformer.test", tried: () => tried }
  })

export const names: ReadonlyArray<Row> = [
  row("the service's name does not exist", resolving("ENOTFOUND"), "ConnectionFailed", 1),
  row("the resolver of names does not answer", resolving("EAI_AGAIN"), "ConnectionFailed", 4),
  row(
    "a certificate that nobody trusts",
    Effect.map(TlsServer.make, (server) => ({
      client: NodeHttp.layer(),
      baseUrl: server.url,
      tried: () => server.connections + server.requests
    })),
    "ConnectionFailed",
    1
  ),
  row(
    "https where only http is spoken",
    Effect.map(
      // As every HTTP server answers what it takes for a request.
      TestServer.tcp((socket) => socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")),
      (server) => ({
        client: NodeHttp.layer(),
        baseUrl: server.url.replace("http:", "https:"),
        tried: () => server.requests.length
      })
    ),
    "ConnectionFailed",
    1
  ),
  row(
    "a port that fetch never calls",
    Effect.succeed({ client: FetchHttpClient.layer, baseUrl: "http://127.0.0.1:25", tried: () => 0 }),
    "InvalidUrl",
    0
  )
]
