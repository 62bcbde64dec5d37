/** Whether a run may go on. The database is asked every second while a worker is at it. */
import { Duration, Effect, type Scope } from "effect"
import type { RunState } from "./RunTables.ts"

/** How soon workers learn that a run was paused, resumed or cancelled. */
const interval = Duration.seconds(1)

/** Waits while the run is paused. Gives whether it then goes on. */
export const passed = (ask: Effect.Effect<RunState>): Effect.Effect<boolean> =>
  Effect.flatMap(ask, (state) =>
    state === "paused" ? Effect.delay(passed(ask), interval) : Effect.succeed(state === "running")
  )

/** What a worker knows of the state of a run, as of at most a second ago. */
export interface RunGate {
  readonly isOpen: () => boolean
  /** Said by who has just asked. */
  readonly open: () => void
}

/** Asks as long as the scope lasts. */
export const make = Effect.fnUntraced(function* (
  ask: Effect.Effect<RunState>
): Effect.fn.Return<RunGate, never, Scope.Scope> {
  let isOpen = true
  const refresh = Effect.map(ask, (state) => {
    isOpen = state === "running"
  })
  yield* Effect.forkScoped(Effect.forever(Effect.delay(refresh, interval)))
  return {
    isOpen: () => isOpen,
    open: () => {
      isOpen = true
    }
  }
})
