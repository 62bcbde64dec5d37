/** Requests that name the model they want: there is one, and another one's results are never given for it. */
import { Effect } from "effect"
import type { ModelDescription } from "../Transport.ts"
import type { Served } from "./Dialect.ts"
import { notFound, type Refusal } from "./Refusal.ts"

/** A name that every model here goes by as well. */
export const alias = "segformer"

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
