/** Subjects of `runtimes.ts` and `photographs.ts` by turns, and what is reported of them. */
import { peakOf, processorTimeOf } from "../Processes.ts"
import { median, type Report } from "../Report.ts"

const rounds = 3

export interface Running {
  readonly name: string
  /** Whom it is compared with: another's name in the same runtime. */
  readonly against: string | undefined
  readonly round: () => Promise<{ readonly milliseconds: number; readonly held?: number }>
  /** Processor time of the longest task of a page's main thread over one round, in milliseconds: no load of the machine is in it. */
  readonly longestTask?: () => Promise<number>
  /** The process whose memory and processor time count, with its children. */
  readonly pid: () => Promise<number>
  readonly end: () => Promise<unknown>
}

/** Rounds alternate between subjects; each does so many pictures in one. */
export const compare = async (
  report: Report,
  bench: string,
  pictures: number,
  starts: ReadonlyArray<() => Promise<Running>>
): Promise<void> => {
  const subjects: Array<Running> = []
  try {
    for (const start of starts) subjects.push(await start())
    const took = new Map<string, Array<number>>()
    const held = new Map<string, Array<number>>()
    const spent = new Map<string, Array<number>>()
    const note = (figures: Map<string, Array<number>>, { name }: Running, value: number) =>
      figures.set(name, [...(figures.get(name) ?? []), value])
    for (let round = 0; round <= rounds; round++) {
      for (const subject of subjects) {
        const pid = await subject.pid()
        const before = processorTimeOf(pid)
        const found = await subject.round()
        // The first one warms up.
        if (round === 0) continue
        note(spent, subject, (processorTimeOf(pid) - before) / pictures)
        note(took, subject, found.milliseconds)
        if (found.held !== undefined) note(held, subject, found.held)
      }
    }
    const speed = (name: string) => (pictures * 1000) / median(took.get(name) ?? [])
    for (const subject of subjects) {
      const [runtime = "", ...rest] = subject.name.split(": ")
      const figure = { bench, case: runtime, subject: rest.join(": ") }
      const compared = (
        value: number,
        of: (name: string) => number
      ): { readonly value: number; readonly against?: string; readonly ratio?: number } =>
        subject.against === undefined
          ? { value }
          : { value, against: subject.against.split(": ")[1]!, ratio: value / of(subject.against) }
      const cost = (name: string) => median(spent.get(name) ?? [])
      report({
        ...figure,
        metric: "pictures per second",
        unit: "1/s",
        ...compared(speed(subject.name), speed)
      })
      report({
        ...figure,
        metric: "processor time a picture",
        unit: "ms",
        ...compared(cost(subject.name), cost)
      })
      report({
        ...figure,
        metric: "peak memory",
        unit: "MiB",
        value: peakOf(await subject.pid())
      })
      const longest = held.get(subject.name)
      if (longest !== undefined)
        report({ ...figure, metric: "main thread held at most", unit: "ms", value: median(longest) })
      if (subject.longestTask !== undefined)
        report({
          ...figure,
          metric: "longest task of the main thread, processor time",
          unit: "ms",
          value: await subject.longestTask()
        })
    }
  } finally {
    await Promise.all(subjects.map((subject) => subject.end()))
  }
}
