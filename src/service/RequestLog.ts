/**
 * What the log has of requests: one line before each, one after it with its status and its time. Everything in them
 * stands in the annotations too: `method`, `url` (without its query), `attempt`, `attempts`, `status`, `milliseconds`,
 * `requestId`.
 *
 *     Request: GET http://localhost:8001/api/v1/users/7 (attempt 1/4)
 *     Response: GET http://localhost:8001/api/v1/users/7 - 200 (12 ms)
 */
import { Cause, Clock, Context, Effect, Exit, LogLevel, References, Result } from "effect"
import type { HttpMethod } from "effect/http/HttpMethod"
import type { Attempt } from "../policy/Attempt.ts"

/** The level of the lines, or none of them. */
export type LogRequests = "info" | "debug" | "none"

/**
 * The level of the lines of the requests within, whatever their clients say of it: for a part of a program, such as one
 * that asks every second.
 */
export const LogRequests = Context.Reference<LogRequests | undefined>(
  "effect-segformer/service/RequestLog/LogRequests",
  { defaultValue: () => undefined }
)

const levels = { info: "Info", debug: "Debug" } as const

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

/** The lines around a request. `standard` is the level that its client has. */
export const around = <A extends { readonly status: number }, E extends { readonly _tag: string }>(
  self: Effect.Effect<A, E>,
  { method, url }: { readonly method: HttpMethod; readonly url: string },
  attempt: Attempt,
  standard: LogRequests
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    const wanted = fiber.getRef(LogRequests) ?? standard
    // Where nobody looks, a request pays for no line.
    if (wanted === "none") return self
    const level = levels[wanted]
    if (LogLevel.isGreaterThan(fiber.getRef(References.MinimumLogLevel), level)) return self
    const clock = fiber.getRef(Clock.Clock)
    const { attempts, callId, number } = attempt
    const annotations = {
      method,
      url,
      attempt: number,
      ...(attempts === undefined ? {} : { attempts }),
      requestId: callId
    }
    const log = Effect.logWithLevel(level)
    const of = attempts === undefined ? "" : `/${attempts}`
    return Effect.suspend(() => {
      const started = clock.monotonicTimeNanosUnsafe()
      return Effect.onExit(self, (exit) => {
        const milliseconds = Math.round(Number(clock.monotonicTimeNanosUnsafe() - started) / 1e6)
        const status = outcome(exit)
        const what = typeof status === "number" ? "Response" : "No response"
        return Effect.annotateLogs(log(`${what}: ${method} ${url} - ${status} (${milliseconds} ms)`), {
          ...annotations,
          ...(Exit.isSuccess(exit) && "requestId" in exit.value ? { requestId: exit.value.requestId } : {}),
          status,
          milliseconds
        })
      })
    }).pipe((request) =>
      Effect.andThen(
        Effect.annotateLogs(log(`Request: ${method} ${url} (attempt ${number}${of})`), annotations),
        request
      )
    )
  })
