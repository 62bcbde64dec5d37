/**
 * Pictures per second of the embedded model: this library from file to label map, beside `@huggingface/transformers`
 * doing the same with the same model file and threads, and beside the bare model run on a ready input.
 *
 * Each subject runs in a process of its own. Rounds alternate between subjects, so that a noisy machine disturbs all
 * alike; figures are medians over rounds. Peak memory is resident memory, that of child processes included.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Round, Told } from "./onnx/subject.ts"
import { median, type Report } from "./Report.ts"

const subjects = ["bare", "waiting", "transformers", "effect-segformer", "pool"] as const
type Subject = (typeof subjects)[number]

const names: Readonly<Record<Subject, string>> = {
  bare: "bare session.run",
  waiting: "bare session.run, no spinning",
  transformers: "@huggingface/transformers",
  "effect-segformer": "effect-segformer",
  pool: "effect-segformer, a session for each thread"
}

const rounds = 5

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))

export const run = async (report: Report): Promise<void> => {
  const folder = path("../fixtures/heldout")
  const files = readdirSync(folder).filter((file) => file.endsWith(".jpg"))
  const told: Told = {
    model: path("../../src/onnx/bundled"),
    pictures: files.slice(0, 12).map((file) => join(folder, file)),
    threads: Math.min(4, availableParallelism())
  }
  const answer = async (child: ChildProcess): Promise<Round> => {
    const settled = new AbortController()
    const { signal } = settled
    const gone = once(child, "exit", { signal }).then(([code]) =>
      Promise.reject(new Error(`a child ended with ${code}`))
    )
    try {
      const [message]: Array<Round> = await Promise.race([once(child, "message", { signal }), gone])
      return message!
    } finally {
      gone.catch(() => {})
      settled.abort()
    }
  }
  const measured = new Map<Subject, Array<Round>>(subjects.map((subject) => [subject, []]))
  const children = new Map<Subject, ChildProcess>()
  try {
    for (const subject of subjects) {
      const child = fork(path("./onnx/subject.ts"), [subject, JSON.stringify(told)], {
        execArgv: ["-C", "source"]
      })
      children.set(subject, child)
      await answer(child)
    }
    for (let round = 0; round <= rounds; round++) {
      for (const [subject, child] of children) {
        const answered = answer(child)
        child.send("go")
        // The first round warms up.
        const done = await answered
        if (round > 0) measured.get(subject)!.push(done)
        else {
          if (done.labels !== undefined) labels.set(subject, done.labels)
          if (done.labelsOfOurResize !== undefined) ofOurResize = done.labelsOfOurResize
        }
      }
    }
  } finally {
    for (const child of children.values()) if (child.connected) child.disconnect()
  }

  const speed = (subject: Subject) =>
    (told.pictures.length * 1000) / median(measured.get(subject)!.map(({ milliseconds }) => milliseconds))
  const own = speed("effect-segformer")
  const name = `${told.pictures.length} pictures, ${told.threads} threads`
  for (const subject of subjects) {
    const figure = { bench: "onnx", case: name, subject: names[subject] }
    const value = speed(subject)
    report({
      ...figure,
      metric: "pictures per second",
      unit: "1/s",
      value
    })
    report({
      ...figure,
      metric: "peak memory",
      unit: "MiB",
      value: Math.max(...measured.get(subject)!.map(({ peak }) => peak))
    })
  }
  const figure = { bench: "onnx", case: name, subject: names["effect-segformer"] }
  for (const against of ["transformers", "bare", "waiting"] as const) {
    report({
      ...figure,
      metric: `speed beside ${names[against]}`,
      unit: "1/s",
      value: own,
      against: names[against],
      ratio: own / speed(against)
    })
  }
  const ours = labels.get("effect-segformer")!
  for (const [metric, theirs] of [
    [`pixels as ${names.transformers} has them`, labels.get("transformers")!],
    [`the same, where both take our resize`, ofOurResize]
  ] as const) {
    report({ ...figure, metric, unit: "%", value: 100 * agreement(ours, theirs) })
  }
}

const labels = new Map<Subject, ReadonlyArray<string>>()
let ofOurResize: ReadonlyArray<string> = []

const agreement = (ours: ReadonlyArray<string>, theirs: ReadonlyArray<string>): number => {
  let same = 0
  let all = 0
  ours.forEach((text, index) => {
    const a = Buffer.from(text, "base64")
    const b = Buffer.from(theirs[index]!, "base64")
    all += a.length
    for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++
  })
  return same / all
}
