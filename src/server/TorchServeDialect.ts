/**
 * TorchServe's inference API, served: `POST /predictions/{model}` with the file as the body or as the form field `data`.
 * The answer, which TorchServe leaves to a handler, is that of `MaskJson`.
 */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Bodies from "./Bodies.ts"
import type { Dialect, DialectRoute, Served } from "./Dialect.ts"
import * as MaskJson from "./MaskJson.ts"
import * as ModelName from "./ModelName.ts"
import * as Refusals from "./Refusal.ts"
import * as Uploads from "./Uploads.ts"

const types: Readonly<Record<number, string>> = {
  400: "BadRequestException",
  404: "ModelNotFoundException",
  405: "MethodNotAllowedException",
  408: "RequestTimeoutException",
  413: "RequestEntityTooLargeException",
  415: "UnsupportedMediaTypeException",
  503: "ServiceUnavailableException"
}

const refuse = (refusal: Refusals.Refusal) => {
  const { detail: message, status: code } = refusal
  const type = types[code] ?? (code < 500 ? "BadRequestException" : "InternalServerException")
  return HttpServerResponse.jsonUnsafe(
    { code, type, message },
    { status: code, headers: Refusals.headers(refusal) }
  )
}

const predict = (served: Served, path: `/${string}`): DialectRoute => ({
  method: "POST",
  path,
  handle: Effect.fnUntraced(function* (request, { model, version = "1.0" }) {
    yield* ModelName.find(served, model)
    if (version !== "1.0") {
      return yield* Refusals.notFound(
        `There is no version "${version.slice(0, 50)}" of this model, only "1.0"`
      )
    }
    const { bodyTimeout, maxBytes } = served.limits
    yield* served.enter(yield* Uploads.announced(request, maxBytes))
    const file = Bodies.isForm(request)
      ? yield* Uploads.readOne(request, "data", served.limits)
      : {
          name: "image",
          bytes: yield* Bodies.read(request, { maxBytes: maxBytes + Uploads.overhead, bodyTimeout })
        }
    if (file === undefined) {
      return yield* Refusals.bad('The form has no file part named "data" with a file in it')
    }
    return yield* MaskJson.answer(served, request, file)
  })
})

/** The dialect `torchserve`. */
export const make = (): Dialect => ({
  name: "torchserve",
  refuse,
  routes: (served) =>
    Effect.succeed([
      predict(served, "/predictions/:model"),
      predict(served, "/predictions/:model/:version"),
      {
        method: "GET",
        path: "/ping",
        handle: () =>
          Effect.map(served.health, ({ healthy }) =>
            HttpServerResponse.jsonUnsafe(
              { status: healthy ? "Healthy" : "Unhealthy" },
              { status: healthy ? 200 : 500 }
            )
          )
      }
    ])
})
