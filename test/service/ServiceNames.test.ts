/** The names that a user of such services has in the environment, in every order and spelling. */
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Layer, Redacted } from "effect"
import { SegFormerConfig } from "effect-segformer/http"
import { Policy } from "effect-segformer/policy"
import { ServiceClient, ServiceRegistry } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { folder } from "../support/Folder.ts"
import * as TestServer from "../support/TestServer.ts"
import { UserApi } from "./users.ts"

type Env = Record<string, string>

const within = <A, E, R>(env: Env, self: Effect.Effect<A, E, R>) =>
  Effect.provideService(self, ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))

/** As a program with no declarations of its own asks. */
const entryOf = (env: Env, name = "user", own?: ServiceRegistry.ServiceDefinition) =>
  within(
    env,
    Effect.flatMap(ServiceRegistry.make(), ({ get }) => get(name, own))
  )

describe("the six that a registry knows", () => {
  it.effect("are there in development, and listed, with their ports and base paths", () =>
    Effect.gen(function* () {
      const { services } = yield* within({}, ServiceRegistry.make())
      assert.deepStrictEqual(
        services.map(({ baseUrl, name }) => [name, baseUrl]),
        [
          ["user", "http://localhost:8001/api/v1"],
          ["project", "http://localhost:8003/api/v1"],
          ["knowledge", "http://localhost:8002/api/v1"],
          ["design", "http://localhost:8000/api/v1"],
          ["marketplace", "http://localhost:8005/api/v1"],
          ["analytics", "http://localhost:8004/api/v1"]
        ]
      )
    })
  )

  it.effect.each(["user", "user-service", "userService", "USER_SERVICE", "User", "user_service"])(
    "%s is the same service",
    (name) =>
      Effect.gen(function* () {
        const entry = yield* entryOf({ USER_SERVICE_HOST: "users" }, name)
        assert.deepStrictEqual([entry.name, entry.baseUrl], ["user", "http://users:8001/api/v1"])
      })
  )

  it.effect.each([
    ["user", { USER_SERVICE_PORT: "9001" }, "http://localhost:9001/api/v1"],
    ["user", { USER_SERVICE_PROTOCOL: "https" }, "https://localhost:8001/api/v1"],
    ["user", { USER_SERVICE_PROTOCOL: "HTTPS://" }, "https://localhost:8001/api/v1"],
    ["user", { USER_SERVICE_BASE_PATH: "/v2/" }, "http://localhost:8001/v2"],
    ["user", { USER_SERVICE_BASE_PATH: "/" }, "http://localhost:8001"],
    ["user", { USER_SERVICE_PORT: "tcp://10.0.0.7:80" }, "http://10.0.0.7:80/api/v1"],
    // What a cluster sets for a service that is called `user-service`, whatever one's own host is.
    [
      "user",
      { USER_SERVICE_PORT: "tcp://10.0.0.7:80", USER_SERVICE_HOST: "users" },
      "http://users:8001/api/v1"
    ],
    ["user", { USER_SERVICE_PORT: "9001", USER_SERVICE_HOST: "" }, "http://localhost:9001/api/v1"],
    ["user", { USER_SERVICE_URL: "", USER_SERVICE_PORT: "9001" }, "http://localhost:9001/api/v1"],
    ["user", { USER_SERVICE_URL: "http://u:1/api/v1//", USER_SERVICE_PORT: "9" }, "http://u:1/api/v1"],
    ["user", { USER_SERVICE_PORT: "9001", NODE_ENV: "production" }, "http://localhost:9001/api/v1"],
    ["project", { PROJECT_SERVICE_HOST: "p" }, "http://p:8003/api/v1"],
    ["knowledge-service", { KNOWLEDGE_SERVICE_PORT: "1" }, "http://localhost:1/api/v1"],
    ["analytics", { ANALYTICS_SERVICE_HOST: "a" }, "http://a:8004/api/v1"],
    ["billing", { BILLING_SERVICE_PORT: "7" }, "http://localhost:7"],
    ["billing-service", { BILLING_SERVICE_HOST: "b" }, "http://b"],
    ["retrieval", {}, "http://localhost:8000"],
    ["retrieval", { RETRIEVAL_SERVICE_PORT: "8100" }, "http://localhost:8100"],
    ["imageProcessing", { PYTHON_SERVICE_PORT: "8100" }, "http://localhost:8100"],
    ["python-service", { PYTHON_SERVICE_HOST: "py" }, "http://py:8000"],
    ["imageProcessing", { IMAGE_PROCESSING_SERVICE_URL: "http://i" }, "http://i"]
  ] as ReadonlyArray<readonly [string, Env, string]>)("%s with %j is at %s", ([name, env, url]) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* entryOf(env, name)).baseUrl, url)
    })
  )

  it.effect("what a program declares goes before what is known, and the environment before both", () =>
    Effect.gen(function* () {
      const registry = yield* within(
        { PROJECT_SERVICE_PORT: "5" },
        ServiceRegistry.make({ "user-service": { port: 1 }, project: { port: 2 } })
      )
      assert.deepStrictEqual(
        registry.services.map(({ baseUrl }) => baseUrl),
        ["http://localhost:8001/api/v1", "http://localhost:5/api/v1"]
      )
      const { name } = yield* registry.get("user")
      assert.strictEqual(name, "user-service")
    })
  )

  it.effect(
    "what is wrong with one that nobody declared is told to whoever asks for it, and to nobody else",
    () =>
      Effect.gen(function* () {
        const registry = yield* within({ DESIGN_SERVICE_PORT: "70000" }, ServiceRegistry.make())
        assert.lengthOf(registry.services, 5)
        assert.strictEqual((yield* registry.get("user")).baseUrl, "http://localhost:8001/api/v1")
        assert.match((yield* Effect.flip(registry.get("design"))).message, /DESIGN_SERVICE_PORT is "70000"/)
      })
  )

  it.effect("a name of JavaScript's own is none of a service", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(entryOf({}, "constructor")))._tag, "ServiceNotConfigured")
    })
  )
})

