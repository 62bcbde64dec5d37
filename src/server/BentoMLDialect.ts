/**
 * BentoML's HTTP API, served: `POST /segment` with the file as the form field `image`, as a method `segment(image)` of a
 * service has it. The answer, which BentoML leaves to the method, is that of `MaskJson`; errors are JSON strings.
 */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import * as Bodies from "./Bodies.ts"
import type { Dialect, DialectRoute, Served } from "./Dialect.ts"
import * as MaskJson from "./MaskJson.ts"
import * as Refusals from "./Refusal.ts"
import * as Uploads from "./Uploads.ts"

export interface BentoMLDialectOptions {
  /** The method's route, without a slash. `segment` by default. */
  readonly route?: string | undefined
  /** The parameter that takes the image. `image` by default. */
  readonly parameter?: string | undefined
}

const refuse = (refusal: Refusals.Refusal) =>
  HttpServerResponse.jsonUnsafe(refusal.detail, {
    status: refusal.status,
    headers: Refusals.headers(refusal)
  })

const segment = (served: Served, route: string, part: string): DialectRoute => ({
  method: "POST",
  path: `/${route}`,
  handle: Effect.fnUntraced(function* (request) {
    const { bodyTimeout, maxBytes } = served.limits
    yield* served.enter(yield* Uploads.announced(request, maxBytes))
    // A method with one parameter takes it as the whole body too.
    const isFile = /^(?:image\/|application\/octet-stream)/i.test(request.headers["content-type"] ?? "")
    const file = isFile
      ? {
          name: "image",
          bytes: yield* Bodies.read(request, { maxBytes: maxBytes + Uploads.overhead, bodyTimeout })
        }
      : yield* Uploads.readOne(request, part, served.limits)
    if (file === undefined) {
      return yield* Refusals.bad(`The form has no file part named "${part}" with a file in it`)
    }
    return yield* MaskJson.answer(served, request, file)
  })
})

/** Up, whatever the model does. */
const alive = (path: `/${string}`): DialectRoute => ({
  method: "GET",
  path,
  handle: () => Effect.succeed(HttpServerResponse.text("\n"))
})

/** The dialect `bentoml`. */
export const make = (options: BentoMLDialectOptions = {}): Dialect => ({
  name: "bentoml",
  refuse,
  routes: (served) =>
    Effect.succeed([
      segment(served, options.route ?? "segment", options.parameter ?? "image"),
      alive("/livez"),
      alive("/healthz"),
      {
        method: "GET",
        path: "/readyz",
        handle: () =>
          Effect.flatMap(served.health, ({ detail, healthy }) =>
            healthy
              ? Effect.succeed(HttpServerResponse.text("\n"))
              : Effect.fail(
                  new Refusals.Refusal({ status: 503, detail: "The model is not loaded", internal: detail })
                )
          )
      }
    ])
})
