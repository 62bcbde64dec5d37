/** Commands that are stopped while they wait for a service that takes requests and never answers: each says so in one line. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import { run } from "../support/Command.ts"
import { eventually } from "../support/Eventually.ts"
import { folder, names } from "../support/Folder.ts"
import { http } from "../support/TestServer.ts"

const anew = "stopped before it was done. Nothing is half written: the same command begins anew"

const commands: ReadonlyArray<readonly [name: string, words: string, said: string]> = [
  ["segment", "segment a.png b.png --out out --url", "stopped: 0 of 2 images are done"],
  ["segment of one, quiet", "segment a.png --out out --quiet --url", "stopped: 0 of 1 image is done"],
  ["batch", "batch . --out out --url", "stopped. The same command goes on from here"],
  ["batch in JSON", "batch . --out out --json --url", "stopped. The same command goes on from here"],
  ["tile", "tile a.png --out out/a.tif --url", "stopped: out/a.tif is not written"],
  ["health", "health --url", anew],
  ["health in JSON", "health --json --url", anew],
  ["probe", "probe", anew],
  ["serve", "serve --port 0 --url", "stopped before it was ready: nothing was served"]
]

describe("a service that never answers", () => {
  it.live.each(commands)("%s", ([, words, said]) =>
    Effect.gen(function* () {
      const server = yield* http(() => {})
      const cwd = yield* folder({ "a.png": Fixtures.image, "b.png": Fixtures.image })
      const { code, stderr, stdout } = yield* run([...words.split(" "), server.url], {
        cwd,
        until: eventually(() => server.requests.length > 0)
      })
      assert.deepStrictEqual([code, stdout, stderr], [130, "", `segformer: ${said}\n`])
      assert.deepStrictEqual(
        names(cwd).filter((name) => name !== "out"),
        ["a.png", "b.png"]
      )
      assert.notInclude(names(cwd).includes("out") ? names(join(cwd, "out")) : [], "a.tif")
    }).pipe(Effect.scoped)
  )
})
