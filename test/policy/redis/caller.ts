/**
 * One process of several that share circuits and limits: makes so many calls, one after the other, each time it is told
 * to, and says how they ended.
 */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Effect, Layer, Logger, ManagedRuntime } from "effect"
import { ImageSource, type Policy, segment } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { PolicyStores } from "effect-segformer/policy"
import { NodeHttp } from "effect-segformer/service/node"
import { Fixtures } from "effect-segformer/testing"

const [path = ""] = process.argv.slice(2)

/** What it is told. */
export interface Calls {
  readonly calls: number
  readonly baseUrl: string
  readonly policy: Policy.PolicyOptions
}

// A machine that is busy must not be taken for a Redis that is away.
const shared = PolicyStores.layerRedis({ timeout: "1 minute" }).pipe(
  Layer.provide(NodeRedis.layer({ socket: { path, tls: false }, disableOfflineQueue: true }))
)
const runtime = ManagedRuntime.make(Layer.mergeAll(NodeHttp.layer(), shared, Logger.layer([])))
const call = segment(ImageSource.bytes(Fixtures.image, { name: "panel.png" })).pipe(
  Effect.match({ onSuccess: () => "success", onFailure: ({ _tag }) => _tag })
)

process.on("message", ({ baseUrl, calls, policy }: Calls) => {
  void runtime
    .runPromise(
      Effect.provide(
        Effect.all(Array.from({ length: calls }, () => call)),
        SegFormerHttp.layer({ baseUrl, policy })
      )
    )
    .then((tags) => process.send?.(tags))
})
process.on("disconnect", () => process.exit(0))
await runtime.runPromise(Effect.void)
process.send?.("ready")
