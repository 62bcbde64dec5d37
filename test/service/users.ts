/** A contract of users, its client, and one of a server with retries that come soon. */
import { Effect, Layer, Redacted, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { ServiceClient, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import type * as TestServer from "../support/TestServer.ts"

export class UserMissing extends Schema.TaggedError<UserMissing>()(
  "UserMissing",
  { id: Schema.String },
  { httpApiStatus: 404 }
) {}

export class Busy extends Schema.TaggedError<Busy>()(
  "Busy",
  { reason: Schema.String },
  { httpApiStatus: 503 }
) {}

export const User = Schema.Struct({ id: Schema.String, name: Schema.String })
export const params = { id: Schema.String }

export const UserApi = HttpApi.make("user").add(
  HttpApiGroup.make("users").add(
    HttpApiEndpoint.get("byId", "/users/:id", {
      params,
      query: { fields: Schema.optionalKey(Schema.String) },
      success: User,
      error: UserMissing
    }),
    HttpApiEndpoint.post("create", "/users", {
      payload: Schema.Struct({ name: Schema.NonEmptyString }),
      success: User.pipe(HttpApiSchema.status(201))
    }),
    HttpApiEndpoint.post("find", "/users/find", {
      payload: Schema.Struct({ name: Schema.String }),
      success: User
    }).annotate(ServiceClient.Idempotent, true),
    HttpApiEndpoint.put("rename", "/users/:id", { params, payload: User, success: User, error: Busy }),
    HttpApiEndpoint.delete("remove", "/users/:id", { params }),
    HttpApiEndpoint.get("export", "/export", { success: HttpApiSchema.StreamUint8Array() })
  )
)
export class Users extends ServiceClient.Service<Users>()("test/Users", UserApi, { service: "user" }) {}

export const user = { id: "7", name: "Ada" }
export const never: TestServer.Handler = () => {}
export const quick = { retry: { delay: "5 millis" } } as const

/** A client of a server, with retries that come soon. */
export const clientOf = (
  url: string,
  options: Partial<ServiceClient.ServiceClientOptions<ServiceClient.GroupsOf<typeof UserApi>>> = {},
  apiKey?: string
) =>
  Effect.flatMap(
    Layer.build(
      Layer.merge(
        ServiceRegistry.layerOf({
          user: { baseUrl: url, apiKey: apiKey === undefined ? undefined : Redacted.make(apiKey) }
        }),
        NodeHttp.layer()
      )
    ),
    (context) =>
      Effect.provideContext(
        ServiceClient.make(UserApi, { service: "user", policy: quick, ...options }),
        context
      )
  )
