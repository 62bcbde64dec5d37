/** The variables of the environment that say where a service is, and what they say together. */
import { Effect, Equal } from "effect"
import * as Policy from "../policy/Policy.ts"
import * as Variable from "../policy/Variable.ts"
import { type ServiceDefinition, type ServiceEntry, withoutSlash, withSlash } from "./ServiceDefinition.ts"

/**
 * A name as variables have it, without the `Service` that some end in: `IMAGE_PROCESSING` for `imageProcessing`,
 * `image-processing` and `image-processing-service`.
 */
export const keyOf = (name: string): string =>
  name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replaceAll(/[^A-Za-z0-9]+/g, "_")
    .toUpperCase()
    .replace(/(?<=[^_])_SERVICE$/, "")

/** The start of a service's variables: `USER_SERVICE` for `user` and for `user-service`. */
export const variablesOf = (name: string, definition: ServiceDefinition = {}): string =>
  `${definition.prefix ?? keyOf(name)}_SERVICE`

/** A host as a URL has it: an IPv6 address in brackets. What has a port or a path is none. */
const hostOf = (text: string): string | undefined => {
  const host = /^[^[]*:.*:/.test(text) ? `[${text}]` : text
  const isBare = !/[/@?#\s]/.test(host) && (host.startsWith("[") ? host.endsWith("]") : !host.includes(":"))
  return isBare && URL.canParse(`http://${host}/`) ? host : undefined
}

/** Clusters and container links give a whole address here, such as `tcp://10.0.0.1:80`. */
const portOf = (text: string): { readonly host: string | undefined; readonly port: number } | undefined => {
  const [, host, digits] = /^(?:tcp:\/\/(.*):)?(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (!(port >= 1 && port <= 65535)) return undefined
  const known = host === undefined ? undefined : hostOf(host)
  return host !== undefined && known === undefined ? undefined : { host: known, port }
}

/** The variables that start so. */
const variables = (start: string) => ({
  url: Variable.address(`${start}_URL`, { sets: "the base URL", default: "none" }, `${start}_API_KEY`),
  host: Variable.make(
    `${start}_HOST`,
    { sets: "the host", default: "localhost, where another part of the address is set" },
    { takes: "the name or address of a host, without protocol and port", parse: hostOf }
  ),
  port: Variable.make(
    `${start}_PORT`,
    { sets: "the port", default: "that of the service" },
    { takes: "a port from 1 to 65535", parse: portOf }
  ),
  protocol: Variable.make(
    `${start}_PROTOCOL`,
    { sets: "the protocol", default: "http" },
    {
      takes: "one of `http`, `https`",
      parse: (text) => {
        const word = text.toLowerCase().replace(/:(\/\/)?$/, "")
        return word === "http" || word === "https" ? word : undefined
      }
    }
  ),
  basePath: Variable.make(
    `${start}_BASE_PATH`,
    { sets: "the path before all others", default: "that of the service" },
    {
      takes: "a path such as `/api/v1`",
      parse: (text) => (/^\/?[^\s?#]*$/.test(text) ? text.replaceAll(/^\/+|\/+$/g, "") : undefined)
    }
  ),
  timeout: Variable.duration(
    `${start}_TIMEOUT`,
    { sets: "for one attempt", default: "30 seconds" },
    Policy.ranges.attemptTimeout
  ),
  maxRetries: Variable.whole(
    `${start}_MAX_RETRIES`,
    { sets: "retries after the first attempt", default: "3" },
    0
  ),
  retryDelay: Variable.duration(
    `${start}_RETRY_DELAY`,
    { sets: "before the first retry", default: "1 second" },
    Policy.ranges["retry.delay"]
  ),
  maxConnections: Variable.whole(
    `${start}_MAX_CONNECTIONS`,
    { sets: "requests under way at once, and connections that are open for them", default: "10" },
    1
  )
})

const keyVariable = (name: string) =>
  Variable.key(name, { sets: "the key, sent as `Authorization: Bearer`", default: "none" })

const isSame = (a: unknown, b: unknown): boolean =>
  typeof a === "string" && typeof b === "string" ? withoutSlash(a) === withoutSlash(b) : Equal.equals(a, b)

/** One value under several names. Two that are set and differ are a mistake that only who set them can mend. */
const agreed = Effect.fnUntraced(function* <A>(
  reader: Variable.Reader,
  names: ReadonlyArray<Variable.Variable<A>>
): Effect.fn.Return<A | undefined> {
  let found: { readonly name: string; readonly value: A } | undefined
  for (const variable of names) {
    const value = yield* reader.read(variable)
    if (value === undefined) continue
    if (found === undefined) found = { name: variable.name, value }
    else if (!isSame(found.value, value)) {
      reader.object(
        variable,
        `and ${found.name} are both set, and differ. Set one of them, or both to the same`
      )
    }
  }
  return found?.value
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

/**
 * What the environment and the definition say of a service; problems are told to the reader. `production` says why
 * nothing is taken to be on this machine.
 */
export const read = Effect.fnUntraced(function* (
  name: string,
  definition: ServiceDefinition,
  reader: Variable.Reader,
  production: string | undefined
): Effect.fn.Return<ServiceEntry | undefined> {
  const start = variablesOf(name, definition)
  const starts = [start, ...(definition.aliases ?? []).map((alias) => `${alias}_SERVICE`)]
  const tables = starts.map(variables)
  type Table = ReturnType<typeof variables>
  const from = <Part extends keyof Table>(part: Part): Array<Table[Part]> =>
    tables.map((table) => table[part])
  const isSet = Effect.fnUntraced(function* (...parts: ReadonlyArray<keyof Table>) {
    for (const part of parts)
      for (const { name } of from(part)) if ((yield* Variable.text(name)) !== undefined) return true
    return false
  })

  const url = yield* agreed(reader, from("url"))
  const host = yield* agreed(reader, from("host"))
  const given = yield* agreed(reader, from("port"))
  // A cluster names ports of services that are called alike. One that is of another host is not meant.
  const port = host !== undefined && given?.host !== undefined && given.host !== host ? undefined : given
  const protocol = yield* agreed(reader, from("protocol"))
  const basePath = yield* agreed(reader, from("basePath"))
  const apiKey = yield* agreed(
    reader,
    starts.flatMap((start) => [
      keyVariable(`${start}_API_KEY`),
      keyVariable(`${start.replace(/_SERVICE$/, "")}_API_KEY`)
    ])
  )
  const attemptTimeout = yield* agreed(reader, from("timeout"))
  const times = yield* agreed(reader, from("maxRetries"))
  const delay = yield* agreed(reader, from("retryDelay"))
  const concurrency = yield* agreed(reader, from("maxConnections"))

  const isNamed = yield* isSet("url", "host")
  const isGiven = isNamed || (yield* isSet("port", "protocol", "basePath"))
  const composed = compose({
    protocol: protocol ?? definition.protocol ?? "http",
    host: host ?? port?.host ?? "localhost",
    port: port?.port ?? definition.port,
    basePath: basePath ?? definition.basePath ?? ""
  })
  if (!isNamed && port?.host === undefined && definition.isRequired === true && production !== undefined) {
    reader.object({ name: `${start}_URL` }, `is not set (nor ${start}_HOST), and ${production}`)
    return undefined
  }
  const development = production === undefined ? definition.development : undefined
  const baseUrl = url ?? (isGiven ? composed : development)
  if (baseUrl === undefined) return undefined
  const policy = definition.policy ?? {}
  const retry = policy.retry === false ? { times: 0 } : policy.retry
  return {
    name,
    baseUrl: withoutSlash(baseUrl),
    healthPath: withSlash(definition.healthPath ?? "/health"),
    healthAt: definition.healthAt ?? "base",
    apiKey,
    isDevelopment: !isGiven,
    retryWhen: definition.retryWhen,
    policy: {
      ...policy,
      attemptTimeout: attemptTimeout ?? policy.attemptTimeout,
      concurrency: concurrency ?? policy.concurrency,
      retry: { ...retry, times: times ?? retry?.times, delay: delay ?? retry?.delay }
    }
  }
})
