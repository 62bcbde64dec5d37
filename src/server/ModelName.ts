/** Requests that name the model they want: there is one, and another one's results are never given for it. */
import { Effect } from "effect"
import type { ModelDescription } from "../Transport.ts"
import type { Served } from "./Dialect.ts"
import { notFound, Refusal } from "./Refusal.ts"

/** A name that every model here goes by as well. */
export const alias = "segformer"

/** Nothing, or 404, where a request asks for another version than the only one there is. */
export const checkVersion = (asked: string | undefined, only: string): Effect.Effect<void, Refusal> =>
  asked === undefined || asked === only
    ? Effect.void
    : Effect.fail(notFound(`There is no version "${asked.slice(0, 50)}" of this model, only "${only}"`))

/** Nothing, or 503 while the model cannot be used. */
export const checkReady = (served: Pick<Served, "health">): Effect.Effect<void, Refusal> =>
  Effect.flatMap(served.health, ({ detail, healthy }) =>
    healthy
      ? Effect.void
      : Effect.fail(new Refusal({ status: 503, detail: "The model is not loaded", internal: detail }))
  )

/** The model of this name, or 404 that says which name it has. */
export const find = (
  served: Pick<Served, "describe">,
  asked: string | undefined
): Effect.Effect<ModelDescription, Refusal> =>
  Effect.flatMap(served.describe, (model) =>
    asked === model.name || asked === alias
      ? Effect.succeed(model)
      : Effect.fail(
          notFound(
            `There is no model "${(asked ?? "").slice(0, 200)}" here, only "${model.name}" ("${alias}")`
          )
        )
  )
