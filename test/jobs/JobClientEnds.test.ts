/** Jobs that are left, followed, and many at once. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Logger, References, Stream } from "effect"
import { ConnectionFailed, JobClient } from "effect-segformer"
import { TestClock } from "effect/testing"
import {
  type Failure,
  type Status,
  service,
  running,
  done,
  lost,
  refused,
  type Script,
  scripted,
  client,
  settle,
  flipped,
  quiet
} from "./jobs.ts"

describe("JobClient: leaving", () => {
  it.effect("who is interrupted while it waits cancels the job", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ statuses: [running] })
      const fiber = yield* Effect.forkChild(jobs.submitAndAwait("x"))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen.cancelled, ["j1"])
    }).pipe(Effect.scoped)
  )

  it.effect("who is interrupted while the submission is under way learns its id first", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ submitTakes: "3 seconds" })
      const fiber = yield* Effect.forkChild(jobs.submitAndAwait("x"))
      yield* TestClock.adjust("1 second")
      const leaving = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen.cancelled, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(leaving)
      assert.deepStrictEqual(seen.cancelled, ["j1"])
    }).pipe(Effect.scoped)
  )

  it.effect.each([
    ["a cancellation", { cancel: Effect.never }],
    ["a submission", { submit: ["never" as const] }]
  ] satisfies ReadonlyArray<readonly [string, Script]>)(
    "%s that is never answered holds its caller back for 5 s and no longer",
    ([, script]) =>
      Effect.gen(function* () {
        const { jobs } = yield* client({ statuses: [running], ...script })
        const fiber = yield* Effect.forkChild(jobs.submitAndAwait("x"))
        yield* TestClock.adjust("4 seconds")
        const leaving = yield* Effect.forkChild(Fiber.interrupt(fiber))
        yield* TestClock.adjust("4900 millis")
        assert.isUndefined(leaving.pollUnsafe())
        yield* TestClock.adjust("200 millis")
        assert.isDefined(leaving.pollUnsafe())
        yield* Fiber.join(leaving)
      }).pipe(quiet, Effect.scoped)
  )

  it.effect("who is interrupted submits nothing again, though the answer it waits for is lost", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ submit: [lost, running], submitTakes: "2 seconds" })
      const fiber = yield* Effect.forkChild(jobs.submitAndAwait("x"))
      yield* TestClock.adjust("1 second")
      const leaving = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("1 second")
      assert.isDefined(leaving.pollUnsafe())
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([seen.submits, seen.cancelled.length], [1, 0])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("a job that the caller names is cancelled at once, without waiting for an answer", () =>
    Effect.gen(function* () {
      const { contract, seen } = scripted({ submit: ["never"] })
      const jobs = yield* JobClient.make({ ...contract, jobOf: (jobId) => ({ jobId }) })
      const fiber = yield* Effect.forkChild(jobs.submitAndAwait("x", { idempotencyKey: "mine" }))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen.cancelled, ["mine"])
    }).pipe(Effect.scoped)
  )

  it.effect("what may not be repeated is sent again only where it provably never left", () =>
    Effect.gen(function* () {
      const never = new ConnectionFailed({ service, phase: "sending", sent: "no", detail: "refused" })
      const { contract, seen } = scripted({ submit: [never, lost, running] })
      const jobs = yield* JobClient.make({ ...contract, isRepeatable: false })
      assert.deepStrictEqual(yield* flipped(jobs.submitAndAwait("x")), lost)
      assert.strictEqual(seen.submits, 2)
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("`leave` lets the job run on", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ statuses: [running] })
      const fiber = yield* Effect.forkChild(jobs.resume("j7", { abandoned: "leave" }))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen.cancelled, [])
    }).pipe(Effect.scoped)
  )

  it.effect("a result that cannot be fetched does not cancel a job that is over", () =>
    Effect.gen(function* () {
      const { contract, seen } = scripted({ submit: [done] })
      const jobs = yield* JobClient.make({ ...contract, result: () => Effect.fail(refused) })
      assert.strictEqual((yield* flipped(jobs.submitAndAwait("x")))._tag, "RequestRejected")
      assert.deepStrictEqual(seen.cancelled, [])
    }).pipe(Effect.scoped)
  )
})

describe("JobClient: following", () => {
  it.effect(
    "progress gives every answer up to the last, and does not cancel what it no longer looks at",
    () =>
      Effect.gen(function* () {
        const { jobs, seen } = yield* client({ statuses: [{ _tag: "Queued" }, running, done] })
        const tags = Stream.map(jobs.progress({ jobId: "j1" }), (status) => status._tag)
        const all = yield* Effect.flatten(settle(Stream.runCollect(tags)))
        assert.deepStrictEqual([...all], ["Queued", "Running", "Succeeded"])
        yield* settle(Stream.runDrain(Stream.take(jobs.progress({ jobId: "j1" }), 1)))
        assert.deepStrictEqual(seen.cancelled, [])
      }).pipe(Effect.scoped)
  )

  it.effect("another process finds a job again by its id", () =>
    Effect.gen(function* () {
      const { contract, seen } = scripted({ statuses: [running, done] })
      const first = yield* JobClient.make(contract)
      const { job } = yield* first.submit("x")
      const second = yield* JobClient.make(contract)
      const told: Array<string> = []
      const onStatus = (status: Status) => Effect.sync(() => void told.push(status._tag))
      const exit = yield* settle(second.resume(job.jobId, { onStatus }))
      assert.deepStrictEqual(exit, Exit.succeed("there and back"))
      assert.deepStrictEqual(told, ["Running", "Succeeded"])
      assert.strictEqual(seen.submits, 1)
    }).pipe(Effect.scoped)
  )
})

describe("JobClient: many at once", () => {
  /** Jobs whose end comes at a second of their own. */
  const many = (ends: Readonly<Record<string, number>>, options?: JobClient.JobClientOptions) =>
    Effect.gen(function* () {
      const seen = {
        asked: [] as Array<readonly [string, number]>,
        atOnce: 0,
        most: 0,
        cancelled: [] as Array<string>
      }
      const { contract } = scripted({})
      const jobs = yield* JobClient.make(
        {
          ...contract,
          status: (job) =>
            Effect.gen(function* () {
              const now = (yield* Clock.currentTimeMillis) / 1000
              seen.asked.push([job.jobId, now])
              seen.most = Math.max(seen.most, ++seen.atOnce)
              yield* Effect.sleep("100 millis")
              seen.atOnce--
              if (job.jobId.startsWith("lost")) return yield* refused
              const at = ends[job.jobId] ?? Infinity
              const status: Status =
                now < at ? running : job.jobId.startsWith("bad") ? { _tag: "Failed", detail: "no" } : done
              return { job, status, retryAfter: job.jobId === "slow" ? Duration.seconds(30) : undefined }
            }),
          cancel: (job) => Effect.sync(() => void seen.cancelled.push(job.jobId))
        },
        options
      )
      const refs = Object.keys(ends).map((jobId) => ({ jobId }))
      return { jobs, refs, seen }
    })

  const outcome = ({ exit, job }: JobClient.JobEnd<string, { readonly _tag: string }>) => {
    const error = Exit.findErrorOption(exit)
    return [job.jobId, error._tag === "Some" ? error.value._tag : "success"]
  }

  it.effect("each is given as it ends, and one that fails ends none of the others", () =>
    Effect.gen(function* () {
      const { jobs, refs, seen } = yield* many({ c: 20, bad: 5, a: 2, b: 8 })
      const ended = yield* Effect.flatten(settle(Stream.runCollect(jobs.awaitAll(refs))))
      assert.deepStrictEqual(Array.from(ended, outcome), [
        ["a", "success"],
        ["bad", "JobFailed"],
        ["b", "success"],
        ["c", "success"]
      ])
      assert.deepStrictEqual(seen.cancelled, [])
    }).pipe(Effect.scoped)
  )

  it.effect(
    "a thousand of them have few requests under way, and none is asked sooner than its interval",
    () =>
      Effect.gen(function* () {
        const ends = Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`j${at}`, 40]))
        const { jobs, refs, seen } = yield* many(ends, { deadline: false, interval: "5 seconds", growth: 1 })
        yield* Effect.flatten(settle(Stream.runDrain(jobs.awaitAll(refs, { concurrency: 7 })), 400))
        assert.strictEqual(seen.most, 7)
        const last = new Map<string, number>()
        for (const [id, at] of seen.asked) {
          assert.isAtLeast(at - (last.get(id) ?? -Infinity), 5)
          last.set(id, at)
        }
      }).pipe(Effect.scoped)
  )

  it.effect("one that wants to be left alone is, without the others waiting for it", () =>
    Effect.gen(function* () {
      const { jobs, refs, seen } = yield* many({ slow: 1, a: 6 })
      const ended = yield* Effect.flatten(settle(Stream.runCollect(jobs.awaitAll(refs))))
      assert.deepStrictEqual(
        Array.from(ended, ({ job }) => job.jobId),
        ["a", "slow"]
      )
      assert.deepStrictEqual(
        seen.asked.filter(([id]) => id === "slow").map(([, at]) => Math.floor(at)),
        [0, 30]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("at the deadline those that are left are given up and cancelled", () =>
    Effect.gen(function* () {
      const { jobs, refs, seen } = yield* many({ a: 3, never: Infinity }, { deadline: "30 seconds" })
      const ended = yield* Effect.flatten(settle(Stream.runCollect(jobs.awaitAll(refs))))
      assert.deepStrictEqual(Array.from(ended, outcome), [
        ["a", "success"],
        ["never", "TimedOut"]
      ])
      assert.deepStrictEqual(seen.cancelled, ["never"])
    }).pipe(Effect.scoped)
  )

  it.effect.each(["cancel", "leave"] as const)("who is interrupted leaves them as asked: %s", (abandoned) =>
    Effect.gen(function* () {
      const { jobs, refs, seen } = yield* many({ a: 2, b: 50, c: 50 })
      const fiber = yield* Effect.forkChild(Stream.runDrain(jobs.awaitAll(refs, { abandoned })))
      for (let at = 0; at < 40; at++) yield* TestClock.adjust("250 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen.cancelled.sort(), abandoned === "cancel" ? ["b", "c"] : [])
    }).pipe(Effect.scoped)
  )

  it.effect.each(["cancel", "leave"] as const)(
    "one that cannot be asked about is left as asked: %s",
    (abandoned) =>
      Effect.gen(function* () {
        const { jobs, refs, seen } = yield* many({ lost: 0, a: 3 })
        const ended = yield* Effect.flatten(settle(Stream.runCollect(jobs.awaitAll(refs, { abandoned }))))
        assert.deepStrictEqual(Array.from(ended, outcome), [
          ["lost", "RequestRejected"],
          ["a", "success"]
        ])
        assert.deepStrictEqual(seen.cancelled, abandoned === "cancel" ? ["lost"] : [])
      }).pipe(Effect.scoped)
  )

  it.effect(
    "nobody waits for what becomes of those that cannot be asked about, and not for long at the end",
    () =>
      Effect.gen(function* () {
        const { contract } = scripted({ cancel: Effect.never })
        const jobs = yield* JobClient.make({
          ...contract,
          status: (job) => (job.jobId === "a" ? Effect.succeed({ job, status: done }) : Effect.fail(refused))
        })
        const refs = Array.from({ length: 20 }, (_, at) => ({ jobId: `lost-${at}` })).concat({ jobId: "a" })
        const ended = yield* Effect.flatten(settle(Stream.runCollect(jobs.awaitAll(refs)), 10))
        assert.strictEqual(ended.length, 21)
      }).pipe(Effect.scoped, quiet)
  )

  /** Jobs none of which can be asked about, and how they are cancelled. */
  const allLost = (count: number, cancel: JobClient.JobContract<string, string, string, Failure>["cancel"]) =>
    Effect.gen(function* () {
      const jobs = yield* JobClient.make({
        ...scripted({}).contract,
        status: () => Effect.fail(refused),
        cancel
      })
      return { jobs, refs: Array.from({ length: count }, (_, at) => ({ jobId: `lost-${at}` })) }
    })

  /** Of how many jobs each warning says that they may still run. */
  const warnings = () => {
    const told: Array<unknown> = []
    const logger = Logger.make(({ fiber, message }) => {
      if (String(message).endsWith("may still run"))
        told.push(fiber.getRef(References.CurrentLogAnnotations)["jobs"])
    })
    return { told, heard: Effect.provide(Logger.layer([logger])) }
  }

  it.effect("each of thousands that are lost is cancelled once, few of them at a time", () => {
    const { heard, told } = warnings()
    return Effect.gen(function* () {
      const cancelled: Array<string> = []
      let [atOnce, most] = [0, 0]
      const { jobs, refs } = yield* allLost(2000, ({ jobId }) =>
        Effect.gen(function* () {
          most = Math.max(most, ++atOnce)
          cancelled.push(jobId)
          yield* Effect.sleep("100 millis")
          atOnce--
        })
      )
      const ended = yield* Effect.flatten(settle(Stream.runCollect(jobs.awaitAll(refs, { concurrency: 7 }))))
      assert.strictEqual(ended.length, 2000)
      assert.deepStrictEqual(cancelled.sort(), refs.map(({ jobId }) => jobId).sort())
      assert.deepStrictEqual([most, told], [7, []])
    }).pipe(Effect.scoped, heard)
  })

  it.effect("one that is over is not cancelled, though its result is fetched until the deadline", () =>
    Effect.gen(function* () {
      const { contract, seen } = scripted({ statuses: [done] })
      const jobs = yield* JobClient.make(
        { ...contract, result: () => Effect.never },
        { deadline: "10 seconds" }
      )
      const ended = yield* Effect.flatten(settle(Stream.runCollect(jobs.awaitAll([{ jobId: "a" }]))))
      assert.deepStrictEqual(Array.from(ended, outcome), [["a", "TimedOut"]])
      assert.deepStrictEqual(seen.cancelled, [])
    }).pipe(Effect.scoped, quiet)
  )

  it.effect("one warning says how many may still run", () => {
    const { heard, told } = warnings()
    return Effect.gen(function* () {
      const { jobs, refs } = yield* allLost(50, ({ jobId }) =>
        jobId.endsWith("3") ? Effect.fail(refused) : jobId.endsWith("7") ? Effect.never : Effect.void
      )
      yield* Effect.flatten(settle(Stream.runDrain(jobs.awaitAll(refs))))
      assert.deepStrictEqual(told, [10])
    }).pipe(Effect.scoped, heard)
  })

  it.effect("who leaves while lost ones are cancelled is held back for 5 s, and cancels none again", () => {
    const { heard, told } = warnings()
    return Effect.gen(function* () {
      const cancelled: Array<string> = []
      const { jobs, refs } = yield* allLost(100, ({ jobId }) => {
        cancelled.push(jobId)
        return Effect.sleep("1 second")
      })
      const fiber = yield* Effect.forkChild(Stream.runDrain(jobs.awaitAll(refs)))
      yield* TestClock.adjust("2500 millis")
      const leaving = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* TestClock.adjust("4900 millis")
      assert.isUndefined(leaving.pollUnsafe())
      yield* TestClock.adjust("200 millis")
      yield* Fiber.join(leaving)
      assert.strictEqual(new Set(cancelled).size, cancelled.length)
      assert.deepStrictEqual([cancelled.length, told], [32, [72]])
    }).pipe(Effect.scoped, heard)
  })
})
