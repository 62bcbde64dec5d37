/**
 * The protocol of `segformer serve` itself: `POST /v1/segment` with the file as the body, and back the label map, the
 * classes with their names and colours, scores, and confidence where it is asked for, in binary. What comes out is what
 * the model behind the server gives in its own process; of a service that paints and determines no label map, its
 * pictures and regions.
 *
 * ```ts
 * import { SegFormer, SegFormerHttp } from "effect-segformer/http"
 *
 * const protocol = SegFormer.make({ model: "large", confidence: true })
 * const service = SegFormerHttp.layer({ baseUrl: "http://127.0.0.1:8080", protocol })
 * protocol.name // => "segformer"
 * ```
 */
import { Effect, Option, Schema } from "effect"
import type { Image } from "../../image/ImageSource.ts"
import * as ClassTable from "../../mask/ClassTable.ts"
import * as Palette from "../../mask/Palette.ts"
import type { Prediction } from "../../Prediction.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import { fromStatus } from "../../service/StatusError.ts"
import type { ModelDescription } from "../../Transport.ts"
import * as Errors from "./Errors.ts"
import type { ErrorBody, Protocol } from "./Protocol.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as SegFormerAnswer from "./SegFormerAnswer.ts"
import * as SelfReport from "./SelfReport.ts"

export interface SegFormerOptions {
  /** The name of one of the server's models. Its default one, unless given. */
  readonly model?: string | undefined
  /** Ask how sure the model is of each pixel, to 1/255: a byte a pixel. Off by default. */
  readonly confidence?: boolean | undefined
}

const ModelsJson = Schema.Struct({
  models: Schema.NonEmptyArray(
    Schema.Struct({
      name: Schema.String,
      default: Schema.Boolean,
      kind: Schema.String,
      classes: Schema.Array(
        Schema.Struct({
          id: Schema.Int,
          name: Schema.String,
          color: Schema.String.check(Schema.isPattern(/^#[\da-f]{6}$/))
        })
      )
    })
  ),
  formats: Schema.Array(Schema.String)
})
const decodeModels = Decode.schema(ModelsJson)
const modelsIn = Schema.decodeUnknownOption(ModelsJson)

/** Where a server of ours lists its models: nothing else answers so. */
export const modelsPath = "/v1/models"

/** What an answer of {@link modelsPath} says, where it is one of `segformer serve`. */
export const described = (answer: Answer): ModelDescription | undefined =>
  answer.status === 200
    ? Option.getOrUndefined(
        Option.map(
          // One that is older has other forms only.
          Option.filter(modelsIn(Errors.jsonOf(answer)), ({ formats }) =>
            formats.includes(SegFormerAnswer.mediaType)
          ),
          (json) => modelOf(json, undefined)
        )
      )
    : undefined

/** The model of this name; the default one without. */
const modelOf = ({ models }: typeof ModelsJson.Type, name: string | undefined): ModelDescription => {
  const [first] = models
  const found = models.find((model) => (name === undefined ? model.default : model.name === name)) ?? first
  return {
    name: found.name,
    classes: ClassTable.make(
      found.classes.map(({ color, ...info }) => ({ ...info, color: Palette.fromHex(color) }))
    )
  }
}

/** Whether a refusal has the form of `/v1`. */
export const isRefusal = (answer: Answer): boolean => tagIn(Errors.jsonOf(answer)) !== undefined

const tagIn = (json: unknown): string | undefined => {
  const error = Errors.isRecord(json) ? json["error"] : undefined
  const tag = Errors.isRecord(error) ? error["tag"] : undefined
  return typeof tag === "string" && Errors.isRecord(error) && typeof error["message"] === "string"
    ? tag
    : undefined
}

const readError = (answer: Answer): ErrorBody => {
  const json = Errors.jsonOf(answer)
  const code = tagIn(json)
  return { detail: Errors.messageIn(json), code, loading: code === "ModelLoading" }
}

/** The result in an answer, which is one of success. */
const result = Effect.fnUntraced(function* (
  answer: Answer,
  image: Pick<Image, "width" | "height">
): Effect.fn.Return<Prediction, ServiceError> {
  const frames = yield* SegFormerAnswer.frames(answer)
  const [frame] = frames
  if (frame === undefined || frames.length > 1) {
    const detail = `it has results of ${frames.length} images, and 1 was sent`
    return yield* Decode.notDecodable(answer, "", detail, "")
  }
  const { contents, head } = frame
  if (!("error" in head)) return yield* SegFormerAnswer.prediction(answer, head, contents, image)
  const { requestId, service } = answer
  const { message: detail, tag } = head.error
  const loading = tag === "ModelLoading"
  return yield* fromStatus({ service, requestId, status: head.status, detail, code: tag, loading })
})

/** The protocol, for a model and with what is asked besides. */
export const make = (options: SegFormerOptions = {}): Protocol => {
  const { confidence = false, model } = options
  const query = [
    ...(model === undefined ? [] : [`model=${encodeURIComponent(model)}`]),
    ...(confidence ? ["include=confidence"] : [])
  ].join("&")
  const call = {
    method: "POST",
    path: `/v1/segment${query === "" ? "" : `?${query}`}`,
    accept: SegFormerAnswer.mediaType
  } as const
  return {
    name: "segformer",
    entry: { method: "POST", path: "/v1/segment" },
    encode: (image) => Effect.map(ProtocolBody.raw(image), (body) => ({ ...call, body })),
    decode: result,
    readError,
    // Ready once every model is; it asks for no token.
    health: {
      call: { method: "GET", path: "/ready" },
      read: (answer) =>
        answer.status === 503
          ? Effect.succeed({ healthy: false, detail: readError(answer).detail ?? "it is not ready" })
          : Effect.map(Errors.ok(answer, readError), SelfReport.wellUnless)
    },
    describe: {
      call: { method: "GET", path: modelsPath },
      read: (answer) =>
        Effect.map(Effect.flatMap(Errors.ok(answer, readError), decodeModels), (json) => modelOf(json, model))
    }
  }
}

/** The protocol for the server's default model. */
export const protocol: Protocol = make()
