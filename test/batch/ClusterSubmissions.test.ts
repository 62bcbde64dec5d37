/**
 * Submissions to a run: who may not, how many at once, and again while a worker is still ending it. Each of the last holds
 * the worker, or the engine, at the moment that matters.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Logger, Stream } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { FetchHttpClient } from "effect/http"
import { WorkflowEngine } from "effect/workflow"
import { InferenceFailed, type Image } from "effect-segformer"
import { Item } from "effect-segformer/batch"
import { ClusterEngine, ClusterRuns } from "effect-segformer/cluster"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { Postgres } from "../support/Postgres.ts"
import * as Warm from "../support/Warm.ts"
import { predict } from "./clusterImages.ts"
import { ignore, itemsIn, numbered, withWorkers, worker } from "./clusterHere.ts"

/** The engine, which learns of the end of a chunk only once the test lets it. */
const holding = (held: Deferred.Deferred<void>, release: Deferred.Deferred<void>) =>
  Layer.effect(
    WorkflowEngine.WorkflowEngine,
    Effect.map(WorkflowEngine.WorkflowEngine, (engine) =>
      WorkflowEngine.WorkflowEngine.of({
        ...engine,
        register: (workflow, execute) =>
          engine.register(workflow, (payload, id) =>
            workflow._tag === "segformer/Chunk"
              ? Effect.tap(execute(payload, id), () =>
                  Effect.andThen(Deferred.succeed(held, undefined), Deferred.await(release))
                )
              : execute(payload, id)
          )
      })
    )
  )

const failure = (image: Image) =>
  Effect.fail(new InferenceFailed({ model: "fake", source: image.source, detail: "" }))

