/** What an answer says of itself, whatever its status: that its work failed, or that its service is not well. */
import { Effect } from "effect"
import type { Answer } from "../../service/Answer.ts"
import { isRecord, jsonOf, messageIn, textOf } from "../../service/Message.ts"
import type { Health } from "../../Transport.ts"

/** What says "nothing" where an error would stand, or that all is well: Python writes `None` as a text. */
const noError =
  /^(?!.*(?:\b(?:no|not|without)\b.*success|[未不没]成功))(?:none|null|nil|undefined|(?:no|0+)(?:[ _-]?errors?)?|errors?[:=] ?(?:0|no|none)|n\/?a|-+|o\.?k(?:ay)?|(?:.*[ _-])?(?:success(?:ful(?:ly)?)?|succeeded|completed?|done|finished)|false|.*成功)?[.!]?$/i

/** Codes of success: nothing, the whole of 2xx, and those that Chinese services have for it. `00000` is one as well. */
const isSuccessCode = (code: number): boolean =>
  code === 0 || (code >= 200 && code < 300) || code === 10_000 || code === 20_000

/** A no, also as a number or a text. */
const isNo = (said: unknown): boolean =>
  said === false || said === 0 || (typeof said === "string" && /^\s*(?:false|no|0)\s*$/i.test(said))

const isYes = (said: unknown): boolean =>
  said === true || (typeof said === "string" && /^\s*true\s*$/i.test(said))

/** Fields that say whether the work was done, and those that say what went wrong. */
const successes = /^(?:is_?)?(?:ok|success|successful|succeeded)$/i
const errors = /^(?:err|error|errors|exception)$/i
const failures = /^(?:(?:is|has)_?(?:error|errors|failed)|failed)$/i
const errorMessages = /^err(?:or)?_?(?:message|msg)$/i
const errorCodes = /^err(?:or)?_?(?:code|no)$/i
const statusCodes = /^(?:status|state|ret|(?:(?:status|result|return|response|ret)_?)?code)$/i
const messages = /^(?:message|msg|detail|description|reason)$/i
/** Objects that say how the whole went. */
const heads = /^(?:status|state|meta|header|(?:response_?)?metadata|base_?resp)$/i

/** Words for work that has come to nothing. */
const failedState =
  /^(?:errors?|errored|fail|failed|failure|exception|timed?[ _-]?out|cancell?ed|aborted|crashed|killed|rejected|invalid)(?![a-z]|-free|[ _-]?over|[:=] ?(?:0|no|none)$)|(?<!\b(?:no|non|without|zero|0)[ _-]?)(?:errors?|failed|failure|exception)$/i

