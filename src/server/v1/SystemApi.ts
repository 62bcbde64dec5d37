/** The contract of what keeps a server running: whether it is alive, whether it is ready, and its figures. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { Authorization, refusals } from "./ApiError.ts"

export const Status = Schema.Struct({ status: Schema.String })

export class SystemGroup extends HttpApiGroup.make("system", { topLevel: true })
  .add(
    HttpApiEndpoint.get("health", "/health", { success: Status, error: refusals() }).annotateMerge(
      OpenApi.annotations({
        summary: "Whether the server is alive",
        description:
          "A protocol that the server speaks besides may have this path, and then answers in its own form."
      })
    )
  )
  .add(
    HttpApiEndpoint.get("ready", "/ready", { success: Status, error: refusals() }).annotateMerge(
      OpenApi.annotations({ summary: "Whether its models are loaded; 503 until then, and while it stops" })
    )
  )
  .add(
    HttpApiEndpoint.get("metrics", "/metrics", {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain" })),
      error: refusals()
    })
      .middleware(Authorization)
      .annotateMerge(OpenApi.annotations({ summary: "Its figures, as Prometheus reads them" }))
  ) {}
