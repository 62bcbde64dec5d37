/** What each number and each time of a policy may be, wherever it is said: by a program, or by the environment. */
import { Duration, Option } from "effect"
import * as Range from "./Range.ts"

const some: Range.Range = { least: 0, above: true, endless: true }
const count: Range.Range = { least: 1, whole: true }
const countOrNone: Range.Range = { least: 0, whole: true }

/** What each part may be, times in milliseconds. The environment is read by the same ranges. */
export const ranges = {
  deadline: some,
  attemptTimeout: some,
  "retry.times": countOrNone,
  "retry.delay": { least: 0 },
  "retry.factor": { least: 1 },
  "retry.maxDelay": some,
  "retry.maxRetryAfter": { least: 0, endless: true },
  "retry.statuses": { least: 400, most: 599, whole: true },
  "rateLimit.limit": count,
  "rateLimit.window": { least: 0, above: true },
  "rateLimit.burst": count,
  concurrency: count,
  queue: countOrNone,
  "breaker.failures": count,
  "breaker.lasting": { least: 0 },
  "breaker.openFor": some,
  "breaker.slowAfter": some,
  "breaker.rate.threshold": { least: 0, above: true, most: 1 },
  "breaker.rate.size": count,
  "breaker.rate.minimumCalls": count,
  "retryBudget.ratio": { least: 0 },
  "retryBudget.perSecond": { least: 0 },
  "retryBudget.burst": { least: 0 }
} as const satisfies Readonly<Record<string, Range.Range>>

/** A part that is a number or a time. */
export type Part = keyof typeof ranges

/** A number in its range; any other in a policy is a mistake of the program, and throws. */
export const number = (name: Part, value: number): number => {
  if (Range.isWithin(ranges[name], value)) return value
  throw new RangeError(
    `Policy: \`${name}\` must be ${Range.words(ranges[name])}, but is ${Range.shown(value)}`
  )
}

/** A time in its range. */
export const duration = (name: Part, value: Duration.Input): Duration.Duration => {
  const range: Range.Range = ranges[name]
  // What is no number is not the 0 that effect makes of it.
  const time = Number.isNaN(value) ? undefined : Option.getOrUndefined(Duration.fromInput(value))
  if (time !== undefined && Range.isWithin(range, Duration.toMillis(time))) return time
  const wanted = range.above === true ? "a time that passes" : "a time that passes, or 0"
  const told = time === undefined ? JSON.stringify(value) : Duration.format(time)
  throw new RangeError(`Policy: \`${name}\` must be ${wanted}, but is ${told}`)
}
