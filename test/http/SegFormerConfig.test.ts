import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import * as Protocols from "../../src/http/protocol/Protocols.ts"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, FileSystem, Layer, Logger, Redacted } from "effect"
import { ImageSource, segment } from "effect-segformer"
import { SegFormerConfig, SegFormerHttp, ServiceSettings } from "effect-segformer/http"
import { FakeHttp, Fixtures } from "effect-segformer/testing"

const environment = (env: Readonly<Record<string, string>>) =>
  ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
const load = (env: Readonly<Record<string, string>>) => Effect.provide(SegFormerConfig.load, environment(env))
const problemsOf = (env: Readonly<Record<string, string>>) =>
  Effect.map(Effect.flip(load(env)), (error) => {
    for (const { detail, variable } of error.problems) assert.include(error.message, `${variable} ${detail}`)
    assert.isFalse(error.isRetryable)
    return error.problems.map(({ variable }) => variable)
  })

/** What a service would have been asked by a transport made from the environment. */
const asked = (
  env: Readonly<Record<string, string>>,
  options: Parameters<typeof SegFormerConfig.configWith>[0] = {}
) =>
  Effect.gen(function* () {
    yield* Effect.exit(segment(ImageSource.bytes(Fixtures.image)))
    return yield* (yield* FakeHttp.Recorded).requests
  }).pipe(
    Effect.provide(
      SegFormerHttp.layerConfig(SegFormerConfig.configWith(options)).pipe(
        Layer.provideMerge(
          FakeHttp.script(Array.from({ length: 9 }, () => FakeHttp.respond({ status: 500 })))
        ),
        Layer.provide(environment({ SEGFORMER_PROTOCOL: "inspection", ...env }))
      )
    ),
    Effect.provide(Logger.layer([]))
  )

