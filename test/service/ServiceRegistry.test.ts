/** Where services are, by their names in the environment. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Inspectable, Redacted } from "effect"
import { Policy } from "effect-segformer/policy"
import { ServiceRegistry } from "effect-segformer/service"

const within = <A, E>(
  env: Record<string, string>,
  definitions: Readonly<Record<string, ServiceRegistry.ServiceDefinition>>,
  use: (registry: ServiceRegistry.ServiceRegistry["Service"]) => Effect.Effect<A, E>
) =>
  Effect.flatMap(ServiceRegistry.make(definitions), use).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
  )

const urlOf = (
  env: Record<string, string>,
  definition: ServiceRegistry.ServiceDefinition = {},
  name = "account"
) =>
  within(env, { [name]: definition }, (registry) => Effect.map(registry.get(name), ({ baseUrl }) => baseUrl))

describe("ServiceRegistry: addresses", () => {
  const cases: ReadonlyArray<readonly [string, Record<string, string>, ServiceRegistry.ServiceDefinition]> = [
    ["http://users:8001/api/v1", { ACCOUNT_SERVICE_URL: "http://users:8001/api/v1/" }, {}],
    ["https://u.example", { ACCOUNT_SERVICE_URL: "https://u.example" }, { port: 8001, basePath: "/api/v1" }],
    ["http://users", { ACCOUNT_SERVICE_HOST: "users" }, {}],
    ["http://users:8001/api/v1", { ACCOUNT_SERVICE_HOST: "users" }, { port: 8001, basePath: "/api/v1" }],
    [
      "https://users:9/v2",
      {
        ACCOUNT_SERVICE_HOST: "users",
        ACCOUNT_SERVICE_PORT: "9",
        ACCOUNT_SERVICE_PROTOCOL: "https",
        ACCOUNT_SERVICE_BASE_PATH: "v2/"
      },
      { port: 8001, basePath: "/api/v1" }
    ],
    ["http://[::1]:80", { ACCOUNT_SERVICE_HOST: "::1", ACCOUNT_SERVICE_PORT: "80" }, {}],
    [
      "http://10.0.0.1:80",
      { ACCOUNT_SERVICE_HOST: "10.0.0.1", ACCOUNT_SERVICE_PORT: "tcp://10.0.0.1:80" },
      {}
    ],
    ["http://a", { ACCOUNT_SERVICE_URL: "http://a", ACCOUNT_SERVICE_HOST: "b" }, {}],
    ["http://localhost:8001", {}, { development: "http://localhost:8001" }]
  ]
  it.effect.each(cases)("%s", ([url, env, definition]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* urlOf(env, definition), url)
    })
  )

  it.effect.each([
    ["imageProcessing", "IMAGE_PROCESSING_SERVICE_URL", undefined],
    ["image-processing", "IMAGE_PROCESSING_SERVICE_URL", undefined],
    ["images", "PYTHON_SERVICE_URL", "PYTHON"]
  ] as const)("of %s come from %s", ([name, variable, prefix]) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* urlOf({ [variable]: "http://x" }, { prefix }, name), "http://x")
    })
  )

  it.effect("of a service that nobody declared come from the environment all the same", () =>
    within({ BILLING_SERVICE_URL: "http://billing" }, {}, (registry) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(registry.services, [])
        assert.strictEqual((yield* registry.get("billing")).baseUrl, "http://billing")
      })
    )
  )

  it.effect("are listed, where there are any", () =>
    within(
      { ACCOUNT_SERVICE_URL: "http://u", LEDGER_SERVICE_HOST: "k" },
      { account: {}, ledger: {}, jig: {} },
      (registry) =>
        Effect.sync(() => {
          const listed = registry.services.map((entry) => [entry.name, ServiceRegistry.healthUrl(entry)])
          assert.deepStrictEqual(listed, [
            ["account", "http://u/health"],
            ["ledger", "http://k/health"]
          ])
        })
    )
  )

  it.effect("of health stand below the base URL, and before its query", () =>
    within(
      { ACCOUNT_SERVICE_URL: "http://u/api?code=1" },
      { account: { healthPath: "/healthz" } },
      (registry) =>
        Effect.gen(function* () {
          assert.strictEqual(
            ServiceRegistry.healthUrl(yield* registry.get("account")),
            "http://u/api/healthz?code=1"
          )
        })
    )
  )
})

describe("ServiceRegistry: what is missing or wrong", () => {
  const required = { isRequired: true, development: "http://localhost:1" }

  it.effect("in production all that is missing is one error", () =>
    Effect.gen(function* () {
      const env = { NODE_ENV: "production", PLAN_SERVICE_URL: "http://p" }
      const definitions = { account: required, plan: required, ledger: required, jig: {} }
      const error = yield* Effect.flip(within(env, definitions, () => Effect.void))
      assert.strictEqual(error._tag, "InvalidConfig")
      assert.deepStrictEqual(
        error._tag === "InvalidConfig" && error.problems.map(({ variable }) => variable),
        ["ACCOUNT_SERVICE_URL", "LEDGER_SERVICE_URL"]
      )
      assert.match(
        error.message,
        /ACCOUNT_SERVICE_URL is not set \(nor ACCOUNT_SERVICE_HOST\), and NODE_ENV is production/
      )
    })
  )

  it.effect("elsewhere it is where it is in development", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* urlOf({}, required), "http://localhost:1")
    })
  )

  it.effect("a name without an address is an error that lists those with one", () =>
    within({ ACCOUNT_SERVICE_URL: "http://u" }, { account: {}, plan: {} }, (registry) =>
      Effect.gen(function* () {
        for (const name of ["plan", "usr"]) {
          const error = yield* Effect.flip(registry.get(name))
          assert.strictEqual(error._tag, "ServiceNotConfigured")
          assert.match(
            error.message,
            /has no address: set (PLAN|USR)_SERVICE_URL, or .*_HOST. Known are account$/
          )
        }
      })
    )
  )

  it.effect.each([
    ["ACCOUNT_SERVICE_URL", "users:8001", /ACCOUNT_SERVICE_URL must be a whole http\(s\) URL/],
    ["ACCOUNT_SERVICE_URL", "http://me:hunter2@users", /Set ACCOUNT_SERVICE_API_KEY instead/],
    [
      "ACCOUNT_SERVICE_HOST",
      "http://users",
      /ACCOUNT_SERVICE_HOST is "http:\/\/users", but must be the name/
    ],
    ["ACCOUNT_SERVICE_HOST", "users:80", /without protocol and port/],
    ["ACCOUNT_SERVICE_PORT", "70000", /a port from 1 to 65535/],
    ["ACCOUNT_SERVICE_PROTOCOL", "ftp", /ACCOUNT_SERVICE_PROTOCOL is "ftp", but must be .*`http`/],
    ["ACCOUNT_SERVICE_TIMEOUT", "soon", /ACCOUNT_SERVICE_TIMEOUT is "soon"/],
    ["ACCOUNT_SERVICE_MAX_RETRIES", "-1", /a whole number of at least 0/]
  ] as const)("%s=%s says what it must be", ([variable, value, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(urlOf({ [variable]: value }, { development: "http://localhost" }))
      assert.match(error.message, message)
      assert.isFalse(error.message.includes("hunter2"))
    })
  )
})

describe("ServiceRegistry: keys and policies", () => {
  it.effect("a key is in nothing that is printed", () =>
    within(
      { ACCOUNT_SERVICE_URL: "http://u", ACCOUNT_SERVICE_API_KEY: "hunter2" },
      { account: {} },
      (registry) =>
        Effect.gen(function* () {
          const { apiKey } = yield* registry.get("account")
          assert.strictEqual(apiKey === undefined ? "" : Redacted.value(apiKey), "hunter2")
          const printed = Inspectable.toStringUnknown(registry.services) + JSON.stringify(registry.services)
          assert.isFalse(printed.includes("hunter2"))
        })
    )
  )

  it.effect("the environment's word goes before the program's, which goes before the standard", () =>
    within(
      {
        ACCOUNT_SERVICE_URL: "http://u",
        ACCOUNT_SERVICE_TIMEOUT: "7 seconds",
        ACCOUNT_SERVICE_MAX_RETRIES: "1"
      },
      {
        account: {
          policy: { attemptTimeout: "5 seconds", concurrency: 3, retry: { times: 9, delay: "2 seconds" } }
        }
      },
      (registry) =>
        Effect.gen(function* () {
          const { policy } = yield* registry.get("account", { policy: { queue: 11 } })
          const made = Policy.make(policy)
          assert.deepStrictEqual(
            [made.attemptTimeout, made.concurrency, made.retry.times, made.retry.delay, made.queue],
            [Duration.seconds(7), 3, 1, Duration.seconds(2), 11]
          )
        })
    )
  )
})
