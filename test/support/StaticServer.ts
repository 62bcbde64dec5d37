/** A server of folders on loopback, as a static host is one, with the two headers under which a page may share memory. */
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import { extname, join, normalize } from "node:path"
import { Effect, type Scope } from "effect"
import { listening } from "./TestServer.ts"

const mediaTypes: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".jpg": "image/jpeg"
}

export interface StaticServerOptions {
  /** Pages are isolated from others (COOP and COEP), so that they may have threads. */
  readonly isolated?: boolean | undefined
  /** Told of each path that is asked for. */
  readonly onRequest?: ((path: string) => void) | undefined
}

/** Serves folders, each below its path (`"/"` last); gives the origin. */
export const serveFolders = (
  folders: Readonly<Record<string, string>>,
  options: StaticServerOptions = {}
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.gen(function* () {
    const isolation = {
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "cross-origin-resource-policy": "same-origin"
    }
    const server = createServer((request, response) => {
      const path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname)
      options.onRequest?.(path)
      const found = Object.entries(folders).find(([prefix]) => path.startsWith(prefix))
      const below = path.endsWith("/") ? `${path}index.html` : path
      const file = found && join(found[1], normalize(`/${below.slice(found[0].length)}`))
      const read = file === undefined ? Promise.reject(new Error("no folder")) : readFile(file)
      read.then(
        (bytes) => {
          const type = mediaTypes[extname(file ?? "")] ?? "application/octet-stream"
          response.writeHead(200, {
            "content-type": type,
            "content-length": bytes.length,
            ...(options.isolated === true ? isolation : {})
          })
          response.end(bytes)
        },
        () => response.writeHead(404, { "content-type": "text/plain" }).end("there is nothing")
      )
    })
    const { port } = yield* listening(server)
    return `http://127.0.0.1:${port}`
  })

/** Serves one folder. */
export const serveFiles = (folder: string): Effect.Effect<string, never, Scope.Scope> =>
  serveFolders({ "/": folder })
