/**
 * The settings of a SegFormer service from the environment, validated, with every problem named at once.
 *
 * | variable | meaning | default |
 * |---|---|---|
 * | `SEGFORMER_SERVICE_URL` | base URL; required where `NODE_ENV` is `production` | `http://localhost:8080` |
 * | `SEGFORMER_PROTOCOL` | what the service speaks, by its name in `Protocols.byName` | `inspection` |
 * | `SEGFORMER_MODEL` | the model's name, for protocols that ask for one | none |
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
  Redacted,
  Schema
} from "effect"
import type { PlatformError } from "effect/PlatformError"
import type { PolicyOptions } from "../policy/Policy.ts"
import * as Protocols from "./protocol/Protocols.ts"

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
  /** A name of `Protocols.byName`. */
  readonly protocol: string | undefined
  /** What the service calls its model. */
  readonly model: string | undefined
  readonly policy: PolicyOptions & { readonly retry: Exclude<PolicyOptions["retry"], false | undefined> }
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

/** Never quoted: it may hold a password or a token. */
const address = (text: string): Read<string> => {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) {
    return { problem: "must be a whole http(s) URL such as http://localhost:8080" }
  }
  const { password, username } = new URL(text)
  return username === "" && password === ""
    ? { value: text }
    : { problem: "must hold no name and password. Set SEGFORMER_API_KEY instead" }
}

const protocolName = (text: string): Read<string> =>
  Object.hasOwn(Protocols.byName, text)
    ? { value: text }
    : { problem: `is "${text}", but must be one of ${Protocols.names.join(", ")}` }

/** Never quoted. */
const key = (text: string): Read<Redacted.Redacted> =>
  /^[\x20-\x7e]+$/.test(text)
    ? { value: Redacted.make(text, { label: "SEGFORMER_API_KEY" }) }
    : { problem: "has characters that no header may carry" }

/** Reads and validates the environment, for a program that may know the base URL already. */
export const loadFor = Effect.fnUntraced(function* (
  given: { readonly baseUrl?: string | undefined } | undefined
): Effect.fn.Return<SegFormerConfig, InvalidConfig> {
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
  const isGiven = given?.baseUrl !== undefined || (yield* text("SEGFORMER_SERVICE_URL")) !== undefined
  const baseUrl = yield* read("SEGFORMER_SERVICE_URL", address)
  const protocol = yield* read("SEGFORMER_PROTOCOL", protocolName)
  const model = (yield* text("SEGFORMER_MODEL"))?.trim() || undefined
  const attemptTimeout = yield* read("SEGFORMER_TIMEOUT", wait)
  const times = yield* read("SEGFORMER_MAX_RETRIES", whole(0))
  const delay = yield* read("SEGFORMER_RETRY_DELAY", wait)
  const concurrency = yield* read("SEGFORMER_MAX_CONNECTIONS", whole(1))
  const apiKey = yield* read("SEGFORMER_API_KEY", key)
  if (!isGiven && isProduction) {
    problems.push({ variable: "SEGFORMER_SERVICE_URL", detail: "is not set, and NODE_ENV is production" })
  }
  if (problems.length > 0) return yield* new InvalidConfig({ problems })
  return {
    baseUrl: baseUrl ?? "http://localhost:8080",
    apiKey,
    protocol,
    model,
    policy: { attemptTimeout, concurrency, retry: { times, delay } }
  }
})

/** Reads and validates the environment: the `ConfigProvider` of the context. */
export const load: Effect.Effect<SegFormerConfig, InvalidConfig> = loadFor(undefined)

/** Reads a `.env` file as well. Variables of the real environment go before those of the file. */
export const layerDotEnv = (path = ".env"): Layer.Layer<never, PlatformError, FileSystem.FileSystem> =>
  ConfigProvider.layerAdd(ConfigProvider.fromDotEnv({ path }))
