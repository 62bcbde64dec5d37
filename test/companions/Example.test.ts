import { execFile } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

/** Runs the example as its first lines say, in a process of its own. */
const run = (args: ReadonlyArray<string>) =>
  Effect.callback<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resume) => {
    const child = execFile(
      process.execPath,
      ["-C", "effect-segformer-source", "docs/examples/five-services.ts", ...args],
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }))
    )
    return Effect.sync(() => child.kill())
  })

describe("docs/examples/five-services", () => {
  it.live("lets Ada in, finds the objects, keeps them, tells her, and counts it", () =>
    Effect.gen(function* () {
      const { code, stderr, stdout } = yield* run([])
      assert.strictEqual(stderr, "")
      assert.strictEqual(code, 0)
      const lines = stdout.split("\n").filter((line) => !line.includes("INFO"))
      assert.match(lines[0]!, /^Project 1: sample\.jpg: [1-9]\d* particles, [1-9]\d* scratches$/)
      const said = lines[0]!.slice("Project 1: ".length)
      assert.sameMembers(lines.slice(1), [`To ada by email: ${said}`, "ada did detect sample.jpg", ""])
    })
  )

  it.live("lets nobody else in, and asks the others nothing", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* run(["sample.jpg", "token-of-nobody"])
      const lines = stdout.split("\n").filter((line) => !line.includes("INFO"))
      assert.deepStrictEqual(lines, ["Nobody is let in: the service refuses it (401)", ""])
      assert.strictEqual(code, 0)
    })
  )
})
