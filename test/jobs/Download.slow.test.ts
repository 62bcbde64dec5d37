/** A gigabyte over a connection that breaks ten times. */
import { fork } from "node:child_process"
import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as FileServer from "../support/FileServer.ts"
import { folder } from "../support/Folder.ts"
import type { Told } from "./downloader.ts"

const size = 1024 ** 3

/** The downloader in a process of its own. */
const told = (url: string, folder: string): Effect.Effect<Told> =>
  Effect.callback((resume) => {
    const script = fileURLToPath(new URL("downloader.ts", import.meta.url))
    const child = fork(script, [url, folder], { execArgv: ["-C", "effect-segformer-source"] })
    child.on("message", (message: Told) => resume(Effect.succeed(message)))
    child.on("exit", (code) => resume(Effect.die(new Error(`the downloader ended with ${code}`))))
    return Effect.sync(() => void child.kill())
  })

it.live(
  "a download of 1 GiB that is cut ten times ends with the right SHA-256, in little memory, and is never half there",
  () =>
    Effect.gen(function* () {
      const cuts = Array.from({ length: 10 }, () => Math.floor(Math.random() * size)).sort((a, b) => a - b)
      const server = yield* FileServer.make(size, [
        { size: 2 ** 27 },
        ...cuts.map((cutAt) => ({ cutAt })),
        {}
      ])
      const path = yield* folder()
      const place = join(path, "large.bin")
      const seen = new Set<number>()
      const watch = setInterval(() => {
        if (existsSync(place)) seen.add(statSync(place).size)
      }, 1)
      yield* Effect.addFinalizer(() => Effect.sync(() => clearInterval(watch)))

      const { file, memory } = yield* told(server.url, path)
      const at = `cuts at ${cuts.join(", ")}`
      const sha256 = FileServer.digestOf(size).toString("hex")
      assert.deepStrictEqual([file.size, file.sha256, file.resumes], [size, sha256, 10], at)
      assert.deepStrictEqual(
        [...seen].filter((length) => length !== size),
        []
      )
      assert.deepStrictEqual(readdirSync(path), ["first.bin", "large.bin"])
      // A sixteenth of the file.
      assert.isBelow(memory / 1024 ** 2, 64)
    }).pipe(Effect.scoped)
)
