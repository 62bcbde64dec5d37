/** What every row of the table shares: a server of ours on a socket, what a stranger writes to it, and what must come back. */
import assert from "node:assert/strict"
import { connect } from "node:net"
import { Effect, Redacted, type Scope } from "effect"
import type { SegFormerServer, SegFormerServerOptions } from "effect-segformer/server"
import { Fixtures } from "effect-segformer/testing"
import { eventually, hangs } from "../support/Eventually.ts"
import { steadily } from "../support/Steadily.ts"
import { serve } from "../server/support.ts"

/** One attack. `run` gives what was seen, in a few words, and fails where it is not what must be. */
export interface Attack {
  readonly kind: string
  readonly attack: string
  /** What must come of it, in words. */
  readonly must: string
  readonly run: Effect.Effect<string, unknown, Scope.Scope>
}

export const token = "correct-horse-battery-staple"
export const tokens = [Redacted.make("another-token-of-somebody"), Redacted.make(token)]

/** Writes to a port, and gives all that comes back until the other side closes, or says no more for so many milliseconds. */
export const talk = (port: number, written: string | Uint8Array, silence = 1500): Effect.Effect<string> =>
  Effect.suspend(() => {
    const chunks: Array<Buffer> = []
    const closed = Effect.callback<void>((resume) => {
      const socket = connect(port, "127.0.0.1", () => socket.write(written))
      socket.on("data", (chunk) => chunks.push(chunk))
      socket.on("error", () => {})
      socket.on("close", () => resume(Effect.void))
      return Effect.sync(() => socket.destroy())
    })
    const silent = Effect.gen(function* () {
      for (let heard = -1; heard < chunks.length; yield* Effect.sleep(silence)) heard = chunks.length
    })
    return Effect.map(Effect.race(closed, silent), () => Buffer.concat(chunks).toString("latin1"))
  })

/** The statuses of the answers in what came back. */
export const statuses = (answer: string): ReadonlyArray<number> =>
  Array.from(answer.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status))

/** A request by hand. */
export const request = (
  first: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | undefined = undefined
): string => {
  const all: Record<string, string> = { host: "localhost", connection: "close", ...headers }
  if (body !== undefined) all["content-length"] ??= String(Buffer.byteLength(body))
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${first} HTTP/1.1\r\n${lines.join("")}\r\n${body ?? ""}`
}

export interface Asked {
  readonly kind: string
  readonly attack: string
  /** The status of each answer, or any of several. */
  readonly status: number | ReadonlyArray<number>
  readonly written: string | Uint8Array | ((server: SegFormerServer["Service"]) => string | Uint8Array)
  readonly options?: SegFormerServerOptions | undefined
  /** Images that may be segmented for it. None by default. */
  readonly segmented?: number | undefined
  /** Must not be in any answer. */
  readonly secret?: string | undefined
}

/** A request that is answered once, with a status of these, while the server goes on. */
export const asked = (row: Asked): Attack => {
  const wanted = typeof row.status === "number" ? [row.status] : row.status
  return {
    kind: row.kind,
    attack: row.attack,
    must: wanted.join(" or "),
    run: Effect.gen(function* () {
      let segmented = 0
      const predict = () =>
        Effect.sync(() => {
          segmented++
          return Fixtures.prediction
        })
      const server = yield* serve(predict, row.options)
      const answer = yield* talk(
        server.port,
        typeof row.written === "function" ? row.written(server) : row.written
      )
      const seen = statuses(answer)
      assert.equal(seen.length, 1, `there is one answer, and not ${seen.length}: ${answer.slice(0, 200)}`)
      assert.ok(wanted.includes(seen[0]!), `it is ${wanted.join(" or ")}: ${answer.slice(0, 300)}`)
      assert.equal(segmented, row.segmented ?? 0, "images segmented")
      if (row.secret !== undefined) assert.ok(!answer.includes(row.secret), "the secret is in the answer")
      assert.deepEqual(statuses(yield* talk(server.port, request("GET /health"))), [200], "it goes on")
      return String(seen[0])
    })
  }
}

/** Runs a row, and says what does not hold; empty where all does. */
export const play = async (row: Attack): Promise<{ readonly seen: string; readonly wrong: string }> => {
  const exit = await Effect.runPromiseExit(
    Effect.scoped(row.run).pipe(
      steadily,
      Effect.timeoutOrElse({ duration: 5 * hangs, orElse: () => Effect.die("it did not settle") })
    )
  )
  if (exit._tag === "Success") return { seen: exit.value, wrong: "" }
  const [reason] = exit.cause.reasons
  const cause = reason?._tag === "Fail" ? reason.error : reason?._tag === "Die" ? reason.defect : reason
  return { seen: "", wrong: (cause instanceof Error ? cause.message : String(cause)).replaceAll(/\s+/g, " ") }
}

export { assert, eventually, serve }
