/**
 * Where the services of a program are: names to base URLs from the environment, read once and validated at once.
 *
 * A service `user` is found at `USER_SERVICE_URL`, or at `USER_SERVICE_HOST`, `_PORT`, `_PROTOCOL` and `_BASE_PATH` (a
 * Kubernetes cluster sets the first two by itself). `USER_SERVICE_API_KEY` is its key; `_TIMEOUT`, `_MAX_RETRIES`,
 * `_RETRY_DELAY` and `_MAX_CONNECTIONS` change its policy. A name needs no declaration to be asked for; what is declared
 * is checked at the start, and is what `services` lists.
 *
 * ```ts
 * import { ConfigProvider, Effect } from "effect"
 * import { ServiceRegistry } from "effect-segformer/service"
 *
 * const program = Effect.gen(function* () {
 *   const registry = yield* ServiceRegistry.ServiceRegistry
 *   const user = yield* registry.get("user")
 *   return user.baseUrl
 * }).pipe(Effect.provide(ServiceRegistry.layer({ user: { port: 8001, basePath: "/api/v1" } })))
 *
 * const environment = ConfigProvider.fromEnv({ env: { USER_SERVICE_HOST: "users" } })
 * const found = Effect.provideService(program, ConfigProvider.ConfigProvider, environment)
 * await Effect.runPromise(found) // => "http://users:8001/api/v1"
 * ```
 */
