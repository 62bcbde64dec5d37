/**
 * `POST /v1/segment` beside the same model behind a bare `node:http` handler, which reads a body, segments it and writes
 * the same figures as JSON: no limits, no queue, no log, no errors.
 *
 * Each way runs in a process of its own, the clients in another, and rounds alternate between ways, so that a noisy
 * machine disturbs all alike. Rates are medians over rounds, their ratio the median of that of neighbouring rounds;
 * latencies are of all requests.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { answer } from "./Child.ts"
import { median, type Report } from "./Report.ts"

interface Case {
  readonly model: string
  readonly name: string
  /** The first is what the others are compared with. */
  readonly subjects: readonly [string, ...ReadonlyArray<string>]
  /** Seconds of a round, by clients at once; each client asks at least once. */
  readonly seconds: Readonly<Record<number, number>>
  readonly rounds: number
  /** Seconds before anything is counted: code that answers in a millisecond takes a thousand requests to warm up. */
  readonly warmUp: number
}

const cases: ReadonlyArray<Case> = [
  {
    model: "bundled",
    name: "the bundled model",
    subjects: ["node:http", "effect-segformer"],
    seconds: { 1: 0.7, 8: 0.7, 64: 2 },
    rounds: 2,
    warmUp: 0.5
  },
  {
    model: "stub",
    name: "a stub",
    subjects: ["node:http", "effect-segformer"],
    seconds: { 1: 0.3, 8: 0.3, 64: 0.4 },
    rounds: 5,
    warmUp: 2
  }
]

/** What the clients saw. */
interface Load {
  readonly seconds: number
  /** In milliseconds. */
  readonly latencies: ReadonlyArray<number>
}

interface Round extends Load {
  /** Milliseconds of processor time of the service, for each request; a model's own process is not in it. */
  readonly processor: number
}

const rateOf = ({ latencies, seconds }: Round): number => latencies.length / seconds

const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!
}

/** A figure of one way over that of another, round by round: what disturbs a round disturbs its neighbour alike. */
const paired = (
  one: ReadonlyArray<Round>,
  other: ReadonlyArray<Round>,
  of: (round: Round) => number
): number => median(one.map((round, turn) => of(round) / of(other[turn]!)))

const script = (file: string) => fileURLToPath(new URL(file, import.meta.url))
const image = script("../../docs/images/sample.jpg")
const options = { execArgv: ["-C", "effect-segformer-source"] }

const measure = async (
  { model, name, rounds, seconds, subjects, warmUp }: Case,
  report: Report
): Promise<void> => {
  const load = fork(script("./server/load.ts"), [], options)
  const services = subjects.map((subject) => fork(script("./server/service.ts"), [subject, model], options))
  const processor = async (service: ChildProcess): Promise<number> => {
    service.send("processor")
    return (await answer(service)) as number
  }
  const round = async (
    service: ChildProcess,
    port: unknown,
    clients: number,
    seconds: number
  ): Promise<Round> => {
    const before = await processor(service)
    load.send({ port, clients, seconds, image })
    const result = (await answer(load)) as Load
    return { ...result, processor: ((await processor(service)) - before) / result.latencies.length }
  }
  try {
    const ports = await Promise.all(services.map(answer))
    for (const index of subjects.keys()) await round(services[index]!, ports[index], 8, warmUp)
    for (const [clients, time] of Object.entries(seconds)) {
      const measured = subjects.map((): Array<Round> => [])
      for (let turn = 0; turn < rounds; turn++) {
        for (const index of subjects.keys()) {
          measured[index]!.push(await round(services[index]!, ports[index], Number(clients), time))
        }
      }
      const [first] = measured
      const figure = (
        index: number,
        metric: string,
        unit: string,
        of: (rounds: ReadonlyArray<Round>) => number,
        ratio: number
      ) =>
        report({
          bench: "server",
          case: `${name}, ${clients} at once`,
          subject: subjects[index]!,
          metric,
          unit,
          value: of(measured[index]!),
          ...(index === 0 ? {} : { against: subjects[0], ratio })
        })
      for (const [index, own] of measured.entries()) {
        const latency = (share: number) => (rounds: ReadonlyArray<Round>) =>
          percentile(
            rounds.flatMap(({ latencies }) => latencies),
            share
          )
        const p50 = latency(0.5)
        const p99 = latency(0.99)
        const work = ({ processor }: Round) => processor
        figure(
          index,
          "rate",
          "requests/s",
          (rounds) => median(rounds.map(rateOf)),
          paired(own, first!, rateOf)
        )
        figure(index, "p50", "ms", p50, p50(own) / p50(first!))
        figure(index, "p99", "ms", p99, p99(own) / p99(first!))
        figure(
          index,
          "processor time per request",
          "ms",
          (rounds) => median(rounds.map(work)),
          paired(own, first!, work)
        )
      }
    }
  } finally {
    for (const child of [load, ...services]) child.kill()
  }
}

export const run = async (report: Report): Promise<void> => {
  for (const one of cases) await measure(one, report)
}
