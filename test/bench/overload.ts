/**
 * `segformer serve` with the model in the package, by callers that do not behave.
 *
 * Open load: requests come at twice the rate that the server reaches with every place taken, whether it answers or not, and
 * a tenth of them are none: they hang up within 300 ms, announce a body and send a byte of it, or lie about its length.
 * Told are the answers a second to honest callers (goodput), the time of those served, the memory of the server's
 * processes at the start and at the end, and how often `/ready` was not 200 of all times it was asked, 10 times a second.
 *
 * Callers that leave: 64 callers ask one after the other, 8 of whom hang up at a random moment and come again; beside
 * 56 callers alone, in turns. And the same with pictures of 24 megapixels.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import sharp from "sharp"
import { median, type Report } from "./Report.ts"
import * as Callers from "./overload/callers.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))

const serve = async (flags: ReadonlyArray<string>): Promise<{ child: ChildProcess; port: number }> => {
  const args = [
    "-C",
    "effect-segformer-source",
    "src/cli/main.ts",
    "serve",
    "--port",
    "0",
    "--no-page",
    "--cache",
    "0"
  ]
  const child = spawn(process.execPath, [...args, ...flags], { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  const port = await new Promise<number>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      said += chunk.toString()
      const [, port] = /Serving .* at http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? []
      if (port !== undefined) resolve(Number(port))
    }
    child.stdout.on("data", read)
    child.stderr.on("data", read)
    child.once("exit", (code) => reject(new Error(`serve ended with ${code}: ${said.slice(-500)}`)))
  })
  return { child, port }
}

const stop = async (child: ChildProcess): Promise<void> => {
  const gone = once(child, "exit")
  child.kill("SIGKILL")
  await gone
}

/** Megabytes that a process and its children hold. */
const memoryOf = (pid: number): number => {
  const own = (pid: number): number => {
    const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0)
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim()
    return (
      kilobytes / 1000 +
      (children === "" ? 0 : children.split(" ").reduce((sum, one) => sum + own(Number(one)), 0))
    )
  }
  return own(pid)
}

const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

/** Seconds of processor time that a process and its children have used. */
const processorOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")
  const below = children.reduce((sum, child) => sum + (child === "" ? 0 : processorOf(Number(child))), 0)
  return (Number(fields[11]) + Number(fields[12])) / 100 + below
}

/** What a round was like, and what it cost the server: on a machine that others use, costs are what can be compared. */
const costing = async <A extends Callers.Seen>(
  pid: number,
  round: Promise<A>
): Promise<A & { readonly rate: number; readonly cost: number }> => {
  const before = processorOf(pid)
  const seen = await round
  const answers = seen.latencies.length
  return { ...seen, rate: answers / seen.seconds, cost: (1000 * (processorOf(pid) - before)) / answers }
}

const overload = async (report: Report, image: Buffer): Promise<void> => {
  const { child, port } = await serve(["--no-confidence"])
  const pid = child.pid!
  const figure = (subject: string, metric: string, unit: string, value: number, ratio?: number) =>
    report({
      bench: "overload",
      case: "open load, twice what it can do",
      subject,
      metric,
      unit,
      value,
      ...(ratio === undefined ? {} : { against: metric === "memory" ? "before" : "full load", ratio })
    })
  try {
    await Callers.closed({ port, image, clients: 34, seconds: 3 })
    const before = memoryOf(pid)
    const full: Array<Awaited<ReturnType<typeof costing>>> = []
    const over: Array<Awaited<ReturnType<typeof costing<Callers.Open>>>> = []
    let red = 0
    let asked = 0
    for (let round = 0; round < 2; round++) {
      const one = await costing(pid, Callers.closed({ port, image, clients: 34, seconds: 5 }))
      full.push(one)
      const watch = Callers.watch(port)
      over.push(
        await costing(pid, Callers.open({ port, image, rate: 2 * one.rate, seconds: 8, misbehaving: 0.1 }))
      )
      const ready = await watch.end()
      red += ready.red
      asked += ready.asked
    }
    const rate = (rounds: ReadonlyArray<{ readonly rate: number }>) =>
      median(rounds.map((round) => round.rate))
    const cost = (rounds: ReadonlyArray<{ readonly cost: number }>) =>
      median(rounds.map((round) => round.cost))
    const latency = (rounds: ReadonlyArray<Callers.Seen>, share: number) =>
      percentile(
        rounds.flatMap(({ latencies }) => latencies),
        share
      )
    const sum = (of: (round: Callers.Open) => number) => over.reduce((total, round) => total + of(round), 0)
    figure("full load", "goodput", "answers/s", rate(full))
    figure(
      "overload",
      "goodput",
      "answers/s",
      rate(over),
      median(over.map((round, n) => round.rate / full[n]!.rate))
    )
    for (const [name, share] of [
      ["p50", 0.5],
      ["p99", 0.99]
    ] as const) {
      figure("full load", name, "ms", latency(full, share))
      figure("overload", name, "ms", latency(over, share), latency(over, share) / latency(full, share))
    }
    figure("full load", "processor time an answer", "ms", cost(full))
    figure("overload", "processor time an answer", "ms", cost(over), cost(over) / cost(full))
    figure(
      "overload",
      "refused at once (503)",
      "requests",
      sum(({ refused }) => refused)
    )
    figure(
      "overload",
      "failed otherwise",
      "requests",
      sum(({ failed }) => failed)
    )
    figure(
      "overload",
      "misbehaving callers",
      "requests",
      sum(({ misbehaved }) => misbehaved)
    )
    const after = memoryOf(pid)
    figure("overload", "memory", "MB", after, after / before)
    figure("overload", "/ready not 200", `of ${asked}`, red)
  } finally {
    await stop(child)
  }
}

