/**
 * Bodies that are too large, each read in a process of its own: peak memory of the reader above what it was before.
 * The limits of these rows are 16 MiB, before and after decompression; the answer is to stop there.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Effect, Exit, Scope } from "effect"
import * as Faulty from "../../src/testing/FaultyService.ts"
import { eventually, hangs } from "../support/Eventually.ts"
import type { Line } from "./Harness.ts"

/** What a reader tells when it has settled. */
export interface Told {
  readonly tag: string
  readonly millis: number
  /** Peak above the start, in bytes. */
  readonly memory: number
  readonly bytes: number
  readonly fibers: number
  readonly timers: number
}

const allowed = 64 * 1024 * 1024
const two = 2_000_000_000
/** What Node's sockets leave to the collector where a body comes in pieces: undici joins them, and nobody can free its own. */
const asNode = 192 * 1024 * 1024

interface MemoryRow {
  readonly fault: string
  readonly script: Faulty.Script
  /** What the reader does. */
  readonly act: "segment" | "download" | "upload" | "segment over fetch" | "undici alone"
  readonly tag: string
  /** How many bytes must have gone through. */
  readonly bytes?: number
  /** Peak above the start, in bytes, where it is not what every row is allowed. */
  readonly allowed?: number
}

const bombs = (["gzip", "deflate", "br", "zstd"] as const).map((encoding): MemoryRow => ({
  fault: `a bomb of ${encoding}, 512 MiB of zeros`,
  script: [Faulty.bomb(encoding)],
  act: "segment",
  tag: "ResponseTooLarge"
}))

const table: ReadonlyArray<MemoryRow> = [
  {
    fault: "a body of 10 GB, its length not announced",
    script: [Faulty.endless()],
    act: "segment",
    tag: "ResponseTooLarge"
  },
  {
    fault: "a body of 10 GB, its length announced",
    script: [Faulty.endless({ announced: true })],
    act: "segment",
    tag: "ResponseTooLarge"
  },
  ...bombs,
  {
    fault: "a bomb of gzip, over fetch",
    script: [Faulty.bomb("gzip")],
    act: "segment over fetch",
    tag: "ResponseTooLarge"
  },
  {
    fault: "2 GB streamed down",
    script: [Faulty.endless({ bytes: two, announced: true })],
    act: "download",
    tag: "success",
    bytes: two
  },
  {
    fault: "2 GB streamed down, its length not announced",
    script: [Faulty.endless({ bytes: two })],
    act: "download",
    tag: "success",
    bytes: two,
    allowed: asNode
  },
  {
    fault: "(2 GB streamed down by undici alone, to compare)",
    script: [Faulty.endless({ bytes: two, announced: true })],
    act: "undici alone",
    tag: "success",
    bytes: two,
    allowed: Infinity
  },
  { fault: "2 GB streamed up", script: [Faulty.json({})], act: "upload", tag: "success", bytes: two }
]

const play = async (row: MemoryRow): Promise<Line> => {
  const scope = Effect.runSync(Scope.make())
  const server = await Effect.runPromise(Scope.provide(Faulty.make(row.script), scope))
  const script = fileURLToPath(new URL("reader.ts", import.meta.url))
  const child = fork(script, [row.act, server.url], {
    execArgv: ["-C", "effect-segformer-source", "--expose-gc"]
  })
  const timer = setTimeout(() => child.kill(), hangs)
  const settled = new AbortController()
  const { signal } = settled
  const gone = once(child, "exit", { signal }).then((): [Told | undefined] => [undefined])
  gone.catch(() => {})
  const [told] = (await Promise.race([once(child, "message", { signal }), gone])) as [Told | undefined]
  settled.abort()
  clearTimeout(timer)
  // The reader has closed its client: what it left open would still be there.
  await Effect.runPromiseExit(eventually(() => server.sockets === 0))
  const sockets = row.act === "segment over fetch" ? 0 : server.sockets
  const attempts = server.requests.length
  const uploaded = server.requests.at(-1)?.bodyBytes ?? 0
  child.kill()
  await Effect.runPromise(Scope.close(scope, Exit.void))

  const wrong: Array<string> = []
  if (told === undefined) wrong.push("the reader died")
  else {
    if (told.tag !== row.tag) wrong.push(`${told.tag} is not ${row.tag}`)
    if (told.memory > (row.allowed ?? allowed))
      wrong.push(`${(told.memory / 1e6).toFixed(0)} MB above the start`)
    const bytes = row.act === "upload" ? uploaded : told.bytes
    if (row.bytes !== undefined && bytes !== row.bytes) wrong.push(`${bytes} bytes went through`)
    if (sockets + told.fibers + told.timers > 0) wrong.push("something is left")
  }
  if (attempts !== 1) wrong.push(`${attempts} attempts`)
  return {
    fault: row.fault,
    calls: 1,
    outcomes: told?.tag ?? "",
    attempts,
    millis: told?.millis ?? 0,
    sockets,
    fibers: told?.fibers ?? 0,
    timers: told?.timers ?? 0,
    memory: (told?.memory ?? 0) / 1e6,
    wrong: wrong.join("; ")
  }
}

export const memoryRows = table.map((row) => ({ fault: row.fault, play: () => play(row) }))
