/** A client made from a contract, against servers made from the same contract and servers that break it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { ServiceClient } from "effect-segformer/service"

class UserMissing extends Schema.TaggedError<UserMissing>()(
  "UserMissing",
  { id: Schema.String },
  { httpApiStatus: 404 }
) {}
const User = Schema.Struct({ id: Schema.String, name: Schema.String })
const byId = HttpApiEndpoint.get("byId", "/users/:id", {
  params: { id: Schema.String },
  success: User,
  error: UserMissing
})
const create = HttpApiEndpoint.post("create", "/users", {
  payload: Schema.Struct({ name: Schema.NonEmptyString }),
  success: User
})
const Api = HttpApi.make("user").add(HttpApiGroup.make("users").add(byId, create))
class Users extends ServiceClient.Service<Users>()("test/Users", Api, { service: "user" }) {}

describe("ServiceClient", () => {
  it.effect("a fake", () =>
    Effect.gen(function* () {
      const { users } = yield* Users
      const user = yield* users.byId({ params: { id: "7" } })
      assert.deepStrictEqual(user, { id: "7", name: "x" })
      const error = yield* Effect.flip(users.byId({ params: { id: "8" } }))
      console.log(error)
      console.log(yield* Effect.flip(users.byId({ params: { id: ".." } })))
      console.log(yield* Effect.flip(users.create({ payload: { name: "" } })))
      console.log(yield* Effect.exit(users.create({ payload: { name: "u" } })))
    }).pipe(
      Effect.provide(
        Users.fake({
          users: {
            byId: ({ params }) =>
              params.id === "7" ? Effect.succeed({ id: "7", name: "x" }) : new UserMissing({ id: params.id })
          }
        })
      )
    )
  )
})
import { serve } from "../support/ContractServer.ts"
import { ServiceRegistry, ServiceUnavailable } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { Layer } from "effect"
describe("socket", () => {
  it.live("a real one", () =>
    Effect.gen(function* () {
      const url = yield* serve(Api, {
        users: {
          byId: ({ params }) =>
            params.id === "7" ? Effect.succeed({ id: "7", name: "x" }) : new UserMissing({ id: params.id }),
          create: () => Effect.fail(new ServiceUnavailable({ service: "", status: 503, detail: "busy" }))
        }
      })
      const layer = Users.layer.pipe(
        Layer.provide([ServiceRegistry.layerOf({ user: url }), NodeHttp.layer()])
      )
      yield* Effect.gen(function* () {
        const { users } = yield* Users
        const user = yield* users.byId({ params: { id: "7" } })
        assert.deepStrictEqual(user, { id: "7", name: "x" })
        console.log(yield* Effect.flip(users.byId({ params: { id: "8" } })))
        console.log(yield* Effect.flip(users.create({ payload: { name: "u" } })))
        console.log(yield* ServiceClient.health(yield* Users))
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped)
  )
})
