/**
 * The settings of a SegFormer service from the environment, validated, with every problem named at once. The whole table
 * is docs/configuration.md, which is made from what stands here.
 *
 * ```ts
 * import { ConfigProvider, Effect } from "effect"
 * import { SegFormerConfig } from "effect-segformer/http"
 *
 * const env = { SEGFORMER_SERVICE_URL: "localhost:8080", SEGFORMER_TIMEOUT: "soon" }
 * const provider = ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
 * const { problems } = await Effect.runPromise(Effect.flip(Effect.provide(SegFormerConfig.load, provider)))
 * problems.map(({ variable }) => variable) // => ["SEGFORMER_SERVICE_URL", "SEGFORMER_TIMEOUT"]
 * ```
 */
import { type Config, ConfigProvider, Effect, type FileSystem, type Layer, type Redacted } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Policy from "../policy/Policy.ts"
import type { PolicyOptions } from "../policy/Policy.ts"
import * as PolicyConfig from "../policy/PolicyConfig.ts"
import * as Variable from "../policy/Variable.ts"
import type { ExchangeOptions } from "../service/Exchange.ts"
import * as ExchangeConfig from "../service/ExchangeConfig.ts"
import type { Protocol } from "./protocol/Protocol.ts"
import * as Protocols from "./protocol/Protocols.ts"
import type { SegFormerHttpOptions } from "./SegFormerHttp.ts"

export { InvalidConfig } from "../policy/Variable.ts"

/** What the environment says. */
export interface SegFormerConfig extends Pick<ExchangeOptions, "limits" | "redirects" | "idempotencyHeader"> {
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted | undefined
  /** A name of `Protocols.byName`. */
  readonly protocol: string | undefined
  /** What the service calls its model. */
  readonly model: string | undefined
  /** The parts that are set. */
  readonly policy: PolicyOptions
}

const defaultUrl = "http://localhost:8080"

/** Where the service is, what it speaks, and who asks. */
export const serviceVariables = {
  baseUrl: Variable.address(
    "SEGFORMER_SERVICE_URL",
    {
      sets: "where the service is; required where `NODE_ENV` or `ENVIRONMENT` is `production`",
      default: `\`${defaultUrl}\``
    },
    "SEGFORMER_API_KEY"
  ),
  protocol: Variable.literal(
    "SEGFORMER_PROTOCOL",
    { sets: "what the service speaks", default: "`inspection`" },
    Protocols.names
  ),
  model: Variable.make(
    "SEGFORMER_MODEL",
    { sets: "the model's name, for protocols that ask for one", default: "none" },
    { takes: "a name as the service has it", parse: (text) => (text === "" ? undefined : text) }
  ),
  apiKey: Variable.key("SEGFORMER_API_KEY", {
    sets: "sent as `Authorization: Bearer`; never printed",
    default: "none"
  })
}

/** Reads and validates the environment, for a program that may know the base URL already. */
export const loadFor = Effect.fnUntraced(function* (
  known: { readonly baseUrl?: string | undefined } | undefined
): Effect.fn.Return<SegFormerConfig, Variable.InvalidConfig> {
  const reader = Variable.reader()
  const { apiKey, baseUrl, model, protocol } = serviceVariables
  const production = yield* Variable.production
  const isKnown = known?.baseUrl !== undefined || (yield* Variable.text(baseUrl.name)) !== undefined
  if (!isKnown && production !== undefined) reader.object(baseUrl, `is not set, and ${production}`)
  const config: SegFormerConfig = {
    baseUrl: (yield* reader.read(baseUrl)) ?? defaultUrl,
    protocol: yield* reader.read(protocol),
    model: yield* reader.read(model),
    apiKey: yield* reader.read(apiKey),
    policy: yield* PolicyConfig.read(reader),
    ...(yield* ExchangeConfig.read(reader))
  }
  yield* reader.done
  return config
})

/** Reads and validates the environment: the `ConfigProvider` of the context. */
export const load: Effect.Effect<SegFormerConfig, Variable.InvalidConfig> = loadFor(undefined)

const names: ReadonlyArray<string> = [
  ...Variable.productionNames,
  ...[serviceVariables, PolicyConfig.variables, ExchangeConfig.variables].flatMap((table) =>
    Object.values(table).map(({ name }) => name)
  )
]

/** The protocol that is given, else the one that the environment names. */
const protocolOf = (
  { apiKey, model, protocol: name = "inspection" }: SegFormerConfig,
  given: Partial<SegFormerHttpOptions>
): Effect.Effect<Protocol, Variable.InvalidConfig> =>
  given.protocol !== undefined
    ? Effect.succeed(given.protocol)
    : Effect.mapError(
        Protocols.byName[name]!({ model, apiKey: given.apiKey ?? apiKey }),
        (lack) => new Variable.InvalidConfig({ problems: [lack] })
      )

/**
 * The options of `SegFormerHttp` by the fixed names, with what is given before what the environment says, part by part
 * of the policy.
 */
export const configWith = (given: Partial<SegFormerHttpOptions>): Config.Config<SegFormerHttpOptions> =>
  Variable.config(
    names,
    Effect.flatMap(loadFor(given), (config) =>
      Effect.map(protocolOf(config, given), (protocol): SegFormerHttpOptions => {
        const { apiKey, baseUrl, idempotencyHeader, redirects } = config
        return {
          baseUrl,
          ...omitUndefined({ apiKey, redirects, idempotencyHeader }),
          ...omitUndefined(given),
          protocol,
          limits: { ...config.limits, ...given.limits },
          // The parts of a policy that are not given still come from the environment.
          policy: Policy.merge(given.policy ?? {}, config.policy)
        }
      })
    )
  )

/** The options of `SegFormerHttp` by the fixed names (docs/configuration.md), to hand to a `layerConfig`. */
export const config: Config.Config<SegFormerHttpOptions> = configWith({})

/**
 * Reads a `.env` file as well. Variables of the real environment go before those of the file. That there is no `.env` is
 * no failure; that a file is not there which was asked for by name is one.
 */
export const layerDotEnv = (path?: string): Layer.Layer<never, PlatformError, FileSystem.FileSystem> => {
  const file = ConfigProvider.fromDotEnv({ path })
  return ConfigProvider.layerAdd(
    path === undefined
      ? Effect.catchIf(
          file,
          ({ reason }) => reason._tag === "NotFound",
          () => Effect.succeed(ConfigProvider.fromEnv({ env: {} }))
        )
      : file
  )
}
