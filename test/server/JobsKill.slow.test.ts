/** A server is killed in the middle of a job and started again: the client that waits sees one result. */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, References, Stream } from "effect"
import { ServerJobs } from "effect-segformer/server"
import { NodeHttp } from "effect-segformer/service/node"
import { Fixtures } from "effect-segformer/testing"
import { unzipSync } from "fflate"
import { eventually, hangs } from "../support/Eventually.ts"
import * as Folder from "../support/Folder.ts"
import { freePort } from "../support/TestServer.ts"

const script = fileURLToPath(new URL("jobs-server.ts", import.meta.url))

it.live(
  "a server that is killed in the middle of a job finishes it once it is back, and its client sees one result",
  () =>
    Effect.gen(function* () {
      const folder = join(yield* Folder.folder(), "jobs")
      const port = yield* freePort
      const children = new Set<ChildProcess>()
      yield* Effect.addFinalizer(() => Effect.sync(() => children.forEach((child) => child.kill("SIGKILL"))))
      const start = Effect.promise(async () => {
        const child = fork(script, [String(port), folder], {
          execArgv: ["-C", "effect-segformer-source"],
          stdio: "ignore"
        })
        children.add(child)
        await once(child, "message")
        return child
      })
      const kill = (child: ChildProcess) =>
        Effect.promise(async () => {
          child.kill("SIGKILL")
          await once(child, "exit")
        })

      const names = Array.from({ length: 12 }, (_, index) => `${index}.png`)
      let child = yield* start
      const jobs = yield* ServerJobs.make({
        baseUrl: `http://127.0.0.1:${port}`,
        interval: "100 millis",
        growth: 1,
        deadline: 2 * hangs,
        // While the server is away its questions fail: they are asked again, as after any lost answer, however long it takes.
        status: {
          retry: { times: 10 * hangs, delay: "200 millis", factor: 1 },
          breaker: false,
          retryBudget: false
        }
      })
      const waiting = yield* Effect.forkChild(
        jobs.submitAndAwait(names.map((name) => ({ name, bytes: Fixtures.image })))
      )
      const segmented = () => {
        try {
          return readFileSync(`${folder}.done`, "utf8").trim().split("\n")
        } catch {
          return []
        }
      }
      for (const enough of [3, 7]) {
        yield* eventually(() => segmented().length >= enough)
        yield* kill(child)
        child = yield* start
      }
      const info = yield* Fiber.join(waiting)
      assert.deepInclude(info, { status: "succeeded", total: 12, done: 12, failed: 0 })
      // An image that was under way when its server died is done again; none that was done is.
      assert.isAtMost(segmented().length, 12 + 2 * 2)
      assert.strictEqual(new Set(segmented()).size, 12)
      const zip = yield* Stream.runFold(
        jobs.archive(info.jobId),
        () => Buffer.alloc(0),
        (all, piece) => Buffer.concat([all, piece])
      )
      assert.strictEqual(Object.keys(unzipSync(zip)).length, 25)
      assert.strictEqual((yield* jobs.image(info.jobId, 11)).width, 48)
    }).pipe(Effect.provide(NodeHttp.layer()), Effect.provideService(References.MinimumLogLevel, "None"))
)
