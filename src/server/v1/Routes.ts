/** The contract's routes, built: what the server mounts beside its dialects. */
import { Effect, Layer } from "effect"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { HttpApiBuilder, HttpApiSwagger, OpenApi } from "effect/http-api"
import type { Jobs } from "../jobs/Jobs.ts"
import { SegFormerApi } from "./Api.ts"
import * as JobsHandlers from "./JobsHandlers.ts"
import type { Models } from "./Models.ts"
import { layerModels, layerSegment } from "./SegmentHandlers.ts"
import * as SystemHandlers from "./SystemHandlers.ts"
import { Authorization } from "./ApiError.ts"

/** Whether the token is good was looked at before. */
const layerAuthorization = Layer.succeed(Authorization, {
  bearer: (handled) => handled,
  basic: (handled) => handled
})

/** What they work with. */
export interface RoutesOptions {
  readonly models: Models
  /** Figures in Prometheus' text format. */
  readonly metrics: Effect.Effect<string>
  readonly jobs: Jobs | undefined
}

/** All routes, for a router that others have routes in, too. */
export const layer = ({
  jobs,
  metrics,
  models
}: RoutesOptions): Layer.Layer<never, never, HttpRouter.HttpRouter> => {
  const handlers = Layer.mergeAll(
    layerModels(models),
    layerSegment(models),
    JobsHandlers.layer(models, jobs),
    SystemHandlers.layer(models, metrics)
  )
  return Layer.merge(
    HttpApiBuilder.layer(SegFormerApi).pipe(
      Layer.provide(handlers),
      Layer.provide(layerAuthorization),
      Layer.provide(HttpServer.layerServices)
    ),
    HttpRouter.use((router) =>
      Effect.gen(function* () {
        yield* router.addAll([
          HttpRouter.route("GET", "/openapi.json", yield* description),
          HttpRouter.route("GET", "/docs", Effect.orDie(yield* page))
        ])
      })
    )
  )
}

const description = Effect.cached(
  Effect.sync(() => HttpServerResponse.jsonUnsafe(OpenApi.fromApi(SegFormerApi)))
)

/**
 * The page is one with all its scripts, two megabytes of them: loaded when somebody looks. They stand in the document,
 * and it may ask nobody but this server.
 */
const policy = [
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join("; ")

const page = Effect.cached(
  Effect.gen(function* () {
    const router = yield* HttpRouter.make
    yield* Effect.scoped(
      Layer.build(
        HttpApiSwagger.layer(SegFormerApi, { path: "/docs" }).pipe(
          Layer.provide(Layer.succeed(HttpRouter.HttpRouter, router))
        )
      )
    )
    return Effect.map(router.asHttpEffect(), (response) =>
      HttpServerResponse.setHeader(response, "content-security-policy", policy)
    )
  })
).pipe(Effect.map(Effect.flatten))
