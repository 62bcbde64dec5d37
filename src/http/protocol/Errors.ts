/** What failed requests say, in the shapes that servers use for it. */
import { Effect } from "effect"
import * as Decode from "../../service/Decode.ts"
import { type Answer, failure, isSuccess, ok as succeeded } from "../../service/Exchange.ts"
import * as Message from "../../service/Message.ts"
import { isRecord, jsonOf } from "../../service/Message.ts"
import type { ServiceError } from "../../service/ServiceError.ts"
import type { Health } from "../../Transport.ts"
import type { ErrorBody, Question } from "./Protocol.ts"
import { wellUnless } from "./SelfReport.ts"

export { reported } from "./Reported.ts"
export { saysFailed } from "./SelfReport.ts"
export { isRecord, jsonOf }

/** The message in what an error's JSON holds: a string, or the first of the usual fields. */
export const messageIn = (value: unknown): string | undefined => Message.messageIn(value)

/** Reads the message wherever a server may put it. */
export const read = (answer: Answer): ErrorBody => ({ detail: messageIn(jsonOf(answer)) })

/** The answer if its status is a success, else its error. */
export const ok = (
  answer: Answer,
  readError: (answer: Answer) => ErrorBody = read
): Effect.Effect<Answer, ServiceError> => succeeded(answer, readError)

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
