/** What a contract says of a client in its types, and contracts with middleware and groups at the top. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Context, Effect, Layer, Schema, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { HttpApi, HttpApiEndpoint, HttpApiGroup, HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import type { Variable } from "effect-segformer/policy"
import { type InvalidUrl, ServiceClient, type ServiceError, ServiceRegistry } from "effect-segformer/service"
import { Busy, User, UserApi, UserMissing, Users } from "./users.ts"

describe("ServiceClient: types", () => {
  type Api = ServiceClient.For<typeof UserApi>

  it("each call fails as its contract declares, or as every call does", () => {
    const found = ({ users }: Api) => users.byId({ params: { id: "7" }, query: {} })
    expectTypeOf(found).returns.toEqualTypeOf<
      Effect.Effect<typeof User.Type, UserMissing | ServiceClient.CallError>
    >()
    const created = ({ users }: Api) => users.create({ payload: { name: "Ada" } })
    expectTypeOf(created).returns.toEqualTypeOf<Effect.Effect<typeof User.Type, ServiceClient.CallError>>()
  })

  it("nothing of the machinery beneath shows: no HttpClientError, no SchemaError, also not in streams", () => {
    const exported = ({ users }: Api) => Stream.unwrap(users.export())
    expectTypeOf(exported).returns.toEqualTypeOf<Stream.Stream<Uint8Array, ServiceClient.CallError>>()
    const alone = ({ users }: Api) => Effect.map(users.export(), (stream) => stream)
    expectTypeOf<Stream.Error<Effect.Success<ReturnType<typeof alone>>>>().toEqualTypeOf<ServiceError>()
  })

  it("a client says what it needs, and how making it fails", () => {
    expectTypeOf(Users.layer).toEqualTypeOf<
      Layer.Layer<
        Users,
        ServiceRegistry.ServiceNotConfigured | Variable.InvalidConfig | InvalidUrl,
        ServiceRegistry.ServiceRegistry | HttpClient.HttpClient
      >
    >()
    expectTypeOf(Users.fake).returns.toEqualTypeOf<Layer.Layer<Users>>()
  })

  it("parameters and payloads are those of the contract", () => {
    const wrong = ({ users }: Api) => [
      // @ts-expect-error: it has no such parameter
      users.byId({ params: { name: "7" } }),
      // @ts-expect-error: its payload needs a name
      users.create({ payload: {} })
    ]
    assert.isFunction(wrong)
  })
})

class Caller extends Context.Service<Caller, { readonly name: string }>()("test/Caller") {}
class Authorized extends HttpApiMiddleware.Service<Authorized, { provides: Caller }>()("test/Authorized", {
  security: { bearer: HttpApiSecurity.bearer },
  error: Busy
}) {}

describe("ServiceClient: contracts with middleware, and top-level groups", () => {
  const SecretApi = HttpApi.make("secret").add(
    HttpApiGroup.make("secrets", { topLevel: true }).add(
      HttpApiEndpoint.get("read", "/secret", { success: Schema.String }).middleware(Authorized)
    )
  )
  class Secrets extends ServiceClient.Service<Secrets>()("test/Secrets", SecretApi, { service: "secret" }) {}

  it.effect("their errors are in the type, and a fake lets everybody pass", () =>
    Effect.gen(function* () {
      const secrets = yield* Secrets
      expectTypeOf(secrets.read()).toEqualTypeOf<Effect.Effect<string, Busy | ServiceClient.CallError>>()
      assert.strictEqual(yield* secrets.read(), "s")
    }).pipe(Effect.provide(Secrets.fake({ secrets: { read: () => Effect.succeed("s") } })))
  )
})
