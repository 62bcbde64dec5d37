/** The application of docs/examples/app as its programs are started; its own tests are beside it. */
import { spawn } from "node:child_process"
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../support/Eventually.ts"
import { folder } from "../support/Folder.ts"
import { freePort } from "../support/TestServer.ts"

const app = "docs/examples/app"
const sample = "docs/images/sample.jpg"

const start = (program: string, args: ReadonlyArray<string>, env: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(
        process.execPath,
        ["-C", "effect-segformer-source", join(app, "src", program), ...args],
        { env: { ...process.env, ...env } }
      )
      const said = { out: "", err: "" }
      child.stdout.on("data", (chunk) => (said.out += String(chunk)))
      child.stderr.on("data", (chunk) => (said.err += String(chunk)))
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
      return { child, said, ended }
    }),
    ({ child, ended }) =>
      Effect.promise(() => {
        child.kill("SIGTERM")
        return ended
      })
  )

describe("docs/examples/app", () => {
  it("is short, and gives up no types", () => {
    const files = globSync(`${app}/{src,test}/*.ts`).map((path) => readFileSync(path, "utf8"))
    assert.isAtLeast(files.length, 8)
    const lines = files.reduce((sum, text) => sum + text.trimEnd().split("\n").length, 0)
    assert.isBelow(lines, 200)
    for (const text of files) {
      const code = text.replaceAll(/\/\*\*[\s\S]*?\*\//g, "").replaceAll(/import \* as/g, "import")
      assert.notMatch(code, /\bas [A-Z\w{[(]|\bany\b|@ts-|!\./)
    }
  })

  it.live("its script prints a line for each panel, and fails for one that is none", () =>
    Effect.gen(function* () {
      const missing = join(yield* folder({}), "missing.png")
      const { ended, said } = yield* start("Script.ts", [sample, missing], { MIN_PIXELS: "1000" })
      assert.strictEqual(yield* Effect.promise(() => ended), 1)
      assert.match(said.out, /^docs\/images\/sample\.jpg: 4\.\d % damaged, \d+ defects$/m)
      assert.match(said.err, /NotFound/)
    }).pipe(Effect.scoped)
  )

  it.live("a wrong environment is told by its name", () =>
    Effect.gen(function* () {
      const { ended, said } = yield* start("Script.ts", [sample], { MIN_PIXELS: "few" })
      assert.strictEqual(yield* Effect.promise(() => ended), 1)
      assert.include(said.err, "MIN_PIXELS")
    }).pipe(Effect.scoped)
  )

  it.live("its server answers by the contract, and stops when it is told to", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const { child, ended, said } = yield* start("Server.ts", [], { PORT: String(port) })
      yield* eventually(() => (said.out + said.err).includes(`http://127.0.0.1:${port}`))
      const body = new Uint8Array(readFileSync(sample))
      const headers = { "content-type": "application/octet-stream" }
      const response = yield* Effect.promise(() =>
        fetch(`http://127.0.0.1:${port}/panels/a.jpg`, { method: "POST", body, headers })
      )
      assert.strictEqual(response.status, 200)
      const report: { readonly defects: ReadonlyArray<unknown> } = JSON.parse(
        yield* Effect.promise(() => response.text())
      )
      assert.isAbove(report.defects.length, 1)
      child.kill("SIGTERM")
      assert.oneOf(yield* Effect.promise(() => ended), [0, 130])
    }).pipe(Effect.scoped)
  )

  it.live("its worker writes a report beside what is put into its folder", () =>
    Effect.gen(function* () {
      const inbox = join(yield* folder(), "inbox")
      mkdirSync(inbox)
      writeFileSync(join(inbox, "a.jpg"), readFileSync(sample))
      yield* start("Worker.ts", [], { INBOX: inbox })
      yield* eventually(() => globSync(join(inbox, "a.jpg.json")).length === 1)
      yield* eventually(() => readFileSync(join(inbox, "a.jpg.json"), "utf8").endsWith("}"))
      assert.include(readFileSync(join(inbox, "a.jpg.json"), "utf8"), '"kind":"scratch"')
    }).pipe(Effect.scoped)
  )
})
