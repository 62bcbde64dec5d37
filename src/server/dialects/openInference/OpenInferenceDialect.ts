/**
 * The Open Inference Protocol v2, served as Triton and KServe do, with tensors in JSON or binary (Triton's extension
 * `binary_tensor_data`).
 *
 * A request gives one input: `image`, BYTES, files of any type this server takes (in JSON, as base64), or `input`, UINT8
 * pixels of `[height, width, 3]` at any size. The server resizes and normalises, so it does not take normalised
 * `pixel_values`. The output `labels` holds class ids, `[images, height, width]` at the size of the images, as UINT8
 * or, where an id needs it, INT32; the images of one request are of one size. The output's metadata has the
 * classes as `parameters.id2label`, a JSON text.
 */
import { Effect } from "effect"
import { HttpServerResponse } from "effect/http"
import type { LabelMap } from "../../../mask/LabelMap.ts"
import type { ModelDescription } from "../../../Transport.ts"
import { version } from "../../../version.ts"
import * as Bodies from "../../Bodies.ts"
import { type Dialect, type DialectRoute, get, post, type Served } from "../../Dialect.ts"
import * as ClassScores from "../../ClassScores.ts"
import * as IdsJson from "../IdsJson.ts"
import * as OpenInferenceRequest from "./OpenInferenceRequest.ts"
import * as JsonPieces from "../../JsonPieces.ts"
import { json } from "../../JsonPieces.ts"
import * as ModelName from "../../ModelName.ts"
import * as Refusals from "../../Refusal.ts"

const refuse = (refusal: Refusals.Refusal) => Refusals.answer(refusal, { error: refusal.detail })

/** The only version there is. */
const modelVersion = "1"

const find = (served: Served, { model, version }: Readonly<Record<string, string | undefined>>) =>
  Effect.tap(ModelName.find(served, model), () => ModelName.checkVersion(version, modelVersion))

type Datatype = "UINT8" | "INT32"

/** What ids up to so much are sent as. */
const datatypeOf = (maxId: number): Datatype => (maxId <= 0xff ? "UINT8" : "INT32")

/** Unknown classes may have any id. */
const declared = ({ classes }: ModelDescription): Datatype => datatypeOf(classes.at(-1)?.id ?? Infinity)

const metadata = (model: ModelDescription) => {
  const { image, input } = OpenInferenceRequest.inputs
  const id2label = JSON.stringify(Object.fromEntries(model.classes.map(({ id, name }) => [String(id), name])))
  return {
    name: model.name,
    versions: [modelVersion],
    platform: "effect-segformer",
    inputs: [
      { ...image, parameters: { optional: true, content_type: "image files; give this input or the other" } },
      { ...input, parameters: { optional: true, content_type: "sRGB pixels; give this input or the other" } }
    ],
    outputs: [
      {
        name: OpenInferenceRequest.output,
        datatype: declared(model),
        shape: [-1, -1, -1],
        ...(model.classes.length === 0 ? {} : { parameters: { id2label } })
      }
    ]
  }
}

const bytesOf = ({ data }: LabelMap, datatype: Datatype): Uint8Array => {
  const ids = datatype === "UINT8" ? new Uint8Array(data) : new Int32Array(data)
  return new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)
}

