/** A file that lies on the web, at an address of no service in particular: an image, a listing of some. */
import { Effect, type Redacted } from "effect"
import type { HttpClient } from "effect/http"
import * as Policy from "../policy/Policy.ts"
import type { PolicyError } from "../policy/PolicyError.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import type { BodyLimits } from "./BodyBounds.ts"
import * as Exchange from "./Exchange.ts"
import type { InvalidUrl, ServiceError } from "./ServiceError.ts"

/** A host of files is not the service: it has no circuit to share. */
const policy = Policy.make({ breaker: false, retryBudget: false, deadline: "2 minutes" })

/** The whole of it, asked for again where that may help; redirects are followed to any host. */
export const get = (
  address: string,
  options: {
    readonly accept: string
    readonly limits?: Partial<BodyLimits> | undefined
    /** Sent to the origin of the address alone, and not on from there. */
    readonly headers?: Readonly<Record<string, Redacted.Redacted>> | undefined
  }
): Effect.Effect<Exchange.Answer, ServiceError | PolicyError | InvalidUrl, HttpClient.HttpClient> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { origin, pathname, search } = yield* Exchange.parseBaseUrl(address)
      const exchange = yield* Exchange.make({
        baseUrl: origin,
        limits: options.limits,
        headers: options.headers,
        redirects: { max: 5, hosts: "any" }
      })
      const runner = yield* PolicyRunner.make({ service: origin + pathname, policy })
      const call = { method: "GET", path: pathname + search, accept: options.accept } as const
      const { value } = yield* runner.run((attempt) =>
        Effect.flatMap(exchange.send(call, attempt), (answer) => Exchange.ok(answer))
      )
      return value
    })
  )
