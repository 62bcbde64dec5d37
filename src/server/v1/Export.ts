/** `/v1/export`: reads what is asked, and gives it. */
import { Effect, Schema } from "effect"
import type { HttpServerRequest, HttpServerResponse } from "effect/http"
import * as Bodies from "../Bodies.ts"
import * as LargeJson from "../LargeJson.ts"
import type { Refusal } from "../Refusal.ts"
import * as Answer from "./Answer.ts"
import * as Conversion from "./Conversion.ts"
import type { Models } from "./Models.ts"
import { answered } from "./Refuse.ts"

const decode = LargeJson.decodeWith(
  Schema.decodeUnknownEffect(Conversion.Body),
  "Send `classes` with ids and names, and `labels` with width, height, bits and deflate, as /v1/segment gives them"
)

export const handle = Effect.fnUntraced(function* (
  models: Models,
  request: HttpServerRequest.HttpServerRequest
): Effect.fn.Return<HttpServerResponse.HttpServerResponse, Refusal> {
  const { served } = models[0]
  const asked = yield* Answer.asked(request.headers["accept"], undefined)
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const body = yield* Bodies.takeJson(served, request, served.limits.maxBytes)
      return yield* Conversion.make(served, yield* decode(body), asked)
    })
  )
}, answered)
