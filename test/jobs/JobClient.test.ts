import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit } from "effect"
import { type Status, running, done, lost, refused, client, settle, flipped, quiet } from "./jobs.ts"

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
