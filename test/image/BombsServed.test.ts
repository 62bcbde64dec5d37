/** Small files that would take gigabytes, sent to `segformer serve` as a process of its own: refused, in little memory. */
import { existsSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Fixtures } from "effect-segformer/testing"
import { start } from "../support/Command.ts"
import { eventually } from "../support/Eventually.ts"
import * as bombs from "./bombs.ts"

const MOST = 64 * 2 ** 20

/** The most memory that a process has held, in bytes; 0 where a system does not say. */
const peak = (pid: number | undefined): number => {
  const path = `/proc/${pid}/status`
  return existsSync(path) ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync(path, "utf8"))?.[1] ?? 0) * 1024 : 0
}

const post = (url: string, path: string, type: string, body: string | Uint8Array) =>
  Effect.promise(async () => {
    const sent = typeof body === "string" ? body : Uint8Array.from(body)
    const response = await fetch(url + path, {
      method: "POST",
      headers: { "content-type": type },
      body: sent
    })
    return { status: response.status, text: await response.text() }
  })

/** To /v1 as bytes, and to dialects that take images in JSON. */
const everywhere = (url: string, bytes: Uint8Array) =>
  Effect.gen(function* () {
    const answers = { v1: yield* post(url, "/v1/segment", "application/octet-stream", bytes) }
    const more = yield* Effect.forEach(Object.entries(bombs.json(bytes)), ([name, { body, path }]) =>
      Effect.map(post(url, path, "application/json", body), (answer) => [name, answer] as const)
    )
    return Object.entries({ ...answers, ...Object.fromEntries(more) })
  })

describe("segformer serve, met by small files that would take gigabytes", () => {
  it.live("refuses each, in little memory, and goes on", () =>
    Effect.gen(function* () {
      const protocols = ["--protocol", "openinference,imageprocessing"]
      const running = yield* start(["serve", "--port", "0", "--no-page", ...protocols])
      yield* eventually(() => / at http:\/\/\S+/.test(running.stderr()) || running.process.exitCode !== null)
      const url = / at (http:\/\/[^\s/;(]+)/.exec(running.stderr())?.[1]
      if (url === undefined) return assert.fail(running.stderr())
      // What is loaded for any image is no part of what a bomb costs.
      for (const [name, { status, text }] of yield* everywhere(url, Fixtures.image))
        assert.strictEqual(status, 200, `${name}: ${text.slice(0, 300)}`)
      const held = peak(running.process.pid)
      for (const [file, bytes] of Object.entries(yield* Effect.promise(bombs.all))) {
        for (const [name, { status, text }] of yield* everywhere(url, bytes)) {
          const said = `${name} of ${file}: ${text.slice(0, 300)}`
          assert.isTrue(status >= 400 && status < 500, `${status}, ${said}`)
        }
        assert.isBelow(peak(running.process.pid) - held, MOST, `bytes held after ${file}`)
      }
      for (const [name, { status }] of yield* everywhere(url, Fixtures.image))
        assert.strictEqual(status, 200, name)
    }).pipe(Effect.scoped)
  )
})
