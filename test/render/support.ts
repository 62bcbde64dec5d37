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
