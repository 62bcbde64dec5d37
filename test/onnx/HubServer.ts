/**
 * A Hub on loopback, written from how the real one behaves: `HEAD` and `GET` of `/ID/resolve/REVISION/FILE`, small
 * files at once, large ones by way of a store on another origin, which knows ranges and wants no token.
 */
import { createHash } from "node:crypto"
import type { ServerResponse } from "node:http"
import { Effect, type Scope } from "effect"
import * as TestServer from "../support/TestServer.ts"

export const commit = "0123456789abcdef0123456789abcdef01234567"

export interface HubServer {
  readonly hub: TestServer.TestServer
  readonly store: TestServer.TestServer
  readonly files: Map<string, Buffer>
  /** What goes wrong. */
  readonly faults: {
    /** The store breaks the connection after so many bytes of an answer, so many times. */
    breakAfter: number
    breaks: number
    /** The store ignores ranges. */
    noRanges: boolean
    /** What the Hub says of the model's digest. */
    digest: string | undefined
    /** The Hub wants this token. */
    token: string | undefined
  }
}

const sendRange = (
  response: ServerResponse,
  body: Buffer,
  range: string | undefined,
  hub: HubServer["faults"]
) => {
  const start = hub.noRanges ? 0 : Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0)
  if (start >= body.length && start > 0) return response.writeHead(416).end()
  response.writeHead(start > 0 ? 206 : 200, {
    "content-length": body.length - start,
    ...(start > 0 ? { "content-range": `bytes ${start}-${body.length - 1}/${body.length}` } : {})
  })
  if (hub.breaks > 0) {
    hub.breaks--
    return response.write(body.subarray(start, start + hub.breakAfter), () => {
      setTimeout(() => response.destroy(), 20)
    })
  }
  return response.end(body.subarray(start))
}

export const make = (files: Readonly<Record<string, Buffer>>): Effect.Effect<HubServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const content = new Map(Object.entries(files))
    const faults: HubServer["faults"] = {
      breakAfter: 1000,
      breaks: 0,
      noRanges: false,
      digest: undefined,
      token: undefined
    }
    const store = yield* TestServer.http((request, response) => {
      const body = content.get(decodeURIComponent(request.path.slice(1)))
      if (body === undefined) response.writeHead(404).end()
      else sendRange(response, body, request.headers["range"], faults)
    })
    const hub = yield* TestServer.http((request, response) => {
      if (faults.token !== undefined && request.headers["authorization"] !== `Bearer ${faults.token}`) {
        response.writeHead(401).end()
        return
      }
      const [, revision, path = ""] = /^\/owner\/model\/resolve\/([^/]+)\/(.+)$/.exec(request.path) ?? []
      const file = decodeURIComponent(path)
      const body = content.get(file)
      if (revision === undefined || body === undefined || !["main", commit].includes(revision)) {
        response.writeHead(404, { "x-error-code": "EntryNotFound" }).end()
        return
      }
      if (file.endsWith(".onnx")) {
        response.writeHead(302, {
          "x-repo-commit": commit,
          "x-linked-size": body.length,
          "x-linked-etag": `"${faults.digest ?? createHash("sha256").update(body).digest("hex")}"`,
          location: `${store.url}/${encodeURIComponent(file)}`,
          "content-length": 0
        })
        response.end()
        return
      }
      const blob = createHash("sha1").update(`blob ${body.length}\0`).update(body).digest("hex")
      response.writeHead(200, { "x-repo-commit": commit, etag: `"${blob}"`, "content-length": body.length })
      response.end(request.method === "HEAD" ? undefined : body)
    })
    return { hub, store, files: content, faults }
  })
