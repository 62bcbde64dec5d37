/**
 * A client of any HTTP service, made from its contract: an `HttpApi` says which calls there are, the registry where the
 * service is, a policy how patiently it is called. Errors are those the contract declares, and those of every service.
 * POST and PATCH are sent again only where they provably never arrived, or under an `Idempotency-Key`.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
 * import { ServiceClient } from "effect-segformer/service"
 *
 * const byId = HttpApiEndpoint.get("byId", "/users/:id", {
 *   params: { id: Schema.String },
 *   success: Schema.Struct({ name: Schema.String })
 * })
 * const UserApi = HttpApi.make("user").add(HttpApiGroup.make("users").add(byId))
 *
 * class Users extends ServiceClient.Service<Users>()("app/Users", UserApi, { service: "user" }) {}
 *
 * const name = Effect.flatMap(Users, ({ users }) => users.byId({ params: { id: "7" } }))
 * const fake = Users.fake({ users: { byId: ({ params }) => Effect.succeed({ name: `User ${params.id}` }) } })
 * await Effect.runPromise(Effect.provide(name, fake)) // => { name: "User 7" }
 * ```
 */
import { Context, Duration, Effect, Function, Layer, type Redacted, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import type { HttpApi, HttpApiGroup } from "effect/http-api"
import type { Attempt } from "../policy/Attempt.ts"
import type { Circuit } from "../policy/Breaker.ts"
import * as Policy from "../policy/Policy.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import type { InvalidConfig } from "../policy/Variable.ts"
import { randomHex } from "../randomHex.ts"
import type { BodyLimits } from "./BodyBounds.ts"
import { Platform } from "./BodyPlatform.ts"
import * as Calling from "./Calling.ts"
import type { Client } from "./Contract.ts"
import * as Exchange from "./Exchange.ts"
import * as FakeService from "./FakeService.ts"
import type { Redirects } from "./Redirects.ts"
import { LogRequests } from "./RequestLog.ts"
import type { InvalidUrl } from "./ServiceError.ts"
import type { Check, Report } from "./ServiceHealth.ts"
import { type ServiceDefinition, type ServiceNotConfigured, ServiceRegistry } from "./ServiceRegistry.ts"

export { Idempotent } from "./Contract.ts"
export type { CallError, Client, ErrorOf, Method, SuccessOf } from "./Contract.ts"
export type { FakeHandlers } from "./FakeService.ts"
export { routes } from "./FakeService.ts"

/** What is known of a client's service. */
export interface About {
  /** The name that it has in the registry. */
  readonly service: string
  readonly baseUrl: string
  readonly policy: Policy.Policy
  readonly circuit: Circuit
  /**
   * Asks once, outside its policy, for at most 5 seconds: what `ServiceHealth.make` takes as `check`. A service that cannot
   * be asked is not healthy, and the report says why.
   */
  readonly health: Effect.Effect<Report>
}

const AboutKey: unique symbol = Symbol.for("effect-segformer/service/ServiceClient/About")

/** A client, as far as its service is asked for: see {@link about} and {@link health}. */
export interface HasAbout {
  readonly [AboutKey]: About
}

/** A contract's endpoints as functions, and what is known of their service ({@link about}). */
export type ServiceClient<Groups extends HttpApiGroup.Constraint> = Client<Groups> & HasAbout

/** The groups of a contract. */
export type GroupsOf<Api extends HttpApi.Constraint> =
  Api extends HttpApi.HttpApi<infer _Id, infer Groups> ? Groups : never

/** The client of a contract: `ServiceClient.For<typeof UserApi>`. */
export type For<Api extends HttpApi.Constraint> = ServiceClient<GroupsOf<Api>>

/** The handlers of a contract's fake: `ServiceClient.FakeHandlersFor<typeof UserApi>`. */
export type FakeHandlersFor<Api extends HttpApi.Constraint> = FakeService.FakeHandlers<GroupsOf<Api>>

export interface ServiceClientOptions<Groups extends HttpApiGroup.Constraint> extends ServiceDefinition {
  /** Its name in the registry, such as `user` for `USER_SERVICE_URL`. */
  readonly service: string
  /** Sent on every request, to the service's own origin only. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** Bounds of an answer. Streams of a contract have none unless given. */
  readonly limits?: Partial<BodyLimits> | undefined
  /** `"refuse"` by default. */
  readonly redirects?: Redirects | undefined
  /** The application's own name, such as `app/1.0`, before this library's in `User-Agent`. By default `Exchange.UserAgent`. */
  readonly userAgent?: string | undefined
  /** At which level the log has a line before and after each request: `"info"` by default. `Exchange.LogRequests` goes before it. */
  readonly logRequests?: LogRequests | undefined
  /**
   * The service runs what it gets twice under one `Idempotency-Key` once. Then every POST and PATCH carries a key, and is
   * tried again like any other call. Off by default.
   */
  readonly idempotencyKeys?: boolean | undefined
  /** How it is, by its contract. By default whatever answers 2xx at `healthPath` is healthy. */
  readonly health?:
    | ((client: Client<Groups>) => Effect.Effect<Report, { readonly message: string }>)
    | undefined
}

/** How long a service may take to say how it is. */
const healthWithin = Duration.seconds(5)

const unwell = (detail: string): Report => ({ healthy: false, detail })

/** As a check that fails is taken in the background. */
const reported = (check: Check): Effect.Effect<Report> =>
  Effect.catch(check, ({ message }) => Effect.succeed(unwell(message)))

const onceAttempt = (): Attempt => {
  const id = randomHex(16)
  return { callId: id, idempotencyKey: id, number: 1, attempts: 1, timeout: healthWithin, phase: "preparing" }
}

/** A client over the `HttpClient` of the context, at the address that the registry has for its service. */
export const make = Effect.fnUntraced(function* <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  options: ServiceClientOptions<Groups>
): Effect.fn.Return<
  ServiceClient<Groups>,
  ServiceNotConfigured | InvalidConfig | InvalidUrl,
  ServiceRegistry | HttpClient.HttpClient | Scope.Scope | HttpApiGroup.MiddlewareClient<Groups>
> {
  const registry = yield* ServiceRegistry
  const { health, service } = options
  const entry = yield* registry.get(service, options)
  const policy = Policy.make(entry.policy)
  const { pool } = yield* Platform
  const exchangeAt = (baseUrl: string) =>
    Exchange.make({
      baseUrl,
      userAgent: options.userAgent,
      logRequests: options.logRequests ?? "info",
      pool: connections,
      apiKey: entry.apiKey,
      headers: options.headers,
      limits: options.limits,
      redirects: options.redirects,
      idempotencyHeader: false
    })
  // As many connections as requests under way: one that has just answered is used again, not replaced.
  const connections = yield* pool(policy.concurrency)
  const exchange = yield* exchangeAt(entry.baseUrl)
  const root = new URL(entry.baseUrl)
  root.pathname = "/"
  const checked = entry.healthAt === "root" ? yield* exchangeAt(root.href) : exchange
  const runner = yield* PolicyRunner.make({
    service,
    key: exchange.origin,
    policy
  })
  const client = yield* Calling.make(api, {
    service,
    runner,
    wire: exchange,
    idempotencyKeys: options.idempotencyKeys ?? false,
    retryWhen: entry.retryWhen
  })
  const asked: Check =
    health === undefined
      ? Effect.suspend(() =>
          Effect.map(
            checked.send({ method: "GET", path: entry.healthPath, accept: "*/*" }, onceAttempt()),
            (answer) => ({ healthy: Exchange.isSuccess(answer), detail: `status ${answer.status}` })
          )
        )
      : health(client)
  return withAbout(client, {
    service,
    baseUrl: entry.baseUrl,
    policy: runner.policy,
    circuit: runner.circuit,
    health: reported(asking(asked, unwell))
  })
})