describe("production", () => {
  it.effect.each([
    { NODE_ENV: "production" },
    { ENVIRONMENT: "production" },
    { ENVIRONMENT: "Production", NODE_ENV: "development" }
  ] as ReadonlyArray<Env>)("%j: nothing is on this machine that nobody has put there", (env) =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(entryOf(env)))._tag, "ServiceNotConfigured")
      const { services } = yield* within(env, ServiceRegistry.make())
      assert.deepStrictEqual(services, [])
      const required = { user: { isRequired: true } }
      for (const more of [{}, { USER_SERVICE_PORT: "9001" }, { USER_SERVICE_PROTOCOL: "https" }]) {
        const error = yield* Effect.flip(within({ ...env, ...more }, ServiceRegistry.make(required)))
        assert.match(
          error.message,
          /USER_SERVICE_URL is not set \(nor USER_SERVICE_HOST\), and (NODE_ENV|ENVIRONMENT) is production/
        )
      }
      const set = { ...env, USER_SERVICE_HOST: "users" }
      assert.lengthOf((yield* within(set, ServiceRegistry.make(required))).services, 1)
      const { message } = yield* Effect.flip(within(env, SegFormerConfig.load))
      assert.match(message, /SEGFORMER_SERVICE_URL is not set, and (NODE_ENV|ENVIRONMENT) is production/)
    })
  )
})

describe("names that mean the same", () => {
  it.effect.each([
    ["authentication", { AUTH_SERVICE_URL: "http://a" }, "http://a", undefined],
    ["auth", { AUTH_SERVICE_URL: "http://a" }, "http://a", undefined],
    ["auth-service", { AUTHENTICATION_SERVICE_URL: "http://a" }, "http://a", undefined],
    [
      "authentication",
      { AUTH_SERVICE_URL: "http://a/", AUTHENTICATION_SERVICE_URL: "http://a" },
      "http://a",
      undefined
    ],
    ["authentication", { AUTH_SERVICE_HOST: "a", AUTH_API_KEY: "k" }, "http://a", "k"],
    ["authentication", { AUTH_SERVICE_PORT: "3", AUTH_SERVICE_API_KEY: "k" }, "http://localhost:3", "k"],
    [
      "authentication",
      { AUTH_SERVICE_URL: "http://a", AUTH_API_KEY: "", AUTHENTICATION_API_KEY: "k" },
      "http://a",
      "k"
    ],
    ["notification", { NOTIFICATION_SERVICE_URL: "http://n", NOTIFICATION_API_KEY: "k" }, "http://n", "k"],
    ["user", { USER_API_KEY: "k", USER_SERVICE_API_KEY: "k" }, "http://localhost:8001/api/v1", "k"],
    ["python", { PYTHON_API_KEY: "k" }, "http://localhost:8000", "k"],
    ["billing", { BILLING_SERVICE_URL: "http://b", BILLING_API_KEY: "k" }, "http://b", "k"]
  ] as ReadonlyArray<readonly [string, Env, string, string | undefined]>)(
    "%s with %j",
    ([name, env, url, key]) =>
      Effect.gen(function* () {
        const { apiKey, baseUrl } = yield* entryOf(env, name)
        assert.deepStrictEqual([baseUrl, apiKey && Redacted.value(apiKey)], [url, key])
      })
  )

  it.effect.each([
    ["authentication", "AUTHENTICATION_SERVICE_URL", "http://a", "AUTH_SERVICE_URL", "http://b"],
    ["authentication", "AUTHENTICATION_SERVICE_PORT", "1", "AUTH_SERVICE_PORT", "2"],
    ["authentication", "AUTHENTICATION_API_KEY", "hunter2", "AUTH_SERVICE_API_KEY", "hunter3"],
    ["user", "USER_SERVICE_API_KEY", "hunter2", "USER_API_KEY", "hunter3"],
    ["authentication", "AUTHENTICATION_SERVICE_TIMEOUT", "5 seconds", "AUTH_SERVICE_TIMEOUT", "6000"]
  ] as const)("%s: %s=%s and %s=%s disagree, and both are named", ([name, one, a, other, b]) =>
    Effect.gen(function* () {
      const env = { AUTH_SERVICE_HOST: "h", [one]: a, [other]: b }
      for (const each of [env, Object.fromEntries(Object.entries(env).reverse())]) {
        const { message } = yield* Effect.flip(entryOf(each, name))
        assert.include(message, one)
        assert.include(message, other)
        assert.notInclude(message, "hunter")
      }
    })
  )

  it.effect("a service that is declared, or given an address, by its short name is the same", () =>
    Effect.gen(function* () {
      const env = { AUTHENTICATION_SERVICE_URL: "http://a", AUTH_API_KEY: "k" }
      const { services } = yield* within(env, ServiceRegistry.make({ auth: { isRequired: true } }))
      assert.deepStrictEqual(
        services.map(({ baseUrl, name }) => [name, baseUrl]),
        [["auth", "http://a"]]
      )
      const { get } = yield* Effect.provide(
        ServiceRegistry.ServiceRegistry,
        ServiceRegistry.layerOf({ auth: "http://b", "user-service": "http://u/" })
      )
      assert.strictEqual((yield* get("authentication")).baseUrl, "http://b")
      assert.strictEqual((yield* get("user")).baseUrl, "http://u")
    })
  )

  it.effect("5000 and 5 seconds are the same", () =>
    Effect.gen(function* () {
      const env = {
        AUTH_SERVICE_URL: "http://a",
        AUTHENTICATION_SERVICE_TIMEOUT: "5 seconds",
        AUTH_SERVICE_TIMEOUT: "5000",
        AUTH_SERVICE_RETRY_DELAY: "0"
      }
      const { policy } = yield* entryOf(env, "auth")
      const { attemptTimeout, retry } = Policy.make(policy)
      assert.deepStrictEqual([attemptTimeout, retry.delay], [Duration.seconds(5), Duration.zero])
    })
  )
})

