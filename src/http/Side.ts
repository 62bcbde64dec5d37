/**
 * What stands beside a mask in an answer: scores, times, ids, pictures. The mask decides whether an answer is good; what does
 * not fit beside it is left out, and said in a debug line, since the answer may be paid for.
 */
import { Duration, Effect } from "effect"
import { nothing } from "../service/Hiding.ts"
import type { Answer } from "../service/Exchange.ts"
import { excerpt } from "../service/WireError.ts"

/** Notes that a field was left out. */
const leftOut = (answer: Answer, path: string, why: string): Effect.Effect<void> =>
  Effect.annotateLogs(
    Effect.logDebug(
      `Left out of the answer: \`${(answer.hide ?? nothing)(path)}\`, ${excerpt((answer.hide ?? nothing)(why))}`
    ),
    { service: answer.service, requestId: answer.requestId }
  )

const isThere = (value: unknown): boolean => value !== undefined && value !== null && value !== ""

const decimal = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i

/** A number, also where it is written as a text; `undefined` where it is none. */
export const toNumber = (value: unknown): number | undefined => {
  const number =
    typeof value === "number" ? value : typeof value === "string" && decimal.test(value) ? Number(value) : NaN
  return Number.isFinite(number) ? number : undefined
}

/** A whole number from 0 on, also where it is written as a text. */
export const toId = (value: unknown): number | undefined => {
  const number = toNumber(value)
  return number !== undefined && Number.isInteger(number) && number >= 0 && number <= 0xffffffff
    ? number
    : undefined
}

const field =
  <A>(read: (value: unknown) => A | undefined, wanted: string) =>
  (answer: Answer, path: string, value: unknown): Effect.Effect<A | undefined> => {
    const found = isThere(value) ? read(value) : undefined
    return found !== undefined || !isThere(value)
      ? Effect.succeed(found)
      : Effect.as(leftOut(answer, path, `it is no ${wanted}`), undefined)
  }

export const number = field(toNumber, "number")

/** A text that is not empty, or a number as one. */
export const text = field(
  (value) => (typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined),
  "text"
)

/** How long something took: never less than nothing. */
export const seconds = field((value) => {
  const found = toNumber(value)
  return found === undefined ? undefined : Duration.seconds(Math.max(0, found))
}, "number of seconds")

export const milliseconds = field((value) => {
  const found = toNumber(value)
  return found === undefined ? undefined : Duration.millis(Math.max(0, found))
}, "number of milliseconds")

/** What may be there: where reading it fails, it is left out. */
export const optional = <A, E extends { readonly message: string }>(
  answer: Answer,
  path: string,
  self: Effect.Effect<A, E>
): Effect.Effect<A | undefined> =>
  Effect.catch(self, (error) => Effect.as(leftOut(answer, path, error.message), undefined))
