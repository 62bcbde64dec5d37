/** The design service: the designs of projects. Port 8000, under `/api/v1`. */
import { Schema } from "effect"
import { HttpApi, HttpApiGroup } from "effect/http-api"
import { get, post, put, delete as remove } from "effect/http-api/HttpApiEndpoint"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { created, Id, maybe, open, Page, removed } from "./Schemas.ts"

const designFields = {
  description: maybe(Schema.String),
  /** Whatever the design consists of. */
  specification: Schema.optionalKey(Schema.Json)
}

export class Design extends Schema.Opaque<Design>()(
  open({ id: Id, project_id: maybe(Id), name: Schema.String, ...designFields })
) {}

export const NewDesign = open({ project_id: Id, name: Schema.NonEmptyString, ...designFields })

/** What to change. What is left out stays. */
export const DesignChanges = open({ name: Schema.optionalKey(Schema.NonEmptyString), ...designFields })

const { changed, found, gone, guarded } = errorsOf("design")
const params = { design_id: Id }

export class DesignsApi extends HttpApi.make("design").add(
  HttpApiGroup.make("design", { topLevel: true }).add(
    get("listDesigns", "/designs", {
      query: { ...Page, project_id: Schema.optionalKey(Id) },
      success: Schema.Array(Design),
      error: guarded
    }),
    post("createDesign", "/designs", { payload: NewDesign, success: created(Design), error: changed }),
    get("getDesign", "/designs/:design_id", { params, success: Design, error: found }),
    put("updateDesign", "/designs/:design_id", {
      params,
      payload: DesignChanges,
      success: Design,
      error: changed
    }),
    remove("deleteDesign", "/designs/:design_id", { params, success: removed, error: gone })
  )
) {}

/** The designs of projects. `DESIGN_SERVICE_URL`, or `_HOST`, `_PORT`, `_PROTOCOL` and `_BASE_PATH`, say where. */
export class Designs extends ServiceClient.Service<Designs>()(
  "effect-segformer/companions/Designs",
  DesignsApi,
  { service: "design" }
) {}
