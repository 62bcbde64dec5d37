/** An answer taken as a success, or as the failure that it tells of. */
import { Effect } from "effect"
import { type Answer, type ErrorBody, isSuccess } from "./Answer.ts"
import type { ServiceError } from "./ServiceError.ts"
import { type CodeNotLoaded, lazily } from "./CodeNotLoaded.ts"

/** The answer if its status is a success, else its error, with what `read` finds in its body. */
export const ok = (
  answer: Answer,
  read?: (answer: Answer) => ErrorBody | Effect.Effect<ErrorBody, CodeNotLoaded>
): Effect.Effect<Answer, ServiceError> =>
  isSuccess(answer) ? Effect.succeed(answer) : failure(answer, read?.(answer))

/** Loaded with the first answer that is a failure: how services tell of one takes more words than a success. */
const failing = lazily(() => import("./FailedAnswer.ts"))

/** The error of an answer whose status is no success, with what the protocol read from its body. */
export const failure = (
  answer: Answer,
  read?: ErrorBody | Effect.Effect<ErrorBody, CodeNotLoaded>
): Effect.Effect<never, ServiceError> =>
  Effect.flatMap(failing, (FailedAnswer) =>
    Effect.isEffect(read)
      ? Effect.flatMap(read, (body) => FailedAnswer.fail(answer, body))
      : FailedAnswer.fail(answer, read)
  )
