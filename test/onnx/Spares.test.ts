/** Sessions that are given up, on a runtime whose sessions load and end a picture when they are told to. */
import { assert, describe, it, vi } from "@effect/vitest"
import { Effect, Exit, Fiber, type Scope } from "effect"
import type * as Session from "../../src/onnx/session/Session.ts"
import { defaults } from "../../src/image/Preprocessing.ts"
import * as NativeRuntime from "../../src/onnx/native/NativeRuntime.ts"
import * as SessionPool from "../../src/onnx/session/SessionPool.ts"
import { red, turns } from "./pool.ts"

interface Told {
  readonly pid: number
  readonly events: Session.SessionEvents
  /** Of the pictures that it has, in the order in which they came. */
  readonly endings: Array<(ending: Session.Ending) => void>
  loaded: boolean
  killed: boolean
}

/** What a session gives for the picture: its own number as the only class. */
const outcomeOf = ({ height, width }: Session.Picture, pid: number): Session.Outcome => ({
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
    start: (_: unknown, events: Session.SessionEvents) => {
      const own: Told = { pid: started.length + 1, events, endings: [], loaded: false, killed: false }
      started.push(own)
      if (own.pid === 1) queueMicrotask(() => load(own))
      return {
        pid: own.pid,
        room: () => (own.loaded && !own.killed ? 2 - own.endings.length : 0),
        predict: (picture: Session.Picture, begun: () => void, done: (ending: Session.Ending) => void) => {
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
  const outcomes = new Map<(ending: Session.Ending) => void, Session.Outcome>()
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

/** What follows from an event follows in some turns: nothing here waits for the machine. */
const soon = turns(5)

/** Time passes. */
const pass = (milliseconds: number) =>
  Effect.andThen(
    Effect.sync(() => vi.advanceTimersByTime(milliseconds)),
    soon
  )

const grace = 1000

/** A pool of one session, loaded. */
const one = Effect.gen(function* () {
  const told = driven()
  const sessions = yield* SessionPool.make({
    runtime: told.runtime,
    model: "test",
    sessions: 1,
    gracePeriod: grace,
    load: {
      weights: { _tag: "Bytes", bytes: new Uint8Array() },
      threads: 1,
      expected: { classes: 0 },
      preprocessing: defaults
    }
  })
  /** A picture in the model, or in line. */
  const predict = Effect.tap(Effect.forkChild(Effect.exit(sessions.predict(red))), () => soon)
  /** A picture in the model for so long. */
  const takes = (milliseconds: number) =>
    Effect.gen(function* () {
      const fiber = yield* predict
      yield* pass(milliseconds)
      told.end(told.started.at(-1)!)
      yield* Fiber.join(fiber)
    })
  /** A picture in the model that nobody waits for. */
  const leave = Effect.flatMap(predict, Fiber.interrupt)
  return { ...told, sessions, predict, takes, leave }
})

/** One that was given up, and its spare, which loads. */
const givenUp = Effect.gen(function* () {
  const made = yield* one
  yield* made.leave
  yield* pass(grace)
  const [old, spare] = made.started
  return old === undefined || spare === undefined ? assert.fail("none was given up") : { ...made, old, spare }
})

/** Ends by itself, with what it was at. */
const die = ({ endings, events }: Told) => {
  for (const [place, done] of endings.splice(0).entries())
    done({ _tag: "Died", detail: "signal 11", inModel: place === 0 })
  events.gone()
}

const idOf = (exit: Exit.Exit<Session.Outcome, unknown>): number | undefined =>
  Exit.isSuccess(exit) && exit.value._tag === "Labels" ? exit.value.labelMap.data[0] : undefined

/** With a clock that stands until it is told to go on. */
const timed = <A, E>(test: Effect.Effect<A, E, Scope.Scope>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })),
    () => Effect.scoped(test),
    () => Effect.sync(() => vi.useRealTimers())
  )

describe("a session that is given up", () => {
  it.live("and ends its picture all the same does the next, while its spare loads", () =>
    timed(
      Effect.gen(function* () {
        const { end, load, old, predict, sessions, spare, started } = yield* givenUp
        end(old)
        const next = yield* predict
        assert.deepStrictEqual([old.killed, old.endings.length], [false, 1])
        end(old)
        assert.strictEqual(idOf(yield* Fiber.join(next)), 1)
        // Both are loaded: one is one too many.
        load(spare)
        yield* soon
        assert.notStrictEqual(old.killed, spare.killed)
        const left = started.filter(({ killed }) => !killed).map(({ pid }) => pid)
        assert.deepStrictEqual(yield* sessions.pids, left)
        assert.strictEqual(yield* sessions.ready, 1)
      })
    )
  )

  it.live("is killed once its spare is loaded, and not before", () =>
    timed(
      Effect.gen(function* () {
        const { end, load, old, predict, sessions, spare } = yield* givenUp
        assert.deepStrictEqual([yield* sessions.ready, yield* sessions.pids], [1, [1, 2]])
        load(spare)
        yield* soon
        assert.isTrue(old.killed)
        const next = yield* predict
        end(spare)
        assert.strictEqual(idOf(yield* Fiber.join(next)), 2)
        assert.deepStrictEqual(yield* sessions.pids, [2])
      })
    )
  )

  it.live("stays where no spare can be loaded", () =>
    timed(
      Effect.gen(function* () {
        const { end, old, predict, sessions, spare } = yield* givenUp
        const next = yield* predict
        spare.events.unusable({ reason: "model", detail: "no memory" })
        spare.events.gone()
        end(old)
        yield* soon
        end(old)
        assert.strictEqual(idOf(yield* Fiber.join(next)), 1)
        assert.deepStrictEqual(yield* sessions.pids, [1])
      })
    )
  )

  it.live("has been at a picture for four times what others took", () =>
    timed(
      Effect.gen(function* () {
        const { leave, started, takes } = yield* one
        yield* takes(3000)
        yield* takes(500)
        yield* leave
        yield* pass(4 * 3000 - 1)
        assert.lengthOf(started, 1)
        yield* pass(1)
        assert.lengthOf(started, 2)
      })
    )
  )
})

/** One that died by itself, and so did the two that took its place at once: the next is there. */
const diedThrice = Effect.map(one, (made) => {
  const { load, started } = made
  for (const time of [0, 1, 2]) {
    die(started[time]!)
    assert.lengthOf(started, time + 2, "another takes its place at once")
    load(started[time + 1]!)
  }
  return made
})

describe("a session that dies by itself", () => {
  it.live("is replaced at once, three times in a minute, and then for work that waits", () =>
    timed(
      Effect.gen(function* () {
        const { end, load, predict, sessions, started } = yield* diedThrice
        die(started[3]!)
        assert.deepStrictEqual([yield* sessions.ready, yield* sessions.pids], [0, []])
        const next = yield* predict
        assert.lengthOf(started, 5)
        load(started[4]!)
        end(started[4]!)
        assert.strictEqual(idOf(yield* Fiber.join(next)), 5)
        assert.strictEqual(yield* sessions.ready, 1)
      })
    )
  )

  it.live("is replaced a minute later where nobody waits", () =>
    timed(
      Effect.gen(function* () {
        const { load, sessions, started } = yield* diedThrice
        die(started[3]!)
        yield* pass(59_999)
        assert.lengthOf(started, 4)
        yield* pass(1)
        load(started[4]!)
        assert.strictEqual(yield* sessions.ready, 1)
      })
    )
  )

  it.live("counts as one that is given up: three in a minute together", () =>
    timed(
      Effect.gen(function* () {
        const { leave, started } = yield* diedThrice
        yield* leave
        yield* pass(59_999)
        assert.lengthOf(started, 4)
        yield* pass(1)
        assert.lengthOf(started, 5)
      })
    )
  )
})
