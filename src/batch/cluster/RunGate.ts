/** Whether a run may go on. The database is asked every second while a worker is at it. */
import { Duration, Effect, type Scope } from "effect"
import type { RunRow } from "./RunTables.ts"

/** How soon workers learn that a run was paused, resumed or cancelled. */
const interval = Duration.seconds(1)

/** Waits while the run is paused. Gives the run where it then goes on. */
export const passed = (ask: Effect.Effect<RunRow | undefined>): Effect.Effect<RunRow | undefined> =>
  Effect.flatMap(ask, (run) => {
    if (run?.state === "paused") return Effect.delay(passed(ask), interval)
    return Effect.succeed(run?.state === "running" ? run : undefined)
  })

/** What a worker knows of the state of a run, as of at most a second ago. */
export interface RunGate {
  readonly isOpen: () => boolean
  /** Said by who has just asked. */
  readonly open: () => void
  /** Said by who has just seen the run end. */
  readonly close: () => void
  /** Said by who is about to pause the run, whatever is heard until then: once it goes on, it is opened anew. */
  readonly stop: () => void
}

/** Asks as long as the scope lasts. */
export const make = Effect.fnUntraced(function* (
  ask: Effect.Effect<RunRow | undefined>
): Effect.fn.Return<RunGate, never, Scope.Scope> {
  let isOpen = true
  let isStopped = false
  const refresh = Effect.map(ask, (run) => {
    isOpen = run?.state === "running"
  })
  yield* Effect.forkScoped(Effect.forever(Effect.delay(refresh, interval)))
  return {
    isOpen: () => isOpen && !isStopped,
    open: () => {
      isOpen = true
    },
    close: () => {
      isOpen = false
    },
    stop: () => {
      isStopped = true
    }
  }
})
