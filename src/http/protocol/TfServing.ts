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
import * as ClassesIn from "../ClassesIn.ts"
import { join } from "../Fields.ts"
import * as MaskAnswer from "../MaskAnswer.ts"
import type { MaskOptions } from "../MaskDecoding.ts"
import * as MaskPaths from "../MaskPaths.ts"
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

const VersionsJson = Schema.Struct({
  model_version_status: Schema.Array(
    Schema.Struct({
      version: Schema.optionalKey(Schema.Union([Schema.String, Schema.Number])),
      state: Schema.String
    })
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
    yield* MaskAnswer.refuseFailed(answer, json, "")
    // Asked by rows it answers by rows; servers of KServe that are written by hand answer as they like.
    const field = Errors.isRecord(json) && json["predictions"] === undefined ? "outputs" : "predictions"
    const given = MaskPaths.valueAt(json, field)
    if (given === undefined) {
      return yield* Decode.notDecodable(answer, "predictions", "there are none")
    }
    if (Array.isArray(given) && given.length !== 1) {
      const detail =
        given.length === 0
          ? "there are none"
          : `there are ${given.length} for one image: whose is the map, and is the batch the first axis?`
      return yield* Decode.notDecodable(answer, field, detail)
    }
    const path = Array.isArray(given) ? `${field}.0` : field
    const prediction = MaskPaths.valueAt(json, path)
    const names =
      Errors.isRecord(prediction) && prediction["b64"] === undefined ? Object.keys(prediction) : []
    const only = options.output ?? (names.length === 1 ? names[0] : undefined)
    const found =
      names.length === 0 ? path : only === undefined ? MaskPaths.find(prediction, path) : join(path, only)
    if (found === undefined) {
      const detail = `it has ${names.join(", ")}. Say with \`output\` which one holds the mask`
      return yield* Decode.notDecodable(answer, path, detail)
    }
    return yield* MaskAnswer.at(answer, json, found, image, options)
  })

/** The protocol for one model. */
export const make = (options: TfServingOptions): Protocol => {
  const { input, signature, version } = options
  MaskAnswer.check("tfserving", options.mask)
  ClassesIn.check("tfserving", options)
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