const isFailedState = (said: string): boolean =>
  failedState.test(said.trim().replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_"))

/** That nothing was found, which is no failure. */
const nothingFound =
  /\b(?:objects?|instances?|things?|targets?|defects?|masks?|segments?|regions?|classes|anything)(?: (?:was|were|is|are|could|can|has|have))? not (?:be(?:en)? )?(?:found|detected|present)\b|\bno[ _-](?:objects?\b|\w*(?<!s)s\b)/gi

/** Words of a message for what went wrong, but for those that say that nothing did, and for success. */
const blame =
  /(?<!\b(?:no|non|without|zero|0)[ _-]?)(?:errors?|fail(?:s|ed|ures?)?|exceptions?)(?![a-z]|-free|[ _-]?over|.{0,40}[:=] ?(?:0|no|none)$)|timed?[ _-]?out|\bno(?![ _-](?:error|fail|exception|issue))\b|n['’]t\b|\b(?:not|cannot|too|false|bad|wrong|corrupt\w*|un(?:able|success|support|expect|auth)\w*|in(?:valid|complete|sufficient)\w*|without success|out of|cancell?ed|abort\w*|crash\w*|killed|died|reject\w*|denied|refused|exceed\w*)\b|(?<![无未没]有?(?:发现|检测到)?)(?:失败|错误|异常)|无法|超时|[未不没](?!有?(?:发现|检测|失败|错误|异常))/i
/** Success, which also clears a code of HTTP's, and an end, which may be that of anything. */
const success = /\b(?:ok(?:ay)?|success(?:ful(?:ly)?)?|succeeded)\b|(?:no|without) errors?\b|成功/i
const end = /\b(?:complet(?:ed|e[.!]?$)|done|finished)\b|完成|完毕/i

/** Whether a message says that nothing was found, and no more. */
const isNothing = (said: unknown): boolean => {
  if (typeof said !== "string") return false
  const rest = said.replace(nothingFound, "")
  return (rest !== said || /[未没]有?(?:发现|检测)/.test(said)) && !blame.test(rest)
}

/** What the messages among fields say of the work: that it failed, went well, or ended. */
const tonesOf = (fields: ReadonlyArray<readonly [name: string, said: unknown]>) =>
  new Set(
    fields.map(([name, said]) => {
      if (typeof said !== "string" || !(messages.test(name) || errorMessages.test(name))) return undefined
      const text = said.replace(nothingFound, "")
      return blame.test(text) ? "blame" : success.test(text) ? "success" : end.test(text) && "end"
    })
  )

/** Whether what stands where an error would is one. Within one, a yes may be to anything, as `retryable`. */
const isError = (error: unknown, depth = 0, name = "error"): boolean => {
  // As a message, a no is one.
  if (typeof error === "string") return (depth > 0 && /^no$/i.test(error)) || !noError.test(error.trim())
  if (typeof error !== "object" || error === null || depth > 4)
    return error === true && (errors.test(name) || failures.test(name))
  const fields = Object.entries(error)
  const code = fields.find(([name, said]) => /^code$/i.test(name) && said !== null)?.[1]
  return code === undefined
    ? fields.some(([key, each]) => isError(each, depth + 1, key))
    : isBadOutcome(code, tonesOf(fields), true, depth + 1)
}

/**
 * Whether a field for the outcome says that it is bad: a word, or a number below 0, of HTTP's, in a field for errors, or beside a message that
 * blames. A message of success clears them, and one of an end beside none that blames; those of HTTP's only success alone.
 */
const isBadOutcome = (
  said: unknown,
  tones: ReadonlySet<unknown>,
  isOfErrors: boolean,
  depth = 0
): boolean => {
  const code = typeof said === "string" && /^\s*-?\d+\s*$/.test(said) ? Number(said) : said
  if (typeof code !== "number")
    return isOfErrors ? isError(code, depth) : typeof code === "string" && isFailedState(code)
  if (isSuccessCode(code)) return false
  const isHttp = code >= 400 && code < 600
  const isBlamed = tones.has("blame")
  if (isHttp ? tones.has("success") && !isBlamed : tones.has("success") || (tones.has("end") && !isBlamed))
    return false
  return isOfErrors || (Number.isInteger(code) && (isHttp || code < 0 || isBlamed))
}

const noTones: ReadonlySet<unknown> = new Set()

/**
 * Whether an object says of its own work that it failed, whatever stands beside that: a mask there is what was left of it.
 * A number alone may count something, and says nothing.
 */
export const saysFailed = (value: unknown, depth = 0): boolean => {
  const fields = isRecord(value) && depth < 5 ? Object.entries(value) : []
  // Beside a code that is none by itself, a message for errors may say that all is well.
  const isFine = fields.some(
    ([name, said]) =>
      errorCodes.test(name) && said !== null && said !== "" && !isBadOutcome(said, noTones, true)
  )
  const tones = tonesOf(isFine ? fields.filter(([name]) => !errorMessages.test(name)) : fields)
  return fields.some(
    ([name, said]) =>
      (successes.test(name) && isNo(said)) ||
      (failures.test(name) && isYes(said)) ||
      (/^(?:result|status|state)$/i.test(name) && said === false) ||
      (errors.test(name) && isError(said)) ||
      (!isFine && errorMessages.test(name) && isError(said) && !isNothing(said)) ||
      (statusCodes.test(name) && isBadOutcome(said, tones, false)) ||
      (errorCodes.test(name) && isBadOutcome(said, tones, true)) ||
      (heads.test(name) && isRecord(said) && saysFailed(said, depth + 1))
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
