/**
 * The key by which Label Studio hands out its pictures: a token of old, sent as it is, or a personal access token, for which it
 * gives one that lasts a few minutes.
 */
import { Clock, Effect, Redacted, Schema, Semaphore } from "effect"
import { HttpBody, type HttpClient } from "effect/http"
import * as Policy from "../../../policy/Policy.ts"
import type { PolicyError } from "../../../policy/PolicyError.ts"
import * as PolicyRunner from "../../../policy/PolicyRunner.ts"
import * as Decode from "../../../service/Decode.ts"
import * as Exchange from "../../../service/Exchange.ts"
import type { ServiceError } from "../../../service/ServiceError.ts"

/** The value of `Authorization`; nothing without a key. */
export type Authorization = Effect.Effect<
  Redacted.Redacted | undefined,
  ServiceError | PolicyError,
  HttpClient.HttpClient
>

const Claims = Schema.Struct({
  token_type: Schema.optionalKey(Schema.Unknown),
  exp: Schema.optionalKey(Schema.Unknown)
})
const decodeClaims = Schema.decodeUnknownOption(Schema.fromJsonString(Claims))
const Refreshed = Schema.Struct({ access: Schema.String })
const decodeRefreshed = Decode.schema(Refreshed)

/** What a token says of itself, where it is one that does (a JSON Web Token). It is not checked: Label Studio does that. */
const claimsOf = (token: string): typeof Claims.Type | undefined => {
  const [, claims] = /^[\w-]+\.([\w-]+)\.[\w-]*$/.exec(token) ?? []
  if (claims === undefined) return undefined
  const found = decodeClaims(Buffer.from(claims, "base64url").toString())
  return found._tag === "Some" ? found.value : undefined
}

/** Before it ends, so that none ends on its way: milliseconds. */
const early = 30_000

const policy = Policy.make({ breaker: false, retryBudget: false, deadline: "30 seconds" })

/** By the key of Label Studio at this address. */
export const make = (base: URL, key: Redacted.Redacted | undefined): Authorization => {
  if (key === undefined) return Effect.succeed(undefined)
  // Some copy the scheme of a header along.
  const token = Redacted.value(key).replace(/^(?:token|bearer)\s+/i, "")
  const claims = claimsOf(token)
  if (claims === undefined) return Effect.succeed(Redacted.make(`Token ${token}`))
  if (claims.token_type !== "refresh") return Effect.succeed(Redacted.make(`Bearer ${token}`))
  let known: { readonly authorization: Redacted.Redacted; readonly until: number } | undefined
  const turn = Semaphore.makeUnsafe(1)
  return turn.withPermit(
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      known !== undefined && now < known.until
        ? Effect.succeed(known.authorization)
        : Effect.map(refreshed(base, token), (access) => {
            const authorization = Redacted.make(`Bearer ${access}`)
            const end = claimsOf(access)?.exp
            known = { authorization, until: typeof end === "number" ? end * 1000 - early : now }
            return authorization
          })
    )
  )
}

const refreshed = (base: URL, token: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const exchange = yield* Exchange.make({ baseUrl: base.href, secrets: [Redacted.make(token)] })
      const runner = yield* PolicyRunner.make({ service: exchange.service, policy })
      const { value } = yield* runner.run((attempt) =>
        Effect.flatMap(
          exchange.send(
            {
              method: "POST",
              path: "/api/token/refresh/",
              body: HttpBody.jsonUnsafe({ refresh: token })
            },
            attempt
          ),
          (answer) => Effect.flatMap(Exchange.ok(answer), decodeRefreshed)
        )
      )
      return value.access
    })
  )
