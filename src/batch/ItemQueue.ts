/** The items of a source, for several who take from it. */
import { Effect, Pull, type Scope, Semaphore, Stream } from "effect"
import type { SourceNotReadable } from "./BatchError.ts"
import type { BatchSource } from "./BatchSource.ts"
import type { Item } from "./Item.ts"

/** Gives one item after the other to whoever asks, and undefined once there are no more. Nothing is read before it is asked for. */
export const make = Effect.fnUntraced(function* <R>({
  items
}: BatchSource<R>): Effect.fn.Return<
  Effect.Effect<Item<R> | undefined, SourceNotReadable>,
  never,
  R | Scope.Scope
> {
  const pull = yield* Stream.toPull(items)
  const turn = yield* Semaphore.make(1)
  let some: ReadonlyArray<Item<R>> = []
  let at = 0
  let ended = false
  const next: Effect.Effect<Item<R> | undefined, SourceNotReadable> = Effect.suspend(() => {
    if (at < some.length || ended) return Effect.succeed(some[at++])
    return Pull.matchEffect(pull, {
      onSuccess: (more) => {
        some = more
        at = 0
        return next
      },
      onFailure: (cause) => Effect.failCause(cause),
      onDone: () => {
        ended = true
        return next
      }
    })
  })
  return turn.withPermit(next)
})
