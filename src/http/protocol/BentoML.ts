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
import { Effect } from "effect"
import * as MaskAnswer from "../MaskAnswer.ts"
import { classesOf } from "../MaskDecoding.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as Errors from "./Errors.ts"
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
  const route = (options.route ?? "segment").replace(/^\/+/, "")
  return {
    name: "bentoml",
    encode: (image) =>
      Effect.map(ProtocolBody.form(options.parameter ?? "image", image, options.fields), (body) => ({
        method: "POST",
        path: `/${route}`,
        accept: "*/*",
        body
      })),
    decode: (answer, image) => MaskAnswer.read(answer, image, options),
    // The body of an error is a JSON string.
    readError: Errors.read,
    health: Errors.healthByStatus("/readyz"),
    describe: { name: route, classes: classesOf(options) }
  }
}

/** The method `segment` with the parameter `image`. */
export const protocol: Protocol = make()
