/**
 * What a server tells companion services, and asks them: whose a token is (authentication), that a job has ended
 * (notification), who did what (analytics). Each part is there where the environment names its service:
 * `AUTHENTICATION_SERVICE_URL` (or `AUTH_SERVICE_URL`), `NOTIFICATION_SERVICE_URL`, `ANALYTICS_SERVICE_URL`.
 *
 * ```ts
 * import { ConfigProvider, Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { Companions } from "effect-segformer/server"
 *
 * const environment = ConfigProvider.fromEnv({ env: { AUTHENTICATION_SERVICE_URL: "http://auth:8010" } })
 * const program = Effect.gen(function* () {
 *   const { authorize, jobEnded } = yield* Companions.make()
 *   return [typeof authorize, typeof jobEnded]
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(FetchHttpClient.layer),
 *   Effect.provideService(ConfigProvider.ConfigProvider, environment)
 * )
 * await Effect.runPromise(program) // => ["function", "undefined"]
 * ```
 */
import { createHash } from "node:crypto"
import { Clock, Duration, Effect, Layer, Redacted, type Scope } from "effect"
import { HttpClient } from "effect/http"
import { Analytics } from "../companions/Analytics.ts"
import { Authentication, userOf } from "../companions/Authentication.ts"
import { Notification } from "../companions/Notification.ts"
import type { InvalidConfig } from "../policy/Variable.ts"
import { LogRequests } from "../service/RequestLog.ts"
import type { InvalidUrl } from "../service/ServiceError.ts"
import * as ServiceRegistry from "../service/ServiceRegistry.ts"
import type { Active, Activity, Caller, EndedJob } from "./Caller.ts"
import type { Refusal } from "./Refusal.ts"
import { unanswered } from "./Security.ts"
import { millisOf } from "../policy/MonotonicClock.ts"

export type { Active, Activity, EndedJob }

/** Whose a token is; `false` where it is not good. Where the service does not say, nobody is told that theirs is bad. */
export type Authorize = (token: Redacted.Redacted) => Effect.Effect<Caller | false, Refusal>
/** Takes up to 10 seconds, and never fails: fork it where a caller waits. */
export type JobEnded = (job: EndedJob) => Effect.Effect<void>

/** What the environment names a service for. */
export interface Companions {
  readonly authorize: Authorize | undefined
  readonly jobEnded: JobEnded | undefined
  readonly active: Active | undefined
}

export interface AuthorizeOptions {
  /** For how long a good token is not asked about again. 30 seconds by default, and never beyond its `exp`. */
  readonly rememberFor?: Duration.Input | undefined
  /** Tokens that are remembered. 1,000 by default; the one that was asked about first goes first. */
  readonly capacity?: number | undefined
}

/** Asks the authentication service, and remembers its "yes" for a while. A "no" is asked again each time. */
export const authorizer = Effect.fnUntraced(function* (
  options: AuthorizeOptions = {}
): Effect.fn.Return<Authorize, never, Authentication> {
  const { capacity = 1000 } = options
  const rememberFor = Duration.toMillis(Duration.fromInputUnsafe(options.rememberFor ?? "30 seconds"))
  const authentication = yield* Authentication
  const clock = yield* Clock.Clock
  // By digest: whoever sees this memory learns no token.
  const known = new Map<string, { readonly caller: Caller; readonly until: number }>()
  const monotonic = () => millisOf(clock)

  return (token) =>
    Effect.suspend(() => {
      const digest = createHash("sha256").update(Redacted.value(token)).digest("base64")
      const found = known.get(digest)
      if (found !== undefined && found.until > monotonic()) return Effect.succeed(found.caller)
      known.delete(digest)
      return Effect.flatMap(
        authentication.verify(token),
        (verified): Effect.Effect<Caller | false, Refusal> => {
          if (verified._tag === "NotValid") {
            return verified.reason === "unanswered" ? Effect.fail(unanswered) : Effect.succeed(false)
          }
          // Until they run out, where they say when, in seconds since 1970.
          const { exp } = verified.claims
          const left = typeof exp === "number" ? exp * 1000 - clock.currentTimeMillisUnsafe() : Infinity
          if (left <= 0) return Effect.succeed(false)
          const caller = { subject: userOf(verified.claims) ?? "somebody" }
          const first = known.keys().next()
          if (known.size >= capacity && first.done !== true) known.delete(first.value)
          if (capacity > 0) known.set(digest, { caller, until: monotonic() + Math.min(rememberFor, left) })
          return Effect.succeed(caller)
        }
      )
    })
})

const endings = {
  succeeded: "is done",
  failed: "failed",
  cancelled: "was cancelled"
} as const

/** Tells whoever submitted a job that it is over. */
export const jobNotifier: Effect.Effect<JobEnded, never, Notification> = Effect.map(
  Notification,
  (notification) =>
    ({ detail, images, jobId, status, user }) => {
      if (user === undefined) return Effect.void
      const of = images === undefined ? "" : ` of ${images} ${images === 1 ? "image" : "images"}`
      const why = detail === undefined ? "" : `: ${detail}`
      return notification.send({ user_id: user, message: `Job ${jobId}${of} ${endings[status]}${why}` })
    }
)

/** Reports who did what. */
export const activityReporter: Effect.Effect<Active, never, Analytics> = Effect.map(
  Analytics,
  (analytics) =>
    ({ action, resourceId, resourceType, user }) =>
      analytics.report({
        user_id: user ?? "somebody",
        action,
        resource_type: resourceType,
        resource_id: resourceId
      })
)

/** A server's log has a line for each of its own requests: those that it makes because of them are for whoever looks closer. */
const atDebug = Effect.provideService(LogRequests, "debug")

/**
 * All of it, for as long as the scope. What waits for analytics is still sent when that ends, so the `HttpClient` has to
 * live longer.
 */
export const make = Effect.fnUntraced(function* (
  options?: AuthorizeOptions
): Effect.fn.Return<Companions, InvalidConfig | InvalidUrl, HttpClient.HttpClient | Scope.Scope> {
  const client = Layer.succeed(HttpClient.HttpClient, yield* HttpClient.HttpClient)
  const shared = yield* Layer.build(Layer.merge(ServiceRegistry.layer(), client))

  const { get } = yield* Effect.provideContext(ServiceRegistry.ServiceRegistry, shared)

  /** What a service is for; `undefined` where the environment does not name it. */
  const where = <I, A>(
    service: string,
    layer: Layer.Layer<
      I,
      InvalidConfig | InvalidUrl | ServiceRegistry.ServiceNotConfigured,
      ServiceRegistry.ServiceRegistry | HttpClient.HttpClient
    >,
    make: Effect.Effect<A, never, I>
  ) =>
    Effect.flatMap(get(service), ({ isDevelopment }) =>
      // Nobody has asked for what would be tried where it is in development.
      isDevelopment
        ? Effect.succeed(undefined)
        : Effect.flatMap(Layer.build(layer), (context) => Effect.provideContext(make, context))
    ).pipe(
      Effect.provideContext(shared),
      atDebug,
      Effect.catchTag("ServiceNotConfigured", () => Effect.succeed(undefined))
    )

  const authorize = yield* where("authentication", Authentication.layer, authorizer(options))
  const jobEnded = yield* where("notification", Notification.layer(), jobNotifier)
  return {
    authorize: authorize && ((token) => atDebug(authorize(token))),
    jobEnded: jobEnded && ((job) => atDebug(jobEnded(job))),
    // It is sent in the background, which was begun at that level.
    active: yield* where("analytics", Analytics.layer(), activityReporter)
  }
})
