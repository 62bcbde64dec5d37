/** Folders that go with their scope, or with the next start where a process was killed. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import * as Lock from "../../src/files/Lock.ts"
import * as TemporaryFolder from "../../src/files/TemporaryFolder.ts"
import { eventually } from "../support/Eventually.ts"
import * as Command from "../support/Command.ts"
import * as Folder from "../support/Folder.ts"

const live = <A, E>(
  name: string,
  body: Effect.Effect<A, E, Effect.Services<ReturnType<typeof TemporaryFolder.make>>>
) => it.live(name, () => body.pipe(Effect.provide(NodeFileSystem.layer), Effect.scoped))

describe("a temporary folder", () => {
  live(
    "goes with its scope",
    Effect.gen(function* () {
      const within = yield* Folder.folder()
      const made = yield* Effect.scoped(
        Effect.tap(TemporaryFolder.make(within), (folder) =>
          Effect.sync(() => assert.isTrue(existsSync(folder)))
        )
      )
      assert.isFalse(existsSync(made))
    })
  )

  live(
    "of a process that is gone goes when the next is made, and nothing else does",
    Effect.gen(function* () {
      const within = yield* Folder.folder()
      const folder = (name: string) => {
        mkdirSync(join(within, name))
        writeFileSync(join(within, name, "pixels.tif"), "pixels")
      }
      const mark = Lock.markOf(process.pid)!
      const [host, , started] = mark.split("-")
      const gone = `${host}-4194305-${started}`
      const stays = [
        `segformer-tmp-${mark}-lives0`,
        `segformer-tmp-${gone.replace(/^./, (first) => (first === "0" ? "1" : "0"))}-remote`,
        "segformer-tmp-nomark",
        "segformer-jobs",
        `somebody-${gone}-a0b1c2`
      ]
      for (const name of stays) folder(name)
      folder(`segformer-tmp-${gone}-abcdef`)
      // The number of a process that lives, but is another by now.
      folder(`segformer-tmp-${host}-${process.pid}-0123456789ab-abcdef`)
      const lives = yield* TemporaryFolder.make(within)
      const second = yield* TemporaryFolder.make(within)
      assert.deepStrictEqual(
        readdirSync(within).sort(),
        [...stays, lives.slice(within.length + 1), second.slice(within.length + 1)].sort()
      )
    })
  )

  for (const [signal, code, left] of [
    ["SIGKILL", undefined, 1],
    ["SIGHUP", 143, 0],
    ["SIGTERM", 143, 0]
  ] as const) {
    live(
      `of \`tile\` that is ended by ${signal} is ${left === 0 ? "gone with it" : "gone after the next run"}`,
      Effect.gen(function* () {
        const within = yield* Folder.folder()
        const out = yield* Folder.folder({ "small.png": Fixtures.image })
        const small = join(out, "small.png")
        const ours = () => readdirSync(within).filter((name) => name.startsWith("segformer-tmp-"))
        const tile = (image: string) => ["tile", image, "--out", join(out, "labels.png"), "-q"]
        const run = yield* Command.start(tile("docs/images/sample.jpg"), { env: { TMPDIR: within } })
        yield* eventually(() => ours().length === 1)
        run.process.kill(signal)
        const ended = yield* Effect.promise(() => run.ended)
        if (code !== undefined) assert.strictEqual(ended.code, code)
        assert.strictEqual(ours().length, left)
        assert.strictEqual((yield* Command.runProcess(tile(small), { env: { TMPDIR: within } })).code, 0)
        assert.deepStrictEqual(ours(), [])
      })
    )
  }
})
