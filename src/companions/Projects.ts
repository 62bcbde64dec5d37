/** The project service: projects and what is said of them, from create to delete. Port 8003, under `/api/v1`. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { created, Id, maybe, open, Page, removed } from "./Schemas.ts"

const projectFields = {
  description: maybe(Schema.String),
  owner_id: maybe(Id)
}

/** Other fields of the service's are kept as they are, here as in every entity. */
export class Project extends Schema.Opaque<Project>()(
  open({ id: Id, name: Schema.String, ...projectFields })
) {}

export const NewProject = open({ name: Schema.NonEmptyString, ...projectFields })

/** What to change. What is left out stays. */
export const ProjectChanges = open({ name: Schema.optionalKey(Schema.NonEmptyString), ...projectFields })

/** What somebody said of a project. */
export class Comment extends Schema.Opaque<Comment>()(
  open({
    id: Id,
    project_id: maybe(Id),
    author_id: maybe(Id),
    content: Schema.String
  })
) {}

export const NewComment = open({
  content: Schema.NonEmptyString,
  author_id: maybe(Id)
})

const { conflict, guarded, invalid, notFound } = errorsOf("project")
const params = { project_id: Id }
const commentParams = { project_id: Id, comment_id: Id }

export class ProjectsApi extends HttpApi.make("project").add(
  HttpApiGroup.make("project", { topLevel: true }).add(
    HttpApiEndpoint.get("listProjects", "/projects", {
      query: Page,
      success: Schema.Array(Project),
      error: guarded
    }),
    HttpApiEndpoint.post("createProject", "/projects", {
      payload: NewProject,
      success: created(Project),
      error: [...guarded, conflict, invalid]
    }),
    HttpApiEndpoint.get("getProject", "/projects/:project_id", {
      params,
      success: Project,
      error: [...guarded, notFound]
    }),
    HttpApiEndpoint.put("updateProject", "/projects/:project_id", {
      params,
      payload: ProjectChanges,
      success: Project,
      error: [...guarded, notFound, conflict, invalid]
    }),
    HttpApiEndpoint.delete("deleteProject", "/projects/:project_id", {
      params,
      success: removed,
      error: [...guarded, notFound, conflict]
    }),
    HttpApiEndpoint.get("listComments", "/projects/:project_id/comments", {
      params,
      query: Page,
      success: Schema.Array(Comment),
      error: [...guarded, notFound]
    }),
    HttpApiEndpoint.post("createComment", "/projects/:project_id/comments", {
      params,
      payload: NewComment,
      success: created(Comment),
      error: [...guarded, notFound, invalid]
    }),
    HttpApiEndpoint.get("getComment", "/projects/:project_id/comments/:comment_id", {
      params: commentParams,
      success: Comment,
      error: [...guarded, notFound]
    }),
    HttpApiEndpoint.put("updateComment", "/projects/:project_id/comments/:comment_id", {
      params: commentParams,
      payload: NewComment,
      success: Comment,
      error: [...guarded, notFound, conflict, invalid]
    }),
    HttpApiEndpoint.delete("deleteComment", "/projects/:project_id/comments/:comment_id", {
      params: commentParams,
      success: removed,
      error: [...guarded, notFound]
    })
  )
) {}

/** Projects and their comments. `PROJECT_SERVICE_URL`, or `_HOST`, `_PORT`, `_PROTOCOL` and `_BASE_PATH`, say where. */
export class Projects extends ServiceClient.Service<Projects>()(
  "effect-segformer/companions/Projects",
  ProjectsApi,
  { service: "project" }
) {}
