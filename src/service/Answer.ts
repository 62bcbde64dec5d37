/**
 * What comes back from a service: a status and a body, which is taken as a success or as the failure that it tells of.
 */
import type { Duration, Effect, Stream } from "effect"
import type { Headers } from "effect/http"
import { discard } from "./BodyBounds.ts"
import type { Proxies } from "./CurrentProxies.ts"
import type * as Hiding from "./Hiding.ts"
import type { ServiceError } from "./ServiceError.ts"

/** A status and a whole body, whatever the status. */
export interface Answer {
  /** Origin and path that were called, without query. */
  readonly service: string
  readonly status: number
  readonly headers: Headers.Headers
  readonly body: Uint8Array
  /** The id the service gave the request, or ours. */
  readonly requestId: string
  /** Those that its client goes through: one of them may have answered in the place of the service. */
  readonly proxies?: Proxies | undefined
  /** Takes our secrets out of what the service says: whoever makes an error of an answer lets its texts through here. */
  readonly hide?: Hiding.Hide | undefined
}

/** A status, and a body that comes as it is read. */
export interface Opened extends Omit<Answer, "body"> {
  readonly body: Stream.Stream<Uint8Array, ServiceError>
}

/** Gives up an answer that was opened and will not be read: its connection is closed. */
export const drop = ({ body }: Opened): Effect.Effect<void> => discard({ stream: body })

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
