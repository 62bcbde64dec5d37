/**
 * TorchServe: `POST /predictions/{model}`, the file as the body or as the form field `data`.
 *
 * What comes back is up to the model's handler; `MaskAnswer` finds the mask in it, or is told where it is. A bug in a
 * handler is a 503 like an overload, and is retried like one: TorchServe tells them apart by nothing but words.
 *
 * ```ts
 * import { TorchServe } from "effect-segformer/http"
 *
 * TorchServe.make({ model: "segformer", mask: { at: "mask", as: "ids" } }).name // => "torchserve"
 * ```
 */
import { Effect } from "effect"
import { type Answer, isSuccess } from "../../service/Exchange.ts"
import type * as MaskAnswer from "../MaskAnswer.ts"
import * as Custom from "./Custom.ts"
import * as Errors from "./Errors.ts"
import type { ErrorBody, Protocol } from "./Protocol.ts"
import * as ErrorKind from "../../ErrorKind.ts"

export interface TorchServeOptions extends MaskAnswer.MaskAnswerOptions {
  readonly model: string
  /** The default version, unless given. */
  readonly version?: string | undefined
  /** The file itself, which is the default, or a form with the field `data`. */
  readonly body?: "raw" | "form" | undefined
}

const readError = (answer: Answer): ErrorBody => {
  const body = Errors.jsonOf(answer)
  const type = Errors.isRecord(body) && typeof body["type"] === "string" ? body["type"] : undefined
  const detail = Errors.messageIn(body)
  return { detail: type === undefined || detail === undefined ? detail : `${type}: ${detail}` }
}

/** The protocol for one model. */
export const make = (options: TorchServeOptions): Protocol => {
  const { model, version } = options
  ErrorKind.oneOf("torchserve", "body", options.body, ["raw", "form"])
  const name = encodeURIComponent(model)
  const path = `/predictions/${name}${version === undefined ? "" : `/${encodeURIComponent(version)}`}`
  return {
    ...Custom.make({
      ...options,
      name: "torchserve",
      path,
      body: options.body === "form" ? { as: "form", part: "data" } : { as: "raw" }
    }),
    readError,
    health: {
      call: { method: "GET", path: "/ping" },
      // "Unhealthy" may come with 500 or with 200, as versions have it.
      read: (answer) => {
        const body = Errors.jsonOf(answer)
        const status =
          Errors.isRecord(body) && typeof body["status"] === "string" ? body["status"] : undefined
        return status === undefined
          ? Errors.healthByStatus("/ping").read(answer)
          : Effect.succeed({ healthy: isSuccess(answer) && /^healthy$/i.test(status), detail: status })
      }
    }
  }
}
