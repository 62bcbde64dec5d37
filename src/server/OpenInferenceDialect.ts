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
import type { LabelMap } from "../mask/LabelMap.ts"
import type { ModelDescription } from "../Transport.ts"
import { version } from "../version.ts"
import * as Bodies from "./Bodies.ts"
import type { Dialect, DialectRoute, Served } from "./Dialect.ts"
import * as ClassScores from "./ClassScores.ts"
import * as IdsJson from "./IdsJson.ts"
import * as OpenInferenceRequest from "./OpenInferenceRequest.ts"
import * as JsonPieces from "./JsonPieces.ts"
import * as ModelName from "./ModelName.ts"
import * as Refusals from "./Refusal.ts"
import * as Uploads from "./Uploads.ts"

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers })

const refuse = (refusal: Refusals.Refusal) =>
  json({ error: refusal.detail }, refusal.status, Refusals.headers(refusal))

/** The only version there is. */
const modelVersion = "1"

const find = (served: Served, parameters: Readonly<Record<string, string | undefined>>) =>
  Effect.tap(ModelName.find(served, parameters["model"]), () => {
    const { version: asked = modelVersion } = parameters
    return asked === modelVersion
      ? Effect.void
      : Effect.fail(
          Refusals.notFound(
            `There is no version "${asked.slice(0, 50)}" of this model, only "${modelVersion}"`
          )
        )
  })

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

const infer = (served: Served, path: `/${string}`): DialectRoute => ({
  method: "POST",
  path,
  handle: Effect.fnUntraced(function* (request, parameters) {
    const model = yield* find(served, parameters)
    const { bodyTimeout, maxRequestBytes } = served.limits
    yield* served.enter(yield* Uploads.announced(request, maxRequestBytes))
    const body = yield* Bodies.read(request, { maxBytes: maxRequestBytes + Uploads.overhead, bodyTimeout })
    const { binary, id, uploads } = yield* OpenInferenceRequest.read(served, request, body)
    const found = yield* Effect.forEach(uploads, (upload) => served.segment(upload, ClassScores.make), {
      concurrency: served.concurrency
    })
    const [first] = found
    if (first === undefined) return yield* Refusals.bad("There is no image in the request")
    const { height, width } = first.labelMap
    if (found.some(({ labelMap }) => labelMap.width !== width || labelMap.height !== height)) {
      return yield* Refusals.bad("The images of one request must be of one size: their labels are one tensor")
    }
    const maxId = Math.max(...found.map((each) => each.maxId))
    const datatype = declared(model) === "INT32" ? "INT32" : datatypeOf(maxId)
    const tensor = { name: OpenInferenceRequest.output, datatype, shape: [found.length, height, width] }
    const head = { model_name: model.name, model_version: modelVersion, ...(id === undefined ? {} : { id }) }
    const start = `${JSON.stringify(head).slice(0, -1)},"outputs":[${JSON.stringify(tensor).slice(0, -1)}`
    if (!binary) {
      return HttpServerResponse.stream(
        JsonPieces.stream(
          (function* () {
            yield `${start},"data":[`
            for (const [index, { labelMap }] of found.entries()) {
              if (index > 0) yield ","
              yield* IdsJson.flat(labelMap)
            }
            yield "]}]}"
          })()
        ),
        { contentType: "application/json" }
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
})

/** A question to the model: its metadata, or whether it is ready. The specification has 4xx for "no". */
const questions = (served: Served, model: `/${string}`): ReadonlyArray<DialectRoute> => [
  {
    method: "GET",
    path: model,
    handle: (_, parameters) => Effect.map(find(served, parameters), (found) => json(metadata(found)))
  },
  {
    method: "GET",
    path: `${model}/ready`,
    handle: Effect.fnUntraced(function* (_, parameters) {
      const { name } = yield* find(served, parameters)
      const { healthy: ready } = yield* served.health
      return ready
        ? json({ name, ready })
        : json({ name, ready, error: "The model is not ready: it is not loaded" }, 400)
    })
  }
]

/** The dialect `openinference`. */
export const make = (): Dialect => ({
  name: "openinference",
  refuse,
  routes: (served) =>
    Effect.succeed([
      {
        method: "GET",
        path: "/v2",
        handle: () =>
          Effect.succeed(json({ name: "effect-segformer", version, extensions: ["binary_tensor_data"] }))
      },
      { method: "GET", path: "/v2/health/live", handle: () => Effect.succeed(json({ live: true })) },
      {
        method: "GET",
        path: "/v2/health/ready",
        handle: () =>
          Effect.map(served.health, ({ healthy: ready }) =>
            ready ? json({ ready }) : json({ ready, error: "The model is not ready: it is not loaded" }, 400)
          )
      },
      ...questions(served, "/v2/models/:model"),
      ...questions(served, "/v2/models/:model/versions/:version"),
      infer(served, "/v2/models/:model/infer"),
      infer(served, "/v2/models/:model/versions/:version/infer")
    ])
})
