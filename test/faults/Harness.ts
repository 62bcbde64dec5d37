/**
 * What every row of the table shares: a service that misbehaves, real calls over a real client, and a look at what is
 * left when they have settled.
 */
import { NodeHttpClient } from "@effect/platform-node"
import { Effect, Exit, Fiber, Layer, Logger, Metric, type Scope } from "effect"
import { FetchHttpClient } from "effect/http"
import { ImageSource, segment, type Segmentation, type SegmentationError, Transport } from "effect-segformer"
import { SegFormerHttp } from "effect-segformer/http"
import { Chaos, Fixtures } from "effect-segformer/testing"
import * as FaultyService from "../../src/testing/FaultyService.ts"
import { uploadAnswer } from "../http/servers/InspectionServer.ts"
import { eventually, hangs } from "../support/Eventually.ts"
import { steadily } from "../support/Steadily.ts"
import * as Table from "../support/Table.ts"

/** An answer that is in order. */
export const good: FaultyService.Fault = FaultyService.json(uploadAnswer())

/** How one row went. */
export interface Seen {
  readonly exits: ReadonlyArray<Exit.Exit<unknown, SegmentationError>>
  readonly tags: ReadonlyArray<string>
  readonly errors: ReadonlyArray<SegmentationError>
  /** Requests that the service has read. */
  readonly requests: ReadonlyArray<FaultyService.SeenRequest>
  readonly executions: number
  readonly connections: number
  readonly mostAtOnce: number
  /** From the first call to the last outcome. */
  readonly millis: number
}

export interface Row {
  readonly fault: string
  readonly calls: number
  readonly run: Effect.Effect<Seen, never, Scope.Scope>
  /** Throws where it does not hold. */
  readonly holds: (seen: Seen) => void
}

/** One line of the table. */
export interface Line {
  readonly fault: string
  readonly calls: number
  readonly outcomes: string
  readonly attempts: number
  readonly millis: number
  readonly sockets: number
  readonly fibers: number
  readonly timers: number
  /** Megabytes above the start. */
  readonly memory: number
  /** What does not hold; empty where all does. */
  readonly wrong: string
}

/** Retries come soon, so that a table of many rows does not take all day; the tests of `policy/` know the real ones. */
export const quick = { attemptTimeout: "2 seconds", retry: { delay: "20 millis" } } as const

type Call = Effect.Effect<Segmentation, SegmentationError, Transport>

export interface Scenario {
  readonly fault: string
  readonly script: FaultyService.Script
  readonly service?: FaultyService.FaultyServiceOptions | undefined
  readonly http?: Partial<SegFormerHttp.SegFormerHttpOptions> | undefined
  readonly client?: "undici" | "fetch" | undefined
  /** Misfortunes between the program and the service. */
  readonly chaos?: Chaos.ChaosOptions | undefined
  /** How many calls, all at once. 1 by default. */
  readonly calls?: number | undefined
  /** What the callers do instead. */
  readonly act?:
    | ((
        call: Call,
        server: FaultyService.FaultyService
      ) => Effect.Effect<ReadonlyArray<Exit.Exit<unknown, SegmentationError>>, never, Transport>)
    | undefined
  /** Its connections must be closed also where the client keeps good ones. */
  readonly closes?: boolean | undefined
  readonly holds: (seen: Seen) => void
}

/** Nobody listens when it is called, and 200 ms later somebody does. */
export const comesUp: NonNullable<Scenario["act"]> = (call, server) =>
  Effect.gen(function* () {
    yield* server.down
    const fiber = yield* Effect.forkChild(call)
    yield* Effect.sleep("200 millis")
    yield* server.up
    return [yield* Fiber.await(fiber)]
  })

const clients = { undici: NodeHttpClient.layerUndici, fetch: FetchHttpClient.layer }

export const image = ImageSource.bytes(Fixtures.image, { name: "panel.png" })

const tagOf = (exit: Exit.Exit<unknown, SegmentationError>): string => {
  if (Exit.isSuccess(exit)) return "success"
  const error = Exit.findErrorOption(exit)
  return error._tag === "Some" ? error.value._tag : Exit.hasInterrupts(exit) ? "interrupted" : "defect"
}

