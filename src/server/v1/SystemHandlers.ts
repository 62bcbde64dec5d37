/** `/health`, `/ready` and `/metrics`, at work. */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Refusal } from "../Refusal.ts"
import { SegFormerApi } from "./Api.ts"
import type { Models } from "./Models.ts"
import { answered } from "./Refuse.ts"

/** Ready once every model is: a server that answers for some only would fail the rest. */
const ready = (models: Models) =>
  Effect.gen(function* () {
    for (const { served } of models) {
      const { detail, healthy } = yield* served.health
      if (!healthy) {
        return yield* new Refusal({
          status: 503,
          detail: "A model of this service is not ready",
          internal: detail,
          reason: "loading"
        })
      }
    }
    return HttpServerResponse.jsonUnsafe({ status: "ready" })
  })

export const layer = (models: Models, metrics: Effect.Effect<string>) =>
  HttpApiBuilder.group(SegFormerApi, "system", (handlers) =>
    handlers
      .handle("health", () => Effect.succeed({ status: "ok" }))
      .handleRaw("ready", () => answered(ready(models)))
      .handleRaw("metrics", () =>
        Effect.map(metrics, (text) =>
          HttpServerResponse.text(text, { contentType: "text/plain; version=0.0.4; charset=utf-8" })
        )
      )
  )
