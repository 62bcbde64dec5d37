/**
 * The settings of a SegFormer service from the environment, validated, with every problem named at once.
 *
 * | variable | meaning | default |
 * |---|---|---|
 * | `SEGFORMER_SERVICE_URL` | base URL; required where `NODE_ENV` is `production` | `http://localhost:8080` |
 * | `SEGFORMER_API_KEY` | sent as `Authorization: Bearer`; never printed | none |
 * | `SEGFORMER_TIMEOUT` | for one attempt: `30 seconds`, or a number of milliseconds | 30 seconds |
 * | `SEGFORMER_MAX_RETRIES` | after the first attempt | 3 |
 * | `SEGFORMER_RETRY_DELAY` | before the first retry, doubled for each next | 1 second |
 * | `SEGFORMER_MAX_CONNECTIONS` | requests under way at once | 10 |
 */
import {
  Config,
  ConfigProvider,
  Duration,
  Effect,
  type FileSystem,
  Layer,
  Option,
  type Redacted,
  Schema
} from "effect"
import type { PlatformError } from "effect/PlatformError"
import type { PolicyOptions } from "../policy/Policy.ts"

const Problem = Schema.Struct({ variable: Schema.String, detail: Schema.String })

/** The environment does not say what is needed, or says it wrongly. All problems are listed, each with its variable. */
export class InvalidConfig extends Schema.TaggedError<InvalidConfig>()("InvalidConfig", {
  problems: Schema.Array(Problem)
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `The configuration is not usable:\n${this.problems.map(({ detail, variable }) => `  ${variable} ${detail}`).join("\n")}`
  }
}

/** What the environment says. */
export interface SegFormerConfig {
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted | undefined
  readonly policy: PolicyOptions
}

type Read<A> = { readonly value: A } | { readonly problem: string }

const parseDuration = Schema.decodeUnknownOption(Schema.DurationFromString)

const wait = (text: string): Read<Duration.Duration> => {
  const value = /^\d+(\.\d+)?$/.test(text) ? Option.some(Duration.millis(Number(text))) : parseDuration(text)
  return Option.isSome(value) && Duration.isGreaterThan(value.value, Duration.zero)
    ? { value: value.value }
    : { problem: `is "${text}", but must be a duration such as "30 seconds", or a number of milliseconds` }
}

const whole =
  (least: number) =>
  (text: string): Read<number> =>
    /^\d+$/.test(text) && Number(text) >= least && Number.isSafeInteger(Number(text))
      ? { value: Number(text) }
      : { problem: `is "${text}", but must be a whole number of at least ${least}` }

/** The scheme and shape only: the rest is for `Exchange`, which says what is wrong with a base URL. */
const address = (text: string): Read<string> =>
  URL.canParse(text) && /^https?:\/\//i.test(text)
    ? { value: text }
    : { problem: `must be a whole http(s) URL such as http://localhost:8080` }

/** Reads and validates the environment: the `ConfigProvider` of the context. */
export const load: Effect.Effect<SegFormerConfig, InvalidConfig> = Effect.gen(function* () {
  const problems: Array<typeof Problem.Type> = []
  const text = (variable: string) =>
    Effect.map(Effect.option(Config.NonEmptyString(variable)), Option.getOrUndefined)
  const read = <A>(variable: string, parse: (text: string) => Read<A>) =>
    Effect.map(text(variable), (value): A | undefined => {
      if (value === undefined) return undefined
      const parsed = parse(value.trim())
      if ("value" in parsed) return parsed.value
      problems.push({ variable, detail: parsed.problem })
      return undefined
    })

  const isProduction = (yield* text("NODE_ENV")) === "production"
  const isGiven = (yield* text("SEGFORMER_SERVICE_URL")) !== undefined
  const baseUrl = yield* read("SEGFORMER_SERVICE_URL", address)
  const attemptTimeout = yield* read("SEGFORMER_TIMEOUT", wait)
  const times = yield* read("SEGFORMER_MAX_RETRIES", whole(0))
  const delay = yield* read("SEGFORMER_RETRY_DELAY", wait)
  const concurrency = yield* read("SEGFORMER_MAX_CONNECTIONS", whole(1))
  const apiKey = yield* Effect.option(Config.Redacted("SEGFORMER_API_KEY"))
  if (!isGiven && isProduction) {
    problems.push({ variable: "SEGFORMER_SERVICE_URL", detail: "is not set, and NODE_ENV is production" })
  }
  if (problems.length > 0) return yield* new InvalidConfig({ problems })
  return {
    baseUrl: baseUrl ?? "http://localhost:8080",
    apiKey: Option.getOrUndefined(apiKey),
    policy: { attemptTimeout, concurrency, retry: { times, delay } }
  }
})

/** Reads a `.env` file as well. Variables of the real environment go before those of the file. */
export const layerDotEnv = (path = ".env"): Layer.Layer<never, PlatformError, FileSystem.FileSystem> =>
  ConfigProvider.layerAdd(ConfigProvider.fromDotEnv({ path }))
