/** What listing a hundred thousand names takes of memory, each in a process of its own. */
import { execFile } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { flagsOf } from "../../src/cli/LeanProcess.ts"
import { folder } from "../support/Folder.ts"

const subject = fileURLToPath(new URL("../bench/names/subject.ts", import.meta.url))
const count = 100_000

/** Mebibytes that a listing may take at most: 100 MB, and a quarter more for machines that collect later. */
const most = (1.25 * 100e6) / 2 ** 20

/** Mebibytes that a command may go on with: its names, and little beside them. That of `eval` lists two folders. */
const held = { segment: 20, batch: 5, export: 14, eval: 9 } as const

describe("a folder of 100,000 names", () => {
  it.live("is listed in little memory by every command", () =>
    Effect.gen(function* () {
      const root = yield* folder()
      for (let i = 0; i < count; i++) writeFileSync(join(root, `panel-${i}.png`), "")
      for (const [name, allowed] of Object.entries(held)) {
        const args = ["--expose-gc", ...flagsOf(name), "-C", "effect-segformer-source", subject, name, root]
        const { stdout } = yield* Effect.promise(() => promisify(execFile)(process.execPath, args))
        const listed = JSON.parse(stdout)
        assert.strictEqual(listed.count, count, name)
        assert.isBelow(listed.held, allowed, `MiB held by ${name}`)
        assert.isBelow(listed.peak, most, `MiB at most, ${name}`)
      }
    }).pipe(Effect.scoped)
  )
})