/**
 * A client whose calls never leave this process: through the contract's own encoding, routing and decoding they reach
 * handlers of one's own. A handler may fail with what its endpoint declares, and with whatever else a call fails with.
 */
export const fake = Effect.fnUntraced(function* <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>,
  handlers: NoInfer<FakeService.FakeHandlers<Groups>>,
  options: { readonly policy?: Policy.PolicyOptions | undefined; readonly health?: Check | undefined } = {}
): Effect.fn.Return<ServiceClient<Groups>, never, Scope.Scope | HttpApiGroup.MiddlewareClient<Groups>> {
  const service = api.identifier
  const runner = yield* PolicyRunner.make({
    service,
    policy: Policy.make(options.policy ?? {}, Policy.local)
  })
  const wire = yield* FakeService.wire(api, handlers)
  const client = yield* Calling.make(api, { service, runner, wire, idempotencyKeys: false })
  return withAbout(client, {
    service,
    baseUrl: FakeService.baseUrl,
    policy: runner.policy,
    circuit: runner.circuit,
    health: reported(options.health ?? Effect.succeed({ healthy: true, detail: "a fake" }))
  })
})

const withAbout = <Groups extends HttpApiGroup.Constraint>(
  client: Client<Groups> & object,
  about: About
): ServiceClient<Groups> => Object.assign(client, { [AboutKey]: about } as const)

