/** What `segformers.ts` says to its subjects and hears of them, a line of JSON each: in Node as in Python. */
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { peakOf, processorTimeOf } from "../Processes.ts"

export type Kind = "bare" | "ours" | "apart" | "wasm" | "transformers" | "onnxruntime" | "torch"

/** Once, when it is started. */
export interface Told {
  readonly kind: Kind
  /** Folder of the model. */
  readonly model: string
  readonly precision: string
  readonly threads: number
}

/** Over and over. */
export interface Asked {
  readonly picture: string
  /** One after the other, or as many at once as it does by itself. */
  readonly together: boolean
  /** At least once, and again until so many milliseconds have passed or it was so many times. */
  readonly milliseconds: number
  readonly most: number
  /** A file to write the last label map to, a byte a pixel. */
  readonly labels?: string
}

export interface Answered {
  /** From the first file to the last label map. */
  readonly milliseconds: number
  /** Pictures. */
  readonly count: number
  /** What each took, in milliseconds, where they came one after the other. */
  readonly each: ReadonlyArray<number>
  /** Of all its processes, in milliseconds. */
  readonly processor: number
}

export interface Subject {
  readonly ask: (asked: Asked) => Promise<Answered>
  /** Of all its processes, in MiB. */
  readonly peak: () => number
  readonly end: () => void
}

/** Starts a subject, and waits until its model is loaded. */
export const start = async (command: ReadonlyArray<string>, told: Told): Promise<Subject> => {
  const [program = "", ...args] = command
  const child: ChildProcess = spawn(program, [...args, JSON.stringify(told)], {
    stdio: ["pipe", "pipe", "pipe"]
  })
  let printed = ""
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    printed = (printed + text).slice(-2000)
  })
  if (child.stdout === null || child.stdin === null) throw new Error("a subject has no pipes")
  const { stdin } = child
  stdin.on("error", () => {})
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => {
    const { done, value } = await lines.next()
    if (done === true) throw new Error(`${told.kind} (${told.precision}) ended:\n${printed}`)
    return JSON.parse(value)
  }
  await next()
  return {
    ask: async (asked) => {
      const before = processorTimeOf(child.pid ?? 0)
      stdin.write(`${JSON.stringify(asked)}\n`)
      const answered = await next()
      return { ...answered, processor: processorTimeOf(child.pid ?? 0) - before }
    },
    peak: () => peakOf(child.pid ?? 0),
    end: () => child.kill("SIGKILL")
  }
}
