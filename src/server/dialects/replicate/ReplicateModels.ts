/** What Replicate tells of an account, a model, its version and its deployment: the fields that clients ask for before they predict. */
import { Effect } from "effect"
import type { ModelDescription } from "../../../Transport.ts"
import { version } from "../../../version.ts"
import { type DialectRoute, get, type Served } from "../../Dialect.ts"
import * as JsonPieces from "../../JsonPieces.ts"
import * as ModelName from "../../ModelName.ts"
import * as Outside from "../../Outside.ts"
import type { Refusal } from "../../Refusal.ts"

/** The only model there is, by its name, with an owner before it or without. */
export const find = (
  served: Served,
  owner: string | undefined,
  name: string
): Effect.Effect<ModelDescription, Refusal> =>
  owner === undefined
    ? ModelName.find(served, name)
    : Effect.catch(ModelName.find(served, `${owner}/${name}`), () => ModelName.find(served, name))

/** Whose all of it is. */
const account = {
  type: "organization",
  username: "effect-segformer",
  name: "effect-segformer",
  github_url: null
}

const uri = (title: string) => ({ title, type: "string", format: "uri" })

/** The inputs and the output of a prediction, as Cog describes them. */
const openapiSchema = {
  openapi: "3.0.2",
  info: { title: "Cog", version: "0.1.0" },
  paths: {},
  components: {
    schemas: {
      Input: {
        title: "Input",
        type: "object",
        required: ["image"],
        properties: { image: { ...uri("Image"), description: "An image file", "x-order": 0 } }
      },
      Output: {
        ...uri("Output"),
        description: "A grey PNG of the image's size whose pixels are class ids"
      }
    }
  }
}

/** `started` is since when the model is there, in milliseconds of the epoch. */
export const routes = (served: Served, started: number): ReadonlyArray<DialectRoute> => {
  const created_at = new Date(started).toISOString()
  const versionOf = ({ name }: ModelDescription) => ({
    id: name,
    created_at,
    cog_version: version,
    openapi_schema: openapiSchema
  })
  return [
    get("/v1/models/:owner/:name", (request, { name = "", owner = "" }) =>
      Effect.map(find(served, owner, name), (model) =>
        JsonPieces.json({
          url: `${Outside.addressOf(request)}/v1/models/${encodeURIComponent(owner)}/${encodeURIComponent(name)}`,
          owner,
          name,
          description: null,
          visibility: "private",
          github_url: null,
          paper_url: null,
          license_url: null,
          run_count: 0,
          cover_image_url: null,
          default_example: null,
          latest_version: versionOf(model)
        })
      )
    ),
    get("/v1/deployments/:owner/:name", (_, { name = "", owner = "" }) =>
      Effect.map(find(served, owner, name), (model) =>
        JsonPieces.json({
          owner,
          name,
          current_release: {
            number: 1,
            model: `${owner}/${name}`,
            version: model.name,
            created_at,
            created_by: account,
            configuration: { hardware: "cpu", min_instances: 1, max_instances: 1 }
          }
        })
      )
    ),
    get("/v1/models/:owner/:name/versions", (_, { name = "", owner = "" }) =>
      Effect.map(find(served, owner, name), (model) =>
        JsonPieces.json({ previous: null, next: null, results: [versionOf(model)] })
      )
    ),
    get("/v1/models/:owner/:name/versions/:version", (_, { name = "", owner = "", version: id }) =>
      Effect.map(Effect.andThen(find(served, owner, name), ModelName.find(served, id)), (model) =>
        JsonPieces.json(versionOf(model))
      )
    ),
    get("/v1/account", () => Effect.succeed(JsonPieces.json(account)))
  ]
}
