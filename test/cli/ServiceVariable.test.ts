/** `SEGFORMER_SERVICE_URL`: who segments where the command line names nobody. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import { run } from "../support/Command.ts"
import { folder } from "../support/Folder.ts"
import { http, sendJson } from "../support/TestServer.ts"
import { answer } from "./services.ts"

const service = Effect.gen(function* () {
  const asked: Array<string> = []
  const server = yield* http(({ method, path }, response) => {
    if (method === "POST") asked.push(path)
    return method === "POST" ? sendJson(response, answer) : sendJson(response, { status: "ok" })
  })
  const env = { SEGFORMER_SERVICE_URL: server.url, SEGFORMER_PROTOCOL: "custom", SEGFORMER_PATH: "/segment" }
  return { asked, env, url: server.url }
})

describe("SEGFORMER_SERVICE_URL", () => {
  it.live("is the service of every command that segments, and each says so", () =>
    Effect.gen(function* () {
      const { asked, env, url } = yield* service
      const cwd = yield* folder({ "in/a.png": Fixtures.image })
      for (const [times, args] of [
        ["segment", "in/a.png", "--out", "one"],
        ["batch", "in", "--out", "many"],
        ["tile", "in/a.png", "--out", "tiled.png"]
      ].entries()) {
        const { code, stderr } = yield* run(args, { cwd, env })
        assert.strictEqual(code, 0, stderr)
        assert.include(stderr, `${url}/ segments, as SEGFORMER_SERVICE_URL says`)
        assert.isAbove(asked.length, times)
      }
      const health = yield* run(["health"], { cwd, env })
      assert.strictEqual(health.code, 0, health.stderr)
      assert.include(health.stdout, url)
      const quiet = yield* run(["segment", "in/a.png", "--out", "two", "--quiet"], { cwd, env })
      assert.deepStrictEqual([quiet.code, quiet.stderr, quiet.stdout], [0, "", ""])
    }).pipe(Effect.scoped)
  )

  it.live("is nothing where somebody else is named, or it is empty", () =>
    Effect.gen(function* () {
      const { asked, env } = yield* service
      const cwd = yield* folder({ "a.png": Fixtures.image })
      const own = yield* run(["segment", "a.png"], { cwd, env: { ...env, SEGFORMER_SERVICE_URL: "" } })
      assert.deepStrictEqual([own.code, own.stderr], [0, ""])
      const cpu = yield* run(["segment", "a.png", "--provider", "cpu"], { cwd, env })
      assert.deepStrictEqual([cpu.code, cpu.stderr], [0, ""])
      const other = yield* run(["health", "--model", "nowhere/model.onnx"], { cwd, env })
      assert.notInclude(other.stderr, "SEGFORMER_SERVICE_URL")
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.scoped)
  )

  it.live("is said to be wrong where it is, and never repeated", () =>
    Effect.gen(function* () {
      const cwd = yield* folder({ "a.png": Fixtures.image })
      for (const url of ["localhost:8080", "http://me:hunter2@127.0.0.1:9"]) {
        const { code, stderr } = yield* run(["segment", "a.png"], {
          cwd,
          env: { SEGFORMER_SERVICE_URL: url }
        })
        assert.strictEqual(code, 2)
        assert.match(stderr, /the configuration is not usable: SEGFORMER_SERVICE_URL must/)
        assert.notInclude(stderr, "hunter2")
      }
      assert.isFalse(existsSync(join(cwd, "segformer-out")))
    }).pipe(Effect.scoped)
  )

  it.live("is compared with a model, and said to be passed over beside a precision of the model here", () =>
    Effect.gen(function* () {
      const { asked, env } = yield* service
      const cwd = yield* folder({ "in/a.png": Fixtures.image })
      const model = yield* run(["eval", "in", "--against", "./nowhere.onnx"], { cwd, env })
      assert.include(model.stderr, "segments, as SEGFORMER_SERVICE_URL says")
      const precision = yield* run(["eval", "in", "--against", "nonesuch"], { cwd, env })
      assert.include(
        precision.stderr,
        "the model in this package segments, and not the service of SEGFORMER_SERVICE_URL"
      )
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.scoped)
  )
})
