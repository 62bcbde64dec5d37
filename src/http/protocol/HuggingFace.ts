/**
 * Hugging Face's `image-segmentation` task: the hosted router, an endpoint of one's own, and what speaks like them.
 *
 * The answer is a list of masks with labels, one per class present. Labels become ids by `classes` (the model's
 * `id2label`); without them, in order of appearance. `score` may be absent, null or a number: the Python pipeline for
 * semantic segmentation sends null. At the router, where each call has a price, a request is sent again only where it
 * provably cost nothing.
 *
 * ```ts
 * import { HuggingFace } from "effect-segformer/http"
 *
 * HuggingFace.make({ body: "json", parameters: { subtask: "semantic" } }).name // => "huggingface"
 * ```
 */
import { Duration, Effect } from "effect"
import type { ClassTable } from "../../mask/ClassTable.ts"
import type { Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import { type Answer, failure } from "../../service/Exchange.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import * as ClassesIn from "../ClassesIn.ts"
import type { MaskOptions } from "../MaskDecoding.ts"
import * as MaskList from "../MaskList.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as Errors from "./Errors.ts"
import type { ErrorBody, Protocol } from "./Protocol.ts"
import * as ErrorKind from "../../ErrorKind.ts"

/** What the pipeline is asked for. */
export interface Parameters {
  readonly subtask?: "semantic" | "instance" | "panoptic" | undefined
  /** Probability below which masks are left out. */
  readonly threshold?: number | undefined
  /** Value from which a pixel is in a mask. */
  readonly mask_threshold?: number | undefined
  readonly overlap_mask_area_threshold?: number | undefined
}

export interface HuggingFaceOptions extends Pick<MaskOptions, "ignoreIndex" | "maxPixels"> {
  /** The model's classes. A label that is none of them is `ResponseNotDecodable`. */
  readonly classes?: ClassTable | undefined
  /** The file itself, which is the default, or JSON with base64. JSON where there are parameters. */
  readonly body?: "raw" | "json" | undefined
  readonly parameters?: Parameters | undefined
  /** After the base URL: none by default, `/predict` for some endpoints. */
  readonly path?: string | undefined
  /** Where an endpoint says how it is. `/health` by default; the hosted router has no such route. */
  readonly healthPath?: string | undefined
  /** For `describe`: the service does not say. */
  readonly model?: string | undefined
}

const readError = (answer: Answer): ErrorBody => errorIn(Errors.jsonOf(answer))

const errorIn = (body: unknown): ErrorBody => {
  const detail = Errors.messageIn(body)
  const estimate = Errors.isRecord(body) ? body["estimated_time"] : undefined
  const isEstimate = typeof estimate === "number" && Number.isFinite(estimate) && estimate >= 0
  return {
    detail,
    loading: isEstimate || /currently loading/i.test(detail ?? ""),
    retryAfter: isEstimate ? Duration.seconds(estimate) : undefined
  }
}

const decode = (
  answer: Answer,
  image: { readonly width: number; readonly height: number },
  options: HuggingFaceOptions
): Effect.Effect<Prediction, ServiceError> =>
  Effect.gen(function* () {
    const json = yield* Decode.json(answer)
    // Some versions say with status 200 that they are loading, or that they failed.
    if (Errors.isRecord(json) && "error" in json) {
      const said = errorIn(json)
      return yield* said.loading === true ? failure(answer, said) : Errors.reported(answer, said.detail)
    }
    const masks = yield* MaskList.read(answer, "", json)
    return yield* MaskList.toPrediction(answer, masks, image, options)
  })

/** The hosted router, where each call is paid for. An endpoint of one's own is paid for by the hour. */
const routerHost = "router.huggingface.co"

/** The protocol, with options. */
export const make = (options: HuggingFaceOptions = {}): Protocol => {
  const { parameters, path = "" } = options
  ErrorKind.oneOf("huggingface", "body", options.body, ["raw", "json"])
  ClassesIn.check("huggingface", options)
  ErrorKind.oneOf("huggingface", "parameters.subtask", parameters?.subtask, [
    "semantic",
    "instance",
    "panoptic"
  ])
  const asJson = options.body === "json" || (options.body === undefined && parameters !== undefined)
  return {
    name: "huggingface",
    policy: ({ hostname }) => (hostname === routerHost ? { resend: "unless-sent" } : {}),
    encode: (image) =>
      Effect.map(
        asJson
          ? Effect.map(ProtocolBody.base64(image), (inputs) =>
              ProtocolBody.json(parameters === undefined ? { inputs } : { inputs, parameters })
            )
          : ProtocolBody.raw(image),
        (body) => ({ method: "POST", path, body })
      ),
    decode: (answer, image) => decode(answer, image, options),
    readError,
    entry: { method: "POST", path },
    health: Errors.healthByStatus(options.healthPath ?? "/health"),
    describe: { name: options.model ?? "unknown", classes: options.classes ?? [] }
  }
}

/** The protocol as it comes: the file as the body, ids in order of appearance. */
export const protocol: Protocol = make()
