/**
 * TorchServe's inference API, served: `POST` or `PUT /predictions/{model}` with the file as the body or as the form field `data`.
 * The answer, which TorchServe leaves to a handler, is that of `MaskJson`.
 */
import { Effect } from "effect"
import * as Bodies from "../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Served } from "../Dialect.ts"
import * as JsonPieces from "../JsonPieces.ts"
import * as MaskJson from "./MaskJson.ts"
import * as ModelName from "../ModelName.ts"
import * as Refusals from "../Refusal.ts"
import * as Uploads from "../Uploads.ts"

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
  return Refusals.answer(refusal, { code, type, message })
}

/** With POST, and with PUT, as `curl -T` of TorchServe's own pages has it. */
const predict = (served: Served, path: `/${string}`): ReadonlyArray<DialectRoute> => {
  const handle: DialectRoute["handle"] = Effect.fnUntraced(function* (request, { model, version }) {
    yield* ModelName.find(served, model)
    yield* ModelName.checkVersion(version, "1.0")
    // Its handlers look for either.
    const file = yield* Bodies.takeImage(served, request, ["data", "body"], Uploads.isForm(request))
    return yield* MaskJson.answer(served, request, file)
  })
  return [post(path, handle), { method: "PUT", path, handle }]
}

/** The dialect `torchserve`. */
export const make = (): Dialect => ({
  name: "torchserve",
  refuse,
  routes: (served) =>
    Effect.succeed([
      ...predict(served, "/predictions/:model"),
      ...predict(served, "/predictions/:model/:version"),
      get("/ping", () =>
        Effect.map(served.health, ({ healthy }) =>
          JsonPieces.json({ status: healthy ? "Healthy" : "Unhealthy" }, healthy ? 200 : 500)
        )
      )
    ])
})
