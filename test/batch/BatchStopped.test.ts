/** Runs in one folder at once, and runs that are interrupted. */
import { hostname } from "node:os"
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber } from "effect"
import { Batch, BatchSource, Sink } from "effect-segformer/batch"
import { eventually, hangs } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { holding, pictures, segmenter } from "./support.ts"

describe("Batch.run, interrupted", () => {
  it.live("refuses a folder that another run is at work in, and takes over from one that is gone", () =>
    Effect.gen(function* () {
      const source = BatchSource.folder(yield* folder(pictures(4)))
      const out = yield* folder()
      const run = (takes: number) =>
        Batch.run({ source, sinks: [holding().sink], folder: out, grace: 0 }).pipe(
          Effect.provide(segmenter({ takes })),
          Effect.provide(NodeFileSystem.layer)
        )
      const fiber = yield* Effect.forkChild(run(hangs))
      yield* eventually(() => existsSync(join(out, "lock")), "the folder to be taken")
      const refused = yield* Effect.flip(run(0))
      assert.strictEqual(refused._tag, "RunLocked")
      assert.match(refused.message, new RegExp(`Process ${process.pid} on`))
      yield* Fiber.interrupt(fiber)
      // As a process leaves it that was killed: its number may be taken by another one since.
      writeFileSync(
        join(out, "lock"),
        JSON.stringify({ pid: process.pid, host: hostname(), started: "then" })
      )
      assert.strictEqual((yield* run(0)).settled.done, 4)
    })
  )

  it.live("finishes what is under way when it is interrupted, within its grace, and goes on later", () =>
    Effect.gen(function* () {
      const source = BatchSource.folder(yield* folder(pictures(40)))
      const out = yield* folder()
      const begun = yield* Deferred.make<void>()
      let calls = 0
      const slow = segmenter({
        takes: 150,
        onCall: () => {
          if (++calls === 8) Deferred.doneUnsafe(begun, Exit.void)
        }
      })
      const { found, sink } = holding()
      const run = (grace: Duration.Input) =>
        Batch.run({ source, sinks: [sink], folder: out, concurrency: 4, grace }).pipe(
          Effect.provide(NodeFileSystem.layer)
        )
      const fiber = yield* Effect.forkChild(Effect.provide(run(hangs), slow))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      // All that was begun is done, and nothing else.
      assert.strictEqual(found.size, calls)
      assert.isBelow(calls, 40)
      const before = calls
      const rest = yield* Effect.provide(run(hangs), segmenter({ onCall: () => calls++ }))
      assert.deepStrictEqual([rest.skipped, rest.settled.done], [before, 40 - before])
      assert.strictEqual(calls, 40)
    })
  )

  it.live("drops what is under way beyond its grace", () =>
    Effect.gen(function* () {
      const source = BatchSource.folder(yield* folder(pictures(6)))
      const out = yield* folder()
      const { found, sink } = holding()
      const run = Batch.run({ source, sinks: [sink], folder: out, grace: "50 millis" }).pipe(
        Effect.provide(NodeFileSystem.layer)
      )
      let begun = 0
      const endless = segmenter({ takes: hangs, onCall: () => begun++ })
      const fiber = yield* Effect.forkChild(Effect.provide(run, endless))
      yield* eventually(() => begun > 0, "an image to be under way")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(found.size, 0)
      assert.strictEqual((yield* Effect.provide(run, segmenter())).settled.done, 6)
    })
  )

  it.live("ends where its folder is moved or removed, since nobody would find what is noted there", () =>
    Effect.gen(function* () {
      const source = BatchSource.folder(yield* folder(pictures(12)))
      for (const spoil of [
        (path: string) => renameSync(path, `${path}-moved`),
        (path: string) => rmSync(path, { recursive: true })
      ]) {
        const out = yield* folder()
        const memory = join(out, "run")
        let written = 0
        const sink = Sink.make({
          name: "own",
          write: () => Effect.sync(() => void (++written === 5 && spoil(memory)))
        })
        const error = yield* Effect.flip(
          Batch.run({ source, sinks: [sink], folder: memory }).pipe(
            Effect.provide([segmenter(), NodeFileSystem.layer])
          )
        )
        assert.strictEqual(error._tag, "RunFolderFailed")
        assert.match(error.message, /was moved or removed while the run was at work/)
      }
    })
  )
})
