/** Sessions that are given up, on a runtime whose sessions load and end a picture when they are told to. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import type { Ending, Outcome, Picture, SessionEvents } from "../../src/onnx/session/Session.ts"
import * as NativeRuntime from "../../src/onnx/native/NativeRuntime.ts"
import { eventually } from "../support/Eventually.ts"
import { poolOn, red } from "./pool.ts"

interface Told {
  readonly pid: number
  readonly events: SessionEvents
  /** Of the pictures that it has, in the order in which they came. */
  readonly endings: Array<(ending: Ending) => void>
  loaded: boolean
  killed: boolean
}

/** What a session gives for the picture: its own number as the only class. */
const outcomeOf = ({ height, width }: Picture, pid: number): Outcome => ({
  _tag: "Labels",
  labelMap: { width, height, data: new Uint8Array(width * height).fill(pid) },
  confidence: undefined,
  scores: new Map(),
  uncertainty: undefined,
  milliseconds: 1
})

/** Every session started, in order. The first loads by itself. */
const driven = () => {
  const started: Array<Told> = []
  const runtime = {
    ...NativeRuntime.runtime,
    start: (_: unknown, events: SessionEvents) => {
      const own: Told = { pid: started.length + 1, events, endings: [], loaded: false, killed: false }
      started.push(own)
      if (own.pid === 1) queueMicrotask(() => load(own))
      return {
        pid: own.pid,
        room: () => (own.loaded && !own.killed ? 2 - own.endings.length : 0),
        predict: (picture: Picture, begun: () => void, done: (ending: Ending) => void) => {
          own.endings.push((ending) => done(ending))
          outcomes.set(own.endings.at(-1)!, outcomeOf(picture, own.pid))
          if (own.endings.length === 1) begun()
          return () => {}
        },
        kill: () => {
          own.killed = true
          queueMicrotask(() => {
            for (const [place, done] of own.endings.splice(0).entries())
              done({ _tag: "Died", detail: "it was killed", inModel: place === 0 })
            own.events.gone()
          })
        }
      }
    }
  }
  const outcomes = new Map<(ending: Ending) => void, Outcome>()
  const load = (session: Told) => {
    session.loaded = true
    session.events.ready()
  }
  /** Ends the picture in its model. */
  const end = (session: Told) => {
    const done = session.endings.shift()!
    done({ _tag: "Done", outcome: outcomes.get(done)! })
  }
  return { runtime, started, load, end }
}

/** A session that is given up for a picture nobody waits for, with a spare that loads. */
const givenUp = Effect.gen(function* () {
  const { end, load, runtime, started } = driven()
  const sessions = yield* poolOn(runtime, { gracePeriod: 1 })
  const given = yield* Effect.forkChild(sessions.predict(red))
  yield* eventually(() => started[0]!.endings.length === 1)
  yield* Fiber.interrupt(given)
  yield* eventually(() => started.length === 2, "a spare to be started")
  return { sessions, end, load, old: started[0]!, spare: started[1]!, started }
})

describe("a session that is given up", () => {
  it.live("and ends its picture all the same does the next, while its spare loads", () =>
    Effect.gen(function* () {
      const { end, load, old, sessions, spare, started } = yield* givenUp
      end(old)
      const next = yield* Effect.forkChild(sessions.predict(red))
      yield* eventually(() => old.endings.length === 1, "the loaded session to be given the next picture")
      assert.isFalse(old.killed)
      end(old)
      assert.strictEqual((yield* Fiber.join(next)).labelMap.data[0], 1)
      // Both are loaded: one is one too many.
      load(spare)
      yield* eventually(() => old.killed !== spare.killed, "one of the two to be ended")
      assert.deepStrictEqual(
        yield* sessions.pids,
        started.filter(({ killed }) => !killed).map(({ pid }) => pid)
      )
      assert.strictEqual(yield* sessions.ready, 1)
    }).pipe(Effect.scoped)
  )

  it.live("is killed once its spare is loaded, and not before", () =>
    Effect.gen(function* () {
      const { end, load, old, sessions, spare } = yield* givenUp
      assert.deepStrictEqual([yield* sessions.ready, yield* sessions.pids], [1, [1, 2]])
      load(spare)
      yield* eventually(() => old.killed)
      const next = yield* Effect.forkChild(sessions.predict(red))
      yield* eventually(() => spare.endings.length === 1)
      end(spare)
      assert.strictEqual((yield* Fiber.join(next)).labelMap.data[0], 2)
      assert.deepStrictEqual(yield* sessions.pids, [2])
    }).pipe(Effect.scoped)
  )

  it.live("stays where no spare can be loaded", () =>
    Effect.gen(function* () {
      const { end, old, sessions, spare } = yield* givenUp
      const next = yield* Effect.forkChild(Effect.exit(sessions.predict(red)))
      spare.events.unusable({ reason: "model", detail: "no memory" })
      spare.events.gone()
      end(old)
      yield* eventually(() => old.endings.length === 1)
      end(old)
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(next)))
      assert.deepStrictEqual(yield* sessions.pids, [1])
    }).pipe(Effect.scoped)
  )
})
