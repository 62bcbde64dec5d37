/** Whether a service would take an image of a caller, by the options that the caller has. */
import { Effect, type Scope } from "effect"
import type { HttpClient } from "effect/http"
import * as Policy from "../policy/Policy.ts"
import type { PolicyError } from "../policy/PolicyError.ts"
import * as PolicyRunner from "../policy/PolicyRunner.ts"
import * as Exchange from "../service/Exchange.ts"
import type { InvalidUrl, ServiceError } from "../service/ServiceError.ts"
import * as Access from "./Access.ts"
import * as Inspection from "./protocol/Inspection.ts"
import { questionPolicy, type SegFormerHttpOptions } from "./SegFormerHttp.ts"

/**
 * Why the service would not take an image of this caller, found out without one; `undefined` where nothing speaks against
 * it. `health` says how a service is to anybody who asks, which is not always the same. Of a service that is silent about
 * its health, nothing is known but this: there a 404 or a page of HTML at the route of images speaks against it too.
 */
export const barred = Effect.fnUntraced(function* (
  options: SegFormerHttpOptions,
  { isSilent = false }: { readonly isSilent?: boolean | undefined } = {}
): Effect.fn.Return<
  Access.Barred | undefined,
  InvalidUrl | ServiceError | PolicyError,
  HttpClient.HttpClient | Scope.Scope
> {
  const spoken = options.protocol ?? Inspection.protocol
  const exchange = yield* Exchange.make({
    ...options,
    secrets: [...(options.secrets ?? []), ...(typeof spoken === "function" ? [] : (spoken.secrets ?? []))]
  })
  const given = options.apiKey !== undefined || Object.keys(options.headers ?? {}).length > 0
  const runner = yield* PolicyRunner.make({
    service: exchange.service,
    policy: Policy.make({ retry: false }, questionPolicy)
  })
  const { value } = yield* runner.run((attempt) =>
    Effect.flatMap(
      typeof spoken === "function" ? spoken(exchange, attempt) : Effect.succeed(spoken),
      (protocol) => Access.ask(exchange, protocol, { given, isSilent }, attempt)
    )
  )
  return value
})
