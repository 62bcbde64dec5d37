import { Clock, Effect } from "effect"

/** Runs it with a time of day that is so many milliseconds off. */
export const ofDay =
  (off: number) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Clock.clockWith((clock) => {
      const millis = () => clock.currentTimeMillisUnsafe() + off
      const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(off) * 1_000_000n
      return Effect.provideService(self, Clock.Clock, {
        currentTimeMillisUnsafe: millis,
        currentTimeMillis: Effect.sync(millis),
        currentTimeNanosUnsafe: nanos,
        currentTimeNanos: Effect.sync(nanos),
        monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
        monotonicTimeNanos: clock.monotonicTimeNanos,
        sleep: (duration) => clock.sleep(duration)
      })
    })
