/**
 * Runs on a cluster: PostgreSQL with its own durability (`fsync` on), workers as processes, all on one machine.
 *
 * - runners: the service is a wait of 20 ms, 8 images at once for each runner, so that a runner could do 400 a second
 *   and the service any number. Images a second with 1, 2 and 4 runners, in chunks of 50.
 * - chunks: the service takes no time, one runner. What an image costs by the size of its chunk, beside the same body of
 *   work in a plain loop (`Work.process`, no database): the difference in processor time is the engine and the journal.
 *   Rows are those of the engine and of the runs together.
 *
 * Processor times are those of the processes themselves, so they hold on a busy machine too; that of the database is read
 * from /proc, and left out where there is none. Processors divided by the sum of both is what a machine can do at most.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Logger, Redacted, Schedule, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import * as SqlClient from "effect/sql/SqlClient"
import { Transport } from "../../src/index.ts"
import { Item, Work } from "../../src/batch/index.ts"
import { ClusterEngine, ClusterRuns } from "../../src/batch/cluster.ts"
import { picture, predict } from "../batch/clusterImages.ts"
import { folder } from "../support/Folder.ts"
import { freePort } from "../support/TestServer.ts"
import { Postgres } from "../support/Postgres.ts"
import type { Options } from "./cluster/worker.ts"
import { nothing } from "./cluster/worker.ts"
import type { Report } from "./Report.ts"

const program = fileURLToPath(new URL("cluster/worker.ts", import.meta.url))
const bench = "cluster"

/** Of each runner, which takes it 4 s: the start of a run, and its last chunks, are little of it. */
const each = 1600
/** Pictures of their own, so that none is a repetition. */
const pictures = 4 * each

const startWorker = Effect.fnUntraced(function* (
  database: Redacted.Redacted,
  options: Omit<Options, "database" | "port">
) {
  const port = yield* freePort
  return yield* Effect.acquireRelease(
    Effect.sync(() =>
      fork(program, [JSON.stringify({ ...options, port, database: Redacted.value(database) })], {
        execArgv: ["-C", "effect-segformer-source"]
      })
    ),
    (child) =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
      })
  )
})

/** Processor time that a worker has used, in milliseconds. */
const timeOf = (child: ChildProcess): Effect.Effect<number> =>
  Effect.promise(async () => {
    child.send("how much")
    const [millis] = await once(child, "message")
    return Number(millis)
  })

/** Processor time that PostgreSQL has used with all its processes, in milliseconds. */
const databaseTime = (dataDirectory: string): number => {
  if (!existsSync("/proc/self/stat")) return Number.NaN
  const pid = readFileSync(join(dataDirectory, "postmaster.pid"), "utf8").split("\n")[0] ?? ""
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")
  const times = [pid, ...children].flatMap((process) => {
    const path = `/proc/${process}/stat`
    // After the name, which may hold anything, the 12th and 13th; those of children that have ended follow.
    const fields = existsSync(path)
      ? readFileSync(path, "utf8")
          .replace(/^.*\) /, "")
          .split(" ")
      : []
    return fields.slice(11, process === pid ? 15 : 13).map(Number)
  })
  return times.reduce((sum, ticks) => sum + ticks, 0) * 10
}

interface Measured {
  readonly images: number
  readonly millis: number
  readonly rows: number
  /** Processor time, in milliseconds. */
  readonly workers: number
  readonly database: number
}

interface Round {
  readonly images: number
  readonly chunk: number
}

