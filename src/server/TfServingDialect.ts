/**
 * TensorFlow Serving's REST API, served: `POST /v1/models/{m}:predict` with images as `{"b64": …}`, by row (`instances`)
 * or by column (`inputs`).
 *
 * The signature `serving_default` gives class ids, `[height][width]` for each image; `png` gives `{"b64": …}` of a grey
 * PNG whose pixels are class ids, many times smaller.
 */
import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
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

const Bytes = Schema.Struct({ b64: Schema.Union([Schema.String, Schema.instanceOf(LargeJson.LongText)]) })
const Named = <A extends Schema.Top>(value: A) => Schema.Record(Schema.String, value)
const decodeBody = Schema.decodeUnknownEffect(
  Schema.Struct({
    signature_name: Schema.optionalKey(Schema.Literals(["serving_default", "png"])),
    instances: Schema.optionalKey(Schema.Array(Schema.Union([Bytes, Named(Bytes)]))),
    inputs: Schema.optionalKey(
      Schema.Union([
        Bytes,
        Schema.Array(Bytes),
        Named(Schema.Union([Bytes, Schema.Array(Bytes)]))
      ])
    )
  })
)
type Bytes = typeof Bytes.Type

const usage = Refusals.bad(
  'The body must be JSON such as {"instances": [{"b64": "<image in base64>"}]}, with "signature_name" "serving_default" or "png" if any'
)

/** `{b64}`, or the only field of `{image: {b64}}`. */
const only = <A>(value: Bytes | A | Readonly<Record<string, Bytes | A>>): Effect.Effect<Bytes | A, Refusals.Refusal> => {
  if (isBytes(value) || Array.isArray(value)) return Effect.succeed(value)
  const [found, ...others] = Object.values(value)
  return found === undefined || others.length > 0 ? Effect.fail(usage) : Effect.succeed(found)
}

const isBytes = (value: unknown): value is Bytes =>
  typeof value === "object" && value !== null && "b64" in value && !isBytesRecord(value.b64)
