/**
 * Facts about Effect that are speeds, and that this library takes another way for: should one of them no longer hold,
 * that way can go. Subjects take turns, and the median counts.
 */
import { deepStrictEqual } from "node:assert/strict"
import { Result } from "effect"
import * as Base64 from "effect/encoding/Base64"
import { median, type Report } from "./Report.ts"

const rounds = 25

/** `service/Base64` decodes by what the runtime has built in. */
const base64 = (report: Report) => {
  const bytes = Uint8Array.from({ length: 750_000 }, (_, i) => Math.imul(i, 2_654_435_761) >>> 24)
  const text = Buffer.from(bytes).toString("base64")
  const subjects: Record<string, () => Uint8Array> = {
    Buffer: () => Buffer.from(text, "base64"),
    "effect/encoding/Base64": () => Result.getOrThrow(Base64.decode(text))
  }
  const times = new Map(Object.keys(subjects).map((subject) => [subject, new Array<number>()]))
  for (const decode of Object.values(subjects)) deepStrictEqual(Uint8Array.from(decode()), bytes)
  for (let round = 0; round < rounds; round++) {
    for (const [subject, decode] of Object.entries(subjects)) {
      const started = performance.now()
      decode()
      times.get(subject)?.push(performance.now() - started)
    }
  }
  const against = "Buffer"
  const theirs = median(times.get(against) ?? [])
  for (const [subject, found] of times) {
    const value = median(found)
    const figure = { bench: "facts", case: "a megabyte of base64, decoded", subject, metric: "time" }
    report({
      ...figure,
      unit: "ms",
      value,
      ...(subject === against ? {} : { against, ratio: value / theirs })
    })
  }
}

export const run = async (report: Report): Promise<void> => base64(report)
