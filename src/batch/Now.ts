import { Clock, Effect } from "effect"

/** Milliseconds that only go forward, whatever is done to the time of day. */
export const now: Effect.Effect<number> = Clock.clockWith((clock) =>
  Effect.sync(() => Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
)
