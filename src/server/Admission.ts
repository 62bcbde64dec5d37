/**
 * Who may come in, and whose turn it is. A request takes a place when it arrives, before its body is read: where
 * places or memory for bodies are used up, it is refused at once. Work then waits for one of few turns.
 */
import { Clock, Duration, Effect, type Scope, Semaphore } from "effect"
import { Refusal } from "./Refusal.ts"
import type { ServerLimits } from "./ServerLimits.ts"

export type AdmissionLimits = Pick<ServerLimits, "concurrency" | "maxHeldBytes" | "queue">

export interface Admission {
  /** A place for a request whose body has so many bytes, until the scope ends. */
  readonly enter: (bytes: number) => Effect.Effect<void, Refusal, Scope.Scope>
  /** Waits for a turn, then works. */
  readonly work: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly state: () => { readonly present: number; readonly working: number; readonly heldBytes: number }
}

export const make = ({ concurrency, maxHeldBytes, queue }: AdmissionLimits): Admission => {
  const turns = Semaphore.makeUnsafe(concurrency)
  let present = 0
  let working = 0
  let heldBytes = 0
  /** Milliseconds an image takes, the latest counting most. */
  let usual = 500

  const busy = (detail: string) => {
    const wait = (usual * Math.max(1, present)) / concurrency
    return new Refusal({
      status: 503,
      detail,
      reason: "busy",
      retryAfter: Duration.millis(Math.min(30_000, Math.max(1000, wait)))
    })
  }

  return {
    enter: (bytes) =>
      Effect.asVoid(
        Effect.acquireRelease(
          Effect.suspend(() => {
            if (present >= concurrency + queue) {
              return Effect.fail(busy("The service is busy: its queue is full. Try again shortly"))
            }
            // A single large body is never refused for ever.
            if (present > 0 && heldBytes + bytes > maxHeldBytes) {
              return Effect.fail(
                busy("The service is busy: it holds as much data as it may. Try again shortly")
              )
            }
            present++
            heldBytes += bytes
            return Effect.void
          }),
          () =>
            Effect.sync(() => {
              present--
              heldBytes -= bytes
            })
        )
      ),
    work: (self) =>
      turns.withPermit(
        Clock.clockWith((clock) =>
          Effect.suspend(() => {
            const started = clock.monotonicTimeNanosUnsafe()
            working++
            return Effect.ensuring(
              self,
              Effect.sync(() => {
                working--
                const took = Number(clock.monotonicTimeNanosUnsafe() - started) / 1e6
                usual = usual * 0.8 + took * 0.2
              })
            )
          })
        )
      ),
    state: () => ({ present, working, heldBytes })
  }
}
