/**
 * A clock whose wall time is monotonic.
 *
 * The memory stores of `effect/persistence` measure with `Clock.currentTimeMillis`: an hour set back left a 50 ms
 * opening open for an hour. Run under this clock they keep their promises whatever happens to the time of day.
 * It follows the clock it is made from, so a test clock still governs it.
 */
import { Clock, Effect } from "effect"

/** Milliseconds that only go forward, whatever is done to the time of day. */
export const millisOf = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** The same now. */
export const millis: Effect.Effect<number> = Clock.clockWith((clock) => Effect.sync(() => millisOf(clock)))

/** One for each clock: it is asked for several times a call. */
const made = new WeakMap<Clock.Clock, Clock.Clock>()

const from = (clock: Clock.Clock): Clock.Clock => {
  const known = made.get(clock)
  if (known !== undefined) return known
  const nanos = () => clock.monotonicTimeNanosUnsafe()
  const millis = () => Number(nanos() / 1_000_000n)
  const monotonic: Clock.Clock = {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: clock.monotonicTimeNanos,
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  made.set(clock, monotonic)
  return monotonic
}

/** Runs an effect so that what it takes for the time of day never jumps. */
export const withMonotonicClock = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Clock.clockWith((clock) => Effect.provideService(self, Clock.Clock, from(clock)))
