import { join } from "node:path"
import { readFileSync, writeFileSync } from "node:fs"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { ConnectionFailed, RequestRejected, ServiceFailed } from "effect-segformer/service"
import { InferenceFailed, Transport, type Image } from "effect-segformer"
import { Batch, BatchSource, type Sink, Sinks } from "effect-segformer/batch"
import { ClusterEngine, ClusterRuns, ClusterWorker } from "effect-segformer/cluster"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { Postgres } from "../support/Postgres.ts"
import { closedPort, tcp } from "../support/TestServer.ts"
import { picture, predict } from "./clusterImages.ts"
import { ignore, itemsIn, numbered, withWorkers, worker } from "./clusterHere.ts"
import { contents } from "./clusterSupport.ts"
import { names as six, plays } from "./drivers.ts"

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
layer(Postgres.layer(), { concurrent: true, excludeTestServices: true })("runs in a database", (it) => {
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
      const runner = ClusterEngine.layerRunner({ database, host: "127.0.0.1", port: yield* closedPort })
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
      let takes = 30
      let begun = 0
      const segmenter = worker({
        predict: (image) =>
          image.name === "beside.png"
            ? predict(image)
            : Effect.suspend(() => (begun++, Effect.delay(predict(image), takes))),
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
      let takes = 30
      let begun = 0
      const segmenter = worker({
        predict: (image) => Effect.suspend(() => (begun++, Effect.delay(predict(image), takes))),
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

  it.effect("what fails for a while is tried again with its chunk; what fails for good is listed", () =>
    Effect.gen(function* () {
      const names = [...Object.keys(numbered(8)), "gone.png"]
      const from = yield* folder(numbered(8))
      const tries = new Map<string, number>()
      const segmenter = worker({
        predict: (image) =>
          Effect.suspend(() => {
            const number = (tries.get(image.name) ?? 0) + 1
            tries.set(image.name, number)
            const isFlaky = image.name === "3.png" && number < 3
            return isFlaky || image.name === "5.png"
              ? Effect.fail(
                  new ConnectionFailed({
                    service: "fake",
                    phase: "receiving",
                    sent: "maybe",
                    detail: "reset"
                  })
                )
              : predict(image)
          }),
        sinks: () => [ignore]
      })
      yield* withWorkers(segmenter, (runs) =>
        Effect.gen(function* () {
          yield* runs.submit({ run: "flaky", items: itemsIn(from, names), chunk: 4 })
          const end = yield* runs.wait("flaky")
          assert.deepInclude(end, { state: "finished", images: 9, done: 7, failed: 2 })
          const failed = yield* Stream.runCollect(runs.failures("flaky"))
          assert.deepStrictEqual(
            failed.map(({ key, tag }) => `${key} ${tag}`),
            ["5.png ConnectionFailed", "gone.png ImageNotFound"]
          )
          assert.deepStrictEqual([tries.get("3.png"), tries.get("5.png"), tries.get("0.png")], [3, 3, 1])
          // Mended, and asked for.
          tries.set("5.png", -10)
          writeFileSync(join(from, "gone.png"), picture(99))
          const retried = yield* runs.submit({
            run: "flaky",
            items: itemsIn(from, names),
            retryFailed: true
          })
          assert.deepInclude(retried, { added: 0, again: 2 })
          const then = yield* runs.wait("flaky")
          assert.deepInclude(then, { state: "finished", done: 8, failed: 1 })
        })
      )
    })
  )

  // Workers have one set of rules for all runs, so what shares its rules is played by one.
  const byRules = new Map(plays().map(({ rules }) => [JSON.stringify(rules), rules]))
  it.effect.each([...byRules])(
    "failures mean on many machines what they mean on one, by %s",
    ([key, rules]) =>
      Effect.gen(function* () {
        const played = plays().filter((play) => JSON.stringify(play.rules) === key)
        const from = yield* folder(numbered(six.length))
        const workers = ClusterWorker.layer({
          concurrency: 1,
          retry: false,
          ...rules,
          work: ({ id }) => {
            const play = played.find(({ name }) => name === id)!
            return Effect.map(
              Transport.make({ name: "fake", predict: ({ image }) => play.predict(image) }),
              (transport) => ({ transport, sinks: [ignore] })
            )
          }
        })
        yield* withWorkers(workers, (runs) =>
          Effect.gen(function* () {
            for (const { maxFailures, name } of played)
              yield* runs.submit({ run: name, items: itemsIn(from, six), maxFailures })
            const check = Effect.fnUntraced(function* ({ expected, name }: (typeof played)[number]) {
              // Asked all the time: what ends a run is counted in the moment in which it is seen to end.
              let last = yield* runs.status(name)
              yield* eventually(
                () => Effect.map(runs.status(name), (now) => (last = now).state !== "running"),
                `${name} to end`
              )
              const { done, failed, state } = last
              assert.strictEqual(state !== "finished", expected.isEnded, `${name}: ${state}`)
              assert.isAtLeast(failed, expected.failed, name)
              if (expected.done !== undefined)
                assert.deepStrictEqual([done, failed], [expected.done, expected.failed], name)
            })
            yield* Effect.forEach(played, check, { concurrency: "unbounded", discard: true })
          })
        )
      })
  )

  it.effect("a chunk is not tried again for what its retry takes as final", () =>
    Effect.gen(function* () {
      const tries = { broken: 0, late: 0 }
      const from = yield* folder(numbered(2))
      const at = { service: "fake", detail: "" }
      const workers = ClusterWorker.layer({
        retry: { times: 2, delay: "1 millis", serverErrors: false, maxRetryAfter: "1 second" },
        work: () =>
          Effect.map(
            Transport.make({
              name: "fake",
              predict: ({ image }) => {
                if (image.name === "0.png") {
                  tries.broken++
                  return Effect.fail(new ServiceFailed({ ...at, status: 500 }))
                }
                tries.late++
                return Effect.fail(
                  new RequestRejected({ ...at, status: 425, retryAfter: Duration.seconds(2) })
                )
              }
            }),
            (transport) => ({ transport, sinks: [ignore] })
          ),
        maxWait: 0
      })
      yield* withWorkers(workers, (runs) =>
        Effect.gen(function* () {
          yield* runs.submit({ run: "final", items: itemsIn(from, ["0.png", "1.png"]) })
          assert.deepInclude(yield* runs.wait("final"), { state: "finished", failed: 2 })
          assert.deepStrictEqual(tries, { broken: 1, late: 1 })
        })
      )
    })
  )

  it.effect(
    "a run that too many failures have ended goes on when it is submitted again, and counts anew",
    () =>
      Effect.gen(function* () {
        let isBroken = true
        const from = yield* folder(numbered(6))
        const flaky = (image: Image) =>
          isBroken
            ? Effect.fail(new InferenceFailed({ model: "fake", source: image.source, detail: "" }))
            : predict(image)
        const items = itemsIn(from, Object.keys(numbered(6)))
        yield* withWorkers(worker({ predict: flaky, sinks: () => [ignore], concurrency: 1 }), (runs) =>
          Effect.gen(function* () {
            yield* runs.submit({ run: "again", items, chunk: 1, maxFailures: 2 })
            const ended = yield* runs.wait("again")
            assert.strictEqual(ended.state, "cancelled")
            assert.match(ended.reason ?? "", /^too many images failed: \d$/)
            isBroken = false
            yield* runs.submit({ run: "again", items, maxFailures: 1, retryFailed: true })
            assert.deepInclude(yield* runs.wait("again"), { state: "finished", done: 6, failed: 0 })
          })
        )
      })
  )

  it.effect("too many failures end a run", () =>
    Effect.gen(function* () {
      const names = Array.from({ length: 30 }, (_, i) => `missing-${i}.png`)
      const from = yield* folder()
      yield* withWorkers(worker({ predict, sinks: () => [ignore] }), (runs) =>
        Effect.gen(function* () {
          yield* runs.submit({ run: "hopeless", items: itemsIn(from, names), chunk: 2, maxFailures: 5 })
          const end = yield* runs.wait("hopeless")
          assert.deepInclude(end, { state: "cancelled" })
          assert.match(end.reason ?? "", /^too many images failed: \d+$/)
          assert.isAtLeast(end.failed, 5)
        })
      )
    })
  )

  it.effect("a worker with another model pauses the run, and says what differs", () =>
    Effect.gen(function* () {
      const from = yield* folder(numbered(2))
      let models = 0
      const workers = ClusterWorker.layer({
        work: () =>
          Effect.map(
            Transport.make({ name: `model ${models++}`, predict: ({ image }) => predict(image) }),
            (transport) => ({ transport, sinks: [ignore] })
          )
      })
      yield* withWorkers(workers, (runs) =>
        Effect.gen(function* () {
          const submit = (name: string) => runs.submit({ run: "models", items: itemsIn(from, [name]) })
          yield* submit("0.png")
          assert.deepInclude(yield* runs.wait("models"), { state: "finished", done: 1 })
          // What was opened for the first submission is not that for the second.
          yield* submit("1.png")
          yield* eventually(() => Effect.map(runs.status("models"), ({ state }) => state === "paused"))
          assert.include((yield* runs.status("models")).reason, "model was model 0, and is model 1")
        })
      )
    })
  )

  it.effect("what a worker cannot do by a mistake pauses the run, which goes on once that is mended", () =>
    Effect.gen(function* () {
      const from = yield* folder(numbered(6))
      let mistakes = 1
      const segmenter = worker({
        predict,
        sinks: () => {
          if (mistakes-- > 0) throw new Error("no \0such model")
          return [ignore]
        }
      })
      yield* withWorkers(segmenter, (runs) =>
        Effect.gen(function* () {
          yield* runs.submit({ run: "mistaken", items: itemsIn(from, Object.keys(numbered(6))), chunk: 3 })
          yield* eventually(() => Effect.map(runs.status("mistaken"), ({ state }) => state === "paused"))
          assert.strictEqual((yield* runs.status("mistaken")).reason, "no such model")
          yield* runs.resume("mistaken")
          assert.deepInclude(yield* runs.wait("mistaken"), { state: "finished", done: 6, reason: undefined })
        })
      )
    })
  )

  it.effect(
    "a run that several chunks wait to be opened is paused once, not again when it goes on already",
    () =>
      Effect.gen(function* () {
        const from = yield* folder(numbered(6))
        const paused: Array<string> = []
        const logger = Logger.make(({ logLevel, message }) => {
          if (logLevel === "Error") paused.push(String(message))
        })
        let isWrong = true
        const segmenter = ClusterWorker.layer({
          concurrency: 5,
          work: () =>
            Effect.gen(function* () {
              // Long enough for all six chunks to have asked.
              yield* Effect.sleep("1 second")
              if (isWrong) return yield* Effect.die(new Error("no such model"))
              return { transport: yield* Transport, sinks: [ignore] }
            })
        }).pipe(
          Layer.provide([
            Transport.layer({ name: "fake", predict: ({ image }) => predict(image) }),
            Logger.layer([logger])
          ])
        )
        yield* withWorkers(segmenter, (runs) =>
          Effect.gen(function* () {
            yield* runs.submit({ run: "once", items: itemsIn(from, Object.keys(numbered(6))), chunk: 1 })
            yield* eventually(() => Effect.map(runs.status("once"), ({ state }) => state === "paused"))
            isWrong = false
            yield* runs.resume("once")
            assert.deepInclude(yield* runs.wait("once"), { state: "finished", done: 6 })
          })
        )
        assert.deepStrictEqual(paused, ['The run "once" is paused: no such model'])
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
