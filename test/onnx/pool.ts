/** A pool of sessions on the slow model of the fixtures, and a picture that stays in it. */
import { existsSync, readFileSync } from "node:fs"
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { LabelMap } from "effect-segformer"
import { defaults } from "../../src/image/Preprocessing.ts"
import type { OnnxRuntime } from "../../src/onnx/OnnxRuntime.ts"
import * as NativeRuntime from "../../src/onnx/native/NativeRuntime.ts"
import * as SessionPool from "../../src/onnx/session/SessionPool.ts"
import type { Outcome, Picture } from "../../src/onnx/session/Session.ts"
import * as support from "./support.ts"

export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  // One that has ended but was not yet waited for by whoever inherited it is dead all the same.
  const stat = `/proc/${pid}/stat`
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "utf8"))
}

/** What was asked for in these tests. */
const labelsOf = (outcome: Outcome) =>
  outcome._tag === "Labels" ? outcome : assert.fail("it gave logits, and was asked for labels")

/** A pool on a model that sees pictures at their own size, or at that of a side. */
export const pool = (options?: PoolOptions) => poolOn(NativeRuntime.runtime, options)

export interface PoolOptions {
  readonly sessions?: number
  readonly file?: string
  readonly side?: number
  /** In milliseconds. 100 by default. */
  readonly gracePeriod?: number
}

/** The same on another runtime. */
export const poolOn = (runtime: OnnxRuntime["Service"], options?: PoolOptions) =>
  Effect.map(
    SessionPool.make({
      runtime,
      model: "test",
      sessions: options?.sessions ?? 1,
      gracePeriod: options?.gracePeriod ?? 100,
      load: {
        weights: { _tag: "File", path: support.fixture(options?.file ?? "slow.onnx") },
        threads: 1,
        expected: { classes: 0 },
        preprocessing: {
          ...defaults,
          size: options?.side === undefined ? undefined : { width: options.side, height: options.side }
        }
      }
    }),
    (made) => ({
      ...made,
      // Pixels are handed over, and tests send the same ones again.
      predict: (picture: Picture) =>
        Effect.suspend(() => Effect.map(made.predict({ ...picture, data: picture.data.slice() }), labelsOf))
    })
  )

/** In the slow model for a moment. */
export const red = { ...support.plain(40, 30, 255, 0, 0), confidence: false }

/** In the slow model for a quarter of a minute: whatever a test does meanwhile comes first. */
export const long = { ...support.plain(1000, 1000, 255, 0, 0), confidence: false }

/** In the slow model for a good part of a second. */
export const middling = { ...support.plain(120, 120, 255, 0, 0), confidence: false }

/** A model has begun with a picture. */
export const begun = (sessions: Pick<SessionPool.SessionPool, "running">): Effect.Effect<void> =>
  Effect.gen(function* () {
    while ((yield* sessions.running) === 0) yield* turns(1)
  })

/** So many turns of the event loop, after the first of which a fiber just forked has sent its picture. */
export const turns = (count: number): Effect.Effect<void> =>
  Effect.promise(async () => {
    for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
  })

/**
 * Interrupts three pictures at a random moment, so many times. With a grace period that no run outlasts no process is given up,
 * on a machine however busy: they are the same all the time.
 */
export const survives = (times: number) =>
  Effect.gen(function* () {
    const sessions = yield* pool({ sessions: 2, gracePeriod: 600_000 })
    const { labelMap: expected } = yield* sessions.predict(red)
    const pids = yield* sessions.pids
    assert.lengthOf(pids, 2)
    const random = support.makeRandom(7)
    let before = process.memoryUsage().external
    for (let time = 0; time < times; time++) {
      const fibers = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(sessions.predict(red)))
      yield* Effect.sleep(`${Math.floor(random() * 40)} millis`)
      yield* Fiber.interruptAll(fibers)
      assert.deepStrictEqual(yield* sessions.pids, pids)
      if (time === 20) before = process.memoryUsage().external
    }
    // Each of their pictures is some kB: what one left behind with each would be told from them all the same.
    assert.isBelow(process.memoryUsage().external - before, 32 * 1024 * 1024)
    const { labelMap } = yield* sessions.predict(red)
    assert.isTrue(LabelMap.equals(labelMap, expected))
  }).pipe(Effect.scoped)
