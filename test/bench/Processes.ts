/** What processes of a benchmark take of the machine, where the system tells (Linux); 0 elsewhere. */
import { readFileSync } from "node:fs"

/** Of a process and its children. */
const sumOf = (pid: number, file: string, value: (text: string) => number): number => {
  const read = (path: string) => {
    try {
      return readFileSync(`/proc/${pid}/${path}`, "utf8")
    } catch {
      return ""
    }
  }
  const children = read(`task/${pid}/children`).split(" ").map(Number)
  return children
    .filter((child) => child > 0)
    .reduce((sum, child) => sum + sumOf(child, file, value), value(read(file)))
}

/** Peak resident memory, in MiB. */
export const peakOf = (pid: number): number =>
  sumOf(pid, "status", (text) => Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1024)

/** Processor time so far in milliseconds: ticks are hundredths of a second. What others do meanwhile disturbs it least. */
export const processorTimeOf = (pid: number): number =>
  sumOf(pid, "stat", (text) => {
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    return 10 * (Number(fields[11] ?? 0) + Number(fields[12] ?? 0))
  })
