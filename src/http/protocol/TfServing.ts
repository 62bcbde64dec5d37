/**
 * TensorFlow Serving's REST API, which is KServe's first protocol too: `POST /v1/models/{m}:predict` with the file as `{"b64": …}`.
 *
 * What a prediction holds is up to the model: class ids, logits (channels first or last), or a PNG as `{"b64": …}`.
 * TensorFlow writes bare `NaN` and `Infinity` into its JSON: infinite scores are taken as they are, NaN among them is
 * `ResponseNotDecodable` that names where.
 *
 * ```ts
 * import { TfServing } from "effect-segformer/http"
 *
 * TfServing.make({ model: "segformer", output: "logits", mask: { as: "logits" } }).name // => "tfserving"
 * ```
 */
import { Effect, Schema } from "effect"
import * as ClassTable from "../../mask/ClassTable.ts"
import type { Image } from "../../image/ImageSource.ts"
import * as Decode from "../../service/Decode.ts"
import type { Answer } from "../../service/Exchange.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import type { Health } from "../../Transport.ts"
import * as MaskAnswer from "../MaskAnswer.ts"
import type { MaskOptions } from "../MaskDecoding.ts"
import * as ProtocolBody from "./ProtocolBody.ts"
import * as Errors from "./Errors.ts"
import type { Protocol } from "./Protocol.ts"
import * as SelfReport from "./SelfReport.ts"

export interface TfServingOptions extends MaskOptions {
  readonly model: string
  /** The newest, unless given. */
  readonly version?: string | number | undefined
  /** The signature that is asked. The model's default, unless given. */
  readonly signature?: string | undefined
  /** The name of the input, for models that have several. An instance is then `{ [input]: { b64 } }`. */
  readonly input?: string | undefined
  /** The name of the output, for models that have several. Looked for, unless given. */
  readonly output?: string | undefined
  /** What the prediction holds. `{ as: "ids" }` or `{ as: "png" }`, as it looks, unless given. */
  readonly mask?: Pick<MaskAnswer.MaskPlace, "as" | "channels"> | undefined
}

const ResultJson = Schema.Struct({ predictions: Schema.NonEmptyArray(Schema.Unknown) })
const decodeResult = Decode.schema(ResultJson)

const VersionsJson = Schema.Struct({
  model_version_status: Schema.Array(
    Schema.Struct({ version: Schema.optionalKey(Schema.String), state: Schema.String })
  )
})
const decodeVersions = Decode.schema(VersionsJson)

/** What servers of KServe say instead. */
const isReadiness = Schema.is(Schema.Struct({ name: Schema.String, ready: Schema.Boolean }))

const readHealth = (answer: Answer): Effect.Effect<Health, ServiceError> =>
  Effect.gen(function* () {
    if (answer.status >= 500) return yield* Errors.healthByStatus("").read(answer)
    const json = yield* Decode.json(yield* Errors.ok(answer))
    if (isReadiness(json)) return { healthy: json.ready, detail: json.ready ? "ready" : "not ready" }
    const ill = SelfReport.illness(json)
    if (ill !== undefined) return { healthy: false, detail: ill }
    const { model_version_status: versions } = yield* decodeVersions(answer, json)
    const ready = versions.find(({ state }) => state === "AVAILABLE")
    const states = versions.map(({ state, version }) => `version ${version ?? "?"} is ${state}`).join(", ")
    return { healthy: ready !== undefined, detail: states === "" ? "it has no version" : states }
  })

const decode = (answer: Answer, image: Image, options: TfServingOptions) =>
  Effect.gen(function* () {
    const json = yield* Decode.json(answer)
    if (Errors.isRecord(json) && typeof json["error"] === "string" && json["predictions"] === undefined) {
      return yield* Errors.reported(answer, json["error"])
    }
    const { predictions } = yield* decodeResult(answer, json)
    const [prediction] = predictions
    if (predictions.length > 1) {
      const detail = `there are ${predictions.length} for one image: whose is the map, and is the batch the first axis?`
      return yield* Decode.notDecodable(answer, "predictions", detail)
    }
    const named = Errors.isRecord(prediction) && prediction["b64"] === undefined ? prediction : undefined
    const output =
      options.output ??
      (named === undefined
        ? undefined
        : (MaskAnswer.usualField(named, (value) => value !== undefined) ?? Object.keys(named)[0]))
    const path = named === undefined || output === undefined ? "predictions.0" : `predictions.0.${output}`
    const found = named === undefined || output === undefined ? prediction : named[output]
    const value = Errors.isRecord(found) && typeof found["b64"] === "string" ? found["b64"] : found
    return yield* MaskAnswer.fromValue(answer, path, value, image, options)
  })

/** The protocol for one model. */
export const make = (options: TfServingOptions): Protocol => {
  const { input, signature, version } = options
  const name = encodeURIComponent(options.model)
  const model = `/v1/models/${name}${version === undefined ? "" : `/versions/${encodeURIComponent(version)}`}`
  return {
    name: "tfserving",
    encode: (image) =>
      Effect.map(ProtocolBody.base64(image), (b64) => ({
        method: "POST",
        path: `${model}:predict`,
        body: ProtocolBody.json({
          ...(signature === undefined ? {} : { signature_name: signature }),
          instances: [input === undefined ? { b64 } : { [input]: { b64 } }]
        })
      })),
    decode: (answer, image) => decode(answer, image, options),
    readError: Errors.read,
    entry: { method: "POST", path: `${model}:predict` },
    health: { call: { method: "GET", path: model }, read: readHealth },
    describe: { name: options.model, classes: ClassTable.make(options.classes ?? options.palette ?? []) }
  }
}