layer(Warm.postgres, { concurrent: true, excludeTestServices: true })(
  "a run that is submitted again while it is being ended",
  (it) => {
    it.effect(
      "goes on with what a chunk has left, though the engine does not know yet that it has ended",
      () =>
        Effect.gen(function* () {
          const database = yield* Postgres.database
          const items = itemsIn(yield* folder(numbered(3)), Object.keys(numbered(3)))
          // Cancelled before there is a worker, so that the chunk ends with all of its images left.
          yield* Effect.gen(function* () {
            const runs = yield* ClusterRuns.make
            yield* runs.submit({ run: "left", items })
            yield* runs.cancel("left")
          }).pipe(Effect.provide(ClusterEngine.layerClient({ database })))
          const [held, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
          const workers = Layer.provide(worker({ predict, sinks: () => [ignore] }), holding(held, release))
          yield* withWorkers(
            workers,
            (runs) =>
              Effect.gen(function* () {
                yield* Deferred.await(held)
                yield* runs.submit({ run: "left", items })
                yield* Deferred.succeed(release, undefined)
                assert.deepInclude(yield* runs.wait("left"), { state: "finished", done: 3, failed: 0 })
              }),
            database
          )
        }).pipe(Effect.provide([NodeServices.layer, FetchHttpClient.layer, Logger.layer([])]))
    )

    it.effect(
      "does again what has failed in a chunk of which the engine does not know that it has ended",
      () =>
        Effect.gen(function* () {
          const items = itemsIn(yield* folder(numbered(1)), ["0.png"])
          let isBroken = true
          const [held, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
          const segmenter = worker({
            predict: (image) => (isBroken ? failure(image) : predict(image)),
            sinks: () => [ignore]
          })
          yield* withWorkers(Layer.provide(segmenter, holding(held, release)), (runs) =>
            Effect.gen(function* () {
              yield* runs.submit({ run: "failed", items, maxFailures: 1 })
              assert.strictEqual((yield* runs.wait("failed")).state, "cancelled")
              yield* Deferred.await(held)
              isBroken = false
              yield* runs.submit({ run: "failed", items, maxFailures: 1, retryFailed: true })
              yield* Deferred.succeed(release, undefined)
              assert.deepInclude(yield* runs.wait("failed"), { state: "finished", done: 1, failed: 0 })
            })
          )
        })
    )

    it.effect("does again what fails late, without counting it", () =>
      Effect.gen(function* () {
        const items = itemsIn(yield* folder(numbered(2)), Object.keys(numbered(2)))
        const late = yield* Deferred.make<void>()
        let begun = 0
        const segmenter = worker({
          predict: (image) => {
            begun++
            if (begun === 1) return failure(image)
            return begun === 2 ? Effect.andThen(Deferred.await(late), failure(image)) : predict(image)
          },
          sinks: () => [ignore],
          concurrency: 1
        })
        yield* withWorkers(segmenter, (runs) =>
          Effect.gen(function* () {
            yield* runs.submit({ run: "late", items, maxFailures: 1 })
            // The first failure is noted while the second image is under way.
            assert.strictEqual((yield* runs.wait("late")).state, "cancelled")
            yield* runs.submit({ run: "late", items, maxFailures: 1, retryFailed: true })
            yield* Deferred.succeed(late, undefined)
            assert.deepInclude(yield* runs.wait("late"), { state: "finished", done: 2, failed: 0 })
          })
        )
      })
    )

    it.effect("is another one where the first is forgotten", () =>
      Effect.gen(function* () {
        const items = itemsIn(yield* folder(numbered(2)), Object.keys(numbered(2)))
        yield* withWorkers(worker({ predict, sinks: () => [ignore] }), (runs) =>
          Effect.gen(function* () {
            yield* runs.submit({ run: "forgotten", items, chunk: 1 })
            yield* runs.wait("forgotten")
            yield* runs.remove("forgotten")
            yield* runs.submit({ run: "forgotten", items, chunk: 1 })
            assert.deepInclude(yield* runs.wait("forgotten"), { state: "finished", done: 2 })
          })
        )
      })
    )
  }
)

layer(Warm.postgres, { concurrent: true, excludeTestServices: true })("submissions", (it) => {
  it.effect("a run that nobody knows, an image that nobody else can open, two who submit at once", () =>
    Effect.gen(function* () {
      const database = yield* Postgres.database
      yield* Effect.gen(function* () {
        const runs = yield* ClusterRuns.make
        const unknown = yield* Effect.flip(runs.status("nowhere"))
        assert.strictEqual(unknown._tag, "UnknownRun")
        const mine = Item.make("mine", Item.at("a.png").image)
        const unshared = yield* Effect.flip(runs.submit({ run: "mine", items: Stream.succeed(mine) }))
        assert.strictEqual(unshared._tag, "ImageNotShared")
        const begun = Deferred.makeUnsafe<void>()
        const endless = Stream.fromEffect(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
        const first = yield* Effect.forkChild(runs.submit({ run: "both", items: endless }))
        yield* Deferred.await(begun)
        const second = yield* Effect.flip(runs.submit({ run: "both", items: Stream.empty }))
        assert.strictEqual(second._tag, "RunIsBeingSubmitted")
        const another = Effect.flatMap(ClusterRuns.make, (others) =>
          others.submit({ run: "both", items: Stream.empty })
        ).pipe(Effect.provide(Layer.fresh(ClusterEngine.layerClient({ database }))), Effect.flip)
        assert.strictEqual((yield* another)._tag, "RunIsBeingSubmitted")
        first.interruptUnsafe()
      }).pipe(Effect.provide(ClusterEngine.layerClient({ database })))
    })
  )

  it.effect(
    "goes on where the connection of the locks has died, and leaves none behind when interrupted",
    () =>
      Effect.gen(function* () {
        const database = yield* Postgres.database
        yield* Effect.gen(function* () {
          const sql = yield* SqlClient.SqlClient
          const runs = yield* ClusterRuns.make
          const begun = Deferred.makeUnsafe<void>()
          const endless = Stream.fromEffect(Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
          const held = yield* Effect.forkChild(runs.submit({ run: "held", items: endless }))
          yield* Deferred.await(begun)
          const locks = sql<{ pid: number }>`SELECT pid FROM pg_locks WHERE locktype = 'advisory'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`
          const [lock] = yield* locks
          yield* sql`SELECT pg_terminate_backend(${lock!.pid})`
          yield* eventually(() => Effect.map(locks, (left) => left.length === 0))
          assert.deepInclude(yield* runs.submit({ run: "another", items: Stream.empty }), { added: 0 })
          yield* Fiber.interrupt(held)
          // At any moment of a submission.
          for (let i = 0; i < 40; i++) {
            const fiber = yield* Effect.forkChild(runs.submit({ run: `run-${i}`, items: Stream.empty }))
            yield* Effect.sleep(i / 20)
            yield* Fiber.interrupt(fiber)
          }
          yield* eventually(
            () => Effect.map(locks, (left) => left.length === 0),
            "every lock to be given back"
          )
        }).pipe(Effect.provide(ClusterEngine.layerClient({ database })))
      })
  )

  it.effect("more submissions at once than the pool has connections", () =>
    Effect.gen(function* () {
      const database = yield* Postgres.database
      yield* Effect.gen(function* () {
        const runs = yield* ClusterRuns.make
        let opened = 0
        const all = Deferred.makeUnsafe<void>()
        // Each holds its run until all have theirs.
        const together = Stream.fromEffect(
          Effect.suspend(() =>
            ++opened === 8 ? Deferred.succeed(all, undefined) : Effect.asVoid(Deferred.await(all))
          )
        ).pipe(Stream.map(() => Item.at("a.png")))
        const submitted = yield* Effect.forEach(
          Array.from({ length: 8 }, (_, i) => `run-${i}`),
          (run) => runs.submit({ run, items: together }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          submitted.map(({ added }) => added),
          Array.from({ length: 8 }, () => 1)
        )
      }).pipe(Effect.provide(ClusterEngine.layerClient({ database, connections: 3 })))
    })
  )
})
