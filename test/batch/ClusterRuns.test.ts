import { join } from "node:path"
import { readFileSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { FetchHttpClient } from "effect/http"
import { Transport } from "effect-segformer"
import { Batch, BatchSource, type Sink, Sinks } from "effect-segformer/batch"
import { ClusterEngine, ClusterRuns, ClusterWorker } from "effect-segformer/cluster"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { Postgres } from "../support/Postgres.ts"
import * as Warm from "../support/Warm.ts"
import { freePort, tcp } from "../support/TestServer.ts"
import { picture, predict } from "./clusterImages.ts"
import { ignore, itemsIn, numbered, withWorkers, worker } from "./clusterHere.ts"
import { contents } from "./clusterSupport.ts"

/**
 * Until a worker has nothing of a run under way, and gives how much of it is done. It may have nothing for a moment, and
 * learns a while later that it is to rest: it rests when it has begun nothing while it was asked a hundred times, each of
 * them a question to the database that its images wait for too.
 */
const atRest = (runs: ClusterRuns.ClusterRuns, run: string, begun: () => number) => {
  let same = 0
  let before = -1
  return Effect.map(
    eventually(
      () =>
        Effect.map(runs.status(run), ({ done }) => {
          same = done === begun() && done === before ? same + 1 : 0
          before = begun()
          return same === 100
        }),
      `${run} to be at rest`
    ),
    begun
  )
}

/** Each test has a database and a runner of its own, and mostly waits for its rounds of a second. */
layer(Warm.postgres, { concurrent: true, excludeTestServices: true })("runs in a database", (it) => {
  it.effect("what is submitted before there is a worker is done when there is one", () =>
    Effect.gen(function* () {
      const database = yield* Postgres.database
      const out = yield* folder()
      const from = yield* folder(numbered(10))
      const client = ClusterEngine.layerClient({ database })
      yield* Effect.gen(function* () {
        const runs = yield* ClusterRuns.make
        yield* runs.submit({ run: "early", items: itemsIn(from, Object.keys(numbered(10))), chunk: 3 })
        assert.deepInclude(yield* runs.status("early"), {
          state: "running",
          images: 10,
          done: 0,
          isOpen: false
        })
        assert.deepStrictEqual(yield* runs.runners, [])
      }).pipe(Effect.provide(client))
      const runner = ClusterEngine.layerRunner({ database, host: "127.0.0.1", port: yield* freePort })
      yield* Effect.gen(function* () {
        const runs = yield* ClusterRuns.make
        const end = yield* runs.wait("early")
        assert.deepInclude(end, { state: "finished", done: 10, failed: 0, results: [] })
      }).pipe(
        Effect.provide(
          Layer.provideMerge(worker({ predict, sinks: () => [Sinks.labels({ folder: out })] }), runner)
        ),
        Effect.provide([NodeServices.layer, FetchHttpClient.layer])
      )
      assert.strictEqual(Object.keys(contents(out)).length, 10)
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("each call of a worker takes its turn, as a run on one machine has it", () =>
    Effect.gen(function* () {
      const turns: Array<boolean> = []
      const sinks: ReadonlyArray<Sink.Sink> = []
      const from = yield* folder(numbered(3))
      const segmenter = Transport.make({ name: "fake", predict: ({ image }) => predict(image) })
      const workers = ClusterWorker.layer({
        work: () =>
          Effect.map(segmenter, (transport) => {
            const { runner } = transport
            const run: typeof runner.run = (attempt, options) => {
              turns.push(options?.turn !== undefined)
              return runner.run(attempt, options)
            }
            return { transport: { ...transport, runner: { ...runner, run } }, sinks }
          })
      })
      yield* withWorkers(workers, (runs) =>
        Effect.gen(function* () {
          yield* runs.submit({ run: "paced", items: itemsIn(from, Object.keys(numbered(3))) })
          assert.deepInclude(yield* runs.wait("paced"), { state: "finished", done: 3 })
        })
      )
      assert.deepStrictEqual(turns, [true, true, true])
    }).pipe(Effect.provide(Logger.layer([])))
  )

  it.effect("its results are those of a run on one machine", () =>
    Effect.gen(function* () {
      const files = { ...numbered(30), "twin.png": picture(3), "broken.png": Buffer.from("no image") }
      const from = yield* folder(files)
      const [many, one, remembered] = [yield* folder(), yield* folder(), yield* folder()]
      const sinksIn = (out: string) => [
        Sinks.labels({ folder: out }),
        Sinks.coco({ path: join(out, "coco.json") }),
        Sinks.csv({ path: join(out, "classes.csv") })
      ]
      yield* withWorkers(worker({ predict, sinks: () => sinksIn(many), concurrency: 1 }), (runs) =>
        Effect.gen(function* () {
          yield* runs.submit({ run: "same", items: itemsIn(from, Object.keys(files)), chunk: 7 })
          const end = yield* runs.wait("same")
          assert.deepInclude(end, { done: 31, failed: 1, repeated: 1 })
          assert.deepStrictEqual(end.results, [join(many, "coco.json"), join(many, "classes.csv")])
        })
      )
      const segmenter = Transport.layer({ name: "fake", predict: ({ image }) => predict(image) })
      yield* Batch.run({
        source: BatchSource.fromStream("files", itemsIn(from, Object.keys(files))),
        sinks: sinksIn(one),
        folder: remembered
      }).pipe(Effect.provide([segmenter, NodeServices.layer, FetchHttpClient.layer]))
      // Here a file of all images has the order of keys, there that in which images were done.
      const inOrder = (out: string) => ({
        ...contents(out),
        "coco.json": [...readFileSync(join(out, "coco.json"), "utf8").matchAll(/"file_name":"[^"]+"/g)]
          .flat()
          .sort(),
        "classes.csv": readFileSync(join(out, "classes.csv"), "utf8").split("\n").sort()
      })
      assert.deepStrictEqual(inOrder(many), inOrder(one))
    })
  )

  it.effect("submitted again, a run does only what it does not have", () =>
    Effect.gen(function* () {
      const from = yield* folder(numbered(25))
      const asked: Array<string> = []
      const segmenter = worker({
        predict: (image) =>
          Effect.andThen(
            Effect.sync(() => asked.push(image.name)),
            predict(image)
          ),
        sinks: () => [ignore]
      })
      yield* withWorkers(segmenter, (runs) =>
        Effect.gen(function* () {
          const some = Object.keys(numbered(20))
          const first = yield* runs.submit({ run: "grown", items: itemsIn(from, some), chunk: 6 })
          yield* runs.wait("grown")
          const second = yield* runs.submit({
            run: "grown",
            items: itemsIn(from, Object.keys(numbered(25))),
            chunk: 6
          })
          const end = yield* runs.wait("grown")
          assert.deepStrictEqual([first.added, second.added], [20, 5])
          assert.deepInclude(end, { state: "finished", images: 25, done: 25 })
        })
      )
      assert.strictEqual(asked.length, 25)
      assert.strictEqual(new Set(asked).size, 25)
    })
  )

  it.effect("an image is segmented once, however often its content comes", () =>
    Effect.gen(function* () {
      const files = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`${i}.png`, picture(i % 3)]))
      const from = yield* folder(files)
      const out = yield* folder()
      let calls = 0
      const segmenter = worker({
        predict: (image) =>
          Effect.andThen(
            Effect.sync(() => calls++),
            predict(image)
          ),
        sinks: () => [Sinks.labels({ folder: out })],
        concurrency: 1
      })
      yield* withWorkers(segmenter, (runs) =>
        Effect.gen(function* () {
          // Chunks of one: only the database knows of equal images in other chunks.
          yield* runs.submit({ run: "equal", items: itemsIn(from, Object.keys(files)), chunk: 1 })
          assert.deepInclude(yield* runs.wait("equal"), { done: 12, repeated: 9, failed: 0 })
        })
      )
      assert.strictEqual(calls, 3)
      const written = contents(out)
      assert.strictEqual(Object.keys(written).length, 12)
      assert.strictEqual(written["0.png.labels.png"], written["9.png.labels.png"])
    })
  )

  it.effect("a paused run begins no image, and goes on when it is resumed", () =>
    Effect.gen(function* () {
      const names = Object.keys(numbered(200))
      const from = yield* folder({ ...numbered(200), "beside.png": picture(200) })
      // More from the twentieth on: a slow machine has half a minute to say that it is to end.
      let takes = 30
      let begun = 0
      const segmenter = worker({
        predict: (image) =>
          image.name === "beside.png"
            ? predict(image)
            : Effect.suspend(() => (begun++, Effect.delay(predict(image), begun > 20 ? 10 * takes : takes))),
        sinks: () => [ignore],
        concurrency: 2
      })
      yield* withWorkers(segmenter, (runs) =>
        Effect.gen(function* () {
          yield* runs.submit({ run: "paused", items: itemsIn(from, names), chunk: 20 })
          yield* eventually(() => Effect.map(runs.status("paused"), ({ done }) => done > 5))
          assert.strictEqual((yield* runs.pause("paused")).state, "paused")
          const then = yield* atRest(runs, "paused", () => begun)
          assert.isBelow(then, 200)
          // The worker is free for others meanwhile.
          yield* runs.submit({ run: "beside", items: itemsIn(from, ["beside.png"]) })
          assert.deepInclude(yield* runs.wait("beside"), { state: "finished", done: 1 })
          // Who has paused it has not said that it may go on.
          yield* runs.submit({ run: "paused", items: itemsIn(from, names) })
          assert.strictEqual((yield* runs.status("paused")).state, "paused")
          assert.strictEqual(begun, then)
          takes = 0
          assert.strictEqual((yield* runs.resume("paused")).state, "running")
          assert.deepInclude(yield* runs.wait("paused"), { state: "finished", done: 200 })
          assert.strictEqual(begun, 200)
        })
      )
    })
  )

  it.effect("a cancelled run ends, keeps what is done, and goes on when it is submitted again", () =>
    Effect.gen(function* () {
      const names = Object.keys(numbered(200))
      const from = yield* folder(numbered(200))
      // More from the twentieth on: a slow machine has half a minute to say that it is to end.
      let takes = 30
      let begun = 0
      const segmenter = worker({
        predict: (image) =>
          Effect.suspend(() => (begun++, Effect.delay(predict(image), begun > 20 ? 10 * takes : takes))),
        sinks: () => [ignore],
        concurrency: 2
      })
      yield* withWorkers(segmenter, (runs) =>
        Effect.gen(function* () {
          yield* runs.submit({ run: "cancelled", items: itemsIn(from, names), chunk: 8 })
          yield* eventually(() => Effect.map(runs.status("cancelled"), ({ done }) => done >= 8))
          assert.strictEqual((yield* runs.cancel("cancelled")).state, "cancelled")
          assert.strictEqual((yield* runs.wait("cancelled")).state, "cancelled")
          assert.isBelow(yield* atRest(runs, "cancelled", () => begun), 200)
          takes = 0
          const { added } = yield* runs.submit({ run: "cancelled", items: itemsIn(from, names), chunk: 8 })
          assert.strictEqual(added, 0)
          assert.deepInclude(yield* runs.wait("cancelled"), { state: "finished", done: 200 })
          assert.strictEqual(begun, 200)
        })
      )
    })
  )

  it.effect("a port that another process has", () =>
    Effect.gen(function* () {
      const database = yield* Postgres.database
      const { port } = yield* tcp(() => {})
      const runner = ClusterEngine.layerRunner({ database, host: "127.0.0.1", listen: "127.0.0.1", port })
      const error = yield* Effect.flip(Layer.build(runner))
      assert.strictEqual(error._tag, "RunnerNotListening")
      assert.include(error.message, `127.0.0.1:${port}`)
    }).pipe(Effect.scoped)
  )
})
