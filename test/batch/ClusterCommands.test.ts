import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Postgres } from "../support/Postgres.ts"
import * as Warm from "../support/Warm.ts"
import { run, start } from "../support/Command.ts"
import { Fixtures } from "effect-segformer/testing"
import { picture } from "./clusterImages.ts"
import { folder } from "../support/Folder.ts"
import { contents } from "./clusterSupport.ts"

layer(Warm.postgres, { excludeTestServices: true })("the commands for many machines", (it) => {
  it.effect("submit, work, look after: the results of a run on one machine", () =>
    Effect.gen(function* () {
      const env = { SEGFORMER_DB: Redacted.value(yield* Postgres.database) }
      const names = ["a.png", "b.png", "twin.png"]
      const from = yield* folder({
        "a.png": Fixtures.image,
        "b.png": picture(1),
        "twin.png": picture(1),
        "broken.png": Buffer.from("no image")
      })
      const [many, one] = [yield* folder(), yield* folder()]
      const results = ["--coco", "--csv", "regions"]

      const submitted = yield* run(
        ["batch", from, "--out", many, "--run", "line-3", "--chunk", "2", "--detach", ...results],
        { env }
      )
      assert.strictEqual(submitted.code, 0, submitted.stderr)
      const waiting = yield* run(["runs", "--json"], { env })
      assert.deepInclude(JSON.parse(waiting.stdout), {
        run: "line-3",
        state: "running",
        images: 4,
        done: 0
      })

      yield* run(["runs", "pause", "line-3"], { env })
      const paused = yield* run(["batch", from, "--out", many, "--run", "line-3", ...results], { env })
      assert.strictEqual(paused.code, 1)
      assert.include(paused.stderr, 'the run "line-3" is paused. It goes on by segformer runs resume line-3')
      yield* run(["runs", "resume", "line-3"], { env })

      const worker = yield* start(["worker", "--port", "0", "--host", "127.0.0.1", "--takeover", "3"], {
        env
      })
      // The same command again waits for what is there, and says what failed.
      const again = yield* run(["batch", from, "--out", many, "--run", "line-3", ...results], { env })
      assert.strictEqual(again.code, 1)
      assert.include(again.stdout, "0 images submitted")
      assert.include(again.stdout, "3 of 4 images done")
      assert.include(again.stderr, "broken.png")

      const status = yield* run(["runs", "status", "line-3", "--json"], { env })
      const end = JSON.parse(status.stdout)
      assert.deepInclude(end, { state: "finished", done: 3, failed: 1 }, worker.stderr())
      const failures = yield* run(["runs", "failures", "line-3", "--json"], { env })
      assert.deepInclude(JSON.parse(failures.stdout), { key: "broken.png", tag: "NotAnImage" })

      worker.process.kill("SIGTERM")
      const stopped = yield* Effect.promise(() => worker.ended)
      assert.strictEqual(stopped.code, 0, stopped.stderr)

      yield* run(["batch", from, "--out", one, "--no-report", ...results])
      const expected = contents(one)
      for (const key of names) {
        assert.isDefined(expected[`${key}.labels.png`])
        assert.strictEqual(contents(many)[`${key}.labels.png`], expected[`${key}.labels.png`], key)
      }
      const lines = (out: string) => readFileSync(join(out, "regions.csv"), "utf8").split("\n").sort()
      assert.deepStrictEqual(lines(many), lines(one))
      assert.isDefined(contents(many)["coco.json"])
    })
  )

  it.effect("a run that is not there, a database that is not there", () =>
    Effect.gen(function* () {
      const env = { SEGFORMER_DB: Redacted.value(yield* Postgres.database) }
      const unknown = yield* run(["runs", "pause", "nowhere"], { env })
      assert.strictEqual(unknown.code, 2)
      assert.include(unknown.stderr, 'no run "nowhere"')
      const gone = yield* run(["runs"], { env: { SEGFORMER_DB: "postgres://me:hidden@127.0.0.1:1/none" } })
      assert.strictEqual(gone.code, 3)
      assert.notInclude(gone.stderr, "hidden")
    })
  )
})