const infer = (served: Served, path: `/${string}`): DialectRoute =>
  post(
    path,
    Effect.fnUntraced(function* (request, parameters) {
      const model = yield* find(served, parameters)
      const body = yield* Bodies.takeJson(served, request, served.limits.maxRequestBytes)
      const { binary, id, uploads } = yield* OpenInferenceRequest.read(served, request, body)
      const found = yield* Effect.forEach(uploads, (upload) => served.segment(upload, ClassScores.make), {
        concurrency: served.concurrency
      })
      const [first] = found
      if (first === undefined) return yield* Refusals.bad("There is no image in the request")
      const { height, width } = first.labelMap
      if (found.some(({ labelMap }) => labelMap.width !== width || labelMap.height !== height)) {
        return yield* Refusals.bad(
          "The images of one request must be of one size: their labels are one tensor"
        )
      }
      const maxId = Math.max(...found.map((each) => each.maxId))
      const datatype = declared(model) === "INT32" ? "INT32" : datatypeOf(maxId)
      const tensor = { name: OpenInferenceRequest.output, datatype, shape: [found.length, height, width] }
      const head = {
        model_name: model.name,
        model_version: modelVersion,
        ...(id === undefined ? {} : { id })
      }
      const start = `${JSON.stringify(head).slice(0, -1)},"outputs":[${JSON.stringify(tensor).slice(0, -1)}`
      if (!binary) {
        return JsonPieces.answer(
          (function* () {
            yield `${start},"data":[`
            yield* JsonPieces.list(found, ({ labelMap }) => IdsJson.flat(labelMap))
            yield "]}]}"
          })()
        )
      }
      const size = found.length * height * width * (datatype === "UINT8" ? 1 : 4)
      const text = Buffer.from(`${start},"parameters":{"binary_data_size":${size}}}]}`)
      return HttpServerResponse.stream(
        JsonPieces.bytes(
          (function* () {
            yield text
            for (const { labelMap } of found) yield bytesOf(labelMap, datatype)
          })()
        ),
        {
          contentType: "application/octet-stream",
          contentLength: text.length + size,
          headers: { [OpenInferenceRequest.lengthHeader]: String(text.length) }
        }
      )
    })
  )

/** The specification has 4xx for "no". */
const ready = (isReady: boolean, name?: string) =>
  isReady
    ? json({ name, ready: true })
    : json({ name, ready: false, error: "The model is not ready: it is not loaded" }, 400)

const statistics = (served: Served, model: Effect.Effect<ModelDescription, Refusals.Refusal>) =>
  Effect.map(Effect.all([model, served.state]), ([{ name }, { failed, segmented }]) =>
    json({
      model_stats: [
        {
          name,
          version: modelVersion,
          inference_count: segmented,
          execution_count: segmented,
          inference_stats: { success: { count: segmented }, fail: { count: failed } }
        }
      ]
    })
  )

/** What is asked of the model: its metadata, and whether it is ready. */
const questions = (served: Served, model: `/${string}`): ReadonlyArray<DialectRoute> => [
  get(model, (_, parameters) => Effect.map(find(served, parameters), (found) => json(metadata(found)))),
  get(
    `${model}/ready`,
    Effect.fnUntraced(function* (_, parameters) {
      const { name } = yield* find(served, parameters)
      return ready((yield* served.health).healthy, name)
    })
  ),
  // As Triton says them, as far as there is something to say.
  get(`${model}/config`, (_, parameters) =>
    Effect.map(find(served, parameters), (found) => {
      const { inputs, outputs } = metadata(found)
      const tensor = ({
        datatype,
        name,
        shape
      }: {
        name: string
        datatype: string
        shape: ReadonlyArray<number>
      }) => ({
        name,
        data_type: `TYPE_${datatype === "BYTES" ? "STRING" : datatype}`,
        dims: shape
      })
      return json({
        name: found.name,
        platform: "effect-segformer",
        backend: "effect-segformer",
        max_batch_size: 0,
        input: inputs.map(tensor),
        output: outputs.map(tensor)
      })
    })
  ),
  get(`${model}/stats`, (_, parameters) => statistics(served, find(served, parameters))),
  infer(served, `${model}/infer`)
]

/** The dialect `openinference`. */
export const make = (): Dialect => ({
  name: "openinference",
  refuse,
  routes: (served) =>
    Effect.succeed([
      get("/v2", () =>
        Effect.succeed(json({ name: "effect-segformer", version, extensions: ["binary_tensor_data"] }))
      ),
      get("/v2/health/live", () => Effect.succeed(json({ live: true }))),
      get("/v2/health/ready", () => Effect.map(served.health, ({ healthy }) => ready(healthy))),
      post("/v2/repository/index", () =>
        Effect.map(Effect.all([served.describe, served.health]), ([{ name }, { healthy }]) =>
          json([
            {
              name,
              version: modelVersion,
              state: healthy ? "READY" : "UNAVAILABLE",
              reason: healthy ? "" : "not loaded"
            }
          ])
        )
      ),
      get("/v2/models/stats", () => statistics(served, served.describe)),
      ...questions(served, "/v2/models/:model"),
      ...questions(served, "/v2/models/:model/versions/:version")
    ])
})
