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

const overload = async (report: Report, image: Buffer): Promise<void> => {
  const { child, port } = await serve(["--no-confidence"])
  const figure = (subject: string, metric: string, unit: string, value: number, of?: number) =>
    report({
      bench: "overload",
      case: "open load, twice what it can do",
      subject,
      metric,
      unit,
      value,
      ...(of === undefined ? {} : { against: "full load", ratio: value / of })
    })
  try {
    const closed = (seconds: number) => Callers.closed({ port, image, clients: 34, seconds })
    await closed(3)
    const full = await closed(10)
    const rate = full.latencies.length / full.seconds
    figure("full load", "goodput", "answers/s", rate)
    figure("full load", "p50", "ms", percentile(full.latencies, 0.5))
    figure("full load", "p99", "ms", percentile(full.latencies, 0.99))
    const before = memoryOf(child.pid!)
    const watch = Callers.watch(port)
    const seen = await Callers.open({ port, image, rate: 2 * rate, seconds: 20, misbehaving: 0.1 })
    const ready = await watch.end()
    const after = memoryOf(child.pid!)
    figure("overload", "goodput", "answers/s", seen.latencies.length / seen.seconds, rate)
    figure("overload", "p50", "ms", percentile(seen.latencies, 0.5), percentile(full.latencies, 0.5))
    figure("overload", "p99", "ms", percentile(seen.latencies, 0.99), percentile(full.latencies, 0.99))
    figure("overload", "refused at once (503)", "requests", seen.refused)
    figure("overload", "failed otherwise", "requests", seen.failed)
    figure("overload", "misbehaving callers", "requests", seen.misbehaved)
    report({
      bench: "overload",
      case: "open load, twice what it can do",
      subject: "overload",
      metric: "memory at the end",
      unit: "MB",
      value: after,
      against: "before",
      ratio: after / before
    })
    figure("overload", "/ready not 200", `of ${ready.asked}`, ready.red)
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
  try {
    await Callers.closed({ port, image, clients: 4, seconds: 2 })
    const alone: Array<number> = []
    const beside: Array<number> = []
    let red = 0
    let asked = 0
    for (let round = 0; round < rounds; round++) {
      const quiet = await Callers.closed({ port, image, clients: stay, seconds })
      alone.push(quiet.latencies.length / quiet.seconds)
      const watch = Callers.watch(port)
      const restless = Callers.restless({ port, image, clients: leave, longest })
      const busy = await Callers.closed({ port, image, clients: stay, seconds })
      restless.end()
      const ready = await watch.end()
      red += ready.red
      asked += ready.asked
      beside.push(busy.latencies.length / busy.seconds)
    }
    const figure = (subject: string, value: number, of?: number) =>
      report({
        bench: "overload",
        case: `callers that leave, ${name}`,
        subject,
        metric: "rate of those that stay",
        unit: "answers/s",
        value,
        ...(of === undefined ? {} : { against: `${stay} alone`, ratio: of })
      })
    figure(`${stay} alone`, median(alone))
    figure(
      `${stay}, and ${leave} that leave`,
      median(beside),
      median(beside.map((rate, round) => rate / alone[round]!))
    )
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
    longest: 1000,
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
