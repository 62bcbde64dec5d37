/** What modules do while they are loaded: workers such as Cloudflare's allow nothing random there. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { hangs } from "../support/Eventually.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

const program = `const refused = () => { throw new Error("drawn while a module is loaded") }
Object.defineProperty(crypto, "getRandomValues", { value: refused })
Object.defineProperty(crypto, "randomUUID", { value: refused })
Math.random = refused
for (const name of ["", "/http", "/image", "/server", "/service", "/mask", "/companions"])
  await import("effect-segformer" + name)
console.log("loaded")`

describe("modules", () => {
  it.live(
    "draw nothing while they are loaded",
    () =>
      Effect.gen(function* () {
        const printed = yield* Effect.promise(
          () =>
            new Promise<string>((resolve) => {
              execFile(
                process.execPath,
                ["-C", "effect-segformer-source", "--input-type=module", "-e", program],
                { cwd: root },
                (_, stdout, stderr) => resolve(`${stdout}${stderr}`)
              )
            })
        )
        assert.match(printed, /^loaded$/m)
      }),
    hangs
  )
})
