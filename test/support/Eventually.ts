/** Waiting for what another process, socket or thread does: until it holds, and not for a time. */
import { Cause, Effect, Exit } from "effect"

/**
 * How patient tests are: time limits are multiplied by it. They are such that only what hangs meets them; a machine that
 * is very slow sets `SEGFORMER_TEST_PATIENCE=5`.
 */
export const patience = Number(process.env["SEGFORMER_TEST_PATIENCE"] ?? 1)

/** Milliseconds until a test, or one wait of it, is taken to hang. */
export const hangs = 120_000 * patience

/** Of real time, whatever clock a test has. */
const pause = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))

/**
 * Waits until something holds; what throws or fails does not hold yet. Where it never does, fails with what was waited
 * for.
 */
export const eventually = <R = never>(
  holds: () => boolean | Promise<boolean> | Effect.Effect<boolean, unknown, R>,
  what = "something to hold"
): Effect.Effect<void, never, R> =>
  Effect.gen(function* () {
    const end = performance.now() + hangs / 2
    const asked = Effect.suspend(() => {
      const answer = holds()
      return Effect.isEffect(answer) ? answer : Effect.promise(async () => answer)
    })
    for (;;) {
      const exit = yield* Effect.exit(asked)
      if (Exit.isSuccess(exit) && exit.value) return
      if (performance.now() > end)
        return yield* Effect.die(
          Exit.isSuccess(exit)
            ? new Error(`waited ${hangs / 2000} s in vain for ${what}`)
            : Cause.squash(exit.cause)
        )
      yield* pause
    }
  })
