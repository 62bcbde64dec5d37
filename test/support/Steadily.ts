/**
 * Time that passes as it does, but never while nothing else can: on a machine that stops for a moment, or is busy with others,
 * a time-out does not come before what it waits for had its turns.
 */
import { Clock, Duration, Effect } from "effect"

/** The most that passes from one turn of the event loop to the next, in milliseconds. */
const stride = 10

interface Sleeper {
  readonly until: number
  readonly wake: () => void
}

/** A clock that goes on until it is stopped. */
const start = () => {
  const began = Date.now()
  const sleepers = new Set<Sleeper>()
  let now = 0
  let last = performance.now()
  const turn = () => {
    const time = performance.now()
    now += Math.min(time - last, stride)
    last = time
    const due = [...sleepers].filter(({ until }) => until <= now).sort((a, b) => a.until - b.until)
    for (const sleeper of due) {
      sleepers.delete(sleeper)
      sleeper.wake()
    }
    timer = setTimeout(turn, stride / 2)
  }
  let timer = setTimeout(turn, stride / 2)
  const millis = () => began + Math.floor(now)
  const nanos = () => BigInt(Math.floor(now * 1_000_000))
  const wall = () => BigInt(began) * 1_000_000n + nanos()
  const clock: Clock.Clock = {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: wall,
    currentTimeNanos: Effect.sync(wall),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) => {
      const length = Duration.toMillis(duration)
      if (length <= 0) return Effect.yieldNow
      return Effect.callback((resume) => {
        const sleeper = { until: now + length, wake: () => resume(Effect.void) }
        sleepers.add(sleeper)
        return Effect.sync(() => void sleepers.delete(sleeper))
      })
    }
  }
  return { clock, stop: () => clearTimeout(timer) }
}

/** Runs it by such a clock. Not for what another process does, whose turns are not this one's. */
export const steadily = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(start),
    ({ clock }) => Effect.provideService(self, Clock.Clock, clock),
    ({ stop }) => Effect.sync(stop)
  )
