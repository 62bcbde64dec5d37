import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Logger, Stream } from "effect"
import { ConnectionFailed, JobClient, RequestRejected } from "effect-segformer"
import { TestClock } from "effect/testing"

type Status = JobClient.JobStatus<string>

const service = "http://test"
const running: Status = { _tag: "Running", progress: 0.5 }
const done: Status = { _tag: "Succeeded", output: "there" }
const lost = new ConnectionFailed({ service, phase: "receiving", sent: "maybe", detail: "cut" })
const refused = new RequestRejected({ service, status: 422, detail: "no" })
type Failure = ConnectionFailed | RequestRejected
const isFailure = (value: Status | Failure): value is Failure => value instanceof Error

interface Script {
  /** Answers of the submission, one an attempt. */
  readonly submit?: ReadonlyArray<Status | Failure | "never">
  /** Answers to the questions; the last one is given for ever. */
  readonly statuses?: ReadonlyArray<Status | Failure>
  readonly retryAfter?: Duration.Duration
  readonly cancel?: Effect.Effect<void, Failure>
  readonly submitTakes?: Duration.Input
}

/** A service that runs one job for each idempotency key, and what it saw. */
const scripted = (script: Script) => {
  const seen = {
    executions: new Set<string>(),
    submits: 0,
    asked: [] as Array<number>,
    cancelled: [] as Array<string>,
    results: 0
  }
  const contract: JobClient.JobContract<string, string, string, Failure> = {
    service,
    submit: (_, attempt) =>
      Effect.gen(function* () {
        const nth = seen.submits++
        const answer = script.submit?.[nth] ?? running
        seen.executions.add(attempt.idempotencyKey)
        if (script.submitTakes !== undefined) yield* Effect.sleep(script.submitTakes)
        if (answer === "never") return yield* Effect.never
        if (isFailure(answer)) return yield* answer
        return { job: { jobId: "j1" }, status: answer }
      }),
    status: (job) =>
      Effect.gen(function* () {
        seen.asked.push(yield* Clock.currentTimeMillis)
        const answers = script.statuses ?? [done]
        const answer = answers[seen.asked.length - 1] ?? answers.at(-1)!
        if (isFailure(answer)) return yield* answer
        return { job, status: answer, retryAfter: script.retryAfter }
      }),
    result: (_, output) => Effect.sync(() => (seen.results++, `${output} and back`)),
    cancel: (job) => {
      seen.cancelled.push(job.jobId)
      return script.cancel ?? Effect.void
    }
  }
  return { seen, contract }
}

const client = (script: Script, options?: JobClient.JobClientOptions) => {
  const { seen, contract } = scripted(script)
  return Effect.map(JobClient.make(contract, options), (jobs) => ({ jobs, seen }))
}

/** Runs to the end while the test clock goes on. */
const settle = <A, E>(effect: Effect.Effect<A, E>, seconds = 200) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.exit(effect))
    for (let step = 0; step < seconds * 4 && fiber.pollUnsafe() === undefined; step++) {
      yield* TestClock.adjust("250 millis")
    }
    return yield* Fiber.join(fiber)
  })

const flipped = <A, E>(effect: Effect.Effect<A, E>) => Effect.flatten(settle(Effect.flip(effect)))
const quiet = Effect.provide(Logger.layer([]))

