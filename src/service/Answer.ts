/**
 * What comes back from a service: a status and a body, which is taken as a success or as the failure that it tells of.
 */
import { Clock, type Duration, Effect, Stream } from "effect"
import type { Headers } from "effect/http"
import * as RetryAfter from "../policy/RetryAfter.ts"
import * as Message from "./Message.ts"
import * as Proxies from "./Proxies.ts"
import * as Secrets from "./Secrets.ts"
import { errorHeader, fromStatus, type ServiceError } from "./ServiceError.ts"

/** A status and a whole body, whatever the status. */
export interface Answer {
  /** Origin and path that were called, without query. */
  readonly service: string
  readonly status: number
  readonly headers: Headers.Headers
  readonly body: Uint8Array
  /** The id the service gave the request, or ours. */
  readonly requestId: string
  /** The proxy that it came through, where that may have answered in the place of the service. */
  readonly proxy?: string | undefined
  /** Takes our secrets out of what the service says: whoever makes an error of an answer lets its texts through here. */
  readonly hide?: Secrets.Hide | undefined
}

/** A status, and a body that comes as it is read. */
export interface Opened extends Omit<Answer, "body"> {
  readonly body: Stream.Stream<Uint8Array, ServiceError>
}

/** Gives up an answer that was opened and will not be read: its connection is closed. */
export const drop = ({ body }: Opened): Effect.Effect<void> =>
  // Its stream closes the connection when it is interrupted.
  Effect.ignore(Effect.raceFirst(Stream.runDrain(body), Effect.void))

/** What an error's body says. The status is judged elsewhere. */
export interface ErrorBody {
  readonly detail?: string | undefined
  /** The service's own. By default what the body calls `error_code`, `errorCode` or `code`. */
  readonly code?: string | undefined
  /** The model is not loaded yet. */
  readonly loading?: boolean | undefined
  readonly retryAfter?: Duration.Duration | undefined
  /** It was a file that an answer had named, and not the service itself, that was asked for. */
  readonly file?: boolean | undefined
  /** What the status should have been: some answer 500 to what was too large. */
  readonly status?: number | undefined
}

/** Whether a status is one of success: 2xx. */
export const isSuccess = ({ status }: { readonly status: number }): boolean => status >= 200 && status < 300

/** The answer if its status is a success, else its error, with what `read` finds in its body. */
export const ok = (
  answer: Answer,
  read?: (answer: Answer) => ErrorBody
): Effect.Effect<Answer, ServiceError> =>
  isSuccess(answer) ? Effect.succeed(answer) : failure(answer, read?.(answer))

/** Characters of what a service says that are looked at: more than an error shows. */
const said = 4000

/** The error of an answer whose status is no success, with what the protocol read from its body. */
export const failure = (answer: Answer, read?: ErrorBody): Effect.Effect<never, ServiceError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.fail(
      fromStatus({
        service: answer.service,
        status: read?.status ?? answer.status,
        requestId: answer.requestId,
        detail: Proxies.doubted(
          answer,
          (answer.hide ?? Secrets.nothing)((read?.detail ?? Message.textOf(answer)).slice(0, said))
        ),
        code: codeOf(answer, read),
        retryAfter:
          RetryAfter.fromHeaders(answer.headers, now) ??
          read?.retryAfter ??
          Message.waitIn(Message.jsonOf(answer)),
        loading: read?.loading,
        file: read?.file
      })
    )
  )

/** The service's own code, without secrets. */
const codeOf = (answer: Answer, read: ErrorBody | undefined): string | undefined => {
  const code = answer.headers[errorHeader] ?? read?.code ?? Message.codeIn(Message.jsonOf(answer))
  return code === undefined ? undefined : (answer.hide ?? Secrets.nothing)(code.slice(0, said))
}
