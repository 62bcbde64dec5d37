/** The user service: its contract, and its client. Port 8001, under `/api/v1`. */
import { Schema, SchemaTransformation } from "effect"
import { HttpApi, HttpApiGroup } from "effect/http-api"
import { get, post, put, delete as remove } from "effect/http-api/HttpApiEndpoint"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"
import { created, Id, maybe, open, removed } from "./Schemas.ts"

/** A person who may sign in. Other fields of the service's (`is_active`, `full_name`) are kept as they are. */
export class User extends Schema.Opaque<User>()(
  open({
    id: Id,
    email: maybe(Schema.String),
    username: maybe(Schema.String)
  })
) {}

/** What a user may do, by name. */
export class Role extends Schema.Opaque<Role>()(open({ id: maybe(Id), name: Schema.String })) {}

/** Some services write roles as objects, some as names alone. */
const RoleOrName = Schema.Union([
  Role,
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.toType(Role),
      SchemaTransformation.transform({ decode: (name): Role => ({ name }), encode: ({ name }) => name })
    )
  )
])

const secret = Schema.RedactedFromValue(Schema.String)

export const NewUser = open({ email: Schema.String, username: Schema.String, password: secret })

/** What to change. What is left out stays. */
export const UserChanges = open({
  email: maybe(Schema.String),
  username: maybe(Schema.String),
  password: Schema.optionalKey(secret)
})

/** What a signed-in user shows from then on. */
export class Session extends Schema.Opaque<Session>()(
  open({
    access_token: secret,
    refresh_token: maybe(secret),
    id_token: maybe(secret),
    token_type: maybe(Schema.String),
    user_id: maybe(Id)
  })
) {}

const { changed, found, guarded, invalid, made } = errorsOf("user")
const params = { user_id: Id }

export class UsersApi extends HttpApi.make("user").add(
  HttpApiGroup.make("user", { topLevel: true }).add(
    get("getUser", "/users/:user_id", { params, success: User, error: found }),
    post("createUser", "/users", { payload: NewUser, success: created(User), error: made }),
    put("updateUser", "/users/:user_id", { params, payload: UserChanges, success: User, error: changed }),
    remove("deleteUser", "/users/:user_id", { params, success: removed, error: found }),
    post("authenticate", "/auth/login", {
      payload: open({ email: Schema.String, password: secret }),
      success: Session,
      error: [...guarded, invalid]
    }),
    get("getRoles", "/users/:user_id/roles", { params, success: Schema.Array(RoleOrName), error: found })
  )
) {}

/** Users, what they may do, and signing in. `USER_SERVICE_URL`, or `_HOST`, `_PORT`, `_PROTOCOL` and `_BASE_PATH`, say where. */
export class Users extends ServiceClient.Service<Users>()("effect-segformer/companions/Users", UsersApi, {
  service: "user"
}) {}
