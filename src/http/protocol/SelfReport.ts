/** What an answer says of itself, whatever its status: that its work failed, or that its service is not well. */
import { Effect } from "effect"
import type { Answer } from "../../service/Answer.ts"
import { isRecord, jsonOf, messageIn, textOf } from "../../service/Message.ts"
import type { Health } from "../../Transport.ts"

/** What says "nothing" where an error would stand: Python writes `None` as a text, and C a number. */
const noError = /^(?:none|null|nil|undefined|no(?: errors?)?|n\/?a|-+|ok|success|successful|false|0)?$/i

/** A no, also as a number or a text. */
const isNo = (said: unknown): boolean =>
  said === false || said === 0 || (typeof said === "string" && /^\s*false\s*$/i.test(said))

const isYes = (said: unknown): boolean =>
  said === true || (typeof said === "string" && /^\s*true\s*$/i.test(said))

/** Fields that say whether the work was done, and those that say what went wrong. */
const successes = /^(?:is_?)?(?:ok|success|successful|succeeded)$/i
const errors = /^(?:err|error|errors|exception)$/i
const failures = /^(?:(?:is|has)_?(?:error|errors|failed)|failed)$/i
const errorMessages = /^err(?:or)?_?(?:message|msg)$/i
const errorCodes = /^err(?:or)?_?(?:code|no)$/i
const statusCodes = /^(?:status|(?:status_?)?code)$/i

/** Words for work that has come to nothing. */
const failedState =
  /^(?:error|errored|fail|failed|failure|timed?[ _-]?out|cancell?ed|aborted|crashed|rejected)$/i

/** Whether what stands where an error would is one. */
const isError = (error: unknown): boolean => {
  if (isRecord(error) && noError.test(String(error["code"] ?? "some"))) return false
  if (typeof error === "object" && error !== null)
    return (
      messageIn(error) !== undefined || Object.values(error).some((each) => messageIn(each) !== undefined)
    )
  return error === true || (typeof error === "string" && !noError.test(error.trim()))
}

const isCode = (said: unknown): boolean => (typeof said === "number" ? said !== 0 : isError(said))

/**
 * Whether an object says of its own work that it failed, whatever stands beside that: a mask there is what was left of it.
 * A number alone may count something, and says nothing.
 */
export const saysFailed = (value: unknown): boolean => {
  const fields = isRecord(value) ? Object.entries(value) : []
  // Beside a code that is none, a message may say that all is well.
  const isFine = fields.some(([name, said]) => errorCodes.test(name) && !isCode(said))
  return fields.some(
    ([name, said]) =>
      (successes.test(name) && isNo(said)) ||
      (failures.test(name) && isYes(said)) ||
      (name === "result" && said === false) ||
      (errors.test(name) && isError(said)) ||
      (!isFine && errorMessages.test(name) && isError(said)) ||
      (/^(?:status|state)$/i.test(name) && typeof said === "string" && failedState.test(said.trim())) ||
      (statusCodes.test(name) && typeof said === "number" && said >= 400 && said < 600) ||
      (errorCodes.test(name) && isCode(said))
  )
}

/** How services call it that they are not well, whatever the status of the answer. */
const unwell =
  /^(?:(?:error|fail|failed|failure)\b.*|down|errored|unhealthy|unavailable|(?:not|un)[ _-]?(?:ready|ok|healthy|loaded|serving|available)|starting(?:[ _-]?up)?|stopping|stopped|shutting[ _-]?down|(?:model[ _-]?)?loading|initiali[sz]ing|warming(?:[ _-]?up)?|out[ _-]of[ _-]service|maintenance|offline|critical|crashed|dead)$/i

/** That they are, but not quite. */
const strained = /^(?:degraded|warn|warning)$/i

/** Fields with a word for how a service is, and those with a yes or no. */
const states = /^(?:model_?)?(?:status|state|health)$/i
const flags =
  /^(?:is_?)?(?:models?_?)?(?:is_?)?(?:healthy|ready|loaded|available|alive|live|initiali[sz]ed)$/i

/** What a service says of itself, in the words it has for it. */
const stateOf = (said: unknown, pattern: RegExp): string | undefined => {
  if (typeof said === "string") return pattern.test(said.trim()) ? said.trim() : undefined
  return isRecord(said)
    ? Object.entries(said)
        .map(([name, word]) => (states.test(name) ? stateOf(word, pattern) : undefined))
        .find((word) => word !== undefined)
    : undefined
}

/** What an answer of success says of its service all the same, where that is that it is not well. */
export const illness = (said: unknown): string | undefined => {
  const state = stateOf(said, unwell)
  const message = isRecord(said) ? messageIn(said) : undefined
  if (state !== undefined) return message ?? `its status is "${state}"`
  if (said === false) return "it says that it is not"
  if (!isRecord(said)) return undefined
  const flag = Object.entries(said).find(
    ([name, is]) => (flags.test(name) && isNo(is)) || (states.test(name) && is === false)
  )
  if (flag === undefined && !saysFailed(said)) return undefined
  const [name = "healthy", is] = flag ?? []
  return (
    message ?? (/^(?:healthy|ready)$/.test(name) ? "it says that it is not" : `its ${name} is ${String(is)}`)
  )
}

/** What an answer says in JSON, or in a word. */
const saidIn = (answer: Answer): unknown => jsonOf(answer) ?? textOf(answer).slice(0, 200)

/** Of an answer that is none of the protocol: what it says all the same, where that is that its service is not well. */
export const illOr =
  (answer: Answer) =>
  <E>(error: E): Effect.Effect<Health, E> => {
    const ill = illness(saidIn(answer))
    return ill === undefined ? Effect.fail(error) : Effect.succeed({ healthy: false, detail: ill })
  }

/** Well, unless the answer says that it is not. */
export const wellUnless = (answer: Answer): Health => {
  const said = saidIn(answer)
  const ill = illness(said)
  if (ill !== undefined) return { healthy: false, detail: ill }
  const state = stateOf(said, strained)
  return { healthy: true, detail: state === undefined ? "ready" : `ready, and its status is "${state}"` }
}
