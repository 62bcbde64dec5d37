/**
 * BentoML: `POST /{route}`, a form whose part is named after the parameter of the service's method.
 *
 * What comes back is up to the service; `MaskAnswer` finds the mask in it, or is told where it is.
 *
 * ```ts
 * import { BentoML } from "effect-segformer/http"
 *
 * BentoML.make({ route: "segment", parameter: "image" }).name // => "bentoml"
 * ```
 */
import type * as MaskAnswer from "../MaskAnswer.ts"
import * as Custom from "./Custom.ts"
import type { Protocol } from "./Protocol.ts"

export interface BentoMLOptions extends MaskAnswer.MaskAnswerOptions {
  /** The method's route. `segment` by default. */
  readonly route?: string | undefined
  /** The parameter of the method that takes the image. `image` by default. */
  readonly parameter?: string | undefined
  /** Further parameters. */
  readonly fields?: Readonly<Record<string, string>> | undefined
}

/** The protocol for one method of a service. */
export const make = (options: BentoMLOptions = {}): Protocol => {
  const { fields, parameter = "image" } = options
  const route = (options.route ?? "segment").replace(/^\/+/, "")
  // The body of an error is a JSON string, which is read like any other.
  return Custom.make({
    ...options,
    name: "bentoml",
    path: `/${route}`,
    body: { as: "form", part: parameter, fields },
    healthPath: "/readyz",
    model: route
  })
}

/** The method `segment` with the parameter `image`. */
export const protocol: Protocol = make()
