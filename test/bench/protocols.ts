/**
 * What a prediction costs through each protocol, over loopback: a picture of 512 x 512 up, its label map down, 4 at
 * once. And what a B0's logits over 150 classes (9.8 MB) cost as binary tensors and as JSON.
 *
 * The service runs in a process of its own and each subject in another; rounds alternate between subjects. Figures are
 * medians over rounds; processor time is that of the subject's process.
 */
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { answer } from "./Child.ts"
import { compare, median, type Report } from "./Report.ts"

const labels = [
  "bentoml",
  "custom",
  "roboflow",
  "inspection",
  "huggingface",
  "torchserve",
  "tfserving",
  "openinference (binary)",
  "openinference (JSON)"
] as const
const logits = ["logits (binary)", "logits (JSON)"] as const

/** Calls a round. */
const calls = (subject: string): number =>
  subject.startsWith("logits") ? 4 : subject.endsWith("(JSON)") ? 8 : 40
const rounds = 3

interface Round {
  readonly cpuMs: number
  readonly seconds: number
}

export const run = async (report: Report): Promise<void> => {
  const script = (file: string) => fileURLToPath(new URL(file, import.meta.url))
  const options = { execArgv: ["-C", "effect-segformer-source", "--expose-gc"] }
  const children: Array<ChildProcess> = []
  const start = (file: string, ...args: ReadonlyArray<string>): ChildProcess => {
    const child = fork(script(file), args, options)
    children.push(child)
    return child
  }
  try {
    const service = start("./protocols/service.ts")
    const port = String(await answer(service))
    const subjects = new Map(
      [...labels, ...logits].map((name) => [name as string, start("./protocols/subject.ts", name, port)])
    )
    const measured = new Map<string, Array<Round>>([...subjects.keys()].map((name) => [name, []]))
    // The first round warms the code up and is not counted.
    for (let round = 0; round <= rounds; round++) {
      for (const [name, child] of subjects) {
        child.send(calls(name))
        const result = (await answer(child)) as Round
        if (round > 0) measured.get(name)!.push(result)
      }
    }
    const cpu = (name: string) => median(measured.get(name)!.map(({ cpuMs }) => cpuMs / calls(name)))
    const wall = (name: string) =>
      median(measured.get(name)!.map(({ seconds }) => (seconds * 1000) / calls(name)))
    const map = { bench: "protocols", case: "label map of 512 x 512, 4 at once" }
    const processor = { metric: "processor time per call", unit: "ms" }
    compare(report, { ...map, ...processor }, labels, "bentoml", cpu)
    const large = { bench: "protocols", case: "logits of 150 x 128 x 128 FP32, 4 at once" }
    compare(report, { ...large, metric: "time per call", unit: "ms" }, logits, "logits (binary)", wall)
    compare(report, { ...large, ...processor }, logits, "logits (binary)", cpu)
    const binary = subjects.get("logits (binary)")!
    binary.send("memory")
    const copies = Number(await answer(binary))
    report({
      ...large,
      case: "logits of 150 x 128 x 128 FP32, 1 at once",
      subject: "logits (binary)",
      metric: "array buffers live at most",
      unit: "copies",
      value: copies
    })
  } finally {
    for (const child of children) child.kill()
  }
}
