import { execFile } from "node:child_process"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import * as HuggingFaceServer from "../http/servers/HuggingFaceServer.ts"
import * as InspectionServer from "../http/servers/InspectionServer.ts"
import * as OpenInferenceServer from "../http/servers/OpenInferenceServer.ts"
import { folder } from "../support/Folder.ts"
import * as TestServer from "../support/TestServer.ts"

/** Runs an example as its first lines say, in a process of its own. */
const run = (file: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.callback<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resume) => {
    const child = execFile(
      process.execPath,
      ["-C", "effect-segformer-source", `docs/examples/${file}`, ...args],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) =>
        resume(Effect.succeed({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }))
    )
    return Effect.sync(() => child.kill())
  })

const panel = Effect.map(folder({ "panel.png": Fixtures.image }), (path) => join(path, "panel.png"))

describe("docs/examples", () => {
  it.live("segment-file prints the regions of a file", () =>
    Effect.gen(function* () {
      const server = yield* InspectionServer.make
      const { code, stdout } = yield* run("segment-file.ts", [yield* panel], {
        SEGFORMER_SERVICE_URL: server.url
      })
      assert.strictEqual(stdout, "1_PI_Particle: 24 pixels at 10, 5\nafter 1 attempt(s)\n")
      assert.strictEqual(code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("segment-file says in one line what is wrong with its file, and fails", () =>
    Effect.gen(function* () {
      const missing = join(yield* folder({}), "panel.png")
      const { code, stderr } = yield* run("segment-file.ts", [missing])
      assert.strictEqual(stderr, `There is no image at ${missing}\n`)
      assert.strictEqual(code, 1)
    }).pipe(Effect.scoped)
  )

  it.live("fallback asks the second service where the first is not available", () =>
    Effect.gen(function* () {
      const down = yield* TestServer.http((_, response) =>
        TestServer.sendJson(response, { error: "maintenance" }, 503)
      )
      const up = yield* InspectionServer.make
      const { stdout } = yield* run("fallback.ts", [yield* panel, down.url, up.url])
      assert.match(stdout, /^1 region\(s\)$/m)
      assert.strictEqual(down.requests.length, 2)
      assert.strictEqual(up.requests.length, 1)
    }).pipe(Effect.scoped)
  )

  it.live("fallback asks the second service where nobody answers at the first's address", () =>
    Effect.gen(function* () {
      const port = yield* TestServer.closedPort
      const up = yield* InspectionServer.make
      const { code, stdout } = yield* run("fallback.ts", [yield* panel, `http://127.0.0.1:${port}`, up.url])
      assert.match(stdout, /^1 region\(s\)$/m)
      assert.strictEqual(code, 0)
    }).pipe(Effect.scoped)
  )

  it.live("hedge asks the second service where the first takes too long, and lets go of the first", () =>
    Effect.gen(function* () {
      const slow = yield* TestServer.http(() => {})
      const quick = yield* InspectionServer.make
      const { code, stdout } = yield* run("hedge.ts", [yield* panel, slow.url, quick.url])
      assert.strictEqual(stdout, "1 region(s)\n")
      assert.deepStrictEqual([slow.requests.length, quick.requests.length, code], [1, 1, 0])
    }).pipe(Effect.scoped)
  )

  it.live("fake runs without a network", () =>
    Effect.gen(function* () {
      const { stdout } = yield* run("fake.ts", [])
      assert.match(stdout, /48 x 32 after 2 attempts/)
    })
  )

  it.live("change-service finds the same through the old service and the new one", () =>
    Effect.gen(function* () {
      const before = yield* HuggingFaceServer.make
      const after = yield* OpenInferenceServer.make({ binary: true })
      const { code, stderr, stdout } = yield* run("change-service.ts", [yield* panel, before.url, after.url])
      assert.strictEqual(stderr, "")
      const [first = "", second = ""] = stdout.split("after\n")
      assert.match(first, /^before\nbackground: \d+ pixels\nparticle: \d+ pixels\nscratch: \d+ pixels\n$/)
      assert.strictEqual(`before\n${second}`, first)
      assert.strictEqual(code, 0)
    }).pipe(Effect.scoped)
  )
})
