/** The routes of the contract, over whichever `Inspector` is provided. */
import { Effect, Layer } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { PanelsApi } from "./Api.ts"
import { Inspector } from "./Inspector.ts"

const handlers = HttpApiBuilder.group(PanelsApi, "panels", (handlers) =>
  Effect.map(Inspector, (inspector) =>
    handlers.handle("inspect", ({ params, payload }) => inspector.inspect(params.name, payload))
  )
)

export const routes = HttpApiBuilder.layer(PanelsApi).pipe(Layer.provide(handlers))
