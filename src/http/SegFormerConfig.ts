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
import { type Config, ConfigProvider, Effect, type FileSystem, type Layer, Redacted } from "effect"
import type { PlatformError } from "effect/PlatformError"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Policy from "../policy/Policy.ts"
import type { PolicyOptions } from "../policy/Policy.ts"
import * as PolicyConfig from "../policy/PolicyConfig.ts"
import * as Variable from "../policy/Variable.ts"
import type { ExchangeOptions } from "../service/Exchange.ts"
import * as ExchangeConfig from "../service/ExchangeConfig.ts"
import * as Detection from "./Detection.ts"
import type { Protocol } from "./protocol/Protocol.ts"
import * as Protocols from "./protocol/Protocols.ts"
import type { SegFormerHttpOptions } from "./SegFormerHttp.ts"
import * as ServiceSettings from "./ServiceSettings.ts"
import * as ServiceVariables from "./ServiceVariables.ts"

export { InvalidConfig } from "../policy/Variable.ts"

/** What the environment says, and a settings file before it. */
export interface SegFormerConfig extends Pick<
  ExchangeOptions,
  "headers" | "limits" | "redirects" | "idempotencyHeader"
> {
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted | undefined
  readonly protocol: Protocols.ProtocolName | undefined
  /** What the service calls its model. */
  readonly model: string | undefined
  /** The header that carries the key as it is; `Authorization: Bearer` without. */
  readonly keyHeader?: string | undefined
  /** The parts that are set. */
  readonly policy: PolicyOptions
  /** What is set of the protocol's own. */
  readonly details?: Protocols.Settings | undefined
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
    {
      sets: "what the service speaks",
      default: "`segformer` where the service says that it is `segformer serve`, else `inspection`"
    },
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
  }),
  ...ServiceVariables.headerVariables
}

/** What a program knows already: it goes before the environment. */
export interface Known {
  readonly baseUrl?: string | undefined
  /** The name of a protocol that is made elsewhere: nothing is read for it. */
  readonly protocol?: string | undefined
  readonly apiKey?: Redacted.Redacted | undefined
  readonly settings?: ServiceSettings.ServiceSettings | undefined
}

/** Reads and validates the environment, for a program that may know the base URL already. */
export const loadFor = Effect.fnUntraced(function* (
  known: Known | undefined
): Effect.fn.Return<SegFormerConfig, Variable.InvalidConfig> {
  const reader = Variable.reader()
  const { apiKey, baseUrl, model, protocol } = serviceVariables
  const { settings = {} } = known ?? {}
  const production = yield* Variable.production
  const isKnown =
    known?.baseUrl !== undefined ||
    settings.url !== undefined ||
    (yield* Variable.text(baseUrl.name)) !== undefined
  if (!isKnown && production !== undefined) reader.object(baseUrl, `is not set, and ${production}`)
  const key = yield* reader.read(
    settings.keyVariable === undefined
      ? apiKey
      : Variable.key(settings.keyVariable, { sets: apiKey.sets, default: "none" })
  )
  const { keyVariable } = settings
  // Without a key the service would be asked for nothing, or for what everybody may see.
  if (
    keyVariable !== undefined &&
    known?.apiKey === undefined &&
    (yield* Variable.text(keyVariable)) === undefined
  )
    reader.object(
      { name: keyVariable },
      "is not set, and the settings take the key from it (`keyVariable`): set it, or leave that out for a service without a key"
    )
  const keyHeader = settings.keyHeader ?? (yield* reader.read(serviceVariables.keyHeader))
  const name = settings.protocol ?? (yield* reader.read(protocol))
  const isNamed = name !== undefined && Protocols.isName(name)
  if (name !== undefined && !isNamed)
    reader.object(
      { name: "protocol" },
      `is "${name.slice(0, 100)}", but must be one of ${Protocols.names.join(", ")}`
    )
  const named = settings.model ?? (yield* reader.read(model))
  const details = known?.protocol === undefined ? yield* detailsOf(reader, settings, name) : {}
  const headers = yield* headersOf(reader, settings)
  const config: SegFormerConfig = {
    // Where the address is known, what the environment says of it is not looked at.
    baseUrl: known?.baseUrl ?? settings.url ?? (yield* reader.read(baseUrl)) ?? defaultUrl,
    // One of another name fails before it is used.
    protocol: isNamed ? name : undefined,
    model: named,
    apiKey: key,
    policy: yield* PolicyConfig.read(reader),
    ...(yield* ExchangeConfig.read(reader)),
    ...omitUndefined({
      keyHeader,
      headers: Object.keys(headers).length === 0 ? undefined : headers,
      details: Object.keys(details).length === 0 ? undefined : details
    })
  }
  yield* reader.done
  return config
})