/** Runs the callers of a scenario, and gives what they and the service saw. */
export const watch = Effect.fnUntraced(function* <R>(
  server: FaultyService.FaultyService,
  act: Effect.Effect<ReadonlyArray<Exit.Exit<unknown, SegmentationError>>, never, R>
): Effect.fn.Return<Seen, never, R> {
  const started = performance.now()
  const exits = yield* act
  const millis = performance.now() - started
  const errors = exits.flatMap((exit) => {
    const error = Exit.findErrorOption(exit)
    return error._tag === "Some" ? [error.value] : []
  })
  return {
    exits,
    tags: exits.map(tagOf),
    errors,
    requests: [...server.requests],
    executions: server.executions,
    connections: server.connections,
    mostAtOnce: server.mostAtOnce,
    millis
  }
})

/** The row of a scenario. */
export const scenario = (options: Scenario): Row => {
  const { act, calls = 1, client = "undici", closes = client === "undici", http } = options
  const run = Effect.gen(function* () {
    const server = yield* FaultyService.make(options.script, options.service)
    const steady = SegFormerHttp.layer({
      baseUrl: server.url,
      ...http,
      policy: { ...quick, ...http?.policy }
    }).pipe(Layer.provide(clients[client]), Layer.orDie)
    const transport = options.chaos === undefined ? steady : Layer.provide(Chaos.layer(options.chaos), steady)
    const call = segment(image)
    const all = Effect.all(
      Array.from({ length: calls }, () => Effect.exit(call)),
      { concurrency: "unbounded" }
    )
    const seen = yield* Effect.provide(watch(server, act === undefined ? all : act(call, server)), transport)
    // The client is gone: whatever it has left open shows here. `fetch` keeps good connections for the process.
    if (closes) yield* eventually(() => server.sockets === 0)
    left = closes ? server.sockets : 0
    return seen
  })
  return { fault: options.fault, calls, run, holds: options.holds }
}

/** Connections that the last row has left open. */
let left = 0
let fibers = 0

/** Counts the fibers that are alive. */
const counting: Metric.FiberRuntimeMetricsService = {
  recordFiberStart: () => void fibers++,
  recordFiberEnd: () => void fibers--
}

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length

/** `ConnectionFailed x4, success`: the most frequent first. */
const summary = (tags: ReadonlyArray<string>): string => {
  const counts = new Map<string, number>()
  for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1)
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([tag, count]) => (count === 1 ? tag : `${tag} x${count}`))
    .join(", ")
}

/** Runs a row, and waits for what it leaves to be gone. */
export const play = async (row: Row): Promise<Line> => {
  const before = { fibers, timers: timers(), memory: process.memoryUsage().rss }
  left = 0
  const program = row.run.pipe(
    Effect.scoped,
    steadily,
    Effect.timeoutOrElse({ duration: 5 * hangs, orElse: () => Effect.die("it did not settle") }),
    Effect.provide(Logger.layer([])),
    Effect.provideService(Metric.FiberRuntimeMetrics, counting),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )
  const exit = await Effect.runPromiseExit(program)
  // What never goes stands in the line.
  await Effect.runPromiseExit(eventually(() => fibers <= before.fibers && timers() <= before.timers))
  const line = {
    fault: row.fault,
    calls: row.calls,
    sockets: left,
    fibers: fibers - before.fibers,
    timers: Math.max(0, timers() - before.timers),
    memory: Math.max(0, (process.memoryUsage().rss - before.memory) / 1e6)
  }
  if (Exit.isFailure(exit)) {
    return { ...line, outcomes: "", attempts: 0, millis: 0, wrong: String(exit.cause) }
  }
  const seen = exit.value
  const wrong: Array<string> = []
  try {
    row.holds(seen)
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error))
  }
  if (line.sockets + line.fibers + line.timers > 0) wrong.push("something is left")
  return {
    ...line,
    outcomes: summary(seen.tags),
    attempts: seen.requests.length,
    millis: seen.millis,
    wrong: wrong.join("; ").replaceAll(/\s+/g, " ")
  }
}

const table = Table.make([
  ["fault", 62, "words"],
  ["calls", 6],
  ["outcomes", 38, "words"],
  ["attempts", 8],
  ["ms", 7],
  ["sockets", 7],
  ["fibers", 6],
  ["timers", 6],
  ["MB", 5]
])

export const header = table.header

export const print = (line: Line): string =>
  table.line(
    [
      line.fault,
      String(line.calls),
      line.outcomes,
      String(line.attempts),
      line.millis.toFixed(0),
      String(line.sockets),
      String(line.fibers),
      String(line.timers),
      line.memory.toFixed(0)
    ],
    line.wrong
  )
