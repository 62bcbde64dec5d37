/** The contract: the server is held to it, and clients are made from it. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"

export const Report = Schema.Struct({
  name: Schema.String,
  /** Share of the panel that is damaged, 0 to 1. */
  damaged: Schema.Finite,
  defects: Schema.Array(Schema.Struct({ kind: Schema.String, pixels: Schema.Int }))
})

export class NotInspected extends Schema.TaggedError<NotInspected>()(
  "NotInspected",
  { name: Schema.String, message: Schema.String },
  { httpApiStatus: 422 }
) {}

const inspect = HttpApiEndpoint.post("inspect", "/panels/:name", {
  params: { name: Schema.String },
  payload: Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array()),
  success: Report,
  error: NotInspected
})

export class PanelsApi extends HttpApi.make("panels").add(HttpApiGroup.make("panels").add(inspect)) {}