/** The service of a client: where it is, how it is, and its circuit. */
export const about = (client: HasAbout): About => client[AboutKey]

/** How the service of a client is, asked now. It never fails: a service that cannot be asked is not healthy. */
export const health = (client: HasAbout): Effect.Effect<Report> => client[AboutKey].health

/** The calls within carry this `Idempotency-Key`, on every attempt, so that they may be sent again. */
export const withIdempotencyKey = Calling.combinator((idempotencyKey: string) => ({ idempotencyKey }))

/** The calls within run under these changes of their client's policy. Queue, budget and circuit stay shared. */
export const withPolicy = Calling.combinator((policy: Policy.CallPolicyOptions) => ({ policy }))

/** The calls within are each one request, part of an attempt that another policy makes: it retries, they do not. */
export const withinAttempt = Calling.combinator((attempt: Attempt) => ({ attempt }))

/**
 * Asks how a service is: the calls within are one request each, outside of their client's policy and its circuit, for at
 * most 5 seconds, and no more than debug lines in the log. `late` is what there is then.
 */
export const asking: {
  <B>(late: (detail: string) => B): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A | B, E, R>
  <A, E, R, B>(self: Effect.Effect<A, E, R>, late: (detail: string) => B): Effect.Effect<A | B, E, R>
} = Function.dual(2, <A, E, R, B>(self: Effect.Effect<A, E, R>, late: (detail: string) => B) =>
  Effect.withFiber<A | B, E, R>((fiber) =>
    Effect.suspend(() => withinAttempt(self, onceAttempt())).pipe(
      Effect.provideService(LogRequests, fiber.getRef(LogRequests) ?? "debug"),
      Effect.timeoutOrElse({
        duration: healthWithin,
        orElse: () => Effect.succeed(late(`no answer within ${Duration.format(healthWithin)}`))
      })
    )
  )
)

/** What the calls within send and is nobody's business: where the service repeats it, no error and no log has it. */
export const withSecrets = Calling.combinator((secrets: ReadonlyArray<Redacted.Redacted>) => ({ secrets }))

/** A service of the context that is a client: see {@link Service}. */
export interface ServiceClass<
  Self,
  Key extends string,
  Groups extends HttpApiGroup.Constraint
> extends Context.ServiceClass<Self, Key, ServiceClient<Groups>> {
  /** The client itself, over the `HttpClient` of the context. */
  readonly layer: Layer.Layer<
    Self,
    ServiceNotConfigured | InvalidConfig | InvalidUrl,
    ServiceRegistry | HttpClient.HttpClient | HttpApiGroup.MiddlewareClient<Groups>
  >
  /** See {@link fake}. */
  readonly fake: (
    handlers: FakeService.FakeHandlers<Groups>
  ) => Layer.Layer<Self, never, HttpApiGroup.MiddlewareClient<Groups>>
}

/** A contract as a service of the context, in one line: `class Users extends Service<Users>()(key, api, options) {}`. */
export const Service =
  <Self>() =>
  <const Key extends string, Id extends string, Groups extends HttpApiGroup.Constraint>(
    key: Key,
    api: HttpApi.HttpApi<Id, Groups>,
    options: ServiceClientOptions<Groups>
  ): ServiceClass<Self, Key, Groups> => {
    const service = Context.Service<Self, ServiceClient<Groups>>()(key)
    return Object.assign(service, {
      layer: Layer.effect(service, make(api, options)),
      fake: (handlers: FakeService.FakeHandlers<Groups>) => Layer.effect(service, fake(api, handlers))
    })
  }
