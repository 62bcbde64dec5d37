/**
 * The authentication service: who a token belongs to. `verify` never fails: a token is valid, with its claims, or not,
 * for a reason; where the service does not say within 5 seconds, nobody is let in.
 *
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { Authentication, userOf } from "effect-segformer/companions"
 *
 * const program = Effect.gen(function* () {
 *   const authentication = yield* Authentication
 *   const found = yield* authentication.verify(Redacted.make("token of ada"))
 *   return found._tag === "Valid" ? userOf(found.claims) : found.reason
 * })
 * const fake = Authentication.fake({ authentication: { verify: () => Effect.succeed({ sub: "ada" }) } })
 * await Effect.runPromise(Effect.provide(program, fake)) // => "ada"
 * ```
 */
import { Context, Effect, Layer, type Redacted, Schema } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import * as ServiceClient from "../service/ServiceClient.ts"
import { errorsOf } from "./CompanionError.ts"

/** What a token says of its bearer, as the service writes it. */
export const Claims = Schema.Record(Schema.String, Schema.Json)
export type Claims = typeof Claims.Type

const { guarded, invalid, notFound } = errorsOf("authentication")

export class AuthenticationApi extends HttpApi.make("authentication").add(
  HttpApiGroup.make("authentication", { topLevel: true }).add(
    HttpApiEndpoint.post("verify", "/verify", {
      payload: Schema.Struct({ token: Schema.RedactedFromValue(Schema.String) }),
      success: Claims,
      error: [...guarded, notFound, invalid]
    }).annotate(ServiceClient.Idempotent, true)
  )
) {}

/** What is known of a token. */
export type Verification =
  | { readonly _tag: "Valid"; readonly claims: Claims }
  | {
      readonly _tag: "NotValid"
      /** `"refused"`: the service says so. `"unanswered"`: it does not say; the token may be good. */
      readonly reason: "refused" | "unanswered"
      readonly detail: string
    }

/** The user that claims are about: `sub`, else `user_id`; `undefined` where they name none. */
export const userOf = (claims: Claims): string | undefined =>
  [claims["sub"], claims["user_id"]]
    .filter((id) => (typeof id === "string" && id !== "") || typeof id === "number")
    .map(String)[0]

/** The service's calls as they are. `AUTHENTICATION_SERVICE_URL` or `AUTH_SERVICE_URL` says where it is. */
export class AuthenticationClient extends ServiceClient.Service<AuthenticationClient>()(
  "effect-segformer/companions/AuthenticationClient",
  AuthenticationApi,
  {
    service: "authentication",
    // A request waits for it: retries are short, and 5 seconds are for all of them.
    policy: {
      deadline: "5 seconds",
      attemptTimeout: "5 seconds",
      retry: { times: 2, delay: "200 millis" }
    }
  }
) {}

/** The words by which services say "yes" and "no" with status 200, in whatever spelling. */
const verdicts = new Set([
  "valid",
  "active",
  "isvalid",
  "tokenvalid",
  "authenticated",
  "isauthenticated",
  "authorized",
  "success",
  "ok"
])

/** Some services say "no" with status 200: by one of these words, or by an error instead of claims. */
const isDenied = (claims: Claims): boolean =>
  Object.entries(claims).some(([name, value]) => {
    const word = name.replaceAll(/[_-]/g, "").toLowerCase()
    if (word === "error") return value !== null && value !== false && value !== ""
    return verdicts.has(word) && (value === false || value === 0 || /^(?:false|no|0)$/i.test(String(value)))
  })

/** The status of an answer that is about the token, not about the service. */
const refusalOf = (error: object): number | undefined =>
  "status" in error &&
  typeof error.status === "number" &&
  error.status >= 400 &&
  error.status < 500 &&
  ![408, 425, 429].includes(error.status)
    ? error.status
    : undefined

const make = Effect.map(AuthenticationClient, (client) =>
  Authentication.of({
    verify: (token) =>
      // What is logged of retries quotes the service, and services repeat what they were sent: the token.
      Effect.matchEffect(ServiceClient.withSecrets(client.verify({ payload: { token } }), [token]), {
        onSuccess: (claims): Effect.Effect<Verification> =>
          Effect.succeed(
            isDenied(claims)
              ? { _tag: "NotValid", reason: "refused", detail: "the service says that it is not valid" }
              : { _tag: "Valid", claims }
          ),
        onFailure: (error): Effect.Effect<Verification> => {
          const status = refusalOf(error)
          if (status !== undefined) {
            const detail = `the service refuses it (${status})`
            return Effect.succeed({ _tag: "NotValid", reason: "refused", detail })
          }
          const detail = `the service does not say whether it is (${error._tag})`
          return Effect.as(Effect.logWarning(`A token is taken for not valid: ${detail}`), {
            _tag: "NotValid",
            reason: "unanswered",
            detail
          })
        }
      })
  })
)

/** Who tokens belong to. */
export class Authentication extends Context.Service<
  Authentication,
  { readonly verify: (token: Redacted.Redacted) => Effect.Effect<Verification> }
>()("effect-segformer/companions/Authentication") {
  static readonly layerClient = Layer.effect(Authentication, make)
  /** Asks the service that the registry names. */
  static readonly layer = Layer.provide(this.layerClient, AuthenticationClient.layer)
  /** Asks a function, in tests. */
  static readonly fake = (
    handlers: Parameters<typeof AuthenticationClient.fake>[0]
  ): Layer.Layer<Authentication> => Layer.provide(this.layerClient, AuthenticationClient.fake(handlers))
}
