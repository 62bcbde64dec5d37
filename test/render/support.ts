/** What the tests of this room share. */
import { Clock, Effect } from "effect"

/** On a machine so slow that each step of work on pixels takes longer than its turn. */
export const slowly = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Clock.clockWith((clock) => {
    let now = 0n
    const slow: Clock.Clock = Object.assign(Object.create(clock), {
      monotonicTimeNanosUnsafe: () => (now += 1_000_000_000n)
    })
    return Effect.provideService(self, Clock.Clock, slow)
  })

/** How many turns others on the event loop have while it runs, and what it gives. */
export const turnsDuring = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<readonly [number, A], E, R> =>
  Effect.gen(function* () {
    let turns = 0
    let running = true
    const tick = () => {
      turns++
      if (running) setImmediate(tick)
    }
    setImmediate(tick)
    const result = yield* slowly(self)
    running = false
    return [turns, result]
  })
