/** The worker that answers a page without a server: the model, in WebAssembly, behind the contract of `/v1`. */
import { Effect, Layer, ManagedRuntime } from "effect"
import { Transport } from "../../../Transport.ts"
import * as Answering from "./Answering.ts"
import * as ModelServer from "./ModelServer.ts"
import * as SiteModel from "./SiteModel.ts"

Answering.serve(() =>
  ManagedRuntime.make(Layer.provideMerge(SiteModel.layer, SiteModel.layerCodec)).runPromise(
    Effect.flatMap(Transport, (transport) => ModelServer.make([transport]))
  )
)
