/** The project service: projects and what is said of them, from create to delete. Port 8003, under `/api/v1`. */
import { Schema } from "effect"
import { HttpApi, HttpApiGroup } from "effect/http-api"
import { get, post, put, delete as remove } from "effect/http-api/HttpApiEndpoint"
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

const { changed, found, gone, guarded, invalid, made, notFound } = errorsOf("project")
const params = { project_id: Id }
const commentParams = { project_id: Id, comment_id: Id }

export class ProjectsApi extends HttpApi.make("project").add(
  HttpApiGroup.make("project", { topLevel: true }).add(
    get("listProjects", "/projects", { query: Page, success: Schema.Array(Project), error: guarded }),
    post("createProject", "/projects", { payload: NewProject, success: created(Project), error: made }),
    get("getProject", "/projects/:project_id", { params, success: Project, error: found }),
    put("updateProject", "/projects/:project_id", {
      params,
      payload: ProjectChanges,
      success: Project,
      error: changed
    }),
    remove("deleteProject", "/projects/:project_id", { params, success: removed, error: gone }),
    get("listComments", "/projects/:project_id/comments", {
      params,
      query: Page,
      success: Schema.Array(Comment),
      error: found
    }),
    post("createComment", "/projects/:project_id/comments", {
      params,
      payload: NewComment,
      success: created(Comment),
      error: [...guarded, notFound, invalid]
    }),
    get("getComment", "/projects/:project_id/comments/:comment_id", {
      params: commentParams,
      success: Comment,
      error: found
    }),
    put("updateComment", "/projects/:project_id/comments/:comment_id", {
      params: commentParams,
      payload: NewComment,
      success: Comment,
      error: changed
    }),
    remove("deleteComment", "/projects/:project_id/comments/:comment_id", {
      params: commentParams,
      success: removed,
      error: found
    })
  )
) {}

/** Projects and their comments. `PROJECT_SERVICE_URL`, or `_HOST`, `_PORT`, `_PROTOCOL` and `_BASE_PATH`, say where. */
export class Projects extends ServiceClient.Service<Projects>()(
  "effect-segformer/companions/Projects",
  ProjectsApi,
  { service: "project" }
) {}
