/** Who asks, and what others are told of what was done for them. */
import { Context, type Effect } from "effect"

/** Who a good token belongs to. */
export interface Caller {
  /** Such as the name of an account. It appears in logs and traces. */
  readonly subject: string
}

/** Who sent the request that a fiber answers: `undefined` where nobody is asked. */
export const CurrentCaller = Context.Reference<Caller | undefined>(
  "effect-segformer/server/Caller/CurrentCaller",
  {
    defaultValue: () => undefined
  }
)

/** A job that is over. */
export interface EndedJob {
  readonly jobId: string
  /** Who submitted it: the subject of a {@link Caller}. Nobody is told of a job that nobody submitted by name. */
  readonly user: string | undefined
  readonly status: "succeeded" | "failed" | "cancelled"
  /** How many images it had. */
  readonly images?: number | undefined
  /** Why it failed. */
  readonly detail?: string | undefined
}

/** Something that a caller did. */
export interface Activity {
  readonly user: string | undefined
  /** Such as `segment`. */
  readonly action: string
  /** Such as `image` or `job`. */
  readonly resourceType: string
  readonly resourceId: string
}

/** Told of what callers do. It takes no time, and never fails. */
export type Active = (activity: Activity) => Effect.Effect<void>

/** Who holds most, of amounts by caller: whose oldest makes room where all together hold too much. */
export const largest = (
  amounts: Iterable<readonly [owner: string | undefined, amount: number]>
): string | undefined => {
  const sums = new Map<string | undefined, number>()
  for (const [owner, amount] of amounts) sums.set(owner, (sums.get(owner) ?? 0) + amount)
  let found: string | undefined
  let most = -1
  for (const [owner, sum] of sums) {
    if (sum <= most) continue
    found = owner
    most = sum
  }
  return found
}