describe("SegFormerConfig", () => {
  it.effect("without any variable there is a service on this machine, and the standard policy", () =>
    Effect.gen(function* () {
      const config = yield* load({})
      assert.strictEqual(config.baseUrl, "http://localhost:8080")
      assert.isUndefined(config.apiKey)
      assert.deepStrictEqual(config.policy, {})
      assert.hasAllKeys(config, ["baseUrl", "apiKey", "model", "protocol", "policy"])
    })
  )

  it.effect("reads every variable", () =>
    Effect.gen(function* () {
      const config = yield* load({
        SEGFORMER_SERVICE_URL: " https://host/v1/ ",
        SEGFORMER_API_KEY: "hunter2",
        SEGFORMER_TIMEOUT: "45 seconds",
        SEGFORMER_MAX_RETRIES: "0",
        SEGFORMER_RETRY_DELAY: "250",
        SEGFORMER_MAX_CONNECTIONS: "3",
        SEGFORMER_REDIRECTS: "a.example.com, *.example.org:8443",
        SEGFORMER_MAX_REDIRECTS: "2",
        SEGFORMER_MAX_BODY_BYTES: "512k",
        SEGFORMER_MAX_DECODED_BYTES: "64 MiB",
        SEGFORMER_IDEMPOTENCY_HEADER: "X-Request-Key",
        NODE_ENV: "production"
      })
      assert.strictEqual(config.baseUrl, "https://host/v1/")
      assert.strictEqual(config.apiKey === undefined ? "" : Redacted.value(config.apiKey), "hunter2")
      assert.deepStrictEqual(config.policy, {
        attemptTimeout: Duration.seconds(45),
        concurrency: 3,
        retry: { times: 0, delay: Duration.millis(250) }
      })
      assert.deepStrictEqual(config.redirects, { max: 2, hosts: ["a.example.com", "*.example.org:8443"] })
      assert.deepStrictEqual(config.limits, { maxBodyBytes: 524_288, maxDecodedBytes: 67_108_864 })
      assert.strictEqual(config.idempotencyHeader, "X-Request-Key")
    })
  )

  it.effect("redirects are refused, followed at home, or anywhere", () =>
    Effect.gen(function* () {
      const rules = (value: string) =>
        Effect.map(load({ SEGFORMER_REDIRECTS: value }), ({ redirects }) => redirects)
      assert.strictEqual(yield* rules("refuse"), "refuse")
      assert.deepStrictEqual(yield* rules("same-origin"), { hosts: [] })
      assert.deepStrictEqual(yield* rules("any"), { hosts: "any" })
      assert.deepStrictEqual(yield* problemsOf({ SEGFORMER_MAX_REDIRECTS: "2" }), ["SEGFORMER_MAX_REDIRECTS"])
    })
  )

  it.effect("an empty variable is one that is not set", () =>
    Effect.gen(function* () {
      const config = yield* load({ SEGFORMER_SERVICE_URL: "", SEGFORMER_API_KEY: "", SEGFORMER_TIMEOUT: "" })
      assert.strictEqual(config.baseUrl, "http://localhost:8080")
      assert.isUndefined(config.apiKey)
    })
  )

  it.effect("names every problem with its variable, at once", () =>
    Effect.gen(function* () {
      const variables = yield* problemsOf({
        SEGFORMER_SERVICE_URL: "localhost:8080",
        SEGFORMER_API_KEY: "hun\nter2",
        SEGFORMER_TIMEOUT: "soon",
        SEGFORMER_MAX_RETRIES: "-1",
        SEGFORMER_RETRY_DELAY: "-1",
        SEGFORMER_MAX_CONNECTIONS: "0"
      })
      assert.deepStrictEqual(variables.toSorted(), [
        "SEGFORMER_API_KEY",
        "SEGFORMER_MAX_CONNECTIONS",
        "SEGFORMER_MAX_RETRIES",
        "SEGFORMER_RETRY_DELAY",
        "SEGFORMER_SERVICE_URL",
        "SEGFORMER_TIMEOUT"
      ])
    })
  )

  const wrong = {
    SEGFORMER_SERVICE_URL: ["/v1", "ftp://host", "http://", "http://u:p@host", "   "],
    SEGFORMER_TIMEOUT: ["-5", "5 parsecs", "NaN", "0 seconds", "-1 second"],
    SEGFORMER_MAX_RETRIES: ["3.5", "three", "1e3", "99999999999999999999"],
    SEGFORMER_MAX_CONNECTIONS: ["0", "-1", "many"],
    SEGFORMER_REDIRECTS: ["http://host", "a b", "*", ","],
    SEGFORMER_MAX_BODY_BYTES: ["0", "much", "1.3 kB", "99999999999 GB"],
    SEGFORMER_IDEMPOTENCY_HEADER: ["two words", "a:b"]
  }
  const cases = Object.entries(wrong).flatMap(([variable, values]) =>
    values.map((value) => [variable, value] as const)
  )
  it.effect.each(cases)("%s does not take %j", ([variable, value]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf({ [variable]: value }), [variable])
    })
  )

  it.effect("in production the URL must be said, in the environment or by the program", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* problemsOf({ NODE_ENV: "production" }), ["SEGFORMER_SERVICE_URL"])
      assert.deepStrictEqual(yield* problemsOf({ NODE_ENV: "production", SEGFORMER_SERVICE_URL: "" }), [
        "SEGFORMER_SERVICE_URL"
      ])
      const [request] = yield* asked(
        { NODE_ENV: "production" },
        { baseUrl: "http://given", policy: { retry: false } }
      )
      assert.strictEqual(request?.url, "http://given/upload")
    })
  )

  it.effect("a key is never printed, not even one that is wrong or hidden in the URL", () =>
    Effect.gen(function* () {
      const config = yield* load({ SEGFORMER_API_KEY: "hunter2" })
      assert.notInclude(
        inspect(config, { depth: 9 }) + JSON.stringify(config) + String(config.apiKey),
        "hunter2"
      )
      const error = yield* Effect.flip(
        load({ SEGFORMER_API_KEY: "hunter2\u0007", SEGFORMER_SERVICE_URL: "http://user:hunter2@host" })
      )
      assert.strictEqual(error.problems.length, 2)
      assert.notInclude(inspect(error, { depth: 9 }) + JSON.stringify(error) + error.message, "hunter2")
    })
  )

  it.live("a .env file fills in what the environment does not say", () =>
    Effect.gen(function* () {
      const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const path = join(folder, ".env")
      const content =
        '# service\nSEGFORMER_SERVICE_URL=http://from-file\nSEGFORMER_API_KEY="from file"\nSEGFORMER_MAX_RETRIES=1\n'
      yield* Effect.promise(() => writeFile(path, content))
      const config = yield* SegFormerConfig.load.pipe(
        Effect.provide(
          Layer.provide(
            SegFormerConfig.layerDotEnv(path),
            environment({ SEGFORMER_SERVICE_URL: "http://from-env" })
          )
        )
      )
      assert.strictEqual(config.baseUrl, "http://from-env")
      assert.strictEqual(config.apiKey && Redacted.value(config.apiKey), "from file")
      assert.deepStrictEqual(config.policy, { retry: { times: 1 } })
      const missing = yield* Effect.flip(
        Effect.provide(SegFormerConfig.load, SegFormerConfig.layerDotEnv(join(folder, "none.env")))
      )
      assert.strictEqual(missing._tag, "PlatformError")
    }).pipe(Effect.provide(NodeFileSystem.layer), Effect.scoped)
  )
})

