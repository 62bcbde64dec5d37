/** What the inspection service says of a failure. */
import { Schema } from "effect"
import type { Answer } from "../../service/Exchange.ts"
import * as Message from "../../service/Message.ts"
import type { ErrorBody } from "./Protocol.ts"

const FailureJson = Schema.Struct({
  success: Schema.Literal(false),
  error: Schema.optionalKey(Schema.Unknown)
})

/** Whether an answer says that it failed, whatever its status. */
export const isFailure = Schema.is(FailureJson)

/** Werkzeug's refusal of a body, which the service gives on with its own status. */
const tooLarge = ({ status }: Answer, detail: string | undefined): number | undefined =>
  status >= 500 && /^413\b/.test(detail ?? "") ? 413 : undefined

/** What an error's answer says. */
export const readError = (answer: Answer): ErrorBody => {
  const json = Message.jsonOf(answer)
  const detail = Message.messageIn(json)
  // By status and shape, as it may speak any language: 503 is its word for a model that is not loaded. What stands before it
  // or in its place and is busy says when to come back.
  const isBusy = answer.headers["retry-after"] !== undefined && !/model/i.test(detail ?? "")
  return {
    detail,
    loading: answer.status === 503 && isFailure(json) && !isBusy,
    status: tooLarge(answer, detail)
  }
}
