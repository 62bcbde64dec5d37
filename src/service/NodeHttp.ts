/**
 * HTTP on Node: Effect's undici client, with the size of its connection pool as an option, and forms sent piece by piece,
 * which spares each call a copy of its image. It goes through the proxies that `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY` name, but for
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
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import type { Dispatcher } from "@effect/platform-node/Undici"
import { type Config, Context, Effect, Layer } from "effect"
import type { HttpClient } from "effect/http"
import * as Variable from "../policy/Variable.ts"
import * as Wrapped from "../policy/Wrapped.ts"
import { Platform } from "./BodyPlatform.ts"
import * as ExchangeConfig from "./ExchangeConfig.ts"
import { SendsPieces } from "./Multipart.ts"
import { decompressors } from "./NodeDecompressors.ts"
import * as NodeProxy from "./NodeProxy.ts"
import { release } from "../mask/Grid.ts"

export interface NodeHttpOptions extends NodeProxy.NodeProxyOptions {
  /** Connections to one origin at most. Without limit by default. A `ServiceClient` has its own, as many as its `concurrency`. */
  readonly connections?: number | undefined
}

/** Where a request says which connections it is to use. */
const poolKey = Symbol("effect-segformer/service/NodeHttp/pool")

/** Connections of one's own, to services themselves and by each proxy. */
class Pool {
  readonly #made = new Map<string | undefined, Dispatcher>()
  readonly #make: (proxy: string | undefined) => Dispatcher
  constructor(make: (proxy: string | undefined) => Dispatcher) {
    this.#make = make
  }
  by(proxy: string | undefined): Dispatcher {
    const made = this.#made.get(proxy) ?? this.#make(proxy)
    this.#made.set(proxy, made)
    return made
  }
  async destroy(): Promise<void> {
    await Promise.all(Array.from(this.#made.values(), (dispatcher) => dispatcher.destroy()))
  }
}

/** A dispatcher whose requests may have connections of their own. */
const byPool = (dispatcher: Dispatcher, proxy: string | undefined): Dispatcher =>
  dispatcher.compose((dispatch) => (options, handler) => {
    const pool: unknown = Reflect.get(options, poolKey)
    return pool instanceof Pool ? pool.by(proxy).dispatch(options, handler) : dispatch(options, handler)
  })

interface PooledOptions extends Partial<Dispatcher.RequestOptions> {
  readonly [poolKey]: Pool
}

/** Connections of its own for whoever wants fewer than all have together. */
const poolUpTo =
  (most: number, given: NodeProxy.NodeProxyOptions): Platform["pool"] =>
  (connections) =>
    connections >= most
      ? Effect.succeed(Context.empty())
      : Effect.map(
          Effect.acquireRelease(
            Effect.sync(
              () => new Pool((proxy) => NodeProxy.dispatcher({ ca: given.ca, agent: { connections } }, proxy))
            ),
            (pool) => Effect.promise(() => pool.destroy())
          ),
          (pool) => {
            // The client spreads these options into each of its requests.
            const options: PooledOptions = { [poolKey]: pool }
            return Context.make(NodeHttpClient.UndiciOptions, options)
          }
        )

const platform = (most: number, given: NodeProxy.NodeProxyOptions): Platform => ({
  pool: poolUpTo(most, given),
  decompressors,
  release
})

/** An `HttpClient` for everything beneath it, whose connections end with the scope. */
export const layer = (options?: NodeHttpOptions): Layer.Layer<HttpClient.HttpClient> =>
  Layer.mergeAll(
    NodeProxy.layer({
      proxy: options?.proxy,
      ca: options?.ca,
      agent: options?.connections === undefined ? {} : { connections: options.connections },
      wrap: byPool
    }),
    Layer.succeed(SendsPieces)(true),
    Layer.succeed(Platform)(platform(options?.connections ?? Number.MAX_SAFE_INTEGER, options ?? {}))
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
  config: Wrapped.Wrap<NodeHttpOptions>
): Layer.Layer<HttpClient.HttpClient, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Wrapped.unwrap<NodeHttpOptions>(config), layer))
