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
 * A count of seconds; the largest where a header came more than once. What is within a year of now, counted from 1970 in seconds or
 * milliseconds, is a time: nobody asks for a wait of decades.
 */
const fromSeconds = (text: string, now: number): Duration.Duration | undefined => {
  const seconds = Math.max(...text.split(",").map((each) => decimal(each.trim())))
  const wait = (seconds < 1e11 ? seconds * 1000 : seconds) - now
  const isTime = seconds >= 1e9 && Math.abs(wait) <= Duration.toMillis(longest)
  return millis(isTime ? wait : seconds * 1000)
}

/**
 * The time of whoever names one: what its answer gives as `Date`, and as much later as a cache has kept it (`Age`). A clock of
 * this machine that is an hour off makes nobody come too soon, or not at all.
 */
const timeOf = (headers: Readonly<Record<string, string | undefined>>, now: number): number => {
  const date = dateOf(headers["date"]?.trim() ?? "")
  const age = decimal(headers["age"]?.trim() ?? "")
  return date === undefined ? now : date + (age > 0 ? age * 1000 : 0)
}

/** One count or time, or several of which the header came. */
const waitOf = (value: string, now: number): Duration.Duration | undefined => {
  const waits = value.split(/,\s*(?=[a-z]{3,9},)/i).map((each) => {
    const wait = fromSeconds(each, now)
    if (wait !== undefined) return wait
    const date = dateOf(each.trim())
    return date === undefined ? undefined : millis(date - now)
  })
  return waits.reduce((longest, each) =>
    longest === undefined || each === undefined ? undefined : Duration.max(longest, each)
  )
}

/**
 * The wait that the headers ask for. `retry-after-ms` and `x-ms-retry-after-ms` (milliseconds) go before `retry-after`
 * (seconds, whole or not, or a time: a date of HTTP, of mails or of ISO 8601, or a count since 1970). A time is compared with that of
 * the answer, its `Date`, and with `now`, wall-clock milliseconds, where it says none. One that has passed is zero; what cannot be read is `undefined`.
 */
export const fromHeaders = (
  headers: Readonly<Record<string, string | undefined>>,
  now: number
): Duration.Duration | undefined => {
  const inMillis = millis(decimal((headers["retry-after-ms"] ?? headers["x-ms-retry-after-ms"] ?? "").trim()))
  if (inMillis !== undefined) return inMillis
  const value = headers["retry-after"]?.trim()
  if (value === undefined || value === "") return undefined
  return waitOf(value, timeOf(headers, now))
}

const resets = ["ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset", "x-ratelimit-reset-after"]

/**
 * When a limit begins anew that a refused call has met, where no `Retry-After` says it: `RateLimit: "api";r=0;t=55` of the
 * limits with nothing left, else `RateLimit-Reset` and what others call it, as seconds or as a time. Answers that are no refusal
 * carry these headers too, and ask for no wait.
 */
export const fromRateLimit = (
  headers: Readonly<Record<string, string | undefined>>,
  now: number
): Duration.Duration | undefined => {
  const spent = (headers["ratelimit"] ?? "")
    .split(/,(?=\s*")/)
    .filter((limit) => /(?:^|[;,\s])(?:r|remaining)\s*=\s*0\b/i.test(limit))
    .flatMap((limit) => /(?:^|[;,\s])(?:t|reset)\s*=\s*(\d+)/i.exec(limit)?.[1] ?? [])
  const said =
    spent.length > 0 ? spent.join() : resets.map((name) => headers[name]).find((each) => each !== undefined)
  return said === undefined ? undefined : waitOf(said.trim(), timeOf(headers, now))
}

/** A date as mails have it, which some services send: a day of one digit, another zone than GMT, no name of the day. */
const mailDate =
  /^(?:[a-z]{3},\s*)?(\d{1,2}) ([a-z]{3}) (\d{4}) ([\d:]{8}) (?:GMT|UTC?|Z|([+-])(\d\d):?(\d\d))$/i

const isoDate = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i

/** Milliseconds of the wall clock. A date without a zone is none, but in the format of asctime, which is UTC. */
const dateOf = (text: string): number | undefined => {
  if (isoDate.test(text)) return Date.parse(text)
  const [whole, day = "", month, year, time, sign, hours = 0, minutes = 0] = mailDate.exec(text) ?? []
  // The name of the day is not looked at.
  const written = whole === undefined ? text : `Mon, ${day.padStart(2, "0")} ${month} ${year} ${time} GMT`
  const date = Headers.parseHttpDate(written)
  if (Result.isFailure(date) || Number(hours) > 23 || Number(minutes) > 59) return undefined
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000
  return DateTime.toEpochMillis(date.success) - (sign === "-" ? -offset : offset)
}