/** A header's value stands in the settings, or the name of the variable that holds it. */
const headersOf = Effect.fnUntraced(function* (
  reader: Variable.Reader,
  settings: ServiceSettings.ServiceSettings
): Effect.fn.Return<Readonly<Record<string, Redacted.Redacted>>> {
  const headers = { ...(yield* reader.read(serviceVariables.headers)), ...settings.headers }
  const found: Record<string, Redacted.Redacted> = {}
  for (const [name, value] of Object.entries(headers)) {
    const from =
      typeof value === "string" ? undefined : Variable.key(value.variable, { sets: name, default: "none" })
    const text = typeof value === "string" ? Redacted.make(value) : yield* reader.read(from!)
    if (text !== undefined) found[name] = text
    else reader.object({ name: from!.name }, `is not set, and the header ${name} takes its value from it`)
  }
  return found
})

/** The settings of a protocol: those of a file alone where it names the protocol, else those of the environment too. */
const detailsOf = Effect.fnUntraced(function* (
  reader: Variable.Reader,
  settings: ServiceSettings.ServiceSettings,
  protocol: string | undefined
): Effect.fn.Return<Protocols.Settings> {
  const { classes, palette, ...rest } = yield* ServiceVariables.details(reader, settings)
  const spoken = protocol ?? "inspection"
  const uses = Protocols.isName(spoken) ? Protocols.all[spoken].uses : undefined
  for (const [name, variable] of Object.entries(ServiceVariables.variables)) {
    const given = Reflect.get({ classes, palette, ...rest }, name)
    if (given === undefined || uses === undefined || uses.some((used) => used === name)) continue
    const place =
      settings.protocol === undefined && Reflect.get(settings, name) === undefined
        ? variable
        : { name: `"${name}"` }
    reader.object(
      place,
      protocol === undefined
        ? `does nothing while no protocol is named: set ${serviceVariables.protocol.name}, to custom for a server of its own kind`
        : `does nothing for the protocol ${protocol}: leave it out`
    )
  }
  const colors = palette === undefined ? undefined : ServiceSettings.paletteOf(palette)
  if (colors?._tag === "Failure") reader.object(ServiceVariables.variables.palette, colors.failure)
  return omitUndefined({
    ...rest,
    classes: classes === undefined ? undefined : ServiceSettings.classesOf(classes),
    palette: colors?._tag === "Success" ? colors.success : undefined
  })
})

/** Reads and validates the environment: the `ConfigProvider` of the context. */
export const load: Effect.Effect<SegFormerConfig, Variable.InvalidConfig> = loadFor(undefined)

const tables = [
  serviceVariables,
  ServiceVariables.variables,
  PolicyConfig.variables,
  ExchangeConfig.variables
]

/** All variables that may be asked for: those of the tables, and those that settings name. */
const namesFor = ({ headers, keyVariable }: ServiceSettings.ServiceSettings): ReadonlyArray<string> => [
  ...Variable.productionNames,
  ...tables.flatMap((table) => Object.values(table).map(({ name }) => name)),
  ...(keyVariable === undefined ? [] : [keyVariable]),
  ...Object.values(headers ?? {}).flatMap((value) => (typeof value === "string" ? [] : [value.variable]))
]

/** What a program gives before the environment. */
export interface Given extends Partial<SegFormerHttpOptions> {
  /** Such as a settings file has (`ServiceSettings.load`). */
  readonly settings?: ServiceSettings.ServiceSettings | undefined
}

/** The protocol that is given, else the one that the configuration names, else how it is found out. */
const protocolOf = (
  { details, model, protocol }: SegFormerConfig,
  given: Given,
  apiKey: Redacted.Redacted | undefined
): Effect.Effect<Protocol | Detection.Detect, Variable.InvalidConfig> => {
  if (given.protocol !== undefined) return Effect.succeed(given.protocol)
  const make = protocol === undefined ? undefined : Protocols.byName[protocol]
  return make === undefined
    ? Effect.succeed(Detection.unlessPainted(details?.palette, model))
    : Effect.mapError(
        make({ ...details, model, apiKey }),
        (lack) => new Variable.InvalidConfig({ problems: [lack] })
      )
}

/**
 * The options of `SegFormerHttp` by the fixed names, with what is given before what the environment says, part by part
 * of the policy. Settings that name a protocol say all of it: what the environment says of another is not for them.
 */
export const configWith = ({ settings = {}, ...given }: Given): Config.Config<SegFormerHttpOptions> => {
  const { protocol } = given
  const known = {
    baseUrl: given.baseUrl,
    apiKey: given.apiKey,
    settings,
    protocol: protocol === undefined || typeof protocol === "function" ? undefined : protocol.name
  }
  return Variable.config(
    namesFor(settings),
    Effect.flatMap(loadFor(known), (config) => {
      const { baseUrl, headers, idempotencyHeader, keyHeader, redirects } = config
      const key = given.apiKey ?? config.apiKey
      return Effect.map(protocolOf(config, given, key), (protocol): SegFormerHttpOptions => ({
        baseUrl,
        ...omitUndefined({ redirects, idempotencyHeader }),
        ...omitUndefined(given),
        apiKey: keyHeader === undefined ? key : undefined,
        headers: {
          ...headers,
          ...(keyHeader === undefined || key === undefined ? {} : { [keyHeader]: key }),
          ...given.headers
        },
        protocol,
        limits: { ...config.limits, ...given.limits },
        // The parts of a policy that are not given still come from the environment.
        policy: Policy.merge(given.policy ?? {}, config.policy)
      }))
    })
  )
}

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
