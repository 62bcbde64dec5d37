/** A model's worker as `segformer page` has it, with models besides whose answers are known. */
import { Effect, Layer, ManagedRuntime } from "effect"
import { Transport } from "effect-segformer"
import * as Answering from "../../src/server/page/model/Answering.ts"
import * as ModelServer from "../../src/server/page/model/ModelServer.ts"
import * as SiteModel from "../../src/server/page/model/SiteModel.ts"
import * as ServerLimits from "../../src/server/ServerLimits.ts"
import { models, specks } from "./drawn.ts"

const server = Effect.gen(function* () {
  const bundled = yield* Transport
  const drawn = yield* Effect.forEach(Object.values({ ...models, specks }), (layer) =>
    Effect.provide(Transport, layer)
  )
  return yield* ModelServer.make([bundled, ...drawn], ServerLimits.make({ maxPixels: 2_000_000 }))
})

Answering.serve(() =>
  ManagedRuntime.make(Layer.provideMerge(SiteModel.layer, SiteModel.layerCodec)).runPromise(server)
)
