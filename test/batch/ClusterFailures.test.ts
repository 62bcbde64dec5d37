/** What goes wrong with runs that many machines do together, over a real database: what is tried again, what fails, what pauses a run. */
import { join } from "node:path"
import { writeFileSync } from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, Stream } from "effect"
import { ConnectionFailed, RequestRejected, ServiceFailed } from "effect-segformer/service"
import { InferenceFailed, Transport, type Image } from "effect-segformer"
import { Sink, SinkFailed, Sinks } from "effect-segformer/batch"
import { ClusterWorker } from "effect-segformer/cluster"
import { failing } from "../faults/batch.ts"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import * as Warm from "../support/Warm.ts"
import { picture, predict } from "./clusterImages.ts"
import { ignore, itemsIn, numbered, withWorkers, worker } from "./clusterHere.ts"
import { names as six, plays } from "./drivers.ts"
import { filesIn } from "./support.ts"

layer(Warm.postgres, { concurrent: true, excludeTestServices: true })(
  "failures of runs in a database",
  (it) => {
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
            assert.deepInclude(yield* runs.wait("mistaken"), {
              state: "finished",
              done: 6,
              reason: undefined
            })
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

    it.effect(
      "a disk of results that is full pauses a run, which has failed at nothing and goes on later",
      () =>
        Effect.gen(function* () {
          const names = Object.keys(numbered(12))
          const from = yield* folder(numbered(12))
          const out = yield* folder()
          let isFull = true
          let opened = 0
          let calls = 0
          const full = failing("Unknown", "no space left on device", () => isFull && opened++ >= 5, "ENOSPC")
          const segmenter = worker({
            predict: (image) => Effect.suspend(() => (calls++, predict(image))),
            sinks: () => [Sinks.labels({ folder: out })],
            concurrency: 2
          }).pipe(Layer.provide(full))
          yield* withWorkers(segmenter, (runs) =>
            Effect.gen(function* () {
              const submit = runs.submit({
                run: "full",
                items: itemsIn(from, names),
                chunk: 4,
                maxFailures: 1
              })
              yield* submit
              const pausedWith = (reason: RegExp) =>
                eventually(() =>
                  Effect.map(
                    runs.status("full"),
                    (now) => now.state === "paused" && now.done === 5 && reason.test(now.reason ?? "")
                  )
                )
              yield* pausedWith(/^The results of "labels" cannot be written .*no space left on the disk$/)
              // Nobody pays for what cannot be kept: more than those under way.
              assert.isAtMost(calls, 5 + 4)
              // Not mended yet.
              yield* submit
              yield* pausedWith(/no space left on the disk/)
              isFull = false
              assert.deepInclude(yield* submit, { added: 0, again: 0 })
              assert.deepInclude(yield* runs.wait("full"), {
                state: "finished",
                done: 12,
                failed: 0,
                reason: undefined
              })
              assert.deepStrictEqual(filesIn(out), names.map((name) => `${name}.labels.png`).sort())
            })
          )
        })
    )

    it.effect("images whose results cannot be written are done by the next submission, unasked", () =>
      Effect.gen(function* () {
        const names = Object.keys(numbered(4))
        const from = yield* folder(numbered(4))
        const failures = { write: true, flush: false }
        const refused = new SinkFailed({ sink: "own", place: "there", detail: "no such place" })
        const own = Sink.make({
          name: "own",
          write: ({ item }) =>
            failures.write && item.key === "2.png" ? Effect.fail(refused) : Effect.succeed(undefined),
          flush: Effect.suspend(() => (failures.flush ? Effect.fail(refused) : Effect.void))
        })
        yield* withWorkers(worker({ predict, sinks: () => [own] }), (runs) =>
          Effect.gen(function* () {
            const submit = runs.submit({ run: "refused", items: itemsIn(from, names) })
            yield* submit
            assert.deepInclude(yield* runs.wait("refused"), { state: "finished", done: 3, failed: 1 })
            Object.assign(failures, { write: false, flush: true })
            assert.deepInclude(yield* submit, { added: 0, again: 1 })
            // What may not outlast a power cut is not done, and nothing else would be.
            yield* eventually(() => Effect.map(runs.status("refused"), ({ state }) => state === "paused"))
            assert.deepInclude(yield* runs.status("refused"), { done: 3, failed: 0, reason: refused.message })
            failures.flush = false
            yield* runs.resume("refused")
            assert.deepInclude(yield* runs.wait("refused"), { state: "finished", done: 4, failed: 0 })
          })
        )
      })
    )
  }
)
