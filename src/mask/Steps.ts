/**
 * Long work on pixels in short steps: a generator that yields every few rows. Run at once it is a plain function; as
 * an effect it lets others on the event loop have their turn, and can be interrupted between steps.
 */
import { Clock, Effect } from "effect"

/** Work that pauses at each `yield`, and its result. */
export type Steps<A> = Generator<void, A, void>

/** Pixels between two pauses: about a millisecond of work. */
export const pixelsPerStep = 1 << 17

/** Rows between two pauses. */
export const rowsPerStep = (width: number): number => Math.max(1, Math.floor(pixelsPerStep / width))

/** The result, without a pause. */
export const runSync = <A>(steps: Steps<A>): A => {
  for (;;) {
    const next = steps.next()
    if (next.done === true) return next.value
  }
}

/** Work in steps as a plain function. */
export const sync =
  <Args extends ReadonlyArray<unknown>, A>(work: (...args: Args) => Steps<A>) =>
  (...args: Args): A =>
    runSync(work(...args))

/** Work in one step, after a pause. */
export function* once<A>(work: () => A): Steps<A> {
  yield
  return work()
}

/** Items between two pauses: as long as their work is short. */
export const itemsPerStep = 4096

/** What becomes of each item. */
export function* map<A, B>(items: ArrayLike<A>, make: (item: A, index: number) => B): Steps<Array<B>> {
  const made: Array<B> = []
  for (let i = 0; i < items.length; i++) {
    if (i % itemsPerStep === itemsPerStep - 1) yield
    made.push(make(items[i]!, i))
  }
  return made
}

/** Nanoseconds of work before others get their turn: 4 ms. */
const slice = 4_000_000n

/** The result, with pauses. */
export const run = <A>(make: () => Steps<A>): Effect.Effect<A> =>
  Clock.clockWith((clock) =>
    Effect.suspend(() => {
      const steps = make()
      const turn: Effect.Effect<A> = Effect.suspend(() => {
        const end = clock.monotonicTimeNanosUnsafe() + slice
        for (;;) {
          const next = steps.next()
          if (next.done === true) return Effect.succeed(next.value)
          if (clock.monotonicTimeNanosUnsafe() >= end) return Effect.andThen(Effect.yieldNow, turn)
        }
      })
      return turn
    })
  )

/** Work in steps as a function that gives an effect, with pauses. */
export const paused =
  <Args extends ReadonlyArray<unknown>, A>(work: (...args: Args) => Steps<A>) =>
  (...args: Args): Effect.Effect<A> =>
    run(() => work(...args))
