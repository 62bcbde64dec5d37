/**
 * The HTTP API of `segformer serve`, as a contract: the server is built from it, and so are clients and `/openapi.json`.
 * Nothing in it needs Node, so that a client runs wherever there is `fetch`.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { HttpApiClient } from "effect/http-api"
 * import { SegFormerApi } from "effect-segformer/api"
 *
 * const program = Effect.gen(function* () {
 *   const api = yield* HttpApiClient.make(SegFormerApi, { baseUrl: "http://127.0.0.1:8080" })
 *   const { models } = yield* api.models.list()
 *   return models.map(({ name }) => name)
 * }).pipe(Effect.provide(FetchHttpClient.layer))
 * Effect.isEffect(program) // => true
 * ```
 */
import { HttpApi, OpenApi } from "effect/http-api"
import { version } from "../../version.ts"
import { JobsGroup } from "./JobsApi.ts"
import { ModelsGroup, SegmentGroup } from "./SegmentApi.ts"
import { SystemGroup } from "./SystemApi.ts"

export class SegFormerApi extends HttpApi.make("segformer")
  .add(SegmentGroup)
  .add(ModelsGroup)
  .add(JobsGroup)
  .add(SystemGroup)
  .annotateMerge(
    OpenApi.annotations({ title: "segformer", version, description: "Semantic segmentation of images." })
  ) {}
