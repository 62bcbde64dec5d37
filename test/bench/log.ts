/**
 * What the lines before and after each request cost a client that is called by name: small calls, 16 at once, the log
 * written to nowhere as `logfmt`.
 *
 * Subjects take turns in this process; the service is in another. Figures are medians of processor time over rounds.
 */
import { fork } from "node:child_process"
import { createWriteStream } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect, Layer, Logger } from "effect"
import { Users } from "../../src/companions/index.ts"
import { Exchange, ServiceRegistry } from "../../src/service/index.ts"
import { NodeHttp } from "../../src/service/node.ts"
import { answer } from "./Child.ts"
import { median, type Report } from "./Report.ts"

const rounds = 15
const calls = 2000

const subjects = ["none", "debug", "info"] as const

export const run = async (report: Report): Promise<void> => {
  const service = fork(fileURLToPath(new URL("./log/service.ts", import.meta.url)), [], {
    execArgv: ["-C", "effect-segformer-source"]
  })
  const nowhere = createWriteStream("/dev/null")
  const write = (line: string) => void nowhere.write(`${line}\n`)
  const logger = Logger.layer([Logger.map(Logger.formatLogFmt, write)])
  const measured = new Map<string, Array<number>>(subjects.map((subject) => [subject, []]))
  try {
    const port = await answer(service)
    await Effect.runPromise(
      Effect.gen(function* () {
        const users = yield* Users
        const call = users.getUser({ params: { user_id: 7 } })
        for (let round = 0; round <= rounds; round++) {
          for (let turn = 0; turn < subjects.length; turn++) {
            // None always runs after the same one.
            const subject = subjects[(turn * (1 + (round % 2)) + round) % subjects.length]!
            const before = process.cpuUsage()
            yield* Effect.provideService(
              Effect.forEach(Array.from({ length: calls }), () => call, { concurrency: 16, discard: true }),
              Exchange.LogRequests,
              subject
            )
            const { system, user } = process.cpuUsage(before)
            if (round > 0) measured.get(subject)?.push((user + system) / calls)
          }
        }
      }).pipe(
        Effect.provide(
          Users.layer.pipe(
            Layer.provide([
              ServiceRegistry.layerOf({
                user: { baseUrl: `http://127.0.0.1:${String(port)}`, policy: { concurrency: 16 } }
              }),
              NodeHttp.layer()
            ])
          )
        ),
        Effect.provide(logger)
      )
    )
  } finally {
    service.kill()
    nowhere.end()
  }
  const value = (subject: string) => median(measured.get(subject) ?? [])
  for (const subject of subjects)
    report({
      bench: "log",
      case: "small calls, 16 at once",
      subject,
      metric: "processor time per call",
      unit: "µs",
      value: value(subject),
      against: "none",
      ratio: value(subject) / value("none")
    })
}
