/**
 * TensorFlow Serving's REST API, served: `POST /v1/models/{m}:predict` with images as `{"b64": …}`, by row (`instances`)
 * or by column (`inputs`).
 *
 * The signature `serving_default` gives class ids, `[height][width]` for each image; `png` gives `{"b64": …}` of a grey
 * PNG whose pixels are class ids, many times smaller.
 */
import { Effect, Schema, type Scope } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { LabelMap } from "../mask/LabelMap.ts"
import * as Bodies from "./Bodies.ts"
import type { Dialect, DialectRoute, Segmented, Served } from "./Dialect.ts"
import * as Found from "./Found.ts"
import * as GreyPng from "./GreyPng.ts"
import * as IdsJson from "./IdsJson.ts"
import * as JsonPieces from "./JsonPieces.ts"
import * as LargeJson from "./LargeJson.ts"
import * as ModelName from "./ModelName.ts"
import * as Refusals from "./Refusal.ts"
import * as Uploads from "./Uploads.ts"

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  HttpServerResponse.jsonUnsafe(body, { status, headers })

const refuse = (refusal: Refusals.Refusal) =>
  json({ error: refusal.detail }, refusal.status, Refusals.headers(refusal))

/** The only version there is. */
const version = "1"

const decodeBody = Schema.decodeUnknownEffect(
  Schema.Struct({
    signature_name: Schema.optionalKey(Schema.Literals(["serving_default", "png"])),
    instances: Schema.optionalKey(Schema.NonEmptyArray(Schema.Unknown)),
    inputs: Schema.optionalKey(Schema.Unknown)
  })
)

const usage = () =>
  Refusals.bad(
    'The body must be JSON such as {"instances": [{"b64": "<image in base64>"}]}, with a "signature_name" "serving_default" or "png" if any'
  )

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What the model's only input is given: `{image: X}` is X, by whatever name. */
const unnamed = (value: unknown): unknown => {
  if (!isRecord(value) || "b64" in value) return value
  const fields = Object.values(value)
  return fields.length === 1 ? fields[0] : undefined
}

const fileOf = (value: unknown): Effect.Effect<Uint8Array, Refusals.Refusal> => {
  const b64 = isRecord(value) ? value["b64"] : undefined
  return typeof b64 === "string" || b64 instanceof LargeJson.LongText
    ? LargeJson.fileOf(b64, '"b64"')
    : Effect.fail(usage())
}

/** Ids, and the file that holds them where that is wanted. */
interface Prediction {
  readonly labelMap: LabelMap
  readonly png: Uint8Array | undefined
}

/** What the protocol says of one image, within the turn. */
const prediction =
  (signature: "serving_default" | "png") =>
  (segmented: Segmented): Effect.Effect<Prediction, Refusals.Refusal> =>
    Effect.flatMap(
      Found.make(segmented),
      ({ labelMap, maxId }): Effect.Effect<Prediction, Refusals.Refusal> =>
        signature === "png"
          ? Effect.map(GreyPng.ids(labelMap, maxId), (png) => ({ labelMap, png }))
          : Effect.succeed({ labelMap, png: undefined })
    )

function*__J__