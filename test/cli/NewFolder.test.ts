/** Folders that the command makes for its results. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "../support/Command.ts"
import { folder, names } from "../support/Folder.ts"

describe("segformer segment", () => {
  it.live("leaves no folder behind that it made for results of which there are none", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "a.png": "text" })
      mkdirSync(join(cwd, "mine"))
      for (const out of ["new", "new/deep", "mine", "mine/new/deep"]) {
        assert.strictEqual((yield* run(["segment", "a.png", "--out", out], { cwd })).code, 1)
      }
      assert.deepStrictEqual(names(cwd), ["a.png", "mine"])
      assert.deepStrictEqual(names(join(cwd, "mine")), [])
    }).pipe(Effect.scoped)
  )
})