interface Leaving {
  readonly name: string
  readonly image: Buffer
  /** Callers that stay, and that leave within so many milliseconds. */
  readonly stay: number
  readonly leave: number
  readonly longest: number
  readonly seconds: number
  readonly rounds: number
}

const leaving = async (
  report: Report,
  { image, leave, longest, name, rounds, seconds, stay }: Leaving
): Promise<void> => {
  const { child, port } = await serve(["--queue", "100", "--no-confidence"])
  const pid = child.pid!
  try {
    await Callers.closed({ port, image, clients: 4, seconds: 2 })
    const alone: Array<Awaited<ReturnType<typeof costing>>> = []
    const beside: Array<Awaited<ReturnType<typeof costing>>> = []
    let red = 0
    let asked = 0
    for (let round = 0; round < rounds; round++) {
      alone.push(await costing(pid, Callers.closed({ port, image, clients: stay, lead: 1, seconds })))
      const watch = Callers.watch(port)
      const restless = Callers.restless({ port, image, clients: leave, longest })
      beside.push(await costing(pid, Callers.closed({ port, image, clients: stay, lead: 1, seconds })))
      restless.end()
      const ready = await watch.end()
      red += ready.red
      asked += ready.asked
    }
    const figures = (subject: string, own: typeof alone) => {
      for (const [metric, unit, of] of [
        ["rate of those that stay", "answers/s", ({ rate }: (typeof alone)[number]) => rate],
        ["processor time an answer", "ms", ({ cost }: (typeof alone)[number]) => cost]
      ] as const) {
        report({
          bench: "overload",
          case: `callers that leave, ${name}`,
          subject,
          metric,
          unit,
          value: median(own.map(of)),
          ...(own === alone
            ? {}
            : { against: `${stay} alone`, ratio: median(own.map((round, n) => of(round) / of(alone[n]!))) })
        })
      }
    }
    figures(`${stay} alone`, alone)
    figures(`${stay}, and ${leave} that leave`, beside)
    report({
      bench: "overload",
      case: `callers that leave, ${name}`,
      subject: `${stay}, and ${leave} that leave`,
      metric: "/ready not 200",
      unit: `of ${asked}`,
      value: red
    })
  } finally {
    await stop(child)
  }
}

export const run = async (report: Report): Promise<void> => {
  const whole = readFileSync(new URL("../../docs/images/sample.jpg", import.meta.url))
  const small = await sharp(whole).resize(480, 320).jpeg().toBuffer()
  await overload(report, small)
  const small64 = {
    name: "480 x 320",
    image: small,
    stay: 56,
    leave: 8,
    longest: 5000,
    seconds: 4,
    rounds: 2
  }
  await leaving(report, small64)
  const large = await sharp(whole).resize(6000, 4000).jpeg().toBuffer()
  await leaving(report, {
    ...small64,
    name: "6,000 x 4,000",
    image: large,
    stay: 7,
    leave: 1,
    seconds: 10,
    rounds: 1
  })
}