/** One run after the other, by the same runners: these take longer to find each other than most runs. */
const measure = Effect.fnUntraced(function* (options: {
  readonly folder: string
  readonly runners: number
  readonly rounds: ReadonlyArray<Round>
  readonly latency: number
  readonly concurrency: number
}) {
  const { concurrency, folder, latency, rounds, runners } = options
  const database = yield* Postgres.database
  const workers = yield* Effect.forEach(
    Array.from({ length: runners }, () => undefined),
    () => startWorker(database, { latency, concurrency })
  )
  return yield* Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const runs = yield* ClusterRuns.make
    yield* Effect.repeat(runs.runners, {
      schedule: Schedule.spaced("50 millis"),
      until: (alive) => alive.length === runners
    })
    const items = (from: number, to: number) =>
      Stream.map(Stream.range(from, to - 1), (i) => Item.at(join(folder, `${i}.png`)))
    const count = Effect.map(
      sql<{ readonly rows: number }>`SELECT ((SELECT count(*) FROM segformer_cluster_messages)
        + (SELECT count(*) FROM segformer_cluster_replies) + (SELECT count(*) FROM segformer_images)
        + (SELECT count(*) FROM segformer_chunks))::int AS rows`,
      ([found]) => found?.rows ?? 0
    )
    const settled = (run: string) =>
      Effect.repeat(runs.status(run), {
        schedule: Schedule.spaced("10 millis"),
        until: ({ done, failed, images, isOpen }) => !isOpen && done + failed === images
      })
    // Several share out the shards within a round of three seconds.
    yield* Effect.sleep(runners === 1 ? "500 millis" : "4500 millis")
    // Code is warm and pools are open once each has done something.
    yield* runs.submit({ run: "warm", items: items(0, 40 * runners), chunk: 2 })
    yield* settled("warm")
    const [{ setting } = { setting: "" }] = yield* sql<{
      readonly setting: string
    }>`SELECT setting FROM pg_settings WHERE name = 'data_directory'`
    const sum = (times: ReadonlyArray<number>) => times.reduce((a, b) => a + b, 0)
    return yield* Effect.forEach(
      rounds,
      Effect.fnUntraced(function* ({ chunk, images }, index) {
        const run = `measured ${index}`
        const rows = yield* count
        const before = yield* Effect.forEach(workers, timeOf)
        const databaseBefore = databaseTime(setting)
        const start = performance.now()
        yield* runs.submit({ run, items: items(0, images), chunk })
        yield* settled(run)
        const millis = performance.now() - start
        const after = yield* Effect.forEach(workers, timeOf)
        const databaseAfter = databaseTime(setting)
        const measured: Measured = {
          images,
          millis,
          rows: (yield* Effect.andThen(Effect.sleep("500 millis"), count)) - rows,
          workers: sum(after) - sum(before),
          database: databaseAfter - databaseBefore
        }
        return measured
      })
    )
  }).pipe(Effect.provide(ClusterEngine.layerClient({ database, connections: 10 })))
}, Effect.scoped)

/** The same body of work without engine and database. */
const plainLoop = Effect.fnUntraced(function* (folder: string, concurrency: number) {
  const work = Work.make({ sinks: [nothing] })
  const loop = (count: number) =>
    Effect.forEach(
      Array.from({ length: count }, (_, i) => Item.at(join(folder, `${i}.png`))),
      (item) => work.process(item),
      { concurrency, discard: true }
    )
  yield* loop(500)
  const count = 2000
  const before = process.cpuUsage()
  const start = performance.now()
  yield* loop(count)
  const millis = performance.now() - start
  const { system, user } = process.cpuUsage(before)
  return { time: millis / count, processor: (system + user) / 1000 / count }
})

export const run = (report: Report): Promise<void> =>
  Effect.gen(function* () {
    const files = Array.from({ length: pictures }, (_, i) => [`${i}.png`, picture(i)] as const)
    const from = yield* folder(Object.fromEntries(files))

    let single = 0
    for (const runners of [1, 2, 4]) {
      const images = each * runners
      const rounds = [{ images, chunk: 50 }]
      const [found] = yield* measure({ folder: from, runners, rounds, latency: 20, concurrency: 8 })
      if (found === undefined) continue
      const rate = (images * 1000) / found.millis
      if (runners === 1) single = rate
      const subject = `${runners} runner${runners === 1 ? "" : "s"}`
      const compared = runners === 1 ? {} : { against: "1 runner", ratio: rate / single }
      report({ bench, case: "runners", subject, metric: "images", unit: "/s", value: rate, ...compared })
      const figures = [
        ["processor, workers", found.workers / images],
        ["processor, database", found.database / images]
      ] as const
      for (const [metric, value] of figures)
        report({ bench, case: "runners", subject, metric, unit: "ms", value })
    }

    const plain = yield* plainLoop(from, 16)
    const inLoop = { bench, case: "chunks", subject: "plain loop", unit: "ms" }
    report({ ...inLoop, metric: "time of an image", value: plain.time })
    report({ ...inLoop, metric: "processor", value: plain.processor })
    const rounds = [
      { chunk: 1, images: 200 },
      { chunk: 10, images: 1000 },
      { chunk: 100, images: 2000 },
      { chunk: 1000, images: 2000 }
    ]
    const inChunks = yield* measure({ folder: from, runners: 1, rounds, latency: 0, concurrency: 16 })
    for (const [index, found] of inChunks.entries()) {
      const { images } = found
      const { chunk } = rounds[index]!
      const subject = chunk === 1 ? "one to a chunk" : `${chunk} to a chunk`
      const figures = [
        ["time of an image", "ms", found.millis / images],
        ["processor, worker", "ms", found.workers / images],
        ["processor, database", "ms", found.database / images],
        ["engine and journal", "ms", (found.workers + found.database) / images - plain.processor],
        ["rows of an image", "", found.rows / images]
      ] as const
      for (const [metric, unit, value] of figures)
        report({ bench, case: "chunks", subject, metric, unit, value })
    }
  }).pipe(
    Effect.scoped,
    Effect.provide([
      Postgres.layer({ settings: { fsync: "on" } }),
      Transport.layer({ name: "nothing", predict: ({ image }) => predict(image) }),
      NodeServices.layer,
      FetchHttpClient.layer,
      Logger.layer([])
    ]),
    Effect.runPromise
  )
