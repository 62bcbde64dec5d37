/** The knowledge service: resources, search, citations, recommendations. Port 8002, under `/api/v1`. */
import { Schema } from "effect"
import { HttpApi, HttpApiGroup } from "effect/http-api"
import { get, post, put, delete as remove } from "effect/http-api/HttpApiEndpoint"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { created, Id, maybe, open, Page, removed } from "./Schemas.ts"

const resourceFields = {
  /** Such as `pdf`. */
  resource_type: maybe(Schema.String),
  description: maybe(Schema.String),
  url: maybe(Schema.String)
}

/** A document, a page, a dataset: what can be found and cited. */
export class Resource extends Schema.Opaque<Resource>()(
  open({ id: Id, title: maybe(Schema.String), name: maybe(Schema.String), ...resourceFields })
) {}

export const NewResource = open({ title: Schema.NonEmptyString, ...resourceFields })

/** What to change. What is left out stays. */
export const ResourceChanges = open({
  title: Schema.optionalKey(Schema.NonEmptyString),
  ...resourceFields
})

/** What a search found, the best first. */
export class SearchResults extends Schema.Opaque<SearchResults>()(
  open({
    results: Schema.Array(Resource),
    /** How many there are in all. */
    total: maybe(Schema.Int)
  })
) {}

/** A resource that a project stands on. */
export class Citation extends Schema.Opaque<Citation>()(
  open({
    id: Id,
    resource_id: maybe(Id),
    project_id: maybe(Id),
    /** What the resource was used for. */
    context: maybe(Schema.String)
  })
) {}

export const NewCitation = open({ resource_id: Id, project_id: Id, context: Schema.String })

const { changed, found, gone, guarded, invalid, made } = errorsOf("knowledge")
const resource = { resource_id: Id }
const project = { project_id: Id }

export class KnowledgeApi extends HttpApi.make("knowledge").add(
  HttpApiGroup.make("knowledge", { topLevel: true }).add(
    get("listResources", "/resources", { query: Page, success: Schema.Array(Resource), error: guarded }),
    post("createResource", "/resources", { payload: NewResource, success: created(Resource), error: made }),
    get("getResource", "/resources/:resource_id", { params: resource, success: Resource, error: found }),
    put("updateResource", "/resources/:resource_id", {
      params: resource,
      payload: ResourceChanges,
      success: Resource,
      error: changed
    }),
    remove("deleteResource", "/resources/:resource_id", { params: resource, success: removed, error: gone }),
    get("search", "/search", {
      query: {
        query: Schema.NonEmptyString,
        resource_type: Schema.optionalKey(Schema.String),
        /** 20 by default. */
        limit: Schema.optionalKey(Schema.Int)
      },
      success: SearchResults,
      error: [...guarded, invalid]
    }),
    get("getProjectResources", "/projects/:project_id/resources", {
      params: project,
      success: Schema.Array(Resource),
      error: found
    }),
    post("createCitation", "/citations", {
      payload: NewCitation,
      success: created(Citation),
      error: changed
    }),
    get("listCitations", "/projects/:project_id/citations", {
      params: project,
      success: Schema.Array(Citation),
      error: found
    }),
    remove("deleteCitation", "/citations/:citation_id", {
      params: { citation_id: Id },
      success: removed,
      error: found
    }),
    get("getRecommendations", "/projects/:project_id/recommendations", {
      params: project,
      success: Schema.Array(Resource),
      error: found
    })
  )
) {}

/** Resources, search, citations and recommendations. `KNOWLEDGE_SERVICE_URL`, or `_HOST`, `_PORT`, `_PROTOCOL` and `_BASE_PATH`, say where. */
export class Knowledge extends ServiceClient.Service<Knowledge>()(
  "effect-segformer/companions/Knowledge",
  KnowledgeApi,
  { service: "knowledge" }
) {}
