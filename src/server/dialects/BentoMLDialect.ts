/**
 * BentoML's HTTP API, served: `POST /segment` with the file as the form field `image`, as a method `segment(image)` of a
 * service has it. The answer, which BentoML leaves to the method, is that of `MaskJson`; errors are JSON strings.
 */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Bodies from "../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Served } from "../Dialect.ts"
import * as MaskJson from "./MaskJson.ts"
import * as ModelName from "../ModelName.ts"
import * as Refusals from "../Refusal.ts"

export interface BentoMLDialectOptions {
  /** The method's route, without a slash. `segment` by default. */
  readonly route?: string | undefined
  /** The parameter that takes the image. `image` by default. */
  readonly parameter?: string | undefined
}

const refuse = (refusal: Refusals.Refusal) => Refusals.answer(refusal, refusal.detail)

const segment = (served: Served, route: string, part: string): DialectRoute =>
  post(
    `/${route}`,
    Effect.fnUntraced(function* (request) {
      // A method with one parameter takes it as the whole body too.
      const isFile = /^(?:image\/|application\/octet-stream)/i.test(request.headers["content-type"] ?? "")
      return yield* MaskJson.answer(served, request, yield* Bodies.takeImage(served, request, part, !isFile))
    })
  )

const up = HttpServerResponse.text("\n")

/** The dialect `bentoml`. */
export const make = (options: BentoMLDialectOptions = {}): Dialect => ({
  name: "bentoml",
  refuse,
  routes: (served) =>
    Effect.succeed([
      segment(served, options.route ?? "segment", options.parameter ?? "image"),
      // Up, whatever the model does.
      get("/livez", () => Effect.succeed(up)),
      get("/healthz", () => Effect.succeed(up)),
      get("/readyz", () => Effect.as(ModelName.checkReady(served), up))
    ])
})
