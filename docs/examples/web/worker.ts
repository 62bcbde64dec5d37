/**
 * Workers such as Cloudflare's: a module whose `fetch` is called. They start no workers of their own, in which a model could run,
 * so that this one stands before a service: with its limits, its tokens and its checks of what comes back.
 */
import { FileSystem, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { SegFormerHttp } from "effect-segformer/http"
import { PureCodec } from "effect-segformer/image"
import { WebHandler } from "effect-segformer/server"

interface Environment {
  readonly SEGFORMER_SERVICE_URL: string
}

let made: ReturnType<typeof WebHandler.toWebHandler> | undefined

const handlerOf = ({ SEGFORMER_SERVICE_URL }: Environment) =>
  (made ??= WebHandler.toWebHandler(
    Layer.mergeAll(
      Layer.provide(SegFormerHttp.layer({ baseUrl: SEGFORMER_SERVICE_URL }), FetchHttpClient.layer),
      PureCodec.layer(),
      FileSystem.layerNoop({})
    ),
    { prefix: "/api/segformer", allowAnyone: true, jobs: false, dialects: [] }
  ))

const worker = {
  fetch: (request: Request, environment: Environment): Promise<Response> =>
    handlerOf(environment).handler(request, {
      address: request.headers.get("cf-connecting-ip") ?? undefined
    })
}

export { worker as default }
