/**
 * Where the services of a program are: names to base URLs from the environment, read once and validated at once.
 *
 * A service `user` (or `user-service`) is found at `USER_SERVICE_URL`, or at `USER_SERVICE_HOST`, `_PORT`, `_PROTOCOL` and
 * `_BASE_PATH`, of which each alone counts (a Kubernetes cluster sets the first two by itself). `USER_SERVICE_API_KEY`, or
 * `USER_API_KEY`, is its key; `_TIMEOUT`, `_MAX_RETRIES`, `_RETRY_DELAY` and `_MAX_CONNECTIONS` change its policy. A name
 * needs no declaration to be asked for; what is declared is checked at the start, and is what `services` lists. A registry
 * that was told of no services has the six that it knows by itself.
 *
 * ```ts
 * import { ConfigProvider, Effect } from "effect"
 * import { ServiceRegistry } from "effect-segformer/service"
 *
 * const program = Effect.gen(function* () {
 *   const registry = yield* ServiceRegistry.ServiceRegistry
 *   const user = yield* registry.get("user")
 *   const project = yield* registry.get("project")
 *   return [user.baseUrl, project.baseUrl]
 * }).pipe(Effect.provide(ServiceRegistry.layer()))
 *
 * const environment = ConfigProvider.fromEnv({ env: { USER_SERVICE_HOST: "users" } })
 * const found = Effect.provideService(program, ConfigProvider.ConfigProvider, environment)
 * await Effect.runPromise(found) // => ["http://users:8001/api/v1", "http://localhost:8003/api/v1"]
 * ```
 */
import { ConfigProvider, Context, Effect, Layer, Result, Schema } from "effect"
import * as ErrorKind from "../ErrorKind.ts"
import { omitUndefined } from "../policy/OmitUndefined.ts"
import * as Policy from "../policy/Policy.ts"
import * as Variable from "../policy/Variable.ts"
import { builtIn, known } from "./KnownServices.ts"
import { type ServiceDefinition, type ServiceEntry, withoutSlash, withSlash } from "./ServiceDefinition.ts"
import { keyOf, read, variablesOf } from "./ServiceVariables.ts"

export type { ServiceDefinition, ServiceEntry } from "./ServiceDefinition.ts"
export { variablesOf } from "./ServiceVariables.ts"

/** The environment has no address for a service. */
export class ServiceNotConfigured extends ErrorKind.ofCaller<ServiceNotConfigured>()("ServiceNotConfigured", {
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
export const healthUrl = (entry: Pick<ServiceEntry, "baseUrl" | "healthPath" | "healthAt">): string => {
  ErrorKind.oneOf("ServiceRegistry", "healthAt", entry.healthAt, ["base", "root"])
  const { origin, pathname, search } = new URL(entry.baseUrl)
  const base = entry.healthAt === "root" ? "" : withoutSlash(pathname)
  return `${origin}${base}${entry.healthPath}${search}`
}

/** What is known under a name, however it is spelled: `user`, `User`, `user-service`, `USER_SERVICE`. */
const find = <A extends ServiceDefinition>(
  all: Readonly<Record<string, A>>,
  name: string
): readonly [name: string, A] | undefined => {
  const own = Object.hasOwn(all, name) ? all[name] : undefined
  if (own !== undefined) return [name, own]
  const key = keyOf(name)
  return Object.entries(all).find(
    ([other, { aliases, prefix }]) =>
      keyOf(other) === key || prefix === key || aliases?.includes(key) === true
  )
}

/** The same for all names of a service. */
const meant = (name: string): string => find(known, name)?.[0] ?? keyOf(name)

/** One definition over others: what it does not say is as they have it. */
const over = (...definitions: ReadonlyArray<ServiceDefinition | undefined>): ServiceDefinition =>
  definitions.reduceRight<ServiceDefinition>((under, definition = {}) => {
    return {
      ...under,
      ...omitUndefined(definition),
      policy: Policy.merge(definition.policy ?? {}, under.policy ?? {})
    }
  }, {})

/**
 * Reads what is declared: whatever is wrong with it, required ones that are missing included, is one error. Where nothing
 * is declared it lists what is built in; what is wrong with one of those is told to whoever asks for it.
 */
export const make = Effect.fnUntraced(function* (
  declarations?: Readonly<Record<string, ServiceDefinition>>
): Effect.fn.Return<ServiceRegistry["Service"], Variable.InvalidConfig> {
  const provider = yield* ConfigProvider.ConfigProvider
  const production = yield* Variable.production
  const definitions = declarations ?? builtIn
  const all = Variable.reader()
  const found = new Map<string, ServiceEntry>()
  for (const [name, declared] of Object.entries(definitions)) {
    const reader = declarations === undefined ? Variable.reader() : all
    const entry = yield* read(name, over(declared, find(known, name)?.[1]), reader, production)
    const isSound = reader === all || Result.isSuccess(yield* Effect.result(reader.done))
    if (entry !== undefined && isSound) found.set(name, entry)
  }
  yield* all.done

  const get = Effect.fnUntraced(function* (
    wanted: string,
    own?: ServiceDefinition
  ): Effect.fn.Return<ServiceEntry, ServiceNotConfigured | Variable.InvalidConfig> {
    const declared = find(definitions, wanted)
    const standard = find(known, wanted)
    const name = declared?.[0] ?? standard?.[0] ?? wanted
    const definition = over(declared?.[1], own, standard?.[1])
    const reader = Variable.reader()
    const entry = yield* read(name, definition, reader, production).pipe(
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

/** What is known of a service that has an address. */
type Given = Partial<ServiceEntry> & { readonly baseUrl: string }

const entryOf = (name: string, given: Given, own: ServiceDefinition = {}): ServiceEntry => ({
  name,
  healthAt: own.healthAt ?? "base",
  apiKey: undefined,
  isDevelopment: false,
  retryWhen: own.retryWhen,
  ...omitUndefined(given),
  healthPath: withSlash(given.healthPath ?? own.healthPath ?? "/health"),
  baseUrl: withoutSlash(given.baseUrl),
  policy: Policy.merge(given.policy ?? {}, own.policy ?? {})
})

/** Services at addresses that are known: for tests, and for programs that have their configuration elsewhere. */
export const layerOf = (addresses: Readonly<Record<string, string | Given>>): Layer.Layer<ServiceRegistry> =>
  Layer.sync(ServiceRegistry, () => {
    const all = Object.entries(addresses).map(
      ([name, given]) => [name, typeof given === "string" ? { baseUrl: given } : given] as const
    )
    const get = (name: string, own?: ServiceDefinition) => {
      const found =
        all.find(([other]) => other === name) ?? all.find(([other]) => meant(other) === meant(name))
      return found === undefined
        ? Effect.fail(
            new ServiceNotConfigured({
              service: name,
              variables: variablesOf(name, own),
              known: all.map(([name]) => name)
            })
          )
        : Effect.succeed(entryOf(...found, own))
    }
    return ServiceRegistry.of({ services: all.map(([name, given]) => entryOf(name, given)), get })
  })
