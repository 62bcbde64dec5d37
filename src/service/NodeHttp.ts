/**
 * HTTP on Node: Effect's undici client, with the size of its connection pool as an option, and forms sent piece by piece,
 * which spares each call a copy of its image.
 *
 * ```ts
 * import { Layer } from "effect"
 * import { SegFormerHttp } from "effect-segformer/http"
 * import { NodeHttp } from "effect-segformer/service/node"
 *
 * const service = SegFormerHttp.layer({ baseUrl: "http://127.0.0.1:8080" }).pipe(
 *   Layer.provide(NodeHttp.layer({ connections: 16 }))
 * )
 * Layer.isLayer(service) // => true
 * ```
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { Layer } from "effect"
import type { HttpClient } from "effect/http"
import { SendsPieces } from "./Multipart.ts"

export interface NodeHttpOptions {
  /** Connections to one origin at most. Without limit by default: the policy's `concurrency` bounds them. */
  readonly connections?: number | undefined
}

/** An `HttpClient` for everything beneath it, whose connections end with the scope. */
export const layer = (options?: NodeHttpOptions): Layer.Layer<HttpClient.HttpClient> =>
  Layer.merge(
    NodeHttpClient.layerUndiciOptions(
      options?.connections === undefined ? {} : { connections: options.connections }
    ),
    Layer.succeed(SendsPieces)(true)
  )
