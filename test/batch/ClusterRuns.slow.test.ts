import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, type Redacted, Schedule, Stream } from "effect"
import { Item } from "effect-segformer/batch"
import { ClusterEngine, ClusterRuns } from "effect-segformer/cluster"
import { Postgres } from "../support/Postgres.ts"
import { picture } from "./clusterImages.ts"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { contents, type Runner, startRunner } from "./clusterSupport.ts"

const count = 200
/** Files that are no images. */
const broken = ["broken-1.png", "broken-2.png"]
const copies = 20

const images = (): Readonly<Record<string, Uint8Array>> => ({
  ...Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${String(i).padStart(3, "0")}.png`, picture(i)])
  ),
  ...Object.fromEntries(Array.from({ length: copies }, (_, i) => [`copy-${i}.png`, picture(i)])),
  ...Object.fromEntries(broken.map((name) => [name, Buffer.from("no image")]))
})

const itemsOf = (path: string, names: ReadonlyArray<string>) =>
  Stream.fromIterable(names.map((name) => Item.at(join(path, name), name)))

const withRuns =
  (database: Redacted.Redacted) =>
  <A, E, R>(use: (runs: ClusterRuns.ClusterRuns) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(ClusterRuns.make, use).pipe(
      Effect.provide(ClusterEngine.layerClient({ database, takeover: "3 seconds" }))
    )

const quick = { delay: 20, concurrency: 4, takeover: 3000 }

const alive = (runs: ClusterRuns.ClusterRuns, count: number) =>
  eventually(() => Effect.map(runs.runners, ({ length }) => length === count), `${count} runners to be alive`)

layer(Postgres.layer(), { excludeTestServices: true })("a run on many machines", (it) => {
  const disturbed = (name: string, disturb: (runner: Runner) => void) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const database = yield* Postgres.database
        const out = yield* folder()
        const files = images()
        const names = Object.keys(files)
        const from = yield* folder(files)
        const start = startRunner(database, { ...quick, out })
        const runners = yield* Effect.all([start, start, start], { concurrency: 3 })
        const submit = (runs: ClusterRuns.ClusterRuns, run: string) =>
          runs.submit({ run, items: itemsOf(from, names), chunk: 15 })
        yield* withRuns(database)((runs) =>
          Effect.gen(function* () {
            for (let round = 0; round < 2; round++) {
              const run = `disturbed-${round}`
              yield* alive(runs, 3)
              const { added } = yield* submit(runs, run)
              assert.strictEqual(added, names.length)
              const moment = Math.floor(Math.random() * names.length * 0.8)
              yield* eventually(() =>
                Effect.map(runs.status(run), ({ done, failed }) => done + failed >= moment)
              )
              const [victim] = runners.splice(Math.floor(Math.random() * 3), 1)
              disturb(victim!)
              const end = yield* runs.wait(run)
              const settled = { done: count + copies, failed: broken.length }
              assert.deepInclude(end, { state: "finished", ...settled }, `at ${moment}: ${victim!.output()}`)
              const failures = yield* Stream.runCollect(runs.failures(run))
              assert.deepStrictEqual(
                failures.map(({ key, tag }) => [key, tag]),
                broken.map((name) => [name, "NotAnImage"])
              )
              runners.push(yield* start)
            }
            yield* alive(runs, 3)
            yield* submit(runs, "undisturbed")
            yield* runs.wait("undisturbed")
          })
        )
        const expected = contents(join(out, "undisturbed"))
        assert.deepStrictEqual(
          Object.keys(expected),
          [
            ...names.filter((key) => !broken.includes(key)).map((key) => `${key}.labels.png`),
            "coco.json"
          ].sort()
        )
        for (let round = 0; round < 2; round++)
          assert.deepStrictEqual(contents(join(out, `disturbed-${round}`)), expected)
      })
    )

  disturbed("one of three runners is killed: each image is in the output once, as undisturbed", (runner) =>
    runner.process.kill("SIGKILL")
  )
  disturbed("one of three runners is told to stop: its work goes to the others", (runner) =>
    runner.process.kill("SIGTERM")
  )

  it.effect("the database is restarted in the middle: workers wait for it, and nothing is lost", () =>
    Effect.gen(function* () {
      const postgres = yield* Postgres
      const database = yield* postgres.database
      const out = yield* folder()
      const files = images()
      const names = Object.keys(files)
      const from = yield* folder(files)
      const runner = yield* startRunner(database, { ...quick, out })
      yield* withRuns(database)((runs) =>
        Effect.gen(function* () {
          yield* alive(runs, 1)
          yield* runs.submit({ run: "restarted", items: itemsOf(from, names), chunk: 15 })
          yield* eventually(() => Effect.map(runs.status("restarted"), ({ done }) => done > 0))
          yield* postgres.restart
          const end = yield* Effect.retry(runs.wait("restarted"), Schedule.spaced("200 millis"))
          const settled = { done: count + copies, failed: broken.length }
          assert.deepInclude(end, { state: "finished", ...settled }, runner.output())
        })
      )
      assert.strictEqual(Object.keys(contents(join(out, "restarted"))).length, count + copies + 1)
    })
  )
})