describe("ServiceSettings", () => {
  it.effect("name a variable for the key, which must be set unless a key is given", () =>
    Effect.gen(function* () {
      const settings = { url: "http://host", protocol: "custom", keyVariable: "LAB_KEY" }
      const made = (env: Record<string, string>, given: Partial<SegFormerConfig.Given> = {}) =>
        Effect.provideService(
          SegFormerConfig.configWith({ settings, ...given }),
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromEnv({ env })
        )
      // The other variable is not the one that was asked for.
      for (const env of [{}, { LAB_KEY: "" }, { SEGFORMER_API_KEY: "hunter2" }, { lab_key: "hunter2" }]) {
        const { message } = yield* Effect.flip(made(env))
        assert.include(message, "LAB_KEY is not set, and the settings take the key from it (`keyVariable`)")
        assert.notInclude(message, "hunter2")
      }
      // A header of its own takes the key as well.
      const header = { settings: { ...settings, keyHeader: "X-Lab-Key" } }
      assert.include((yield* Effect.flip(made({}, header))).message, "LAB_KEY is not set")
      const { apiKey } = yield* made({ LAB_KEY: "hunter2" })
      assert.strictEqual(apiKey && Redacted.value(apiKey), "hunter2")
      const own = yield* made({}, { apiKey: Redacted.make("mine") })
      assert.strictEqual(own.apiKey && Redacted.value(own.apiKey), "mine")
      const none = yield* made({}, { settings: { url: "http://host", protocol: "custom" } })
      assert.isUndefined(none.apiKey)
    })
  )

  it.effect("say what is wrong without what may be a key, wherever that was written", () =>
    Effect.gen(function* () {
      const key = "sk-4a5b/hunter2"
      const wrong: ReadonlyArray<readonly [object, RegExp]> = [
        [{ keyVariable: key }, /^keyVariable in f$/],
        [{ keyVariable: [key] }, /^keyVariable in f$/],
        [{ keyHeader: `Authorization: Bearer ${key}` }, /^keyHeader in f$/],
        [{ headers: { "X-Key": { variable: key } } }, /^headers\.X-Key(\.variable)? in f$/],
        [{ headers: { "X-Key": [key] } }, /^headers\.X-Key in f$/],
        [{ headers: { [`Authorization: Bearer ${key}`]: "" } }, /^headers\.Authorization… in f$/],
        [{ headers: `Authorization: Bearer ${key}` }, /^headers in f$/],
        [{ [`Authorization: Bearer ${key}`]: "" }, /^Authorization… in f$/],
        [{ [`token=${key}`]: "" }, /^token… in f$/],
        [{ apiKey: key }, /^apiKey in f$/],
        [{ url: `http://user:${key}@host` }, /^url in f$/],
        [{ url: `http://host/?key=${key}` }, /^url in f$/],
        [{ fields: `token=${key}` }, /^fields in f$/],
        [{ hosts: key }, /^hosts in f$/]
      ]
      for (const [settings, place] of wrong) {
        const error = yield* Effect.flip(ServiceSettings.parse(JSON.stringify(settings), "f"))
        assert.notInclude(inspect(error, { depth: 9 }) + JSON.stringify(error) + error.message, "hunter2")
        assert.match(error.problems[0]!.variable, place)
      }
    })
  )
})

