/**
 * Pictures per second of the embedded model: this library from file to label map, beside `@huggingface/transformers`
 * doing the same with the same model file and threads, and beside the bare model run on a ready input.
 *
 * Each subject runs in a process of its own. Rounds alternate between subjects, so that a noisy machine disturbs all
 * alike; figures are medians over rounds. Peak memory is resident memory, that of child processes included.
 */
import { type ChildProcess, fork } from "node:child_process"
import { readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Round, Told } from "./onnx/subject.ts"
import * as Child from "./Child.ts"
import { median, type Report } from "./Report.ts"

type Subject = "bare" | "waiting" | "transformers" | "effect-segformer" | "apart"

const names: Readonly<Record<Subject, string>> = {
  bare: "bare session.run",
  waiting: "bare session.run, no spinning",
  transformers: "@huggingface/transformers",
  "effect-segformer": "effect-segformer",
  apart: "effect-segformer, a session per thread"
}

const isOurs = (subject: Subject): boolean => subject === "effect-segformer" || subject === "apart"

const rounds = 3

const path = (file: string) => fileURLToPath(new URL(file, import.meta.url))

const answer = async (child: ChildProcess): Promise<Round> => (await Child.answer(child)) as Round

/** Rounds of each subject; the first, which warms up, is apart. */
const measure = async (subjects: ReadonlyArray<Subject>, told: Told, rounds: number) => {
  const warmUps = new Map<Subject, Round>()
  const measured = new Map<Subject, Array<Round>>(subjects.map((subject) => [subject, []]))
  const children = new Map<Subject, ChildProcess>()
  try {
    for (const subject of subjects) {
      const child = fork(path("./onnx/subject.ts"), [subject, JSON.stringify(told)], {
        execArgv: ["-C", "effect-segformer-source"]
      })
      children.set(subject, child)
      await answer(child)
    }
    for (let round = 0; round <= rounds; round++) {
      for (const [subject, child] of children) {
        const answered = answer(child)
        child.send("go")
        if (round === 0) warmUps.set(subject, await answered)
        else measured.get(subject)!.push(await answered)
      }
    }
  } finally {
    for (const child of children.values()) if (child.connected) child.disconnect()
  }
  return { warmUps, measured }
}

export const run = async (report: Report): Promise<void> => {
  const folder = path("../fixtures/heldout")
  const files = readdirSync(folder).filter((file) => file.endsWith(".jpg"))
  const cases: ReadonlyArray<readonly [threads: number, subjects: ReadonlyArray<Subject>]> = [
    [1, ["bare", "transformers", "effect-segformer"]],
    // With several threads it matters how they wait for each other.
    [
      Math.max(2, Math.min(4, availableParallelism())),
      ["bare", "waiting", "transformers", "effect-segformer", "apart"]
    ]
  ]
  for (const [threads, subjects] of cases) {
    const told: Told = {
      model: path("../../src/onnx/bundled"),
      pictures: files.slice(0, 24).map((file) => join(folder, file)),
      threads
    }
    const { measured, warmUps } = await measure(subjects, told, rounds)
    const name = threads === 1 ? "1 thread" : `${threads} threads`
    const speed = (subject: Subject) =>
      (told.pictures.length * 1000) / median(measured.get(subject)!.map(({ milliseconds }) => milliseconds))
    for (const subject of subjects) {
      const figure = { bench: "onnx", case: name, subject: names[subject] }
      const value = speed(subject)
      report({ ...figure, metric: "pictures per second", unit: "1/s", value })
      if (isOurs(subject)) {
        for (const against of subjects.filter((other) => !isOurs(other))) {
          report({
            ...figure,
            metric: "pictures per second",
            unit: "1/s",
            value,
            against: names[against],
            ratio: value / speed(against)
          })
        }
      }
      report({
        ...figure,
        metric: "peak memory",
        unit: "MiB",
        value: Math.max(...measured.get(subject)!.map(({ peak }) => peak))
      })
    }
    const ours = warmUps.get("effect-segformer")?.labels ?? []
    const theirs = warmUps.get("transformers")
    const asTheyResize = await measure(["effect-segformer"], { ...told, filter: "libvips-bilinear" }, 0)
    for (const [metric, mine, labels] of [
      [`pixels as ${names.transformers} has them`, ours, theirs?.labels],
      ["the same, where both take our resize", ours, theirs?.labelsOfOurResize],
      [
        'the same with filter "libvips-bilinear"',
        asTheyResize.warmUps.get("effect-segformer")?.labels ?? [],
        theirs?.labels
      ]
    ] as const) {
      const value = 100 * agreement(mine, labels ?? [])
      report({ bench: "onnx", case: name, subject: names["effect-segformer"], metric, unit: "%", value })
    }
  }
}

const agreement = (ours: ReadonlyArray<string>, theirs: ReadonlyArray<string>): number => {
  let same = 0
  let all = 0
  ours.forEach((text, index) => {
    const a = Buffer.from(text, "base64")
    const b = Buffer.from(theirs[index] ?? "", "base64")
    all += a.length
    for (let i = 0; i < a.length; i++) if (a[i] === b[i]) same++
  })
  return same / all
}
