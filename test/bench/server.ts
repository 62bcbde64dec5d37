/**
 * `POST /v1/segment` beside the same model behind a bare `node:http` handler, which reads a body, segments it and writes
 * the same figures as JSON: no limits, no queue, no log, no errors. And micro-batching, on and off, over a stand-in for
 * a model on an accelerator (10 ms a call and 1 ms an image), which is where batches pay: on two processors the model
 * in the package takes longer for each image of a batch of 8 than for one alone.
 *
 * Each way runs in a process of its own, the clients in another, and rounds alternate between ways, so that a noisy
 * machine disturbs all alike. Rates are medians over rounds, their ratio the median of that of neighbouring rounds;
 * latencies are of all requests.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { median, type Report } from "./Report.ts"

interface Case {
  readonly model: string
  readonly name: string
  /** The first is what the others are compared with. */
  readonly subjects: readonly [string, ...ReadonlyArray<string>]
  /** Requests of a round, by clients at once. */
  readonly requests: Readonly<Record<number, number>>
  readonly rounds: number
}

const cases: ReadonlyArray<Case> = [
  {
    model: "bundled",
    name: "the bundled model",
    subjects: ["node:http", "effect-segformer"],
    requests: { 1: 10, 8: 16, 64: 64 },
    rounds: 2
  },
  {
    model: "stub",
    name: "a stub",
    subjects: ["node:http", "effect-segformer"],
    requests: { 1: 100, 8: 120, 64: 192 },
    rounds: 9
  },
  {
    model: "device",
    name: "a stand-in for an accelerator",
    subjects: ["effect-segformer, no batches", "effect-segformer"],
    requests: { 1: 20, 8: 64, 64: 128 },
    rounds: 2
  }
]

interface Round {
  readonly seconds: number
  readonly latencies: ReadonlyArray<number>
}

const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!
}

/** The rate of one way over that of another, round by round: what disturbs a round disturbs its neighbour alike. */
const paired = (one: ReadonlyArray<Round>, other: ReadonlyArray<Round>): number =>
  median(one.map(({ seconds }, turn) => seconds / other[turn]!.seconds))

const script = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const image = script("../../docs/images/sample.jpg")
const options = { execArgv: ["-C", "source"] }

/** A child that dies must end the benchmark, not hang it. */
const answer = async (child: ChildProcess): Promise<unknown> => {
  const settled = new AbortController()
  const { signal } = settled
  const gone = once(child, "exit", { signal }).then(([code]) =>
    Promise.reject(new Error(`a child ended with ${code}`))
  )
  try {
    const [message] = await Promise.race([once(child, "message", { signal }), gone])
    return message
  } finally {
    gone.catch(() => {})
    settled.abort()
  }
}

const measure = async ({ model, name, requests, rounds, subjects }: Case, report: Report): Promise<void> => {
  const load = fork(script("./server/load.ts"), [], options)
  const services = subjects.map((subject) => fork(script("./server/service.ts"), [subject, model], options))
  const round = async (port: unknown, clients: number, requests: number): Promise<Round> => {
    load.send({ port, clients, requests, image })
    return (await answer(load)) as Round
  }
  try {
    const ports = await Promise.all(services.map(answer))
    for (const port of ports) await round(port, 8, model === "stub" ? 400 : 16)
    for (const [clients, count] of Object.entries(requests)) {
      const measured = subjects.map((): Array<Round> => [])
      for (let turn = 0; turn < rounds; turn++) {
        for (const index of subjects.keys()) {
          measured[index]!.push(await round(ports[index], Number(clients), count))
        }
      }
      const figures = measured.map((rounds) => {
        const latencies = rounds.flatMap(({ latencies }) => latencies)
        return [
          { metric: "rate", unit: "requests/s", value: median(rounds.map(({ seconds }) => count / seconds)) },
          { metric: "p50", unit: "ms", value: percentile(latencies, 0.5) },
          { metric: "p99", unit: "ms", value: percentile(latencies, 0.99) }
        ]
      })
      for (const [index, subject] of subjects.entries()) {
        for (const [place, figure] of figures[index]!.entries()) {
          report({
            bench: "server",
            case: `${name}, ${clients} at once`,
            subject,
            ...figure,
            ...(index === 0
              ? {}
              : {
                  against: subjects[0],
                  ratio:
                    figure.metric === "rate"
                      ? paired(measured[0]!, measured[index]!)
                      : figure.value / figures[0]![place]!.value
                })
          })
        }
      }
    }
  } finally {
    for (const child of [load, ...services]) child.kill()
  }
}

export const run = async (report: Report): Promise<void> => {
  for (const one of cases) await measure(one, report)
}
