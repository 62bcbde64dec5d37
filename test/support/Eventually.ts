/** Waiting for what another process, socket or thread does: until it holds, and not for a time. */
import { Effect } from "effect"

/**
 * How patient tests are: time limits are multiplied by it. They are such that only what hangs meets them; a machine that
 * is very slow sets `SEGFORMER_TEST_PATIENCE=5`.
 */
export const patience = Number(process.env["SEGFORMER_TEST_PATIENCE"] ?? 1)

/** Milliseconds until a test, or one wait of it, is taken to hang. */
export const hangs = 120_000 * patience

/** Waits until something holds; what throws does not hold yet. Where it never does, fails with what was waited for. */
export const eventually = (
  holds: () => boolean | Promise<boolean>,
  what = "something to hold"
): Effect.Effect<void> =>
  Effect.promise(async (signal) => {
    const end = performance.now() + hangs / 2
    for (;;) {
      try {
        if (await holds()) return
      } catch (cause) {
        if (performance.now() > end) throw cause
      }
      if (signal.aborted) return
      if (performance.now() > end) throw new Error(`waited ${hangs / 2000} s in vain for ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
