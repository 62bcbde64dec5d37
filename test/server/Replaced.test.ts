/** A program that is updated while it runs lacks what it has not loaded yet: it says to restart it, and does not look broken. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
import { Fixtures } from "effect-segformer/testing"
import * as Refusal from "../../src/server/Refusal.ts"
import { ask, serve } from "./support.ts"

/** As Node says it of a file, of a package, and of a file that is another by now; as Deno and browsers do. */
const gone = [
  Object.assign(new Error("Cannot find module '/app/OtherHeaders.js' imported from /app/ImageOpening.js"), {
    code: "ERR_MODULE_NOT_FOUND"
  }),
  new SyntaxError("The requested module './Readout.js' does not provide an export named 'fitted'"),
  new TypeError('Module not found "file:///app/Page.js".')
]

describe("a service whose package was replaced", () => {
  it.effect("says to restart it, in its log and by a 503, and is a 500 by any other defect", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const of = (defect: unknown) =>
        Effect.provide(Refusal.ofDefect("POST /v1/segment", defect), Logger.layer([logger]))
      for (const defect of gone) {
        const { detail, status } = yield* of(defect)
        assert.deepStrictEqual(
          [status, detail],
          [503, "The service was updated while it runs, and must be restarted"]
        )
        assert.match(
          lines.at(-1) ?? "",
          /^POST \/v1\/segment failed since .* updated while it runs. Restart it/
        )
      }
      const missing = new Error("Cannot find module 'sharp'\nRequire stack:")
      for (const defect of [
        missing,
        new Error("a bug"),
        new TypeError("x is not a function"),
        undefined,
        "text"
      ])
        assert.strictEqual((yield* of(defect)).status, 500)
      assert.match(lines.at(-1) ?? "", /failed by a defect/)
    })
  )

  it.live("answers so over HTTP", () =>
    Effect.gen(function* () {
      const { url } = yield* serve(() => Effect.die(gone[0]))
      const answer = yield* ask(`${url}/v1/segment`, {
        method: "POST",
        body: Uint8Array.from(Fixtures.image)
      })
      assert.strictEqual(answer.status, 503)
      assert.match(JSON.stringify(answer.json), /must be restarted/)
    })
  )
})
