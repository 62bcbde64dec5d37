/** The command where ONNX Runtime has no binary. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Command from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

const sample = fileURLToPath(new URL("../../docs/images/sample.jpg", import.meta.url))
const hook = new URL("../onnx/fixtures/without-binary.mjs", import.meta.url)

describe("segformer segment without a binary", () => {
  it.live("runs the model in WebAssembly, says so, and finds the same", () =>
    Effect.gen(function* () {
      const args = ["segment", sample]
      const env = { NODE_OPTIONS: `--import=${hook.href}` }
      const [here, there] = [yield* folder({}), yield* folder({})]
      const web = yield* Command.start(args, { cwd: here, env })
      const native = yield* Command.start(args, { cwd: there })
      const { code, stderr } = yield* Effect.promise(() => web.ended)
      assert.strictEqual(code, 0, stderr)
      assert.match(stderr, /The model runs in WebAssembly, .*onnxruntime-node does not load/)
      const ended = yield* Effect.promise(() => native.ended)
      assert.strictEqual(ended.code, 0, ended.stderr)
      assert.notMatch(ended.stderr, /WebAssembly/)
      const labels = (cwd: string) => readFileSync(join(cwd, "segformer-out", "sample.labels.png"))
      assert.isTrue(labels(here).equals(labels(there)))
    }).pipe(Effect.scoped)
  )
})
