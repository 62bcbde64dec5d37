/** The command where ONNX Runtime has no binary. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Command from "../support/Command.ts"
import { folder } from "../support/Folder.ts"

const sample = fileURLToPath(new URL("../../docs/images/sample.jpg", import.meta.url))
const hooks = [
  ["without-binary", /The model runs in WebAssembly, .*onnxruntime-node does not load/],
  ["without-onnxruntime", /The model runs in WebAssembly, .*Cannot find package 'onnxruntime-node'/]
] as const

describe("segformer segment without a binary, or without its package", () => {
  it.live("runs the model in WebAssembly, says so, and finds the same", () =>
    Effect.gen(function* () {
      const labels = (cwd: string) => readFileSync(join(cwd, "segformer-out", "sample.labels.png"))
      const there = yield* folder({})
      const native = runProcess(there)
      const web = hooks.map(([name]) =>
        Effect.flatMap(folder({}), (cwd) => {
          const hook = new URL(`../onnx/fixtures/${name}.mjs`, import.meta.url)
          const ended = runProcess(cwd, { NODE_OPTIONS: `--import=${hook.href}` })
          return Effect.map(ended, (end) => ({ ...end, cwd }))
        })
      )
      const [plain, ...others] = yield* Effect.all([native, ...web], { concurrency: "unbounded" })
      assert.strictEqual(plain?.code, 0, plain?.stderr)
      assert.notMatch(plain?.stderr ?? "", /WebAssembly/)
      others.forEach((other, at) => {
        assert.strictEqual(other.code, 0, other.stderr)
        assert.match(other.stderr, hooks[at]![1])
        assert.isTrue("cwd" in other && labels(other.cwd).equals(labels(there)))
      })
    }).pipe(Effect.scoped)
  )

  it.live("does not run by what was not asked for", () =>
    Effect.gen(function* () {
      const hook = new URL("../onnx/fixtures/without-onnxruntime.mjs", import.meta.url)
      const env = { NODE_OPTIONS: `--import=${hook.href}` }
      const { code, stderr } = yield* runProcess(yield* folder({}), env, "--provider", "cuda")
      assert.notStrictEqual(code, 0)
      assert.match(stderr, /npm install onnxruntime-node/)
    }).pipe(Effect.scoped)
  )
})

const runProcess = (cwd: string, env: Record<string, string> = {}, ...more: ReadonlyArray<string>) =>
  Effect.flatMap(Command.start(["segment", sample, ...more], { cwd, env }), ({ ended }) =>
    Effect.promise(() => ended)
  )
