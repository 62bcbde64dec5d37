/**
 * The same faults for five clients, each as its documentation shows it, with its own defaults unless the case says
 * otherwise; each subject in a process of its own, against a service of its own.
 *
 * - a lost POST: every connection is reset after the request was read and the work done. Once at a service that repeats
 *   its answer to an `Idempotency-Key`, once at one that ignores it, where this library is told to resend nothing that
 *   may have arrived; the others have no such option.
 * - 503 for ever: requests that reach the service for one call, within 10 seconds: more than the others' four attempts
 *   take with their waits.
 * - a stalled body: headers and a byte, then nothing. Time-outs of 2 seconds where the client has one, no retries. Who has
 *   not settled within three times that is given up.
 * - a bomb: 400 MB of zeros in gzip. This library is given a limit of 16 MiB; the others have none to give.
 * - 429 with `Retry-After: 3`: when the second request comes, after which nobody waits any longer.
 *
 * `Infinity` stands for what did not happen within that time, 10 seconds unless it says otherwise.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { Effect, Exit, Scope } from "effect"
import * as Faulty from "../../src/testing/FaultyService.ts"
import type { Report } from "./Report.ts"

const peers = ["huggingface", "openai", "replicate", "fetch with p-retry", "effect-segformer"] as const
const patience = 10_000

interface Told {
  readonly millis: number
  /** Peak above the start, in bytes. */
  readonly memory: number
}

interface Measured {
  readonly told: Told | undefined
  readonly requests: ReadonlyArray<Faulty.SeenRequest>
  readonly executions: number
}

interface Case {
  readonly name: string
  readonly metric: string
  readonly unit: string
  /** What the subject is to do differently. */
  readonly mode: "plain" | "stall" | "bomb" | "unless-sent"
  readonly script: Faulty.Script
  readonly service?: Faulty.FaultyServiceOptions
  /** Milliseconds that a subject is given, where it is not `patience`. */
  readonly within?: number
  /** So many requests say all that is asked. */
  readonly requests?: number
  readonly value: (measured: Measured) => number
}

/** Executions do not depend on the time that other processes take; what is measured in time or memory runs alone. */
const cases: ReadonlyArray<ReadonlyArray<Case>> = [
  [
    {
      name: "lost POST, the service honours keys",
      metric: "executions",
      unit: "times",
      mode: "plain",
      script: [Faulty.lostAnswer],
      service: { honoursKeys: true },
      value: ({ executions }) => executions
    },
    {
      name: "lost POST, the service ignores keys (resend: unless-sent)",
      metric: "executions",
      unit: "times",
      mode: "unless-sent",
      script: [Faulty.lostAnswer],
      value: ({ executions }) => executions
    }
  ],
  [
    {
      name: "503 for ever",
      metric: "requests for one call",
      unit: "requests",
      mode: "plain",
      script: [Faulty.refuse(503)],
      value: ({ requests }) => requests.length
    }
  ],
  [
    {
      name: "stalled body, time-out 2 s where there is one",
      metric: "time to settle",
      unit: "s",
      mode: "stall",
      script: [Faulty.stall()],
      within: 6000,
      value: ({ told }) => (told === undefined ? Infinity : told.millis / 1000)
    }
  ],
  [
    {
      name: "400 MB of zeros in gzip",
      metric: "peak memory above the start",
      unit: "MB",
      mode: "bomb",
      script: [Faulty.bomb("gzip", 400_000_000)],
      within: 60_000,
      value: ({ told }) => (told === undefined ? Infinity : told.memory / 1e6)
    }
  ],
  [
    {
      name: "429, Retry-After: 3",
      metric: "second request after",
      unit: "s",
      mode: "plain",
      script: [Faulty.refuse(429, "3")],
      requests: 2,
      value: ({ requests: [first, second] }) =>
        first === undefined || second === undefined ? Infinity : (second.at - first.at) / 1000
    }
  ]
]

const measure = async (
  subject: string,
  { mode, requests: enough = Infinity, script, service, within = patience }: Case
): Promise<Measured> => {
  const scope = Effect.runSync(Scope.make())
  const server = await Effect.runPromise(Scope.provide(Faulty.make(script, service), scope))
  const child = fork(
    fileURLToPath(new URL("./faults/subject.ts", import.meta.url)),
    [subject, server.url, mode],
    {
      execArgv: ["-C", "effect-segformer-source", "--expose-gc"]
    }
  )
  const settled = new AbortController()
  const { signal } = settled
  const given = async (): Promise<Told | undefined> => {
    const [ready] = await once(child, "message", { signal })
    if (ready !== "ready") throw new Error(`${subject} could not start`)
    child.send("go")
    const late = new Promise<undefined>((resolve) => {
      const timer = setTimeout(() => resolve(undefined), within)
      const look = setInterval(() => {
        if (server.requests.length >= enough) resolve(undefined)
      }, 20)
      signal.addEventListener("abort", () => {
        clearTimeout(timer)
        clearInterval(look)
      })
    })
    const told = once(child, "message", { signal }).then(([message]) => message as Told)
    told.catch(() => {})
    return await Promise.race([told, late])
  }
  const gone = once(child, "exit", { signal }).then(([code]) =>
    Promise.reject(new Error(`${subject} ended with ${code}`))
  )
  gone.catch(() => {})
  try {
    const told = await Promise.race([given(), gone])
    return { told, requests: [...server.requests], executions: server.executions }
  } finally {
    settled.abort()
    child.kill()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

export const run = async (report: Report): Promise<void> => {
  const play = (each: Case) =>
    Promise.all(peers.map(async (subject) => ({ subject, value: each.value(await measure(subject, each)) })))
  for (const together of cases) {
    const played = await Promise.all(together.map(async (each) => [each, await play(each)] as const))
    for (const [each, values] of played) {
      for (const { subject, value } of values) {
        report({ bench: "faults", case: each.name, subject, metric: each.metric, unit: each.unit, value })
      }
    }
  }
}
