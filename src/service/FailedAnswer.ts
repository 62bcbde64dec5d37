/** The error of an answer whose status is no success. */
import { Clock, type Duration, Effect } from "effect"
import * as RetryAfter from "../policy/RetryAfter.ts"
import type { Answer, ErrorBody } from "./Answer.ts"
import { waitOf } from "./HeadError.ts"
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
        retryAfter: waitOf(
          answer,
          now,
          read?.retryAfter ?? waitIn(Message.jsonOf(answer), answer.headers, now)
        ),
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

const waitFields: ReadonlyArray<readonly [name: RegExp, header: string]> = [
  [/^retry_?after_?(ms|millis|milliseconds)$/i, "retry-after-ms"],
  [/^retry_?(after|delay|in)(_?(s|secs?|seconds))?$/i, "retry-after"]
]

/** What a field says as the header would: a count, with the name of its unit behind it or not, or a time. */
const asHeader = (given: unknown): string => {
  const text = typeof given === "number" ? given.toFixed(3) : typeof given === "string" ? given.trim() : ""
  const [, count = text] = /^(\d[\d.]*) *(?:s|secs?|seconds?)$/i.exec(text.slice(0, 64)) ?? []
  return count.startsWith("-") ? "" : count
}

/** The wait that an error's body asks for, as `Retry-After` would: `retry_after: 9`, also within another object. */
const waitIn = (
  value: unknown,
  { age, date }: Readonly<Record<string, string | undefined>>,
  now: number,
  depth = 0
): Duration.Duration | undefined => {
  if (typeof value !== "object" || value === null || depth > 4) return undefined
  for (const [name, given] of Object.entries(value)) {
    const header = waitFields.find(([pattern]) => pattern.test(name.replaceAll("-", "_")))?.[1]
    const wait =
      header === undefined ? undefined : RetryAfter.fromHeaders({ [header]: asHeader(given), date, age }, now)
    if (wait !== undefined) return wait
  }
  for (const given of Object.values(value)) {
    const found = waitIn(given, { age, date }, now, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}
