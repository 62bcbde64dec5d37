/**
 * What the log has of requests: one line before each, one after it with its status and its time. Everything in them
 * stands in the annotations too: `method`, `url` (without its query), `attempt`, `attempts`, `status`, `milliseconds`,
 * `requestId`.
 *
 *     Request: GET http://localhost:8001/api/v1/users/7 (attempt 1/4)
 *     Response: GET http://localhost:8001/api/v1/users/7 - 200 (12 ms)
 */
import { Context, Effect, LogLevel, References } from "effect"
import type { HttpMethod } from "effect/http/HttpMethod"
import type { Attempt } from "../policy/Attempt.ts"
import { lazily } from "./CodeNotLoaded.ts"

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

const lines = lazily(() => import("./RequestLines.ts"))

/** The lines around a request. `standard` is the level that its client has. */
export const around = <A extends { readonly status: number }, E extends { readonly _tag: string }>(
  self: Effect.Effect<A, E>,
  called: { readonly method: HttpMethod; readonly url: string },
  attempt: Attempt,
  standard: LogRequests
): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    const wanted = fiber.getRef(LogRequests) ?? standard
    // Where nobody looks, a request pays for no line.
    if (wanted === "none") return self
    const level = levels[wanted]
    if (LogLevel.isGreaterThan(fiber.getRef(References.MinimumLogLevel), level)) return self
    // A request is not given up for its lines.
    return Effect.matchEffect(lines, {
      onFailure: () => self,
      onSuccess: (Lines) => Lines.around(self, called, attempt, level)
    })
  })