import { ConfigProvider, Context, Effect, Layer, type Redacted, Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import type { PolicyOptions } from "../policy/Policy.ts"
import * as Variable from "../policy/Variable.ts"

/** What a program knows of a service by itself. The environment goes before it. */
export interface ServiceDefinition {
  /** What the names of its variables start with, instead of its own name: `PYTHON` for `PYTHON_SERVICE_URL`. */
  readonly prefix?: string | undefined
  /** Where only the host is given. The port of the protocol by default. */
  readonly port?: number | undefined
  /** `http` by default. */
  readonly protocol?: "http" | "https" | undefined
  /** Below which its paths are, such as `/api/v1`. A `_SERVICE_URL` is whole, and has its own. */
  readonly basePath?: string | undefined
  /** Its base URL where the environment names none and `NODE_ENV` is not `production`. */
  readonly development?: string | undefined
  /** Whether the program cannot do without it: then it is an error at the start that it has no address. */
  readonly isRequired?: boolean | undefined
  /** Where it says how it is, below its base URL. `/health` by default. */
  readonly healthPath?: string | undefined
  readonly policy?: PolicyOptions | undefined
}

/** A service that has an address. */
export interface ServiceEntry {
  readonly name: string
  /** Without a trailing slash. */
  readonly baseUrl: string
  /** Below the base URL; starts with a slash. */
  readonly healthPath: string
  readonly apiKey: Redacted.Redacted | undefined
  /** What differs from the standard policy, the environment's word included. */
  readonly policy: PolicyOptions
}

/** The environment has no address for a service. */
export class ServiceNotConfigured extends ErrorKind.lasting<ServiceNotConfigured>()("ServiceNotConfigured", {
  service: Schema.String,
  /** What its variables start with, such as `USER_SERVICE`. */
  variables: Schema.String,
  /** The names that do have one. */
  known: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const known = this.known.length === 0 ? "No service is known" : `Known are ${this.known.join(", ")}`
    return `The service "${this.service}" has no address: set ${this.variables}_URL, or ${this.variables}_HOST. ${known}`
  }
}

/** The services of a program, by name. */
export class ServiceRegistry extends Context.Service<
  ServiceRegistry,
  {
    /** Those that were declared and have an address, or were given one. */
    readonly services: ReadonlyArray<ServiceEntry>
    /** A service that was declared, or one that only the environment knows. A definition of one's own fills gaps. */
    readonly get: (
      name: string,
      definition?: ServiceDefinition
    ) => Effect.Effect<ServiceEntry, ServiceNotConfigured | Variable.InvalidConfig>
  }
>()("effect-segformer/service/ServiceRegistry") {}

/** Where a service says how it is. */
export const healthUrl = (entry: ServiceEntry): string => {
  const { origin, pathname, search } = new URL(entry.baseUrl)
  return `${origin}${pathname.replace(/\/+$/, "")}${entry.healthPath}${search}`
}

/** The start of a service's variables: `IMAGE_PROCESSING_SERVICE` for `imageProcessing` and `image-processing`. */
export const variablesOf = (name: string, definition: ServiceDefinition = {}): string =>
  `${
    definition.prefix ??
    name
      .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
      .replaceAll(/[^A-Za-z0-9]+/g, "_")
      .toUpperCase()
  }_SERVICE`

const withoutSlash = (url: string): string => url.replace(/\/+$/, "")

/** A host as a URL has it: an IPv6 address in brackets. What has a port or a path is none. */
const hostOf = (text: string): string | undefined => {
  const host = /^[^[]*:.*:/.test(text) ? `[${text}]` : text
  const isBare = !/[/@?#\s]/.test(host) && (host.startsWith("[") ? host.endsWith("]") : !host.includes(":"))
  return isBare && URL.canParse(`http://${host}/`) ? host : undefined
}

/** The variables of one service. */
const variables = (start: string) => ({
  url: Variable.address(`${start}_URL`, { sets: "the base URL", default: "none" }, `${start}_API_KEY`),
  host: Variable.make(
    `${start}_HOST`,
    { sets: "the host", default: "none" },
    {
      takes: "the name or address of a host, without protocol and port",
      parse: hostOf
    }
  ),
  port: Variable.make(
    `${start}_PORT`,
    { sets: "the port", default: "that of the service" },
    {
      takes: "a port from 1 to 65535",
      // Kubernetes gives an address of its own here: `tcp://10.0.0.1:80`.
      parse: (text) => {
        const port = /^(?:tcp:\/\/.*:)?(\d{1,5})$/.exec(text)?.[1]
        return Number(port) >= 1 && Number(port) <= 65535 ? Number(port) : undefined
      }
    }
  ),
  protocol: Variable.literal(`${start}_PROTOCOL`, { sets: "the protocol", default: "http" }, [
    "http",
    "https"
  ]),
  basePath: Variable.make(
    `${start}_BASE_PATH`,
    { sets: "the path before all others", default: "that of the service" },
    {
      takes: "a path such as `/api/v1`",
      parse: (text) => (/^\/?[^\s?#]*$/.test(text) ? text : undefined)
    }
  ),
  apiKey: Variable.key(`${start}_API_KEY`, {
    sets: "the key, sent as `Authorization: Bearer`",
    default: "none"
  }),
  timeout: Variable.duration(`${start}_TIMEOUT`, { sets: "for one attempt", default: "30 seconds" }),
  maxRetries: Variable.whole(
    `${start}_MAX_RETRIES`,
    { sets: "retries after the first attempt", default: "3" },
    0
  ),
  retryDelay: Variable.duration(`${start}_RETRY_DELAY`, {
    sets: "before the first retry",
    default: "1 second"
  }),
  maxConnections: Variable.whole(
    `${start}_MAX_CONNECTIONS`,
    { sets: "requests under way at once", default: "10" },
    1
  )
})

const compose = (parts: {
  readonly protocol: string
  readonly host: string
  readonly port: number | undefined
  readonly basePath: string
}): string => {
  const port = parts.port === undefined ? "" : `:${parts.port}`
  const path = parts.basePath.replaceAll(/^\/+|\/+$/g, "")
  return `${parts.protocol}://${parts.host}${port}${path === "" ? "" : `/${path}`}`
}

/** What the environment and the definition say of a service; problems are told to the reader. */
const resolve = Effect.fnUntraced(function* (
  name: string,
  definition: ServiceDefinition,
  reader: Variable.Reader,
  isProduction: boolean
): Effect.fn.Return<ServiceEntry | undefined> {
  const start = variablesOf(name, definition)
  const known = variables(start)
  const isGiven =
    (yield* Variable.text(known.url.name)) !== undefined ||
    (yield* Variable.text(known.host.name)) !== undefined
  const url = yield* reader.read(known.url)
  const host = yield* reader.read(known.host)
  const port = yield* reader.read(known.port)
  const protocol = yield* reader.read(known.protocol)
  const basePath = yield* reader.read(known.basePath)
  const apiKey = yield* reader.read(known.apiKey)
  const attemptTimeout = yield* reader.read(known.timeout)
  const times = yield* reader.read(known.maxRetries)
  const delay = yield* reader.read(known.retryDelay)
  const concurrency = yield* reader.read(known.maxConnections)

  const composed =
    host === undefined
      ? undefined
      : compose({
          protocol: protocol ?? definition.protocol ?? "http",
          host,
          port: port ?? definition.port,
          basePath: basePath ?? definition.basePath ?? ""
        })
  const development = isProduction ? undefined : definition.development
  const baseUrl = url ?? composed ?? (isGiven ? undefined : development)
  if (!isGiven && baseUrl === undefined && definition.isRequired === true && isProduction) {
    reader.object({ name: known.url.name }, `is not set (nor ${known.host.name}), and NODE_ENV is production`)
  }
  if (baseUrl === undefined) return undefined
  const given = definition.policy ?? {}
  const retry = given.retry === false ? { times: 0 } : given.retry
  return {
    name,
    baseUrl: withoutSlash(baseUrl),
    healthPath: definition.healthPath ?? "/health",
    apiKey,
    policy: {
      ...given,
      attemptTimeout: attemptTimeout ?? given.attemptTimeout,
      concurrency: concurrency ?? given.concurrency,
      retry: { ...retry, times: times ?? retry?.times, delay: delay ?? retry?.delay }
    }
  }
})

/** Reads what is declared: whatever is wrong with it, required ones that are missing included, is one error. */
export const make = Effect.fnUntraced(function* (
  definitions: Readonly<Record<string, ServiceDefinition>> = {}
): Effect.fn.Return<ServiceRegistry["Service"], Variable.InvalidConfig> {
  const provider = yield* ConfigProvider.ConfigProvider
  const isProduction = (yield* Variable.text("NODE_ENV")) === "production"
  const reader = Variable.reader()
  const found = new Map<string, ServiceEntry>()
  for (const [name, definition] of Object.entries(definitions)) {
    const entry = yield* resolve(name, definition, reader, isProduction)
    if (entry !== undefined) found.set(name, entry)
  }
  yield* reader.done

  const get = Effect.fnUntraced(function* (
    name: string,
    own?: ServiceDefinition
  ): Effect.fn.Return<ServiceEntry, ServiceNotConfigured | Variable.InvalidConfig> {
    const declared = definitions[name]
    const definition = { ...own, ...declared, policy: { ...own?.policy, ...declared?.policy } }
    const reader = Variable.reader()
    const entry = yield* resolve(name, definition, reader, isProduction).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, provider)
    )
    yield* reader.done
    return (
      entry ??
      (yield* new ServiceNotConfigured({
        service: name,
        variables: variablesOf(name, definition),
        known: [...found.keys()]
      }))
    )
  })

  return ServiceRegistry.of({ services: [...found.values()], get })
})

/** The services of a program, from the `ConfigProvider` of the context: the environment, unless another is given. */
export const layer = (
  definitions?: Readonly<Record<string, ServiceDefinition>>
): Layer.Layer<ServiceRegistry, Variable.InvalidConfig> => Layer.effect(ServiceRegistry, make(definitions))

/** Services at addresses that are known: for tests, and for programs that have their configuration elsewhere. */
export const layerOf = (
  addresses: Readonly<Record<string, string | (Partial<ServiceEntry> & { readonly baseUrl: string })>>
): Layer.Layer<ServiceRegistry> =>
  Layer.sync(ServiceRegistry, () => {
    const services = Object.entries(addresses).map(([name, given]): ServiceEntry => {
      const entry = typeof given === "string" ? { baseUrl: given } : given
      const baseUrl = withoutSlash(entry.baseUrl)
      return {
        name,
        healthPath: "/health",
        apiKey: undefined,
        ...entry,
        baseUrl,
        policy: entry.policy ?? {}
      }
    })
    const get = (name: string, own?: ServiceDefinition) => {
      const entry = services.find((service) => service.name === name)
      return entry === undefined
        ? Effect.fail(
            new ServiceNotConfigured({
              service: name,
              variables: variablesOf(name, own),
              known: services.map(({ name }) => name)
            })
          )
        : Effect.succeed({ ...entry, policy: { ...own?.policy, ...entry.policy } })
    }
    return ServiceRegistry.of({ services, get })
  })
