/**
 * HTTP on Node: Effect's undici client, with the size of its connection pool as an option, and forms sent piece by piece,
 * which spares each call a copy of its image. It goes through the proxies that `HTTP_PROXY` and `HTTPS_PROXY` name, but for
 * what `NO_PROXY` says (`Proxies`); a failure says so where it went through one.
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
import * as zlib from "node:zlib"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Config, Effect, Layer, Stream } from "effect"
import type { HttpClient } from "effect/http"
import * as Variable from "../policy/Variable.ts"
import * as Body from "./Body.ts"
import * as ExchangeConfig from "./ExchangeConfig.ts"
import { SendsPieces } from "./Multipart.ts"
import * as NodeProxy from "./NodeProxy.ts"
import * as ZstdFrames from "./ZstdFrames.ts"

export interface NodeHttpOptions extends NodeProxy.NodeProxyOptions {
  /** Connections to one origin at most. Without limit by default: the policy's `concurrency` bounds them. */
  readonly connections?: number | undefined
}

/** Decoders must take windows of 8 MiB, and may refuse larger ones, which would be memory of the sender's choice (RFC 9659). */
const zstdWindowLog = 23

const zstd: Body.Decompressor = (self, onError) =>
  Stream.suspend(() => {
    const frames = ZstdFrames.make()
    return self.pipe(
      Stream.tap((chunk) => Effect.sync(() => frames.push(chunk))),
      NodeStream.pipeThroughDuplex({
        evaluate: () =>
          zlib.createZstdDecompress({ params: { [zlib.constants.ZSTD_d_windowLogMax]: zstdWindowLog } }),
        onError
      }),
      Stream.concat(
        Stream.suspend(() =>
          frames.isWhole() ? Stream.empty : Stream.fail(onError(new Error("unexpected end of file")))
        )
      )
    )
  })

/** Of ES2024, which every Node that this runs on has, and the types of the library's target do not. */
const transfer: unknown = Reflect.get(ArrayBuffer.prototype, "transfer")

const platform: Body.Platform = {
  decompressors: { zstd },
  release: ({ buffer, byteLength }) => {
    // What is a part of something larger is not ours to free.
    if (typeof transfer === "function" && buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) {
      Reflect.apply(transfer, buffer, [0])
    }
  }
}

/** An `HttpClient` for everything beneath it, whose connections end with the scope. */
export const layer = (options?: NodeHttpOptions): Layer.Layer<HttpClient.HttpClient> =>
  Layer.mergeAll(
    NodeProxy.layer({
      proxy: options?.proxy,
      ca: options?.ca,
      agent: options?.connections === undefined ? {} : { connections: options.connections }
    }),
    Layer.succeed(SendsPieces)(true),
    Layer.succeed(Body.Platform)(platform)
  )

/** The size of the pool as `SEGFORMER_POOL_SIZE` has it. */
export const config: Config.Config<NodeHttpOptions> = Variable.config(
  [ExchangeConfig.poolSize.name],
  Effect.gen(function* () {
    const reader = Variable.reader()
    const connections = yield* reader.read(ExchangeConfig.poolSize)
    yield* reader.done
    return { connections }
  })
)

/** The same, with its options from configuration: {@link config} has the fixed name. */
export const layerConfig = (
  config: Config.Wrap<NodeHttpOptions>
): Layer.Layer<HttpClient.HttpClient, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap<NodeHttpOptions>(config), layer))