describe("health", () => {
  it.effect.each([
    [{}, "http://u/api/v1/health?k=1"],
    [{ healthAt: "root" }, "http://u/health?k=1"],
    [{ healthAt: "root", healthPath: "/healthz" }, "http://u/healthz?k=1"],
    [{ healthAt: "base", healthPath: "live" }, "http://u/api/v1/live?k=1"]
  ] as const)("%j is at %s", ([own, url]) =>
    Effect.gen(function* () {
      const entry = yield* entryOf({ USER_SERVICE_URL: "http://u/api/v1?k=1" }, "user", own)
      assert.strictEqual(ServiceRegistry.healthUrl(entry), url)
    })
  )

  it.live("is asked at the root where that is said, with the key of the service", () =>
    Effect.gen(function* () {
      const server = yield* TestServer.http(({ path }, response) =>
        TestServer.sendJson(response, {}, path === "/status" ? 200 : 404)
      )
      const context = yield* Layer.build(
        Layer.merge(
          ServiceRegistry.layerOf({
            user: { baseUrl: `${server.url}/api/v1`, apiKey: Redacted.make("k"), healthAt: "root" }
          }),
          NodeHttp.layer()
        )
      )
      const client = yield* ServiceClient.make(UserApi, { service: "user", healthPath: "/status" }).pipe(
        Effect.provideContext(context)
      )
      assert.isTrue((yield* ServiceClient.health(client)).healthy)
      assert.strictEqual(server.requests[0]?.headers.authorization, "Bearer k")
    }).pipe(Effect.scoped)
  )
})

describe(".env", () => {
  const load = Effect.gen(function* () {
    const { get } = yield* ServiceRegistry.make()
    return (yield* get("user")).baseUrl
  })

  it.effect("that is not there is no failure, unless it was asked for by name", () =>
    Effect.gen(function* () {
      const at = yield* folder()
      const missing = Layer.provide(
        SegFormerConfig.layerDotEnv(),
        Layer.merge(
          NodeFileSystem.layer,
          ConfigProvider.layer(ConfigProvider.fromEnv({ env: { USER_SERVICE_HOST: "users" } }))
        )
      )
      const before = process.cwd()
      process.chdir(at)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.chdir(before)))
      assert.strictEqual(yield* Effect.provide(load, missing), "http://users:8001/api/v1")
      const named = Layer.provide(SegFormerConfig.layerDotEnv(join(at, ".env")), NodeFileSystem.layer)
      assert.strictEqual((yield* Effect.flip(Effect.provide(load, named)))._tag, "PlatformError")
    }).pipe(Effect.scoped)
  )

  it.effect("is read where it is there, and the environment goes before it", () =>
    Effect.gen(function* () {
      const at = yield* folder({ ".env": "USER_SERVICE_PORT=9\nUSER_SERVICE_HOST='a' # here\n" })
      const layer = Layer.provide(
        SegFormerConfig.layerDotEnv(join(at, ".env")),
        Layer.merge(
          NodeFileSystem.layer,
          ConfigProvider.layer(ConfigProvider.fromEnv({ env: { USER_SERVICE_HOST: "users" } }))
        )
      )
      assert.strictEqual(yield* Effect.provide(load, layer), "http://users:9/api/v1")
    }).pipe(Effect.scoped)
  )
})
