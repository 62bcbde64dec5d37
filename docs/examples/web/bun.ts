/** Bun: `bun run bun.ts`. */
import { handler } from "./segmenter.ts"

interface Served {
  readonly port: number
  readonly requestIP: (request: Request) => { readonly address: string } | null
}

declare const Bun: {
  readonly serve: (options: {
    readonly port: number
    /** Seconds: an image may take longer than the ten that Bun gives by itself. */
    readonly idleTimeout: number
    readonly fetch: (request: Request, server: Served) => Promise<Response>
  }) => Served
}

const { port } = Bun.serve({
  port: Number(process.env["PORT"] ?? 8000),
  idleTimeout: 120,
  fetch: (request, server) => handler(request, { address: server.requestIP(request)?.address })
})
console.log(`at http://127.0.0.1:${port}/api/segformer`)