describe("JobClient: waiting", () => {
  it.effect("asks at an interval that grows up to its cap, and gives the result", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({
        statuses: [running, running, running, running, running, done]
      })
      const exit = yield* settle(jobs.submitAndAwait("x"))
      assert.deepStrictEqual(exit, Exit.succeed("there and back"))
      // 2, then 3, 4.5, 6.75 and twice 10 seconds apart.
      assert.deepStrictEqual(seen.asked, [2000, 5000, 9500, 16250, 26250, 36250])
      assert.deepStrictEqual([seen.executions.size, seen.results, seen.cancelled.length], [1, 1, 0])
    }).pipe(Effect.scoped)
  )

  it.effect("does not ask at all where the submission is answered with the end", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ submit: [done] })
      assert.strictEqual(yield* jobs.submitAndAwait("x"), "there and back")
      assert.deepStrictEqual(seen.asked, [])
    }).pipe(Effect.scoped)
  )

  it.effect("is never earlier than the service asks for, and goes on from there", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client(
        { statuses: [running, running, done], retryAfter: Duration.seconds(7) },
        { interval: "1 second", growth: 1 }
      )
      yield* settle(jobs.submitAndAwait("x"))
      assert.deepStrictEqual(seen.asked, [1000, 8000, 15_000])
    }).pipe(Effect.scoped)
  )

  it.effect("fails at once where the service asks to wait beyond the deadline", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ statuses: [running], retryAfter: Duration.hours(1) })
      const error = yield* flipped(jobs.submitAndAwait("x"))
      assert.strictEqual(error._tag, "TimedOut")
      assert.deepStrictEqual(seen.asked, [2000])
      assert.deepStrictEqual(seen.cancelled, ["j1"])
    }).pipe(Effect.scoped)
  )

  it.effect("a job that never ends is given up at the deadline, cancelled, and its id is in the error", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ statuses: [running] }, { deadline: "30 seconds" })
      const started = yield* Clock.currentTimeMillis
      const error = yield* flipped(jobs.submitAndAwait("x"))
      const took = (yield* Clock.currentTimeMillis) - started
      if (error._tag !== "TimedOut") return assert.fail(error._tag)
      assert.deepStrictEqual([error.kind, error.requestId, took], ["deadline", "j1", 30_000])
      assert.deepStrictEqual(seen.cancelled, ["j1"])
      assert.isAtMost(seen.asked.length, 6)
    }).pipe(Effect.scoped)
  )

  it.effect("refuses a pace that would spin", () =>
    Effect.gen(function* () {
      const { jobs } = yield* client({}, { interval: 0 })
      const exit = yield* Effect.exit(jobs.submitAndAwait("x"))
      assert.match(String(Exit.isFailure(exit) && exit.cause), /`interval` must be at least 1 ms/)
    }).pipe(quiet, Effect.scoped)
  )
})

describe("JobClient: ends", () => {
  const ends: ReadonlyArray<readonly [Status, string, RegExp]> = [
    [
      { _tag: "Failed", code: "VPN_ERROR", detail: "tunnel down" },
      "JobFailed",
      /failed at http:\/\/test \(VPN_ERROR\): tunnel down/
    ],
    [{ _tag: "Cancelled", detail: "by its operator" }, "JobCancelled", /was cancelled .* by its operator/],
    [{ _tag: "Unknown", status: "hibernating" }, "UnknownJobStatus", /"hibernating"/]
  ]
  it.effect.each(ends)("%j", ([status, tag, message]) =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ statuses: [running, status] })
      const error = yield* flipped(jobs.submitAndAwait("x"))
      assert.strictEqual(error._tag, tag)
      assert.match(error.message, message)
      assert.isFalse(error.isRetryable)
      assert.strictEqual(seen.results, 0)
      // What may still run is cancelled, what is over is not.
      assert.deepStrictEqual(seen.cancelled, tag === "UnknownJobStatus" ? ["j1"] : [])
    }).pipe(Effect.scoped)
  )

  it.effect("text of a service that goes on and on is cut to 200 characters", () =>
    Effect.gen(function* () {
      const { jobs } = yield* client({ statuses: [{ _tag: "Failed", detail: "no ".repeat(5000) }] })
      const error = yield* flipped(jobs.submitAndAwait("x"))
      assert.isBelow(error.message.length, 300)
    }).pipe(Effect.scoped)
  )
})

describe("JobClient: policies", () => {
  it.effect("a submission whose answer is lost is sent again with the same key, and runs once", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ submit: [lost, lost, running] })
      const exit = yield* settle(jobs.submitAndAwait("x"))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual([seen.submits, seen.executions.size], [3, 1])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("a question whose answer is lost is asked again, and the job is not submitted again", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ statuses: [running, lost, lost, done] })
      assert.isTrue(Exit.isSuccess(yield* settle(jobs.submitAndAwait("x"))))
      assert.deepStrictEqual([seen.submits, seen.asked.length], [1, 4])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("a key of one's own is used for every attempt", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ submit: [lost, running] })
      yield* settle(jobs.submit("x", { idempotencyKey: "mine" }))
      assert.deepStrictEqual([...seen.executions], ["mine"])
    }).pipe(quiet, Effect.scoped)
  )

  it.effect("a submission that is refused leaves nothing to cancel", () =>
    Effect.gen(function* () {
      const { jobs, seen } = yield* client({ submit: [refused] })
      assert.strictEqual((yield* flipped(jobs.submitAndAwait("x")))._tag, "RequestRejected")
      assert.deepStrictEqual([seen.asked.length, seen.cancelled.length], [0, 0])
    }).pipe(Effect.scoped)
  )
})

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
})
