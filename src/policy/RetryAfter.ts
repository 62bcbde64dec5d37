/**
 * `Retry-After` and its relatives: how long a service asks its callers to wait (RFC 9110, section 10.2.3).
 *
 * ```ts
 * import { RetryAfter } from "effect-segformer/policy"
 * import { Duration } from "effect"
 *
 * const now = Date.parse("2026-01-01T00:00:00Z")
 * const wait = RetryAfter.fromHeaders({ "retry-after": "Thu, 01 Jan 2026 00:00:05 GMT" }, now)
 * wait && Duration.toSeconds(wait) // => 5
 * RetryAfter.fromHeaders({ "retry-after": "soon" }, now) // => undefined
 * ```
 */
import { DateTime, Duration, Result } from "effect"
import { Headers } from "effect/http"

/** The longest wait that is passed on. Beyond a year it is "never", and would overflow timers. */
const longest = Duration.days(365)

const millis = (value: number): Duration.Duration | undefined =>
  Number.isFinite(value)
    ? Duration.clamp(Duration.millis(Math.ceil(value)), { minimum: Duration.zero, maximum: longest })
    : undefined

/** A decimal count, without the hexadecimal, exponents and blanks that `Number` accepts. */
const decimal = (text: string): number => (/^[+-]?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN)

/**
 * The wait that the headers ask for. `retry-after-ms` (milliseconds) goes before `retry-after` (seconds, whole or
 * not, or a date of HTTP or mails, which is compared with `now`, wall-clock milliseconds). A time that has passed is zero;
 * what cannot be read is `undefined`.
 */
export const fromHeaders = (
  headers: Readonly<Record<string, string | undefined>>,
  now: number
): Duration.Duration | undefined => {
  const inMillis = millis(decimal(headers["retry-after-ms"]?.trim() ?? ""))
  if (inMillis !== undefined) return inMillis
  const value = headers["retry-after"]?.trim()
  if (value === undefined || value === "") return undefined
  const seconds = decimal(value)
  if (!Number.isNaN(seconds)) return millis(seconds * 1000)
  const date = dateOf(value)
  return date === undefined ? undefined : millis(date - now)
}

/** A date as mails have it, which some services send: a day of one digit, another zone than GMT, no name of the day. */
const mailDate =
  /^(?:[a-z]{3},\s*)?(\d{1,2}) ([a-z]{3}) (\d{4}) ([\d:]{8}) (?:GMT|UTC?|Z|([+-])(\d\d):?(\d\d))$/i

/** Milliseconds of the wall clock. A date without a zone is none, but in the format of asctime, which is UTC. */
const dateOf = (text: string): number | undefined => {
  const [whole, day = "", month, year, time, sign, hours = 0, minutes = 0] = mailDate.exec(text) ?? []
  // The name of the day is not looked at.
  const written = whole === undefined ? text : `Mon, ${day.padStart(2, "0")} ${month} ${year} ${time} GMT`
  const date = Headers.parseHttpDate(written)
  if (Result.isFailure(date) || Number(hours) > 23 || Number(minutes) > 59) return undefined
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000
  return DateTime.toEpochMillis(date.success) - (sign === "-" ? -offset : offset)
}
