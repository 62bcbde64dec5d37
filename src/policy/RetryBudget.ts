/**
 * A retry budget: retries may add at most a share of the load that calls make, so that callers of a service that is
 * down do not bury it (the token bucket of Finagle's `RetryBudget`, as a window of ten one-second slots).
 */
import { Clock, Effect } from "effect"
import type { RetryBudgetPolicy } from "./Policy.ts"

const slots = 10

const sum = (counts: Float64Array): number => counts.reduce((total, n) => total + n, 0)

export interface RetryBudget {
  /** Counts one call. */
  readonly call: Effect.Effect<void>
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
      const name = `${policy.ratio} ${policy.perSecond} ${key}`
      const budget = known.get(name) ?? make(policy)
      known.set(name, budget)
      return budget
    }
  }
}

/** Time is monotonic: a wall clock set back or forth changes nothing. */
export const make = (policy: RetryBudgetPolicy): RetryBudget => {
  const calls = new Float64Array(slots)
  const retries = new Float64Array(slots)
  let latest = Number.NEGATIVE_INFINITY

  /** The slot of the current second, those that have left the window emptied. */
  const advance = (clock: Clock.Clock): number => {
    const second = Math.floor(Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n) / 1000)
    for (let s = Math.max(latest + 1, second - slots + 1); s <= second; s++) {
      calls[s % slots] = 0
      retries[s % slots] = 0
    }
    latest = Math.max(latest, second)
    return second % slots
  }

  return {
    call: Clock.clockWith((clock) =>
      Effect.sync(() => {
        calls[advance(clock)]!++
      })
    ),
    tryRetry: Clock.clockWith((clock) =>
      Effect.sync(() => {
        const slot = advance(clock)
        const allowed = retries[slot]! < policy.perSecond || sum(retries) + 1 <= policy.ratio * sum(calls)
        if (allowed) retries[slot]!++
        return allowed
      })
    )
  }
}
