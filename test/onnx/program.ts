/** A program around a session, started by the tests of how such programs end: `node program.ts HOW`. */
import { fileURLToPath } from "node:url"
import { Effect, Exit, Scope } from "effect"
import { defaults } from "../../src/image/Preprocessing.ts"
import * as NativeRuntime from "../../src/onnx/native/NativeRuntime.ts"
import * as SessionPool from "../../src/onnx/session/SessionPool.ts"

const [how = "", size = "64"] = process.argv.slice(2)
const side = Number(size)
const scope = Scope.makeUnsafe()
const pool = await Effect.runPromise(
  SessionPool.make({
    runtime: NativeRuntime.runtime,
    model: "slow",
    sessions: 1,
    gracePeriod: 100,
    load: {
      weights: { _tag: "File", path: fileURLToPath(new URL("./fixtures/slow.onnx", import.meta.url)) },
      threads: 1,
      expected: { classes: 0 },
      preprocessing: { ...defaults, size: { width: side, height: side } }
    }
  }).pipe(Effect.provideService(Scope.Scope, scope))
)
console.log(JSON.stringify(await Effect.runPromise(pool.pids)))
const run = Effect.runPromise(
  pool.predict({ width: 8, height: 8, data: new Uint8Array(192), confidence: false })
)
run.catch(() => {})
switch (how) {
  case "close":
    await run
    await Effect.runPromise(Scope.close(scope, Exit.void))
    break
  case "leave open":
    await run
    break
  case "exit":
    setTimeout(() => process.exit(7), 300)
    break
  case "throw":
    setTimeout(() => {
      throw new Error("a bug elsewhere")
    }, 300)
}
