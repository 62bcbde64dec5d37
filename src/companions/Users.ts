/** The user service: its contract, and its client. Port 8001, under `/api/v1`. */
import { Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { created, Id, removed } from "./Schemas.ts"

/** A person who may sign in. */
export class User extends Schema.Opaque<User>()(
  Schema.Struct({
    id: Id,
    email: Schema.String,
    username: Schema.optionalKey(Schema.String)
  })
) {}

/** What a user may do, by name. */
export class Role extends Schema.Opaque<Role>()(
  Schema.Struct({ id: Schema.optionalKey(Id), name: Schema.String })
) {}

const secret = Schema.RedactedFromValue(Schema.String)

export const NewUser = Schema.Struct({ email: Schema.String, username: Schema.String, password: secret })

/** What to change. What is left out stays. */
export const UserChanges = Schema.Struct({
  email: Schema.optionalKey(Schema.String),
  username: Schema.optionalKey(Schema.String),
  password: Schema.optionalKey(secret)
})

/** What a signed-in user shows from then on. */
export class Session extends Schema.Opaque<Session>()(
  Schema.Struct({
    access_token: secret,
    token_type: Schema.optionalKey(Schema.String),
    user_id: Schema.optionalKey(Id)
  })
) {}

const { conflict, guarded, invalid, notFound } = errorsOf("user")
const params = { user_id: Id }

export class UsersApi extends HttpApi.make("user").add(
  HttpApiGroup.make("user", { topLevel: true }).add(
    HttpApiEndpoint.get("getUser", "/users/:user_id", {
      params,
      success: User,
      error: [...guarded, notFound]
    }),
    HttpApiEndpoint.post("createUser", "/users", {
      payload: NewUser,
      success: created(User),
      error: [...guarded, conflict, invalid]
    }),
    HttpApiEndpoint.put("updateUser", "/users/:user_id", {
      params,
      payload: UserChanges,
      success: User,
      error: [...guarded, notFound, conflict, invalid]
    }),
    HttpApiEndpoint.delete("deleteUser", "/users/:user_id", {
      params,
      success: removed,
      error: [...guarded, notFound]
    }),
    HttpApiEndpoint.post("authenticate", "/auth/login", {
      payload: Schema.Struct({ email: Schema.String, password: secret }),
      success: Session,
      error: [...guarded, invalid]
    }),
    HttpApiEndpoint.get("getRoles", "/users/:user_id/roles", {
      params,
      success: Schema.Array(Role),
      error: [...guarded, notFound]
    })
  )
) {}

/** Users, what they may do, and signing in. `USER_SERVICE_URL`, or `_HOST`, `_PORT`, `_PROTOCOL` and `_BASE_PATH`, say where. */
export class Users extends ServiceClient.Service<Users>()("effect-segformer/companions/Users", UsersApi, {
  service: "user"
}) {}
