/** Jobs over a contract, against a server made from the same contract, over a real socket. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, Fiber, Layer, References, Schema, Stream } from "effect"
import { HttpApi, HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import type { PolicyError } from "effect-segformer/policy"
import { JobApi, type JobError, type JobSnapshot } from "effect-segformer/jobs"
import { ServiceClient, ServiceRegistry, ServiceUnavailable } from "effect-segformer/service"
import { NodeHttp } from "effect-segformer/service/node"
import { serve } from "../support/ContractServer.ts"
import { eventually } from "../support/Eventually.ts"

const Job = Schema.Struct({ id: Schema.String, done: Schema.Boolean })
const params = { id: Schema.String }
const Api = HttpApi.make("squares").add(
  HttpApiGroup.make("jobs").add(
    HttpApiEndpoint.post("submit", "/jobs", {
      payload: Schema.Struct({ side: Schema.Finite }),
      success: Job
    }),
    HttpApiEndpoint.get("status", "/jobs/:id", { params, success: Job }),
    HttpApiEndpoint.get("result", "/jobs/:id/result", { params, success: Schema.Finite }),
    HttpApiEndpoint.post("cancel", "/jobs/:id/cancel", { params })
  )
)

const read = ({ done, id }: typeof Job.Type): JobSnapshot<string> => ({
  job: { jobId: id },
  status: done ? { _tag: "Succeeded", output: id } : { _tag: "Running" }
})

const quick = { retry: { delay: "5 millis" } } as const

/** A service that needs so many questions for each job, and what it saw. */
const service = Effect.fnUntraced(function* (
  questions: number,
  trouble: { submit?: number; status?: number } = {}
) {
  const seen = {
    keys: [] as Array<string | undefined>,
    executed: new Map<string, string>(),
    asked: 0,
    cancelled: [] as Array<string>
  }
  const busy = new ServiceUnavailable({ service: "squares", status: 503, detail: "busy" })
  const url = yield* serve(Api, {
    jobs: {
      submit: ({ payload, request }) =>
        Effect.gen(function* () {
          const key = request.headers["idempotency-key"]
          seen.keys.push(key)
          seen.executed.set(key ?? "", String(payload.side))
          if (seen.keys.length <= (trouble.submit ?? 0)) return yield* busy
          return { id: String(payload.side), done: false }
        }),
      status: ({ params }) =>
        Effect.gen(function* () {
          seen.asked++
          if (seen.asked <= (trouble.status ?? 0)) return yield* busy
          return { id: params.id, done: seen.asked >= questions }
        }),
      result: ({ params }) => Effect.succeed(Number(params.id) ** 2),
      cancel: ({ params }) => Effect.sync(() => void seen.cancelled.push(params.id))
    }
  })
  const context = yield* Layer.build(Layer.merge(ServiceRegistry.layerOf({ squares: url }), NodeHttp.layer()))
  const { jobs } = yield* Effect.provideContext(ServiceClient.make(Api, { service: "squares" }), context)
  const client = yield* JobApi.make(
    {
      service: "squares",
      submit: (side: number) => Effect.map(jobs.submit({ payload: { side } }), read),
      status: ({ jobId }) => Effect.map(jobs.status({ params: { id: jobId } }), read),
      result: ({ jobId }) => jobs.result({ params: { id: jobId } }),
      cancel: ({ jobId }) => jobs.cancel({ params: { id: jobId } })
    },
    { interval: "10 millis", submit: quick, status: quick }
  )
  return { client, seen }
})

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

describe("JobApi", () => {
  it.live("submits, asks, and fetches by the calls of the contract", () =>
    Effect.gen(function* () {
      const { client, seen } = yield* service(3)
      expectTypeOf(client.submitAndAwait(12)).toEqualTypeOf<
        Effect.Effect<number, ServiceClient.CallError | PolicyError | JobError>
      >()
      assert.strictEqual(yield* client.submitAndAwait(12), 144)
      assert.deepStrictEqual([seen.asked, seen.cancelled], [3, []])
    }).pipe(quiet, Effect.scoped)
  )

  it.live("a submission that fails is sent again under one key, by the policy of the jobs and no other", () =>
    Effect.gen(function* () {
      const { client, seen } = yield* service(1, { submit: 3 })
      assert.strictEqual(yield* client.submitAndAwait(2), 4)
      assert.strictEqual(seen.keys.length, 4)
      assert.strictEqual(new Set(seen.keys).size, 1)
      assert.isDefined(seen.keys[0])
      assert.strictEqual(seen.executed.size, 1)
    }).pipe(quiet, Effect.scoped)
  )

  it.live("a question that fails for good ends after four attempts, and the job is cancelled", () =>
    Effect.gen(function* () {
      const { client, seen } = yield* service(1, { status: 100 })
      assert.strictEqual((yield* Effect.flip(client.submitAndAwait(2)))._tag, "ServiceUnavailable")
      assert.deepStrictEqual([seen.asked, seen.cancelled], [4, ["2"]])
    }).pipe(quiet, Effect.scoped)
  )

  it.live("who is interrupted cancels the job", () =>
    Effect.gen(function* () {
      const { client, seen } = yield* service(Infinity)
      const fiber = yield* Effect.forkChild(client.submitAndAwait(5))
      yield* eventually(() => seen.asked > 0)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen.cancelled, ["5"])
    }).pipe(quiet, Effect.scoped)
  )

  it.live("many are waited for at once", () =>
    Effect.gen(function* () {
      const { client } = yield* service(10)
      const jobs = yield* Effect.forEach([1, 2, 3, 4, 5], (side) => client.submit(side))
      const ended = yield* Stream.runCollect(client.awaitAll(jobs.map(({ job }) => job)))
      const areas = Array.from(ended, ({ exit }) => (exit._tag === "Success" ? exit.value : -1))
      assert.deepStrictEqual(
        areas.sort((a, b) => a - b),
        [1, 4, 9, 16, 25]
      )
    }).pipe(quiet, Effect.scoped)
  )
})
