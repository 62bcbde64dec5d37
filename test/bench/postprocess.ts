/**
 * From logits to a label map: 150 classes of 128 x 128 to two image sizes, beside `post_process_semantic_segmentation`
 * of `@huggingface/transformers`.
 *
 * Each subject and size runs in a process of its own, so that peaks of memory do not mix. What is reported of memory is
 * what the work adds to the process, which holds the logits (9.8 MB) already.
 */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { Measured } from "./postprocess/subject.ts"
import type { Report } from "./Report.ts"

const peer = "@huggingface/transformers"
const sides = [512, 2048] as const

export const run = async (report: Report): Promise<void> => {
  const script = fileURLToPath(new URL("./postprocess/subject.ts", import.meta.url))
  const measure = async (subject: string, side: number): Promise<Measured> => {
    const { stdout } = await promisify(execFile)(process.execPath, [
      "-C",
      "effect-segformer-source",
      script,
      subject,
      String(side)
    ])
    return JSON.parse(stdout)
  }
  for (const side of sides) {
    const theirs = await measure(peer, side)
    const ours = await measure("effect-segformer", side)
    if (ours.digest !== theirs.digest) {
      const pixels =
        (100 * ours.checks.filter((id, i) => id === theirs.checks[i]).length) / ours.checks.length
      report({
        bench: "postprocess",
        case: `150 classes to ${side} x ${side}`,
        subject: "effect-segformer",
        metric: `pixels as ${peer} has them`,
        unit: "%",
        value: pixels
      })
    }
    for (const [subject, { megabytes, milliseconds }] of [
      [peer, theirs],
      ["effect-segformer", ours]
    ] as const) {
      const figure = { bench: "postprocess", case: `150 classes to ${side} x ${side}`, subject }
      const isOurs = subject === "effect-segformer"
      report({
        ...figure,
        metric: "time",
        unit: "ms",
        value: milliseconds,
        ...(isOurs ? { against: peer, ratio: milliseconds / theirs.milliseconds } : {})
      })
      report({
        ...figure,
        metric: "added memory",
        unit: "MB",
        value: megabytes,
        ...(isOurs ? { against: peer, ratio: megabytes / theirs.megabytes } : {})
      })
    }
  }
}
