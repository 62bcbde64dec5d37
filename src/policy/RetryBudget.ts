/**
 * A retry budget: in the long run retries add at most a share to the load that calls make, so that callers of a service
 * that is down do not bury it. A bucket that calls and time fill, as Finagle's `RetryBudget`, which may be overdrawn for
 * as long as a pause takes that the retries are there for.
 */
import { Clock, Effect } from "effect"
import type { RetryBudgetPolicy } from "./Policy.ts"

/** What is remembered, in seconds: calls that have ended, and what the bucket may hold. */
const slots = 10

/** Sums of shares such as 0.1 do not add up to the last digit. */
const tolerance = 1e-9

export interface RetryBudget {
  /** Counts a call, from its start to its end. */
  readonly count: <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Counts one retry if the budget has room for it, and says whether it had. */
  readonly tryRetry: Effect.Effect<boolean>
}

/** Budgets that transports share by the host they call. */
export interface RetryBudgets {
  /** `key` names the host: the origin of a service. Other numbers are another budget. */
  readonly of: (key: string, policy: RetryBudgetPolicy) => RetryBudget
}

/** Budgets in memory, one for each host and policy. */
export const makeShared = (): RetryBudgets => {
  const known = new Map<string, RetryBudget>()
  return {
    of: (key, policy) => {
      const name = `${policy.ratio} ${policy.perSecond} ${policy.burst} ${key}`
      const budget = known.get(name) ?? make(policy)
      known.set(name, budget)
      return budget
    }
  }
}

/** Time is monotonic: a wall clock set back or forth changes nothing. No `burst` is none. */
export const make = ({ burst = 0, perSecond, ratio }: RetryBudgetPolicy): RetryBudget => {
  /** Calls that began, and that ended, in each of the last seconds. */
  const began = new Float64Array(slots)
  const ended = new Float64Array(slots)
  let underWay = 0
  let second = Number.NEGATIVE_INFINITY
  let filled = Number.NEGATIVE_INFINITY
  /** Retries that are left; below 0 those that were made ahead. */
  let retries = perSecond * slots

  const fill = (added: number): void => {
    retries = Math.min(retries + added, perSecond * slots + ratio * sum(began))
  }
  /** The slot of the current second, those that have left the window emptied, and what time has added. */
  const advance = (clock: Clock.Clock): number => {
    const now = Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n) / 1000
    const current = Math.floor(now)
    for (let s = Math.max(second + 1, current - slots + 1); s <= current; s++) {
      began[s % slots] = 0
      ended[s % slots] = 0
    }
    second = Math.max(second, current)
    if (now > filled && Number.isFinite(filled)) fill(perSecond * (now - filled))
    filled = Math.max(filled, now)
    return current % slots
  }
  const start = (clock: Clock.Clock) => {
    began[advance(clock)]!++
    underWay++
    fill(ratio)
  }
  const end = (clock: Clock.Clock) => {
    ended[advance(clock)]!++
    underWay--
  }

  return {
    count: (call) =>
      Clock.clockWith((clock) => {
        start(clock)
        return Effect.onExit(call, () => Effect.sync(() => end(clock)))
      }),
    tryRetry: Clock.clockWith((clock) =>
      Effect.sync(() => {
        advance(clock)
        const allowed = retries - 1 + tolerance >= -burst * (underWay + sum(ended))
        if (allowed) retries--
        return allowed
      })
    )
  }
}

const sum = (counts: Float64Array): number => counts.reduce((total, n) => total + n, 0)
