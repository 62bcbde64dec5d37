/** What takes seconds because it waits for them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import { closedPort } from "../support/TestServer.ts"

describe("retries", () => {
  it.live("of an image's address are not told one by one: a dead one is one line", () =>
    Effect.gen(function* () {
      const address = `http://127.0.0.1:${yield* closedPort}/a.png`
      const cwd = yield* folder()
      const { code, stderr } = yield* run(["segment", address], { cwd })
      assert.strictEqual(code, 3)
      assert.match(stderr, /^segformer: Cannot reach [^\n]*ECONNREFUSED[^\n]*\n$/)
    }).pipe(Effect.scoped)
  )
})
