/**
 * Many images: a service that takes 50 ms an image, 8 at once, and a folder of pictures whose label maps are written to
 * another one. "undici and p-limit" is the loop that people write by hand: it looks at nothing, remembers nothing, and
 * leaves files to the system's cache. This library checks every answer, makes every file outlast a power cut, and keeps a
 * journal; "without a journal" is the same with one that forgets. What the journal takes alone is measured too: it is less
 * than what two rounds differ by.
 *
 * Then runs of 1,000, 10,000 and 100,000 images with a segmenter that does nothing, each in a process whose heap is held
 * small (64 MB), so that what it takes is what it needs: peak memory, size of the journal, and how long it takes to find
 * that all is done. The last is measured of label maps too, of which each is looked at.
 */
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { encode } from "fast-png"
import { answer } from "./Child.ts"
import { median, type Report } from "./Report.ts"

const subjects = ["undici and p-limit", "effect-segformer", "effect-segformer without a journal"] as const
const warmUp = 3
const rounds = 3
const images = 300
const concurrency = 8
const millis = 50

interface Round {
  readonly seconds: number
  readonly cpuMs: number
}

interface Counted {
  readonly seconds: number
  readonly resume: number
  /** Seconds of processor time of the same. */
  readonly resumeCpu: number
  readonly maxRss: number
  readonly journal: number
}

const script = (file: string) => fileURLToPath(new URL(file, import.meta.url))

/** Pictures of 256 x 256 pixels, no two the same. */
const fill = (folder: string): void => {
  const data = Uint8Array.from({ length: 256 * 256 }, (_, i) => (i * i) >> 7)
  for (let i = 0; i < images; i++) {
    new DataView(data.buffer).setUint32(0, i)
    writeFileSync(join(folder, `${i}.png`), encode({ width: 256, height: 256, channels: 1, depth: 8, data }))
  }
}

export const run = async (report: Report): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), "segformer-bench-"))
  const children: Array<ChildProcess> = []
  try {
    const source = mkdtempSync(join(folder, "images-"))
    fill(source)
    const service = fork(script("./batch/service.ts"), [String(millis)], {
      execArgv: ["-C", "effect-segformer-source"]
    })
    children.push(service)
    const port = String(await answer(service))
    const workers = subjects.map((subject) =>
      fork(script("./batch/subject.ts"), [subject, port, source, String(concurrency)], {
        execArgv: ["-C", "effect-segformer-source"]
      })
    )
    children.push(...workers)
    const measured = new Map<string, Array<Round>>(subjects.map((subject) => [subject, []]))
    // The first rounds warm the code up, as the first minute of a long run does, and are not counted.
    for (let round = 1 - warmUp; round <= rounds; round++) {
      for (const [index, subject] of subjects.entries()) {
        const out = mkdtempSync(join(folder, "out-"))
        workers[index]!.send(out)
        const result = (await answer(workers[index]!)) as Round
        rmSync(out, { recursive: true, force: true })
        if (round > 0) measured.get(subject)!.push(result)
      }
    }
    const rate = (subject: string) => median(measured.get(subject)!.map(({ seconds }) => images / seconds))
    const cpu = (subject: string) => median(measured.get(subject)!.map(({ cpuMs }) => cpuMs / images))
    const common = { bench: "batch", case: `a service of ${millis} ms, ${concurrency} at once` }
    for (const subject of subjects) {
      const [bare, , forgetful] = subjects
      const against = subject === "effect-segformer" ? [bare, forgetful] : [bare]
      for (const other of against) {
        const ratio = { against: other, ratio: rate(subject) / rate(other) }
        report({ ...common, subject, metric: "images a second", unit: "/s", value: rate(subject), ...ratio })
      }
      report({ ...common, subject, metric: "processor time per image", unit: "ms", value: cpu(subject) })
    }
    const journal = fork(script("./batch/journal.ts"), [], { execArgv: ["-C", "effect-segformer-source"] })
    children.push(journal)
    const alone = Number(await answer(journal))
    const [, ours] = subjects
    report({
      ...common,
      subject: "the journal alone",
      metric: "processor time per image",
      unit: "ms",
      value: alone,
      against: ours,
      ratio: alone / cpu(ours)
    })
  } finally {
    for (const child of children) child.kill()
    rmSync(folder, { recursive: true, force: true })
  }

  const counted = async (...args: ReadonlyArray<string>) => {
    const child = fork(script("./batch/count.ts"), args, {
      execArgv: ["-C", "effect-segformer-source", "--max-semi-space-size=2", "--max-old-space-size=64"]
    })
    const found = (await answer(child)) as Counted
    await once(child, "exit")
    return found
  }
  for (const count of [1_000, 10_000, 100_000]) {
    const { journal, maxRss, resume, seconds } = await counted(String(count))
    const common = { bench: "batch", case: "a segmenter that does nothing", subject: `${count} images` }
    report({ ...common, metric: "peak memory", unit: "MB", value: maxRss / 1e6 })
    report({ ...common, metric: "images a second", unit: "/s", value: count / seconds })
    report({ ...common, metric: "journal", unit: "bytes an image", value: journal / count })
    report({ ...common, metric: "found done, a second", unit: "/s", value: count / resume })
  }
  const many = 20_000
  const { resume, resumeCpu } = await counted(String(many), "files")
  const common = { bench: "batch", case: "label maps that are done", subject: `${many} images` }
  report({ ...common, metric: "found done and whole, a second", unit: "/s", value: many / resume })
  report({ ...common, metric: "processor time per image", unit: "ms", value: (resumeCpu * 1000) / many })
}
