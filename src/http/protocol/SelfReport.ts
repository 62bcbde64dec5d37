/** What an answer says of itself, whatever its status: that its work failed, or that its service is not well. */
import { Effect } from "effect"
import type { Answer } from "../../service/Answer.ts"
import { isRecord, jsonOf, messageIn } from "../../service/Message.ts"
import type { Health } from "../../Transport.ts"

/** What says "nothing" where an error would stand: Python writes `None` as a text, and C a number. */
const noError = /^(?:none|null|nil|undefined|no(?: error)?|ok|success|false|0)?$/i

/**
 * Whether an object says of its own work that it failed, whatever stands beside that: a mask there is what was left of it.
 * A number alone may count something, and says nothing.
 */
export const saysFailed = (value: unknown): boolean => {
  if (!isRecord(value)) return false
  const { error, ok, status, statusCode, status_code: code = statusCode, success } = value
  const isNo = (said: unknown) => said === false || said === 0 || said === "false" || said === "False"
  const isError = isRecord(error)
    ? messageIn(error) !== undefined && !noError.test(String(error["code"] ?? "some"))
    : error === true || (typeof error === "string" && !noError.test(error.trim()))
  return (
    isNo(success) ||
    isNo(ok) ||
    isError ||
    (typeof status === "string" && /^(?:error|errored|fail|failed|failure)$/i.test(status)) ||
    (typeof code === "number" && code >= 400 && code < 600)
  )
}

/** How services call it that they are not well, whatever the status of the answer. */
const unwell =
  /^(?:down|error|errored|fail|failed|failure|unhealthy|unavailable|not[ _-]?ready|starting|loading|out[ _-]of[ _-]service)$/i

/** What an answer of success says of its service all the same, where that is that it is not well. */
export const illness = (said: unknown): string | undefined => {
  if (!isRecord(said)) return undefined
  const { healthy, ready, status } = said
  const isUnwell = typeof status === "string" && unwell.test(status.trim())
  if (!isUnwell && healthy !== false && ready !== false && !saysFailed(said)) return undefined
  return messageIn(said) ?? (isUnwell ? `its status is "${status}"` : "it says that it is not")
}

/** Of an answer that is none of the protocol: what it says all the same, where that is that its service is not well. */
export const illOr =
  (answer: Answer) =>
  <E>(error: E): Effect.Effect<Health, E> => {
    const ill = illness(jsonOf(answer))
    return ill === undefined ? Effect.fail(error) : Effect.succeed({ healthy: false, detail: ill })
  }

/** Well, unless the answer says that it is not. */
export const wellUnless = (answer: Answer): Health => {
  const ill = illness(jsonOf(answer))
  return ill === undefined ? { healthy: true, detail: "ready" } : { healthy: false, detail: ill }
}
