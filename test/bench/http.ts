/**
 * The cost of a call over loopback: a 256 KiB image up, five base64 masks of 45 kB down, 16 calls at once.
 *
 * "undici" is `undici.request` with a `FormData` and `JSON.parse`; "undici by hand" writes the form into a buffer
 * itself, which is the least that can be done. Neither checks or decodes anything of what comes back.
 *
 * The service runs in a process of its own, each subject in another, and rounds alternate between subjects, so that a
 * noisy machine disturbs all alike. Figures are medians over rounds; processor time is that of the subject's process.
 */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { answer } from "./Child.ts"
import { compare, median, type Report } from "./Report.ts"

const subjects = [
  "undici by hand",
  "undici",
  "huggingface",
  "effect-segformer",
  "effect-segformer, layerUndici"
] as const
const rounds = 5
const callsPerRound = 800

interface Round {
  readonly cpuMs: number
  readonly seconds: number
}

export const run = async (report: Report): Promise<void> => {
  const script = (file: string) => fileURLToPath(new URL(file, import.meta.url))
  const options = { execArgv: ["-C", "effect-segformer-source", "--expose-gc"] }
  const service = fork(script("./http/service.ts"), [], options)
  const port = await answer(service)
  const children = subjects.map((subject) =>
    fork(script("./http/subject.ts"), [subject, String(port)], options)
  )
  const measured = new Map<string, Array<Round>>(subjects.map((subject) => [subject, []]))
  try {
    // The first round warms the code up and is not counted.
    for (let round = 0; round <= rounds; round++) {
      for (const [index, subject] of subjects.entries()) {
        children[index]!.send(round === 0 ? callsPerRound * 3 : callsPerRound)
        const result = (await answer(children[index]!)) as Round
        if (round > 0) measured.get(subject)!.push(result)
      }
    }
  } finally {
    for (const child of [...children, service]) child.kill()
  }
  const cpu = (subject: string) => median(measured.get(subject)!.map(({ cpuMs }) => cpuMs / callsPerRound))
  const rate = (subject: string) =>
    median(measured.get(subject)!.map(({ seconds }) => callsPerRound / seconds))
  const common = { bench: "http", case: "256 KiB up, 5 masks of 45 kB down, 16 at once" }
  compare(report, { ...common, metric: "processor time per call", unit: "ms" }, subjects, "undici", cpu)
  compare(report, { ...common, metric: "throughput", unit: "calls/s" }, subjects, "huggingface", rate)
}
