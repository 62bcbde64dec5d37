/** What failed requests say, in the shapes that servers use for it. */
import { Effect } from "effect"
import * as Decode from "../../service/Decode.ts"
import { type Answer, failure, isSuccess, ok as succeeded } from "../../service/Exchange.ts"
import * as Message from "../../service/Message.ts"
import { isRecord, jsonOf } from "../../service/Message.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import type { Health } from "../../Transport.ts"
import type { ErrorBody, Question } from "./Protocol.ts"

export { reported } from "./Reported.ts"
export { isRecord, jsonOf }

/** The message in what an error's JSON holds: a string, or the first of the usual fields. */
export const messageIn = (value: unknown): string | undefined => Message.messageIn(value)

/** Reads the message wherever a server may put it. */
export const read = (answer: Answer): ErrorBody => ({ detail: messageIn(jsonOf(answer)) })

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

/** The answer if its status is a success, else its error. */
export const ok = (
  answer: Answer,
  readError: (answer: Answer) => ErrorBody = read
): Effect.Effect<Answer, ServiceError> => succeeded(answer, readError)

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

/**
 * Health by status: the whole of 2xx is well unless it says otherwise, 5xx and what the protocol has for "not ready" are not. Another status
 * is a failure: whoever answers so has no such route, or keeps it for others. So is a page of HTML.
 */
export const healthByStatus = (path: string, unready: ReadonlyArray<number> = []): Question<Health> => ({
  call: { method: "GET", path, accept: "*/*" },
  read: (answer) => {
    if (isSuccess(answer)) {
      // What answers anything with a page has not said how a model is.
      const text = Decode.text(answer)
      return ["!doctype", "html"].includes(Message.firstTagOf(text) ?? "")
        ? Effect.fail(
            Decode.notDecodable(
              answer,
              "",
              "it is a page of HTML, and says nothing of its health",
              Message.titleOf(text)
            )
          )
        : Effect.succeed(wellUnless(answer))
    }
    const { detail } = read(answer)
    return unready.includes(answer.status) || answer.status >= 500
      ? Effect.succeed({
          healthy: false,
          detail: `${answer.status}${detail === undefined ? "" : `: ${detail}`}`
        })
      : failure(answer, { detail })
  }
})
