/** Deno: `deno run --allow-net --allow-read --allow-env --allow-sys deno.ts`. */
import { handler } from "./segmenter.ts"

declare const Deno: {
  readonly env: { readonly get: (name: string) => string | undefined }
  readonly serve: (
    options: { readonly port: number; readonly onListen: (address: { readonly port: number }) => void },
    handler: (
      request: Request,
      info: { readonly remoteAddr: { readonly hostname: string } }
    ) => Promise<Response>
  ) => unknown
}

Deno.serve(
  {
    port: Number(Deno.env.get("PORT") ?? 8000),
    onListen: ({ port }) => console.log(`at http://127.0.0.1:${port}/api/segformer`)
  },
  (request, info) => handler(request, { address: info.remoteAddr.hostname })
)
