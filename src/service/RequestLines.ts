/** The lines of `RequestLog`, loaded with the first request that is logged. */
import { Cause, Clock, Effect, Exit, type LogLevel, Result } from "effect"
import type { HttpMethod } from "effect/http/HttpMethod"
import type { Attempt } from "../policy/Attempt.ts"
import { millisOf } from "../policy/MonotonicClock.ts"

/** How a request came out: its status, or what there was instead of one. */
const outcome = (
  exit: Exit.Exit<{ readonly status: number }, { readonly _tag: string }>
): number | string => {
  if (Exit.isSuccess(exit)) return exit.value.status
  const error = Result.getOrUndefined(Cause.findError(exit.cause))
  if (error === undefined) return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "defect"
  if ("status" in error && typeof error.status === "number") return error.status
  return "code" in error && typeof error.code === "string" ? error.code : error._tag
}

/** One line before a request, and one behind it. */
export const around = <A extends { readonly status: number }, E extends { readonly _tag: string }>(
  self: Effect.Effect<A, E>,
  { method, url }: { readonly method: HttpMethod; readonly url: string },
  { attempts, callId, number }: Attempt,
  level: LogLevel.Severity
): Effect.Effect<A, E> => {
  const annotations = {
    method,
    url,
    attempt: number,
    ...(attempts === undefined ? {} : { attempts }),
    requestId: callId
  }
  const log = Effect.logWithLevel(level)
  const of = attempts === undefined ? "" : `/${attempts}`
  const request = Clock.clockWith((clock) => {
    const started = millisOf(clock)
    return Effect.onExit(self, (exit) => {
      const milliseconds = Math.round(millisOf(clock) - started)
      const status = outcome(exit)
      const what = typeof status === "number" ? "Response" : "No response"
      return Effect.annotateLogs(log(`${what}: ${method} ${url} - ${status} (${milliseconds} ms)`), {
        ...annotations,
        ...(Exit.isSuccess(exit) && "requestId" in exit.value ? { requestId: exit.value.requestId } : {}),
        status,
        milliseconds
      })
    })
  })
  return Effect.andThen(
    Effect.annotateLogs(log(`Request: ${method} ${url} (attempt ${number}${of})`), annotations),
    request
  )
}
