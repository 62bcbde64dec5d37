/** The error of an answer whose status is no success. */
import { Clock, Effect } from "effect"
import * as RetryAfter from "../policy/RetryAfter.ts"
import type { Answer, ErrorBody } from "./Answer.ts"
import * as Hiding from "./Hiding.ts"
import * as Message from "./Message.ts"
import * as Proxies from "./Proxies.ts"
import { errorHeader, type ServiceError } from "./ServiceError.ts"
import { fromStatus } from "./StatusError.ts"

/** Characters of what a service says that are looked at: more than an error shows. */
const said = 4000

/** The error of an answer whose status is no success, with what the protocol read from its body. */
export const fail = (answer: Answer, read?: ErrorBody): Effect.Effect<never, ServiceError> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.fail(
      fromStatus({
        service: answer.service,
        status: read?.status ?? answer.status,
        requestId: answer.requestId,
        detail: Proxies.doubted(
          answer,
          (answer.hide ?? Hiding.nothing)((read?.detail ?? Message.textOf(answer)).slice(0, said))
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
  return code === undefined ? undefined : (answer.hide ?? Hiding.nothing)(code.slice(0, said))
}
