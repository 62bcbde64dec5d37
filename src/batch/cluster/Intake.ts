/**
 * What a worker has at hand: images that it has read of the database and not begun. Chunks begin in turn, each when those
 * before have so few left that images under way would soon be fewer than they may be. What is not begun yet can be done
 * by others.
 */
import { Effect, Latch, Semaphore } from "effect"

export interface Intake {
  /** Reads images, in turn, once more are wanted. What it gives is at hand. */
  readonly take: <A, E, R>(
    read: Effect.Effect<ReadonlyArray<A>, E, R>
  ) => Effect.Effect<ReadonlyArray<A>, E, R>
  /** So many of those at hand are begun, or never will be. */
  readonly leave: (images: number) => void
  /** Whether somebody waits for a turn. */
  readonly isWaitedFor: () => boolean
}

/** More are wanted while fewer than this are at hand. */
export const make = (wanted: number): Intake => {
  const turn = Semaphore.makeUnsafe(1)
  const room = Latch.makeUnsafe(true)
  let atHand = 0
  let waiting = 0
  /** How many the last one has read: the next is taken for as large until it is read. */
  let usual = wanted
  const count = (change: number): void => {
    atHand += change
    if (atHand < wanted) room.openUnsafe()
    else room.closeUnsafe()
  }
  return {
    take: (read) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          waiting++
          let expected = 0
          return restore(
            turn.withPermit(
              Effect.andThen(
                room.await,
                Effect.sync(() => {
                  expected = usual
                  count(expected)
                })
              )
            )
          ).pipe(
            Effect.ensuring(Effect.sync(() => waiting--)),
            Effect.andThen(restore(read)),
            Effect.onExit((exit) =>
              Effect.sync(() => {
                const found = exit._tag === "Success" ? exit.value.length : 0
                if (found > 0) usual = found
                count(found - expected)
              })
            )
          )
        })
      ),
    leave: (images) => count(-images),
    isWaitedFor: () => waiting > 0
  }
}