describe("SegFormerHttp.layerConfig", () => {
  it.live("goes where the environment says, with its key and its policy", () =>
    Effect.gen(function* () {
      const requests = yield* asked({
        SEGFORMER_SERVICE_URL: "http://host/v1/",
        SEGFORMER_API_KEY: "hunter2",
        SEGFORMER_MAX_RETRIES: "2",
        SEGFORMER_RETRY_DELAY: "1"
      })
      assert.deepStrictEqual(
        requests.map(({ url }) => url),
        Array.from({ length: 3 }, () => "http://host/v1/upload")
      )
      assert.strictEqual(requests[0]?.headers["authorization"], "Bearer hunter2")
    })
  )

  it.live("what the program says goes before the environment, part by part", () =>
    Effect.gen(function* () {
      const env = {
        SEGFORMER_SERVICE_URL: "http://host",
        SEGFORMER_API_KEY: "hunter2",
        SEGFORMER_MAX_RETRIES: "1",
        SEGFORMER_RETRY_DELAY: "1"
      }
      const requests = yield* asked(env, { baseUrl: "http://other", policy: { retry: { jitter: true } } })
      assert.deepStrictEqual(
        requests.map(({ url }) => url),
        ["http://other/upload", "http://other/upload"]
      )
      assert.strictEqual((yield* asked(env, { policy: { retry: false } })).length, 1)
    })
  )

  it.live("sends the call's key in the header that the environment names, or not at all", () =>
    Effect.gen(function* () {
      const env = (header: string) => ({ SEGFORMER_MAX_RETRIES: "off", SEGFORMER_IDEMPOTENCY_HEADER: header })
      const [renamed] = yield* asked(env("X-Request-Key"))
      assert.match(renamed?.headers["x-request-key"] ?? "", /^[0-9a-f]{32}$/)
      assert.isUndefined(renamed?.headers["idempotency-key"])
      const [none] = yield* asked(env("off"))
      assert.isUndefined(none?.headers["idempotency-key"])
      const [given] = yield* asked(env("off"), { idempotencyHeader: "Idempotency-Key" })
      assert.isDefined(given?.headers["idempotency-key"])
    })
  )

  it.effect("hands `transposed` to each protocol that reads arrays, and refuses it for others", () =>
    Effect.gen(function* () {
      const taken: Array<string> = []
      for (const [name, { code, uses }] of Object.entries(Protocols.all)) {
        assert.strictEqual(uses.includes("transposed"), uses.includes("channels"), name)
        const env = { SEGFORMER_PROTOCOL: name, SEGFORMER_MODEL: "m", SEGFORMER_TRANSPOSED: "on" }
        const loaded = yield* Effect.result(
          Effect.provideService(
            SegFormerConfig.load,
            ConfigProvider.ConfigProvider,
            ConfigProvider.fromEnv({ env })
          )
        )
        if (loaded._tag === "Failure") {
          assert.include(loaded.failure.message, "SEGFORMER_TRANSPOSED")
          continue
        }
        assert.deepStrictEqual(loaded.success.details, { transposed: true })
        assert.match(code({ model: "m", ...loaded.success.details }), /transposed: true/, name)
        taken.push(name)
      }
      assert.deepStrictEqual(taken, [
        "openinference",
        "tfserving",
        "torchserve",
        "bentoml",
        "replicate",
        "cog",
        "gradio",
        "custom"
      ])
    })
  )

  it.effect("does not start with a wrong environment", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(asked({ SEGFORMER_TIMEOUT: "soon" }))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(error.message, 'SEGFORMER_TIMEOUT is "soon"')
    })
  )

  it.effect("names every problem at once, and no key", () =>
    Effect.gen(function* () {
      const env = { SEGFORMER_TIMEOUT: "soon", SEGFORMER_API_KEY: "hunter2\u0007", SEGFORMER_QUEUE: "-1" }
      const error = yield* Effect.flip(asked(env))
      for (const variable of Object.keys(env)) assert.include(error.message, variable)
      assert.notInclude(inspect(error, { depth: 9 }) + JSON.stringify(error) + error.message, "hunter2")
    })
  )

  it.effect("takes a Config for each option, under names of one's own", () =>
    Effect.gen(function* () {
      const service = SegFormerHttp.layerConfig({
        baseUrl: Config.String("SEGMENTER_URL"),
        apiKey: Config.Redacted("SEGMENTER_KEY"),
        userAgent: undefined,
        policy: { retry: { times: Config.Int("SEGMENTER_TRIES"), delay: Config.succeed("1 millis") } }
      })
      const requests = yield* Effect.gen(function* () {
        yield* Effect.exit(segment(ImageSource.bytes(Fixtures.image)))
        return yield* (yield* FakeHttp.Recorded).requests
      }).pipe(
        Effect.provide(
          Layer.provide(
            Layer.provideMerge(service, FakeHttp.script([FakeHttp.respond({ status: 500 })])),
            environment({
              SEGMENTER_URL: "http://own",
              SEGMENTER_KEY: "k",
              SEGMENTER_TRIES: "0",
              SEGFORMER_SERVICE_URL: "http://no"
            })
          )
        )
      )
      assert.deepStrictEqual(
        requests.map(({ headers, url }) => [url, headers["authorization"]]),
        [["http://own/upload", "Bearer k"]]
      )
      const missing = yield* Effect.flip(
        Effect.scoped(Layer.build(Layer.provide(service, [FakeHttp.script([]), environment({})])))
      )
      assert.include(missing.message, "SEGMENTER_URL")
    })
  )

  it.effect("reads the fixed names under a prefix, and from any provider", () =>
    Effect.gen(function* () {
      const env = { SMALL_SEGFORMER_SERVICE_URL: "http://small", SEGFORMER_SERVICE_URL: "http://large" }
      const provider = ConfigProvider.fromEnv({ env })
      const nested = Config.nested(SegFormerConfig.config, "SMALL")
      assert.strictEqual((yield* nested.parse(provider)).baseUrl, "http://small")
      assert.strictEqual((yield* SegFormerConfig.config.parse(provider)).baseUrl, "http://large")
    })
  )
})
