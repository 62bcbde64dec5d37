/**
 * What a failed call to a service is to the callers of a server of one's own: a status, a sentence and a code. What a
 * service refuses with is passed on as it said it; what went wrong on the way to it is told without addresses, which are
 * nobody's business: the log has them.
 *
 * ```ts
 * import { Duration } from "effect"
 * import { ErrorResponse, RateLimited } from "effect-segformer/service"
 *
 * const error = new RateLimited({ service: "http://users", status: 429, detail: "slow down", code: "QUOTA", retryAfter: Duration.seconds(2) })
 * const { code, message, status } = ErrorResponse.of(error)
 * status // => 429
 * message // => "slow down"
 * code // => "QUOTA"
 * ```
 */
import { Duration, Effect } from "effect"
import { HttpServerResponse } from "effect/http"

/** What every error of this library says of itself, as far as it is of use here. */
export interface Failure {
  readonly _tag: string
  readonly message: string
  /** The HTTP status that it came with. */
  readonly status?: number | undefined
  /** What the service said of it. */
  readonly detail?: string | undefined
  readonly code?: string | undefined
  readonly retryAfter?: Duration.Duration | undefined
}

export interface ErrorResponse {
  readonly status: number
  /** For people. */
  readonly message: string
  /** The service's own code, else the error's tag, such as `CircuitOpen`. */
  readonly code: string
  readonly retryAfter: Duration.Duration | undefined
}

/** What happened on the way, where no service said it. */
const onTheWay: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ConnectionFailed: [502, "A service that this needs cannot be reached"],
  TimedOut: [504, "A service that this needs did not answer in time"],
  QueueFull: [503, "Too many requests wait for a service that this needs"],
  CircuitOpen: [503, "A service that this needs is not available"],
  RetryBudgetSpent: [503, "A service that this needs is not available"],
  ServiceNotConfigured: [503, "A service that this needs is not configured"],
  RequestInvalid: [400, "The request does not fit a service that this needs"],
  ResponseNotDecodable: [502, "A service that this needs gave an answer that cannot be read"],
  ResponseTooLarge: [502, "A service that this needs gave an answer that is too large"],
  RedirectRefused: [502, "A service that this needs is somewhere else"],
  ReportedFailure: [502, "A service that this needs could not do it"],
  JobFailed: [502, "A job of a service that this needs failed"]
}

/** Status, message and code of a failure. What is no failure of a call is 500, and says no more. */
export const of = (error: Failure): ErrorResponse => {
  const { _tag, code = _tag, detail, retryAfter, status } = error
  const isRefusal = status !== undefined && status >= 400 && status <= 599
  const [otherwise, sentence] = onTheWay[_tag] ?? [500, "This failed"]
  const isSaid = isRefusal || _tag === "ReportedFailure" || _tag === "JobFailed"
  return {
    status: isRefusal ? status : otherwise,
    message:
      isSaid && detail !== undefined && detail !== "" ? detail : isRefusal ? refusal(status) : sentence,
    code,
    retryAfter
  }
}

const refusal = (status: number): string =>
  status < 500 ? "A service that this needs refuses the request" : "A service that this needs failed"

/**
 * The response: `{"status", "message", "code"}` with that status, and `Retry-After` where the service said it. For the
 * handlers of an `HttpApi`: `Effect.catch(users.getUser(…), ErrorResponse.respond)`.
 */
export const respond = (error: Failure): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.sync(() => {
    const { code, message, retryAfter, status } = of(error)
    return HttpServerResponse.jsonUnsafe(
      { status, message, code },
      {
        status,
        headers:
          retryAfter === undefined ? {} : { "retry-after": String(Math.ceil(Duration.toSeconds(retryAfter))) }
      }
    )
  })
